//! `Idempotency-Key`: a POST that is sent again is answered as the first time, and takes effect once.
//!
//! The answer is written in the transaction that makes the change (see [`domain::idempotency`]), so there is no moment
//! at which one is there without the other. What a request is compared by is an HMAC over method, path and body under a key
//! of the server, because a body can hold a password and the database must not help to guess it; after `JWT_SECRET` has
//! changed, a repeated request is therefore answered with `idempotency_key_reused`.
//!
//! * A key belongs to the user who sends it. Registration has no user yet: its keys belong to the pair of username and
//!   email address, so that nobody meets the key of somebody else.
//! * Kept are answers, and refusals that follow from the state of things (409, 404, 403, a limit). What is refused for its
//!   form is refused again without being kept, a registration that is refused changes nothing and is simply tried again,
//!   and a 5xx is never kept: the same key may try again.
//! * An API key and the token of an invitation are told once and stored nowhere in clear text: the answer is kept, and
//!   repeated, without them. A client that lost the first answer revokes what it can't use.
//! * Signing in and refreshing answer with tokens, which are never stored: they ignore the key. A repeated sign-in begins a
//!   session of its own; a repeated refresh ends its session, as any second use of a refresh token. Signing out is
//!   idempotent by itself.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        StatusCode,
        header::{ETAG, HeaderName, LOCATION},
    },
    web::Data,
};
use application::Fingerprints;
use domain::{
    Error, ErrorKind, TenantScope, UserId, Violation,
    idempotency::{Answer, Once, replayed},
    user::Registration,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    problem::{Problem, ProblemBody},
    server::App,
};

/// The header a client names its request by.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const MAX_KEY: usize = 255;

/// What a client calls its request, if anything.
#[derive(Debug)]
pub(crate) struct IdempotencyKey {
    key: Option<String>,
    request: HttpRequest,
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        ready(
            key(&request)
                .map(|key| Self { key, request })
                .map_err(Problem::from),
        )
    }
}

fn key(request: &HttpRequest) -> Result<Option<String>, Error> {
    let mut sent = request.headers().get_all(&IDEMPOTENCY_KEY);
    let Some(key) = sent.next() else {
        return Ok(None);
    };
    let bytes = key.as_bytes();
    let good = (1..=MAX_KEY).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    if good && sent.next().is_none() {
        return Ok(Some(String::from_utf8_lossy(bytes).into_owned()));
    }
    let detail = format!("must stand once, with 1 to {MAX_KEY} visible ASCII characters");
    let violation = Violation::new("invalid_idempotency_key", detail);
    Err(Error::invalid(vec![violation.at("/Idempotency-Key")]))
}

impl IdempotencyKey {
    /// The request of a tenant's member, with this body.
    pub(crate) fn of_user(&self, scope: &TenantScope, body: &Value) -> Result<Option<Once>, Error> {
        self.of(scope.user, body)
    }

    /// The request of a user, with this body.
    pub(crate) fn of(&self, user: UserId, body: &Value) -> Result<Option<Once>, Error> {
        self.once(user.0, body)
    }

    /// The request of somebody who registers.
    pub(crate) fn of_registration(
        &self,
        registration: &Registration,
        body: &Value,
    ) -> Result<Option<Once>, Error> {
        let person = format!("{} {}", registration.username, registration.email);
        self.once(nobody(&person), body)
    }

    /// The request of somebody who accepts the invitation with this token.
    pub(crate) fn of_invitation(&self, token: &str, body: &Value) -> Result<Option<Once>, Error> {
        self.once(nobody(token), body)
    }

    fn once(&self, owner: Uuid, body: &Value) -> Result<Option<Once>, Error> {
        let Some(key) = self.key.clone() else {
            return Ok(None);
        };
        let fingerprints = self.request.app_data::<Data<Fingerprints>>();
        let fingerprints =
            fingerprints.ok_or_else(|| Error::internal("the server has no fingerprints"))?;
        let (method, path) = (self.request.method().as_str(), self.request.path());
        let fingerprint = fingerprints.of_request(method, path, body)?;
        Ok(Some(Once {
            owner,
            key,
            fingerprint,
        }))
    }
}

/// Stands for somebody who is no user yet, and is recognised by `text`.
fn nobody(text: &str) -> Uuid {
    let digest = Sha256::digest(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // Version 8 is no other identifier's of ours.
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The response that says `answer`.
pub(crate) fn respond(answer: Answer) -> Result<HttpResponse, Problem> {
    let status = StatusCode::from_u16(answer.status).map_err(Error::internal)?;
    let mut response = HttpResponse::build(status);
    if let Some(location) = answer.location {
        response.insert_header((LOCATION, location));
    }
    if let Some(etag) = answer.etag {
        response.insert_header((ETAG, etag));
    }
    if answer.body.is_null() {
        return Ok(response.finish());
    }
    Ok(response.json(answer.body))
}

/// The response to a request that may have been answered before.
pub(crate) fn answered<T>(
    outcome: Result<T, Error>,
    answer: impl FnOnce(&T) -> Answer,
) -> Result<HttpResponse, Problem> {
    match outcome {
        Ok(result) => respond(answer(&result)),
        Err(error) => match replayed(&error) {
            Some(answer) => again(answer.clone()),
            None => Err(error.into()),
        },
    }
}

/// As [`answered`], for a member of a tenant: a refusal that follows from the state of things is kept, too.
pub(crate) async fn answered_for<T>(
    app: &App,
    scope: TenantScope,
    once: Option<Once>,
    outcome: Result<T, Error>,
    answer: impl FnOnce(&T) -> Answer,
) -> Result<HttpResponse, Problem> {
    let keep = outcome.as_ref().err().is_some_and(is_kept);
    let response = answered(outcome, answer);
    if let (true, Some(once), Err(problem)) = (keep, once, &response) {
        let refusal = Answer {
            status: problem.body().status,
            body: serde_json::to_value(problem.body()).map_err(Error::internal)?,
            location: None,
            etag: None,
        };
        let kept = app
            .repeated_requests
            .keep_refusal(scope, &once, &refusal)
            .await;
        if let Err(error) = kept {
            // Nothing was changed, so the request can as well be decided again.
            tracing::debug!(code = error.code(), "a refusal was not kept for its key");
        }
    }
    response
}

fn is_kept(error: &Error) -> bool {
    let follows_from_state = matches!(
        error.kind(),
        ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Invalid
    );
    let about_the_key = error.code().starts_with("idempotency_key") || replayed(error).is_some();
    follows_from_state && !about_the_key
}

fn again(answer: Answer) -> Result<HttpResponse, Problem> {
    let status = StatusCode::from_u16(answer.status).map_err(Error::internal)?;
    if status.is_client_error() {
        let body: ProblemBody = serde_json::from_value(answer.body).map_err(Error::internal)?;
        return Err(Problem::again(status, body).with_header(REPLAYED, "true"));
    }
    let mut response = respond(answer)?;
    response.headers_mut().insert(
        REPLAYED,
        actix_web::http::header::HeaderValue::from_static("true"),
    );
    Ok(response)
}
