//! The id of what a path is about.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use domain::Error;
use uuid::Uuid;

use crate::problem::Problem;

/// The parameter `id` of the path, whatever other parameters there are: the same handler serves a tenant's members, and
/// platform administrators who name the tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(pub Uuid);

impl Id {
    /// A parameter of the path that is an id.
    ///
    /// # Errors
    /// `not_found`: what is none names nothing there is.
    pub(super) fn named(request: &HttpRequest, name: &str) -> Result<Self, Error> {
        let id = request.match_info().get(name);
        let id = id.and_then(|text| text.parse().ok());
        id.map(Self).ok_or_else(|| Error::not_found("resource"))
    }
}

impl FromRequest for Id {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::named(request, "id").map_err(Problem::from))
    }
}
