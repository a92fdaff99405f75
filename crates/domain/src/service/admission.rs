//! Whether a tenant may have a service, beside those it has: one of each type, no name twice, within its limits.

use super::ServiceType;
use crate::{Error, LimitExcess, Result, ServiceId, plan::Limits, service_config::Reservation};

/// A service the tenant has already.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdmittedService {
    /// Its identifier.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Its type.
    pub service_type: ServiceType,
    /// What it counts for.
    pub reservation: Reservation,
}

/// A tenant as admission sees it: what it may have, and what it has.
#[derive(Clone, Debug)]
pub struct Admission {
    /// What its plan allows.
    pub limits: Limits,
    /// Its services.
    pub services: Vec<AdmittedService>,
}

/// A service as it is to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Candidate<'input> {
    /// The service that is changed; none, where it is made.
    pub id: Option<ServiceId>,
    /// Its name.
    pub name: &'input str,
    /// Its type.
    pub service_type: ServiceType,
    /// What it is to count for.
    pub reservation: Reservation,
}

/// Checks a service against those the tenant has and against its limits, in the order of the contract.
///
/// ```
/// use nomad_services_domain::{Limits, Plan, ServiceType, service::{Candidate, admit}};
/// use nomad_services_domain::service_config::Reservation;
///
/// let limits = Limits::of_tenant(Plan::Free, 0);
/// let candidate = Candidate {
///     id: None, name: "db", service_type: ServiceType::Database, reservation: Reservation::default(),
/// };
/// assert_eq!(admit(&candidate, &[], limits).unwrap_err().code(), "limit_exceeded");
/// ```
///
/// # Errors
/// `type_taken`, `name_taken` (conflicts) or `limit_exceeded`, which names dimension, limit, use and request.
pub fn admit(
    candidate: &Candidate<'_>,
    services: &[AdmittedService],
    limits: Limits,
) -> Result<()> {
    let others = || {
        services
            .iter()
            .filter(|service| Some(service.id) != candidate.id)
    };
    if others().any(|service| service.service_type == candidate.service_type) {
        return Err(Error::conflict(
            "type_taken",
            format!(
                "the tenant has a service of type {} already; it may have one of each type",
                candidate.service_type
            ),
        ));
    }
    if others().any(|service| service.name == candidate.name) {
        return Err(Error::conflict(
            "name_taken",
            format!(
                "the tenant has a service named {:?} already",
                candidate.name
            ),
        ));
    }
    let sum = |part: fn(&Reservation) -> u32| {
        others()
            .map(|service| u64::from(part(&service.reservation)))
            .sum::<u64>()
    };
    let reservation = candidate.reservation;
    let dimensions = [
        ("services", limits.services, others().count() as u64, 1),
        (
            "cpu",
            limits.cpu,
            sum(|part| part.cpu),
            u64::from(reservation.cpu),
        ),
        (
            "memory",
            limits.memory,
            sum(|part| part.memory),
            u64::from(reservation.memory),
        ),
        (
            "disk",
            limits.disk,
            sum(|part| part.disk),
            u64::from(reservation.disk),
        ),
    ];
    for (dimension, limit, used, requested) in dimensions {
        let limit = u64::from(limit);
        if used.saturating_add(requested) > limit {
            return Err(Error::limit_exceeded(LimitExcess {
                dimension,
                limit,
                used,
                requested,
            }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::Plan;

    fn service(number: u128, name: &str, service_type: ServiceType, cpu: u32) -> AdmittedService {
        AdmittedService {
            id: ServiceId(Uuid::from_u128(number)),
            name: name.to_owned(),
            service_type,
            reservation: Reservation {
                cpu,
                ..Reservation::default()
            },
        }
    }

    fn candidate(name: &str, service_type: ServiceType, cpu: u32) -> Candidate<'_> {
        let reservation = Reservation {
            cpu,
            ..Reservation::default()
        };
        Candidate {
            id: None,
            name,
            service_type,
            reservation,
        }
    }

    fn limits() -> Limits {
        Plan::Free.limits()
    }

    #[test]
    fn the_type_is_checked_before_the_name_and_the_name_before_the_limits() {
        let has = [service(1, "db", ServiceType::Database, 4_000)];
        let code = |candidate| admit(&candidate, &has, limits()).unwrap_err().code();
        assert_eq!(
            code(candidate("db", ServiceType::Database, 4_000)),
            "type_taken"
        );
        assert_eq!(
            code(candidate("db", ServiceType::Custom, 4_000)),
            "name_taken"
        );
        assert_eq!(
            code(candidate("app", ServiceType::Custom, 1)),
            "limit_exceeded"
        );
    }

    #[test]
    fn a_limit_is_reached_exactly_and_not_exceeded() {
        let has = [service(1, "db", ServiceType::Database, 3_000)];
        assert!(
            admit(
                &candidate("app", ServiceType::Custom, 1_000),
                &has,
                limits()
            )
            .is_ok()
        );
        let error = admit(
            &candidate("app", ServiceType::Custom, 1_001),
            &has,
            limits(),
        )
        .unwrap_err();
        let excess = error.limit().unwrap();
        assert_eq!(
            (
                excess.dimension,
                excess.limit,
                excess.used,
                excess.requested
            ),
            ("cpu", 4_000, 3_000, 1_001)
        );
    }

    #[test]
    fn a_changed_service_is_not_counted_twice() {
        let has = [service(1, "db", ServiceType::Database, 3_000)];
        let changed = Candidate {
            id: Some(has[0].id),
            ..candidate("db", ServiceType::Database, 4_000)
        };
        assert!(admit(&changed, &has, limits()).is_ok());
    }
}
