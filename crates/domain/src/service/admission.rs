//! Whether a tenant may have a service, beside those it has: one of each type, no name twice, within its limits.

use super::ServiceType;
use crate::{Error, LimitExcess, Result, ServiceId, plan::Limits, service_config::Reservation};

/// A tenant as admission sees it: what it may have, and what it has.
#[derive(Clone, Debug)]
pub struct Admission {
    /// What its plan allows.
    pub limits: Limits,
    /// Its services.
    pub services: Vec<AdmittedService>,
    /// What may still run of services that are gone, each until its job is purged.
    pub purging: Vec<Reservation>,
}

/// A service the tenant has already.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdmittedService {
    /// Its identifier.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Its type.
    pub service_type: ServiceType,
    /// What it is configured for.
    pub configured: Reservation,
    /// What may run of it: the jobs that were sent for it, until Nomad is known to run another or none.
    pub running: Reservation,
}

impl AdmittedService {
    /// What it counts for: a configuration that was lowered does not make room before what runs has followed it.
    ///
    /// ```
    /// use nomad_services_domain::{ServiceId, ServiceType, service::AdmittedService, service_config::Reservation};
    /// use uuid::Uuid;
    ///
    /// let service = AdmittedService {
    ///     id: ServiceId(Uuid::nil()),
    ///     name: "db".into(),
    ///     service_type: ServiceType::Database,
    ///     configured: Reservation { cpu: 50, memory: 600, disk: 300 },
    ///     running: Reservation { cpu: 3_900, memory: 300, disk: 300 },
    /// };
    /// assert_eq!(service.counts_for(), Reservation { cpu: 3_900, memory: 600, disk: 300 });
    /// ```
    pub fn counts_for(&self) -> Reservation {
        self.configured.or_greater(self.running)
    }
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
    /// What it is to be configured for.
    pub reservation: Reservation,
}

/// Checks a service against those the tenant has and against its limits, in the order of the contract.
///
/// ```
/// use nomad_services_domain::{Limits, Plan, ServiceType, service::{Admission, Candidate, admit}};
/// use nomad_services_domain::service_config::Reservation;
///
/// let limits = Limits::of_tenant(Plan::Free, 0);
/// let admission = Admission { limits, services: Vec::new(), purging: Vec::new() };
/// let candidate = Candidate {
///     id: None, name: "db", service_type: ServiceType::Database, reservation: Reservation::default(),
/// };
/// assert_eq!(admit(&candidate, &admission).unwrap_err().code(), "limit_exceeded");
/// ```
///
/// # Errors
/// `type_taken`, `name_taken` (conflicts) or `limit_exceeded`, which names dimension, limit, use and request.
pub fn admit(candidate: &Candidate<'_>, admission: &Admission) -> Result<()> {
    let is_candidate = |service: &&AdmittedService| Some(service.id) == candidate.id;
    let others = || {
        let services = admission.services.iter();
        services.filter(move |service| !is_candidate(service))
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
    let limits = admission.limits;
    let count = others().count() as u64;
    if count >= u64::from(limits.services) {
        return Err(Error::limit_exceeded(LimitExcess {
            dimension: "services",
            limit: u64::from(limits.services),
            used: count,
            requested: 1,
            configured: None,
            running: None,
        }));
    }
    let runs_of_it = admission.services.iter().find(is_candidate);
    let runs_of_it = runs_of_it.map_or(Reservation::NOTHING, |service| service.running);
    let requested = candidate.reservation.or_greater(runs_of_it);
    type Part = fn(&Reservation) -> u32;
    let dimensions: [(&str, u32, Part); 3] = [
        ("cpu", limits.cpu, |part| part.cpu),
        ("memory", limits.memory, |part| part.memory),
        ("disk", limits.disk, |part| part.disk),
    ];
    for (dimension, limit, part) in dimensions {
        let part = |reservation: Reservation| u64::from(part(&reservation));
        let purging: u64 = admission.purging.iter().copied().map(part).sum();
        let sum = |of: fn(&AdmittedService) -> Reservation| others().map(of).map(part).sum::<u64>();
        let used = sum(AdmittedService::counts_for) + purging;
        let (limit, requested) = (u64::from(limit), part(requested));
        if used + requested > limit {
            return Err(Error::limit_exceeded(LimitExcess {
                dimension,
                limit,
                used,
                requested,
                configured: Some(sum(|service| service.configured)),
                running: Some(sum(|service| service.running) + purging),
            }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
