//! The order of the checks, the bounds, and that nothing runs beyond the limits, whatever a tenant does in which order.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::Plan;

fn cpu(cpu: u32) -> Reservation {
    Reservation {
        cpu,
        ..Reservation::NOTHING
    }
}

fn service(number: u128, name: &str, service_type: ServiceType, mhz: u32) -> AdmittedService {
    AdmittedService {
        id: ServiceId(Uuid::from_u128(number)),
        name: name.to_owned(),
        service_type,
        configured: cpu(mhz),
        running: Reservation::NOTHING,
    }
}

fn candidate(name: &str, service_type: ServiceType, mhz: u32) -> Candidate<'_> {
    Candidate {
        id: None,
        name,
        service_type,
        reservation: cpu(mhz),
    }
}

fn having(services: impl Into<Vec<AdmittedService>>) -> Admission {
    Admission {
        limits: Plan::Free.limits(),
        services: services.into(),
        purging: Vec::new(),
    }
}

#[test]
fn the_type_is_checked_before_the_name_and_the_name_before_the_limits() {
    let has = having([service(1, "db", ServiceType::Database, 4_000)]);
    let code = |candidate| admit(&candidate, &has).unwrap_err().code();
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
    let has = having([service(1, "db", ServiceType::Database, 3_000)]);
    assert!(admit(&candidate("app", ServiceType::Custom, 1_000), &has).is_ok());
    let error = admit(&candidate("app", ServiceType::Custom, 1_001), &has).unwrap_err();
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
    let has = having([service(1, "db", ServiceType::Database, 3_000)]);
    let changed = Candidate {
        id: Some(has.services[0].id),
        ..candidate("db", ServiceType::Database, 4_000)
    };
    assert!(admit(&changed, &has).is_ok());
}

#[test]
fn what_may_still_run_counts_and_the_refusal_tells_it_from_what_is_configured() {
    let lowered = AdmittedService {
        running: cpu(3_900),
        ..service(1, "db", ServiceType::Database, 50)
    };
    let mut has = having([lowered]);
    has.purging.push(cpu(30));
    let error = admit(&candidate("app", ServiceType::Custom, 71), &has).unwrap_err();
    let excess = error.limit().unwrap();
    assert_eq!(
        (excess.used, excess.configured, excess.running),
        (3_930, Some(50), Some(3_930))
    );
    assert!(
        error.detail().contains("50 configured, 3930 may still run"),
        "{}",
        error.detail()
    );
    assert!(admit(&candidate("app", ServiceType::Custom, 70), &has).is_ok());
}

#[test]
fn a_service_whose_job_still_runs_asks_for_what_runs() {
    let lowered = AdmittedService {
        running: cpu(3_000),
        ..service(1, "db", ServiceType::Database, 50)
    };
    let id = Some(lowered.id);
    let has = having([lowered, service(2, "app", ServiceType::Custom, 1_001)]);
    let error = admit(
        &Candidate {
            id,
            ..candidate("db", ServiceType::Database, 10)
        },
        &has,
    );
    assert_eq!(error.unwrap_err().limit().unwrap().requested, 3_000);
}

/// What a tenant does, and what a worker makes of it. Services are named by their type.
#[derive(Clone, Copy, Debug)]
enum Event {
    Define(usize, u32),
    Start(usize),
    /// Nomad runs what was sent last.
    Runs(usize),
    /// Nomad runs nothing of it.
    Ended(usize),
    Remove(usize),
    Purged,
}

fn any_event() -> impl Strategy<Value = Event> {
    let of = 0..ServiceType::ALL.len();
    prop_oneof![
        (of.clone(), 1..=4_000_u32).prop_map(|(of, mhz)| Event::Define(of, mhz)),
        of.clone().prop_map(Event::Start),
        of.clone().prop_map(Event::Runs),
        of.clone().prop_map(Event::Ended),
        of.prop_map(Event::Remove),
        Just(Event::Purged),
    ]
}

/// The jobs that Nomad may run of a service, the last one last.
#[derive(Clone, Debug, Default)]
struct Sent(Vec<Reservation>);

impl Sent {
    fn greatest(&self) -> Reservation {
        let jobs = self.0.iter().copied();
        jobs.fold(Reservation::NOTHING, Reservation::or_greater)
    }
}

