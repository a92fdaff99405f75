//! Access tokens: JWTs (RFC 7519) signed with HS256, in the profile of RFC 9068. They say who calls; what the caller may do
//! is read from the database at each request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::{
    Error, TenantId, UserId,
    session::{AccessClaims, ports::AccessTokens},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const TYPE: &str = "at+jwt";

/// Tolerated difference between the clocks of two replicas, in seconds.
const LEEWAY: u64 = 5;

/// More tokens than are used at once; a bound all the same.
const REMEMBERED: usize = 20_000;

/// What an access token says; see [`AccessClaims`].
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    /// The token's own id.
    jti: Uuid,
    exp: i64,
    iat: i64,
    sid: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tid: Option<TenantId>,
}

/// Issues and verifies access tokens. A previous secret verifies too, so that the secret can be changed.
#[derive(Clone)]
pub struct SignedTokens {
    issuer: String,
    audience: String,
    duration: Duration,
    signing: (String, EncodingKey),
    verifying: Vec<(String, DecodingKey)>,
    /// What good tokens say, by their digests, so that no token stands in memory for longer than its request.
    verified: Arc<Mutex<HashMap<[u8; 32], AccessClaims>>>,
}

impl std::fmt::Debug for SignedTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SignedTokens")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl SignedTokens {
    /// Tokens from `issuer` for `audience`, good for `duration`.
    pub fn new(
        secret: &SecretString,
        previous: Option<&SecretString>,
        issuer: String,
        audience: String,
        duration: Duration,
    ) -> Self {
        let bytes = secret.expose_secret().as_bytes();
        let verifying = std::iter::once(secret)
            .chain(previous)
            .map(|secret| secret.expose_secret().as_bytes())
            .map(|bytes| (key_id(bytes), DecodingKey::from_secret(bytes)))
            .collect();
        Self {
            issuer,
            audience,
            duration,
            signing: (key_id(bytes), EncodingKey::from_secret(bytes)),
            verifying,
            verified: Arc::default(),
        }
    }

    /// What a token says that was good when it was last shown, and has not expired since: nothing else about it changes.
    fn remembered(&self, digest: &[u8; 32]) -> Option<AccessClaims> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = verified.get(digest)?;
        (Utc::now() - Duration::from_secs(LEEWAY) < claims.expires_at).then_some(*claims)
    }

    fn remember(&self, digest: [u8; 32], claims: AccessClaims) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(digest, claims);
    }

    fn checked(&self, token: &str) -> Result<AccessClaims, Error> {
        let refused = |error| Error::unauthenticated().with_source(error);
        let header = jsonwebtoken::decode_header(token).map_err(refused)?;
        let key = self
            .verifying
            .iter()
            .find(|(id, _)| header.kid.as_ref() == Some(id));
        // What `crit` names must be understood (RFC 7515, section 4.1.11), and we understand no extension.
        let (Some((_, key)), Some(TYPE), None) = (key, header.typ.as_deref(), header.crit) else {
            return Err(Error::unauthenticated());
        };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let token = jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(refused)?;
        let expires_at = DateTime::from_timestamp(token.claims.exp, 0);
        Ok(AccessClaims {
            expires_at: expires_at.ok_or_else(Error::unauthenticated)?,
            user: token.claims.sub,
            tenant: token.claims.tid,
            session: token.claims.sid,
        })
    }
}

impl AccessTokens for SignedTokens {
    fn issue(
        &self,
        user: UserId,
        tenant: Option<TenantId>,
        session: Uuid,
    ) -> Result<(String, DateTime<Utc>), Error> {
        let now = Utc::now();
        let expires_at = now + self.duration;
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user,
            jti: Uuid::new_v4(),
            exp: expires_at.timestamp(),
            iat: now.timestamp(),
            sid: session,
            tid: tenant,
        };
        let (key_id, key) = &self.signing;
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: Some(key_id.clone()),
            ..Header::new(Algorithm::HS256)
        };
        let token = jsonwebtoken::encode(&header, &claims, key).map_err(Error::internal)?;
        Ok((token, expires_at))
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, Error> {
        let digest = Sha256::digest(token).into();
        if let Some(claims) = self.remembered(&digest) {
            return Ok(claims);
        }
        let claims = self.checked(token)?;
        self.remember(digest, claims);
        Ok(claims)
    }
}

