//! A path with a slash at its end is the path without: clients of the older service were redirected from the one to the other.
//! It is shortened before anything else sees it, so that log, audit and idempotency keys know one path only.

use actix_web::{
    dev::{ServiceRequest, Url},
    http::{Uri, uri::PathAndQuery},
};

/// Takes one slash from the end of a path of the API. The pages that show the description refer to each other by theirs.
pub(crate) fn drop(request: &mut ServiceRequest) {
    if let Some(uri) = shortened(request.uri()) {
        request.match_info_mut().set(Url::new(uri.clone()));
        request.head_mut().uri = uri;
    }
}

fn shortened(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/')?;
    if path.is_empty() || path.starts_with("/docs") {
        return None;
    }
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_goes_and_all_else_stays() {
        for (asked, meant) in [
            ("/api/v1/services/", Some("/api/v1/services")),
            (
                "/api/v1/services/?limit=2",
                Some("/api/v1/services?limit=2"),
            ),
            ("/api/v1/services//", Some("/api/v1/services/")),
            ("/health/", Some("/health")),
            ("/api/v1/services", None),
            ("/api/v1/services?q=/", None),
            ("/docs/", None),
            ("/", None),
        ] {
            let uri = shortened(&Uri::from_static(asked));
            let uri = uri.map(|uri| uri.to_string());
            assert_eq!(uri.as_deref(), meant, "{asked}");
        }
    }
}
