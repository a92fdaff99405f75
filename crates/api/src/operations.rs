//! What is known of a request from its method and path alone: looked up once, before anything else is.

use std::{collections::HashMap, sync::Arc};

use actix_web::{HttpMessage, HttpRequest, dev::ServiceRequest, http::Method, web::Data};

/// What the description says of an operation's request.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The names of its query parameters.
    pub query_parameters: Vec<String>,
    /// Whether it has a body.
    pub takes_body: bool,
}

/// A path of the API, and what is done there.
#[derive(Clone, Debug)]
pub struct Route {
    /// As the URL map has it, `{id}` for what differs.
    pub pattern: String,
    /// Those that the contract bounds.
    operations: HashMap<Method, Bounds>,
}

impl Route {
    /// The bounds of what `method` does there, where the contract bounds it.
    pub fn bounds(&self, method: &Method) -> Option<&Bounds> {
        // HEAD is GET without the body.
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.operations.get(method)
    }
}

/// Every path of the API.
#[derive(Debug, Default)]
pub struct Operations(matchit::Router<Arc<Route>>);

impl Operations {
    /// The paths of `patterns`, bounded as `bounds` say.
    ///
    /// # Errors
    /// Two of them can't be told apart.
    pub fn new(
        patterns: impl IntoIterator<Item = String>,
        mut bounds: HashMap<String, HashMap<Method, Bounds>>,
    ) -> Result<Self, matchit::InsertError> {
        let mut paths = matchit::Router::new();
        for pattern in patterns {
            let operations = bounds.remove(&pattern).unwrap_or_default();
            paths.insert(
                pattern.clone(),
                Arc::new(Route {
                    pattern,
                    operations,
                }),
            )?;
        }
        Ok(Self(paths))
    }

    /// Finds the route of a request, for all who ask for it later.
    pub(crate) fn find(request: &ServiceRequest) {
        let operations = request.app_data::<Data<Self>>();
        let found = operations.and_then(|operations| operations.0.at(request.path()).ok());
        if let Some(found) = found {
            request.extensions_mut().insert(found.value.clone());
        }
    }
}

/// The route that was found for a request, if it has one.
pub(crate) fn route(request: &HttpRequest) -> Option<Arc<Route>> {
    request.extensions().get::<Arc<Route>>().cloned()
}