/// Names a secret without telling anything of it.
fn key_id(secret: &[u8]) -> String {
    hex::encode(&Sha256::digest(secret)[..6])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tokens(secret: &str, previous: Option<&str>, audience: &str) -> SignedTokens {
        SignedTokens::new(
            &secret.into(),
            previous.map(SecretString::from).as_ref(),
            "nomad-services".to_owned(),
            audience.to_owned(),
            Duration::from_secs(900),
        )
    }

    fn token_of(tokens: &SignedTokens) -> String {
        tokens
            .issue(
                UserId(Uuid::from_u128(1)),
                Some(TenantId(Uuid::from_u128(2))),
                Uuid::from_u128(3),
            )
            .unwrap()
            .0
    }

    #[test]
    fn a_token_says_who_it_was_issued_to() {
        let tokens = tokens("first", None, "api");
        let claims = tokens.verify(&token_of(&tokens)).unwrap();
        assert_eq!(claims.user, UserId(Uuid::from_u128(1)));
        assert_eq!(claims.tenant, Some(TenantId(Uuid::from_u128(2))));
        assert_eq!(claims.session, Uuid::from_u128(3));
    }

    #[test]
    fn a_token_of_the_previous_secret_is_good_until_that_is_gone() {
        let old = token_of(&tokens("first", None, "api"));
        assert!(tokens("second", Some("first"), "api").verify(&old).is_ok());
        assert!(tokens("second", None, "api").verify(&old).is_err());
    }

    #[test]
    fn what_is_remembered_of_a_token_counts_until_it_expires() {
        let tokens = tokens("first", None, "api");
        let token = token_of(&tokens);
        let claims = tokens.verify(&token).unwrap();
        assert_eq!(tokens.verify(&token).unwrap(), claims);

        let expired = AccessClaims {
            expires_at: Utc::now() - Duration::from_secs(LEEWAY + 1),
            ..claims
        };
        let forged = Sha256::digest(b"not a token").into();
        tokens.remember(forged, expired);
        assert!(tokens.verify("not a token").is_err());
        assert_eq!(tokens.verify(&token).unwrap(), claims);
    }

    #[test]
    fn tokens_are_forgotten_before_they_are_too_many() {
        let tokens = tokens("first", None, "api");
        let claims = tokens.verify(&token_of(&tokens)).unwrap();
        for number in 0..REMEMBERED + 2 {
            tokens.remember(Sha256::digest(number.to_le_bytes()).into(), claims);
        }
        assert!(tokens.verified.lock().unwrap().len() <= REMEMBERED);
    }

    #[test]
    fn a_token_for_another_audience_is_refused() {
        let foreign = token_of(&tokens("first", None, "other"));
        assert!(tokens("first", None, "api").verify(&foreign).is_err());
    }

    /// The header of our tokens.
    fn header_of(secret: &str) -> Header {
        Header {
            typ: Some(TYPE.to_owned()),
            kid: Some(key_id(secret.as_bytes())),
            ..Header::new(Algorithm::HS256)
        }
    }

    fn claims() -> Claims {
        Claims {
            iss: "nomad-services".to_owned(),
            aud: "api".to_owned(),
            sub: UserId(Uuid::from_u128(1)),
            jti: Uuid::from_u128(4),
            exp: Utc::now().timestamp() + 900,
            iat: Utc::now().timestamp(),
            sid: Uuid::from_u128(3),
            tid: None,
        }
    }

    fn signed(header: &Header, claims: &serde_json::Value, secret: &str) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(header, claims, &key).unwrap()
    }

    #[test]
    fn a_token_that_is_not_good_yet_is_refused() {
        let ours = tokens("first", None, "api");
        let mut claims = serde_json::to_value(claims()).unwrap();
        let now = Utc::now().timestamp();
        for (nbf, good) in [
            (json!(now - 60), true),
            (json!(now + 60), false),
            (json!("tomorrow"), false),
        ] {
            claims["nbf"] = nbf;
            let token = signed(&header_of("first"), &claims, "first");
            assert_eq!(ours.verify(&token).is_ok(), good, "{claims}");
        }
    }

    #[test]
    fn a_token_whose_header_must_be_understood_and_is_not_is_refused() {
        let ours = tokens("first", None, "api");
        let claims = serde_json::to_value(claims()).unwrap();
        for critical in [
            vec!["exp"],
            vec!["b64"],
            vec!["http://example.com/unknown"],
            vec![],
        ] {
            let header = Header {
                crit: Some(critical.into_iter().map(str::to_owned).collect()),
                ..header_of("first")
            };
            let token = signed(&header, &claims, "first");
            assert!(ours.verify(&token).is_err(), "{header:?}");
        }
    }

    #[test]
    fn a_token_of_another_type_algorithm_or_without_expiry_is_refused() {
        let ours = tokens("first", None, "api");
        let good = claims();
        let header = header_of("first");
        let encode = |header: &Header, claims: &serde_json::Value| signed(header, claims, "first");
        let claims = serde_json::to_value(&good).unwrap();
        assert!(ours.verify(&encode(&header, &claims)).is_ok());

        let plain = Header {
            typ: Some("JWT".to_owned()),
            ..header.clone()
        };
        assert!(ours.verify(&encode(&plain, &claims)).is_err());
        let other = Header {
            alg: Algorithm::HS512,
            ..header.clone()
        };
        assert!(ours.verify(&encode(&other, &claims)).is_err());
        for missing in ["exp", "iss", "aud", "sub", "jti", "sid"] {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().remove(missing);
            assert!(
                ours.verify(&encode(&header, &claims)).is_err(),
                "without {missing}"
            );
        }
        let mut expired = claims;
        expired["exp"] = (Utc::now().timestamp() - 60).into();
        assert!(ours.verify(&encode(&header, &expired)).is_err());
    }
}
