//! The query of a request: the parameters that the API's description names for the operation, each at most once.

use std::collections::BTreeSet;

use actix_web::HttpRequest;
use domain::{Error, ErrorKind, FieldError, Violation};

use crate::operations::Bounds;

/// Refuses what the description does not name.
///
/// # Errors
/// Every bad parameter at once, with the names of those there are.
pub(crate) fn check(request: &HttpRequest, bounds: &Bounds) -> Result<(), Error> {
    match request.query_string() {
        "" => Ok(()),
        query => refuse_others(query, &bounds.query_parameters),
    }
}

fn refuse_others(query: &str, allowed: &[String]) -> Result<(), Error> {
    let malformed = |detail: String| Error::new(ErrorKind::Malformed, "malformed_query", detail);
    if percent_encoding::percent_decode_str(query)
        .decode_utf8()
        .is_err()
    {
        return Err(malformed("the query is not UTF-8".to_owned()));
    }
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
        .map_err(|error| malformed(format!("the query can't be read: {error}")))?;
    let mut seen = BTreeSet::new();
    let mut refused = Vec::new();
    for (name, value) in &pairs {
        let violation = if !allowed.contains(name) {
            Violation::new("unknown_parameter", known(allowed))
        } else if !seen.insert(name) {
            Violation::new("repeated", "stands in the query more than once")
        } else if value.contains('\0') {
            Violation::new("nul", "must not contain the character NUL")
        } else {
            continue;
        };
        refused.push(violation.at(format!("/{name}")));
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(refused))
}

fn known(allowed: &[String]) -> String {
    if allowed.is_empty() {
        return "is not a parameter; there are none here".to_owned();
    }
    format!("is not a parameter; these are: {}", allowed.join(", "))
}

/// The value of a parameter as what it stands for.
///
/// # Errors
/// Names the parameter and what is allowed.
pub(crate) fn parameter<T: std::str::FromStr<Err = Violation>>(
    name: &str,
    value: Option<&str>,
) -> Result<Option<T>, Error> {
    value
        .map(str::parse::<T>)
        .transpose()
        .map_err(|refused: Violation| {
            let field: FieldError = refused.at(format!("/{name}"));
            Error::invalid(vec![field])
        })
}
