//! Who calls, and for which tenant: by an access token, or an API key, which is the same to everything that follows.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{AUTHORIZATION, HeaderName, USER_AGENT},
    web::Data,
};
use domain::{Caller, Error, Origin, TenantScope, api_key::ApiKeyText};

use super::inspection;
use crate::{
    client_address::client_address, observability::requests, problem::Problem,
    request_id::RequestId, server::App,
};

/// Where an API key may stand instead of `Authorization`.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Somebody with a good access token, or a key that exists.
#[derive(Clone, Debug)]
pub struct Authenticated(pub Caller);

/// What a request shows, before anything of it is known to be good.
enum Shown<'request> {
    Token(&'request str),
    Key(ApiKeyText),
}

/// The request of somebody who need not be known.
#[derive(Clone, Debug)]
pub struct Anybody(pub Origin);

/// A member of a tenant, and so the tenant; below `/admin/tenants/{tenant_id}`, whoever looks into that one.
#[derive(Clone, Debug)]
pub struct Member(pub TenantScope);

impl Authenticated {
    async fn of(request: HttpRequest) -> Result<Self, Error> {
        let app = request
            .app_data::<Data<App>>()
            .ok_or_else(Error::unauthenticated)?;
        let origin = origin(&request);
        let caller = match shown(&request)? {
            Shown::Token(token) => app.authentication.by_token(token, origin)?,
            Shown::Key(key) => {
                let caller = app.authentication.by_key(&key, origin).await?;
                requests::identify_key(key.public_id());
                caller
            }
        };
        requests::identify(caller.user, caller.tenant);
        request.extensions_mut().insert(caller.acting());
        Ok(Self(caller))
    }
}

impl Member {
    async fn of(request: HttpRequest) -> Result<Self, Error> {
        let Authenticated(caller) = Authenticated::of(request.clone()).await?;
        let Some(tenant) = inspection::tenant(&request)? else {
            return caller.scope().map(Self);
        };
        let reason = match inspection::reason(&request) {
            Err(refused) if caller.tenant.is_none() => return Err(refused),
            // A member is refused, with a reason and without.
            reason => reason.unwrap_or_default(),
        };
        if caller.tenant.is_none() {
            requests::identify_tenant(tenant);
        }
        let inspection = inspection::of(&request, tenant, reason)?;
        Ok(Self(caller.inside(tenant, inspection)))
    }
}

/// A key is recognised by its form, and a mistyped one is told without asking the database.
fn shown(request: &HttpRequest) -> Result<Shown<'_>, Error> {
    let text = |name: &HeaderName| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let bearer = text(&AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let key = match (bearer, text(&X_API_KEY)) {
        (Some(token), None) if !ApiKeyText::claims(token) => {
            return Ok(Shown::Token(token));
        }
        (Some(key), None) | (None, Some(key)) => key,
        // Two callers in one request are none.
        (None, None) | (Some(_), Some(_)) => return Err(Error::unauthenticated()),
    };
    let key = key.parse().map_err(|_| Error::unauthenticated())?;
    Ok(Shown::Key(key))
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

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self::of(request).await?) })
    }
}

impl FromRequest for Member {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self::of(request).await?) })
    }
}
