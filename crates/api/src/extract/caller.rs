//! Who calls, and for which tenant.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{AUTHORIZATION, USER_AGENT},
    web::Data,
};
use domain::{Error, TenantId, UserId};
use persistence::{Acting, Origin, TenantScope};

use crate::{
    client_address::client_address, observability::requests, problem::Problem,
    request_id::RequestId, state::State,
};

/// Somebody with a good access token. Whether the user is still active, the database says.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is.
    pub user: UserId,
    /// The user's tenant; a platform administrator has none.
    pub tenant: Option<TenantId>,
    /// The request.
    pub origin: Origin,
}

/// The request of somebody who need not be known.
#[derive(Clone, Debug)]
pub struct Anybody(pub Origin);

/// A member of a tenant, and so the tenant.
#[derive(Clone, Debug)]
pub struct Member(pub TenantScope);

impl Caller {
    fn of(request: &HttpRequest) -> Result<Self, Error> {
        let state = request
            .app_data::<Data<Arc<State>>>()
            .ok_or_else(Error::unauthenticated)?;
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(Error::unauthenticated)?;
        let claims = state.access_tokens.verify(token)?;
        requests::identify(claims.sub, claims.tid);
        let caller = Self {
            user: claims.sub,
            tenant: claims.tid,
            origin: origin(request),
        };
        request.extensions_mut().insert(caller.acting());
        Ok(caller)
    }

    /// On whose behalf something is done across tenants.
    pub fn acting(&self) -> Acting {
        Acting::user(self.user, self.tenant, self.origin.clone())
    }

    /// The context for the database.
    ///
    /// # Errors
    /// `forbidden` for a platform administrator, who has no tenant.
    pub fn scope(&self) -> Result<TenantScope, Error> {
        let tenant = self.tenant.ok_or_else(|| {
            Error::forbidden("a platform administrator has no services of its own")
        })?;
        Ok(TenantScope {
            tenant,
            user: self.user,
            origin: self.origin.clone(),
            reason: None,
        })
    }
}

fn origin(request: &HttpRequest) -> Origin {
    let user_agent = request
        .headers()
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    Origin {
        request_id: RequestId::of(request).to_string(),
        ip_address: client_address(request),
        user_agent: user_agent.map(str::to_owned),
    }
}

impl FromRequest for Anybody {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(origin(request))))
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).map_err(Problem::from))
    }
}

impl FromRequest for Member {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let member = Caller::of(request)
            .and_then(|caller| caller.scope())
            .map(Self);
        ready(member.map_err(Problem::from))
    }
}
