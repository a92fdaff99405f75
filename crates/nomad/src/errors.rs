//! From what went wrong between us and Nomad to the product's errors.

use std::time::Duration;

use domain::Error;

use crate::ErrorKind;

const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What Nomad refuses for good is invalid, a job that moved on is a conflict, and anything else may be worth asking again.
pub fn of(error: crate::Error) -> Error {
    let mapped = match error.kind() {
        ErrorKind::IndexConflict => {
            Error::conflict("job_changed", "the job in Nomad has changed meanwhile")
        }
        ErrorKind::Invalid
        | ErrorKind::NamespaceMissing
        | ErrorKind::RegionMissing
        | ErrorKind::EnterpriseOnly => Error::new(
            domain::ErrorKind::Invalid,
            "refused_by_nomad",
            format!("Nomad answers: {}", error.text()),
        ),
        ErrorKind::PermissionDenied => unavailable("Nomad does not accept our token for this"),
        ErrorKind::RegistrationDisabled => unavailable("Nomad accepts no jobs at the moment"),
        _ => unavailable("Nomad does not answer at the moment"),
    };
    mapped.with_source(error)
}

pub fn unavailable(detail: &str) -> Error {
    Error::unavailable("nomad_unavailable", detail, RETRY_AFTER)
}
