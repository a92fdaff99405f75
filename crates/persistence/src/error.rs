//! From an error of PostgreSQL to one of the product: a violated constraint becomes the conflict it stands for, a lost
//! connection becomes "not now", anything else is a defect that is logged and not shown.

use std::time::Duration;

use domain::Error;
use postgres_connection::SessionError;
use tokio_postgres::error::SqlState;

use crate::connection::ExchangeError;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a violated unique index means to whoever caused it.
const CONFLICTS: [(&str, &str, &str); 7] = [
    (
        "services_type_tenant_unique",
        "type_taken",
        "a service of this type exists already",
    ),
    (
        "services_name_tenant_unique",
        "name_taken",
        "a service of this name exists already",
    ),
    (
        "users_email_idx",
        "email_taken",
        "this email address is in use",
    ),
    (
        "users_username_idx",
        "username_taken",
        "this username is in use",
    ),
    ("tenants_slug_idx", "slug_taken", "this slug is in use"),
    (
        "tenants_domain_idx",
        "domain_taken",
        "this domain is in use",
    ),
    (
        "deployment_tasks_service_id_unfinished_unique",
        "deployment_in_progress",
        "a deployment is under way",
    ),
];

pub(crate) fn unavailable(detail: &str) -> Error {
    Error::unavailable("database_unavailable", detail, RETRY_AFTER)
}

pub(crate) fn of(error: ExchangeError) -> Error {
    let error = match error {
        ExchangeError::Session(error) => error,
        ExchangeError::ChangesContext => return Error::internal(error),
    };
    match &error {
        SessionError::Refused(refused) => {
            classify(Some(&refused.code), refused.constraint.as_deref()).with_source(error)
        }
        SessionError::Lost(_) => classify(None, None).with_source(error),
        SessionError::Parameter(_) | SessionError::Protocol(_) => Error::internal(error),
    }
}

/// From an error of the driver, which serves no requests.
pub(crate) fn of_driver(error: tokio_postgres::Error) -> Error {
    classify(error.code(), None).with_source(error)
}

fn classify(code: Option<&SqlState>, constraint: Option<&str>) -> Error {
    let Some(code) = code else {
        return unavailable("the connection to the database was lost");
    };
    if *code == SqlState::UNIQUE_VIOLATION {
        let known = CONFLICTS
            .iter()
            .find(|(name, _, _)| constraint == Some(*name));
        return match known {
            Some((_, code, detail)) => Error::conflict(code, *detail),
            None => Error::conflict("conflict", "it clashes with what is there"),
        };
    }
    let passing = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    if passing.contains(code) {
        return unavailable("the database can't answer now");
    }
    Error::internal(format!(
        "PostgreSQL refused a statement with {}",
        code.code()
    ))
}
