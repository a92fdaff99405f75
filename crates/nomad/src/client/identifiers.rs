//! What may stand in a path. Nomad answers a malformed id with a confusing 500, and can't address some job ids at all:
//! both are refused here, before a call is made.

use super::{Error, Result};

/// A job whose id ends in one of these can be registered and then neither read nor stopped, because Nomad's router takes
/// the end of the id for a verb.
const RESERVED_SUFFIXES: [&str; 16] = [
    "/action",
    "/actions",
    "/allocations",
    "/deployment",
    "/deployments",
    "/dispatch",
    "/evaluate",
    "/evaluations",
    "/periodic/force",
    "/plan",
    "/revert",
    "/scale",
    "/services",
    "/stable",
    "/submission",
    "/summary",
];

/// As [`RESERVED_SUFFIXES`], for the two that take a name in between as well.
const RESERVED_LAST_SEGMENTS: [&str; 2] = ["tag", "versions"];

/// An evaluation, deployment or allocation id: a UUID in its hyphenated form of 36 characters.
pub fn uuid<'a>(field: &str, id: &'a str) -> Result<&'a str> {
    if id.len() == 36 && uuid::Uuid::try_parse(id).is_ok() {
        Ok(id)
    } else {
        Err(Error::refused(format!(
            "{field} {id:?} is not a UUID of 36 characters"
        )))
    }
}

/// The id of a job that can be addressed by path.
pub fn job(id: &str) -> Result<&str> {
    segment("job id", id)?;
    let last = id.rsplit_once('/').map_or("", |(_, last)| last);
    if RESERVED_SUFFIXES.iter().any(|suffix| id.ends_with(suffix))
        || RESERVED_LAST_SEGMENTS.contains(&last)
    {
        return Err(Error::refused(format!(
            "job id {id:?} ends in a word that Nomad's own paths use, so the job could not be read or stopped"
        )));
    }
    Ok(id)
}

/// Text that can stand as one segment of a path. The segments `.` and `..` vanish from a URL however they are encoded.
pub fn segment<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    match text {
        "" => Err(Error::refused(format!("{field} is empty"))),
        "." | ".." => Err(Error::refused(format!(
            "{field} {text:?} can't stand in a URL"
        ))),
        _ => Ok(text),
    }
}
