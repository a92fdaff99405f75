//! `openapi`: the description of the API, without a server.

use super::{Failure, print};
use crate::openapi;

pub fn run(as_json: bool) -> Result<(), Failure> {
    let text = match as_json {
        true => &openapi::compact(),
        false => openapi::WRITTEN.trim_end(),
    };
    Ok(print(text)?)
}
