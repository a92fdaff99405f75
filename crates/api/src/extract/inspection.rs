//! Looking into a tenant: the path names the tenant, the header `X-Reason` says why, and what is read becomes one event in
//! that tenant's audit trail. Who may do it, the database says together with the first rows.

use actix_web::{HttpRequest, http::header::HeaderName};
use domain::{Error, ErrorKind, Inspection, TenantId};

use super::Id;
use crate::{operations, paths::INSIDE_TENANT};

/// Why somebody looks into a tenant.
const X_REASON: HeaderName = HeaderName::from_static("x-reason");

/// The longest reason, in characters.
pub(crate) const LONGEST_REASON: usize = 500;

/// What a reason is: printable ASCII, and not spaces alone, as a regular expression.
pub(crate) const REASON_PATTERN: &str = "^[ -~]*[!-~][ -~]*$";

/// The longest path that the audit trail keeps, in characters.
const LONGEST_PATH: usize = 255;

/// The tenant that the path names, if it names one.
///
/// # Errors
/// `not_found` for what is no id.
pub(super) fn tenant(request: &HttpRequest) -> Result<Option<TenantId>, Error> {
    if request.match_info().get("tenant_id").is_none() {
        return Ok(None);
    }
    let Id(tenant) = Id::named(request, "tenant_id")?;
    Ok(Some(TenantId(tenant)))
}

/// What the header says.
///
/// # Errors
/// `reason_required` where it is missing, or not as it has to be.
pub(super) fn reason(request: &HttpRequest) -> Result<String, Error> {
    let mut values = request.headers().get_all(X_REASON);
    let (value, another) = (values.next(), values.next());
    let reason = value
        .filter(|_| another.is_none())
        .map(|value| value.as_bytes())
        .filter(|reason| (1..=LONGEST_REASON).contains(&reason.len()))
        .filter(|reason| reason.iter().all(|byte| matches!(byte, b' '..=b'~')))
        .filter(|reason| reason.iter().any(|byte| *byte != b' '));
    reason
        .map(|reason| String::from_utf8_lossy(reason).into_owned())
        .ok_or_else(|| {
            let detail = format!(
                "whoever looks into a tenant says why, in the header X-Reason: 1 to {LONGEST_REASON} printable ASCII characters, once"
            );
            Error::new(ErrorKind::Malformed, "reason_required", detail)
        })
}

/// The event that reading what the path names is: `service.read` of `services/<id>`, or of `services`.
///
/// # Errors
/// `not_found` for an id that is none.
pub(super) fn of(
    request: &HttpRequest,
    tenant: TenantId,
    reason: String,
) -> Result<Inspection, Error> {
    let route = operations::route(request);
    let pattern = route.as_ref().map(|route| route.pattern.as_str());
    let below = pattern.and_then(|pattern| pattern.strip_prefix(INSIDE_TENANT));
    let below = below.unwrap_or_default();
    let collection = below.split('/').nth(1).unwrap_or_default();
    let singular = collection.strip_suffix('s').unwrap_or(collection);
    let resource = if request.match_info().get("id").is_some() {
        format!("{collection}/{}", Id::named(request, "id")?.0)
    } else if collection == "tenant" {
        format!("tenants/{tenant}")
    } else {
        collection.to_owned()
    };
    // Behind the tenant's id, which stands where its parameter stands in the pattern.
    let segments = request.path().split('/');
    let below: Vec<_> = segments.skip(INSIDE_TENANT.split('/').count()).collect();
    let path = below.join("/").chars().take(LONGEST_PATH).collect();
    let action = format!("{}.read", singular.replace('-', "_"));
    Ok(Inspection::new(reason, action, resource, path))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_reason_is_short_printable_and_says_something() {
        let longest = "x".repeat(LONGEST_REASON);
        let said = |values: &[&[u8]]| {
            let request = values
                .iter()
                .fold(TestRequest::default(), |request, value| {
                    let value = actix_web::http::header::HeaderValue::from_bytes(value).unwrap();
                    request.append_header((X_REASON, value))
                });
            reason(&request.to_http_request()).map_err(|error| error.code())
        };
        assert_eq!(said(&[b"ticket 42"]).as_deref(), Ok("ticket 42"));
        assert_eq!(said(&[longest.as_bytes()]), Ok(longest.clone()));
        let too_long = format!("{longest}x");
        let refused: [&[&[u8]]; 7] = [
            &[],
            &[b""],
            &[b"   "],
            &[too_long.as_bytes()],
            &[b"a\tb"],
            &["für mich".as_bytes()],
            &[b"one", b"two"],
        ];
        for values in refused {
            assert_eq!(said(values), Err("reason_required"), "{values:?}");
        }
    }
}
