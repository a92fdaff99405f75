//! What an operation takes of a request: what is known of it before it is read.

use std::collections::HashMap;

use actix_web::{HttpRequest, web::Data};

/// What the description says of an operation's request.
#[derive(Debug)]
pub struct Bounds {
    /// The names of its query parameters.
    pub query_parameters: Vec<String>,
    /// Whether it has a body.
    pub takes_body: bool,
}

/// The bounds of every operation of the API proper, by method and path.
#[derive(Debug, Default)]
pub struct Operations(HashMap<(String, String), Bounds>);

impl FromIterator<((String, String), Bounds)> for Operations {
    fn from_iter<I: IntoIterator<Item = ((String, String), Bounds)>>(operations: I) -> Self {
        Self(operations.into_iter().collect())
    }
}

impl Operations {
    /// The bounds of an operation, where the contract bounds it.
    pub fn bounds(&self, method: &str, path: &str) -> Option<&Bounds> {
        // HEAD is GET without the body.
        let method = if method == "HEAD" { "GET" } else { method };
        self.0.get(&(method.to_owned(), path.to_owned()))
    }

    /// Those that a server works with.
    pub(crate) fn of(request: &HttpRequest) -> Option<&Data<Self>> {
        request.app_data()
    }
}