#[derive(Debug, Default)]
struct World {
    services: Vec<(AdmittedService, Sent)>,
    purging: Vec<Sent>,
}

impl World {
    fn admission(&self) -> Admission {
        let services = self.services.iter().map(|(service, sent)| AdmittedService {
            running: sent.greatest(),
            ..service.clone()
        });
        Admission {
            purging: self.purging.iter().map(Sent::greatest).collect(),
            ..having(services.collect::<Vec<_>>())
        }
    }

    fn find(&mut self, of: usize) -> Option<&mut (AdmittedService, Sent)> {
        let wanted = ServiceType::ALL[of];
        let mut services = self.services.iter_mut();
        services.find(|(service, _)| service.service_type == wanted)
    }

    fn apply(&mut self, event: Event, number: u128) {
        let admission = self.admission();
        match event {
            Event::Define(of, mhz) => {
                let service_type = ServiceType::ALL[of];
                let candidate = candidate(service_type.as_str(), service_type, mhz);
                match self.find(of) {
                    Some((service, _)) => {
                        let id = Some(service.id);
                        if admit(&Candidate { id, ..candidate }, &admission).is_ok() {
                            service.configured = cpu(mhz);
                        }
                    }
                    None if admit(&candidate, &admission).is_ok() => {
                        let made = service(number, candidate.name, service_type, mhz);
                        self.services.push((made, Sent::default()));
                    }
                    None => {}
                }
            }
            Event::Start(of) => {
                if let Some((service, sent)) = self.find(of) {
                    sent.0.push(service.configured);
                }
            }
            Event::Runs(of) => {
                if let Some((_, sent)) = self.find(of) {
                    sent.0.drain(..sent.0.len().saturating_sub(1));
                }
            }
            Event::Ended(of) => {
                if let Some((_, sent)) = self.find(of) {
                    sent.0.clear();
                }
            }
            Event::Remove(of) => {
                let wanted = ServiceType::ALL[of];
                let services = self.services.iter();
                let place = services
                    .map(|(service, _)| service.service_type)
                    .position(|has| has == wanted);
                if let Some(place) = place {
                    self.purging.push(self.services.remove(place).1);
                }
            }
            Event::Purged => {
                self.purging.pop();
            }
        }
    }

    /// Nomad may run any one of the jobs that were sent for a service.
    fn most_that_runs(&self) -> u64 {
        let sent = self.services.iter().map(|(_, sent)| sent);
        let sent = sent.chain(&self.purging);
        sent.map(|sent| u64::from(sent.greatest().cpu)).sum()
    }
}

proptest! {
    #[test]
    fn nothing_runs_beyond_the_limits_whatever_is_done(events in prop::collection::vec(any_event(), 0..60)) {
        let limit = u64::from(Plan::Free.limits().cpu);
        let mut world = World::default();
        for (number, event) in events.into_iter().enumerate() {
            world.apply(event, number as u128);
            prop_assert!(world.most_that_runs() <= limit, "{:?}", world);
        }
    }

    #[test]
    fn what_is_admitted_fits_and_what_fits_is_admitted(
        configured in prop::collection::vec(0..2_000_u32, 0..4),
        running in prop::collection::vec(0..2_000_u32, 4),
        purging in prop::collection::vec(0..500_u32, 0..3),
        requested in 0..4_000_u32,
    ) {
        let services = configured.iter().zip(&running).zip(&ServiceType::ALL[1..]);
        let services = services.enumerate().map(|(number, ((configured, running), service_type))| AdmittedService {
            running: cpu(*running),
            ..service(number as u128, service_type.as_str(), *service_type, *configured)
        });
        let has = Admission {
            purging: purging.iter().copied().map(cpu).collect(),
            ..having(services.collect::<Vec<_>>())
        };
        let used: u32 = configured.iter().zip(&running).map(|(configured, running)| *configured.max(running)).sum();
        let fits = used + purging.iter().sum::<u32>() + requested <= Plan::Free.limits().cpu;
        let admitted = admit(&candidate("new", ServiceType::Database, requested), &has);
        prop_assert_eq!(admitted.is_ok(), fits);
    }
}
