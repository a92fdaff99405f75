//! `openapi`: the description of the API, without a server.

use super::{Failure, print};
use crate::openapi;

pub fn run(as_json: bool) -> Result<(), Failure> {
    let document = openapi::document();
    let text = if as_json {
        serde_json::to_string(&document)?
    } else {
        serde_json::to_string_pretty(&document)?
    };
    Ok(print(&text)?)
}
