//! Who calls, and for which tenant: by an access token, or an API key, which is the same to everything that follows.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{AUTHORIZATION, HeaderName, USER_AGENT},
    web::Data,
};
use domain::{Error, TenantId, UserId, api_key::ApiKeyText};
use persistence::{Acting, Credential, Inspection, Origin, TenantScope};

use super::inspection;
use crate::{
    client_address::client_address,
    observability::requests,
    problem::Problem,
    request_id::RequestId,
    sign_in::{self, AccessClaims},
    state::State,
};

/// Where an API key may stand instead of `Authorization`.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Somebody with a good access token, or a key that exists. Whether either still counts, the database says.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is; of a key, its owner.
    pub user: UserId,
    /// The user's tenant; a platform administrator has none.
    pub tenant: Option<TenantId>,
    /// What the caller shows.
    pub credential: Credential,
    /// The request.
    pub origin: Origin,
}

/// What a request shows, before anything of it is known to be good.
enum Shown {
    Token(AccessClaims),
    Key(ApiKeyText),
}

/// The request of somebody who need not be known.
#[derive(Clone, Debug)]
pub struct Anybody(pub Origin);

/// A member of a tenant, and so the tenant; below `/admin/tenants/{tenant_id}`, whoever looks into that one.
#[derive(Clone, Debug)]
pub struct Member(pub TenantScope);

impl Caller {
    async fn of(request: HttpRequest) -> Result<Self, Error> {
        let state = request
            .app_data::<Data<Arc<State>>>()
            .ok_or_else(Error::unauthenticated)?;
        let origin = origin(&request);
        let (user, tenant, credential) = match shown(&request, state)? {
            Shown::Token(claims) => (claims.sub, claims.tid, Credential::Session(claims.sid)),
            Shown::Key(key) => {
                let stored = sign_in::stored(&key);
                let keys = &state.api_keys;
                let owner = keys.owner(&state.database, &origin, &stored).await?;
                requests::identify_key(key.public_id());
                let id = owner.id;
                let credential = Credential::ApiKey { id, stored };
                (owner.user, Some(owner.tenant), credential)
            }
        };
        requests::identify(user, tenant);
        let caller = Self {
            user,
            tenant,
            credential,
            origin,
        };
        request.extensions_mut().insert(caller.acting());
        Ok(caller)
    }

    /// On whose behalf something is done across tenants.
    pub fn acting(&self) -> Acting {
        Acting {
            api_key: self.credential.api_key(),
            ..Acting::user(self.user, self.tenant, self.origin.clone())
        }
    }

    /// The context for the database.
    ///
    /// # Errors
    /// `forbidden` for a platform administrator, who has no tenant.
    pub fn scope(&self) -> Result<TenantScope, Error> {
        let tenant = self.tenant.ok_or_else(|| {
            Error::forbidden("a platform administrator has no services of its own")
        })?;
        Ok(self.scope_of(tenant, None))
    }

    fn scope_of(&self, tenant: TenantId, inspection: Option<Inspection>) -> TenantScope {
        TenantScope {
            tenant,
            user: self.user,
            credential: self.credential.clone(),
            origin: self.origin.clone(),
            inspection,
        }
    }
}

impl Member {
    async fn of(request: HttpRequest) -> Result<Self, Error> {
        let caller = Caller::of(request.clone()).await?;
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
        Ok(Self(caller.scope_of(tenant, Some(inspection))))
    }
}

/// A key is recognised by its form, and a mistyped one is told without asking the database.
fn shown(request: &HttpRequest, state: &State) -> Result<Shown, Error> {
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
            return state.access_tokens.verify(token).map(Shown::Token);
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

impl FromRequest for Caller {
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
