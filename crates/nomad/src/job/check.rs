//! What a job may be, whoever wrote it: a service that ends up healthy or not, on allowed drivers, within what its
//! service was admitted with. Values are compared with what is allowed, never with what is forbidden: Nomad takes `"true"`
//! for true in many places.

use domain::{FieldError, service_config::Reservation};
use serde_json::{Value, json};

const MAX_GROUPS: usize = 16;
const MAX_TASKS: usize = 16;
const MAX_COUNT: u64 = 100;
const MAX_NAME: usize = 64;

/// Kinds of jobs whose deployments have no end that could be waited for.
const UNSUPPORTED: [&str; 3] = ["Periodic", "ParameterizedJob", "Multiregion"];

/// Checks a job and takes away what would act behind the product's back: a revert that nobody asked for.
///
/// # Errors
/// Every part that is not allowed, by its place in the job.
pub fn check(
    job: &mut Value,
    drivers: &[&str],
    reservation: &Reservation,
) -> Result<(), Vec<FieldError>> {
    let mut check = Check {
        drivers,
        errors: Vec::new(),
    };
    check.kind(job);
    let mut used = Used::default();
    match job["TaskGroups"].as_array_mut() {
        Some(groups) if (1..=MAX_GROUPS).contains(&groups.len()) => {
            for (index, group) in groups.iter_mut().enumerate() {
                used.add(check.group(group, &format!("TaskGroups/{index}")));
            }
        }
        _ => check.refuse("TaskGroups", format!("must be 1 to {MAX_GROUPS} groups")),
    }
    check.update(&mut job["Update"], "Update");
    check.size(&used, reservation);
    if check.errors.is_empty() {
        Ok(())
    } else {
        Err(check.errors)
    }
}

/// Sums in 128 bits, because the numbers are whatever a file says.
#[derive(Default)]
struct Used {
    cpu: u128,
    memory: u128,
    disk: u128,
}

impl Used {
    fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.disk += other.disk;
    }
}

struct Check<'a> {
    drivers: &'a [&'a str],
    errors: Vec<FieldError>,
}

impl Check<'_> {
    fn refuse(&mut self, place: &str, detail: String) {
        self.errors.push(FieldError {
            pointer: "/config/nomad_job_file".to_owned(),
            code: "job_not_allowed",
            detail: format!("{place} of the job {detail}"),
        });
    }

    fn kind(&mut self, job: &Value) {
        if !job["Type"].is_null() && job["Type"] != "service" {
            self.refuse("Type", "must be service".to_owned());
        }
        for name in UNSUPPORTED {
            if !job[name].is_null() {
                self.refuse(name, "must be absent".to_owned());
            }
        }
    }

    fn group(&mut self, group: &mut Value, place: &str) -> Used {
        self.name(&group["Name"], place);
        let count = match &group["Count"] {
            Value::Null => 1,
            count => match count.as_u64() {
                Some(count @ 1..=MAX_COUNT) => count,
                _ => {
                    self.refuse(
                        &format!("{place}/Count"),
                        format!("must be 1 to {MAX_COUNT}"),
                    );
                    1
                }
            },
        };
        self.update(&mut group["Update"], &format!("{place}/Update"));
        self.sidecars(&group["Services"], &format!("{place}/Services"));
        let disk_place = format!("{place}/EphemeralDisk/SizeMB");
        let disk = self.number(&group["EphemeralDisk"]["SizeMB"], 300, &disk_place);
        let mut used = Used {
            disk,
            ..Used::default()
        };
        match group["Tasks"].as_array() {
            Some(tasks) if (1..=MAX_TASKS).contains(&tasks.len()) => {
                for (index, task) in tasks.iter().enumerate() {
                    used.add(self.task(task, &format!("{place}/Tasks/{index}")));
                }
            }
            _ => self.refuse(
                &format!("{place}/Tasks"),
                format!("must be 1 to {MAX_TASKS} tasks"),
            ),
        }
        let count = u128::from(count);
        Used {
            cpu: used.cpu * count,
            memory: used.memory * count,
            disk: used.disk * count,
        }
    }

    fn task(&mut self, task: &Value, place: &str) -> Used {
        self.name(&task["Name"], place);
        self.driver(&task["Driver"], &format!("{place}/Driver"));
        self.sidecars(&task["Services"], &format!("{place}/Services"));
        let resources = &task["Resources"];
        if !matches!(&resources["Cores"], Value::Null) && resources["Cores"].as_u64() != Some(0) {
            let detail = "must be absent: a service's limit is in MHz".to_owned();
            self.refuse(&format!("{place}/Resources/Cores"), detail);
        }
        let mut number = |name: &str, default| {
            self.number(
                &resources[name],
                default,
                &format!("{place}/Resources/{name}"),
            )
        };
        Used {
            cpu: number("CPU", 100),
            memory: number("MemoryMB", 300).max(number("MemoryMaxMB", 0)),
            disk: 0,
        }
    }

    /// Names become paths and addresses on the node.
    fn name(&mut self, name: &Value, place: &str) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let good = name
            .as_str()
            .is_some_and(|name| (1..=MAX_NAME).contains(&name.len()) && name.chars().all(allowed));
        if !good {
            let detail = format!("must have 1 to {MAX_NAME} letters, digits, '_' and '-'");
            self.refuse(&format!("{place}/Name"), detail);
        }
    }

    fn driver(&mut self, driver: &Value, place: &str) {
        if !driver
            .as_str()
            .is_some_and(|driver| self.drivers.contains(&driver))
        {
            let allowed = self.drivers.join(", ");
            self.refuse(place, format!("must be one of {allowed}"));
        }
    }

    /// A sidecar brings a task of its own.
    fn sidecars(&mut self, services: &Value, place: &str) {
        for (index, service) in services.as_array().into_iter().flatten().enumerate() {
            if !service["Connect"].is_null() {
                let place = format!("{place}/{index}/Connect");
                self.refuse(&place, "must be absent".to_owned());
            }
        }
    }

    /// Without an update strategy there is no deployment, and nobody could tell when it is healthy; a canary waits for a
    /// promotion that never comes.
    fn update(&mut self, update: &mut Value, place: &str) {
        if !update.is_object() {
            return;
        }
        if update["MaxParallel"].as_u64() == Some(0) {
            self.refuse(
                &format!("{place}/MaxParallel"),
                "must be at least 1".to_owned(),
            );
        }
        let canary = &update["Canary"];
        if !canary.is_null() && canary.as_u64() != Some(0) && update["AutoPromote"] != json!(true) {
            let detail = "must be 0, or AutoPromote true".to_owned();
            self.refuse(&format!("{place}/Canary"), detail);
        }
        update["AutoRevert"] = json!(false);
    }

    fn number(&mut self, value: &Value, default: u64, place: &str) -> u128 {
        match value {
            Value::Null => u128::from(default),
            value => match value.as_u64() {
                Some(number) => u128::from(number),
                None => {
                    self.refuse(place, "must be a number that is not negative".to_owned());
                    0
                }
            },
        }
    }

    fn size(&mut self, used: &Used, reservation: &Reservation) {
        for (name, used, reserved) in [
            ("cpu", used.cpu, reservation.cpu),
            ("memory", used.memory, reservation.memory),
            ("disk", used.disk, reservation.disk),
        ] {
            if used > u128::from(reserved) {
                self.errors.push(FieldError {
                    pointer: format!("/config/resources/{name}"),
                    code: "reservation_exceeded",
                    detail: format!(
                        "the job needs {used}, and the service reserves {reserved}: raise it in the configuration"
                    ),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESERVED: Reservation = Reservation {
        cpu: 200,
        memory: 600,
        disk: 300,
    };

    fn job(change: impl FnOnce(&mut Value)) -> Value {
        let mut job = json!({"TaskGroups": [{
            "Name": "main", "Tasks": [{"Name": "app", "Driver": "docker", "Resources": {"CPU": 200}}]
        }]});
        change(&mut job);
        job
    }

    fn refusals(change: impl FnOnce(&mut Value)) -> Vec<String> {
        match check(&mut job(change), &["docker"], &RESERVED) {
            Ok(()) => Vec::new(),
            Err(errors) => errors
                .into_iter()
                .map(|error| format!("{} {}", error.pointer, error.detail))
                .collect(),
        }
    }

    #[test]
    fn a_plain_service_within_its_reservation_passes() {
        assert_eq!(refusals(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn each_way_around_the_reservation_is_counted() {
        let changes: [(&str, Value, &str); 6] = [
            ("/TaskGroups/0/Count", json!(2), "cpu"),
            ("/TaskGroups/0/Tasks/0/Resources/CPU", json!(201), "cpu"),
            (
                "/TaskGroups/0/Tasks/0/Resources/MemoryMaxMB",
                json!(601),
                "memory",
            ),
            (
                "/TaskGroups/0/Tasks/0/Resources/MemoryMB",
                json!(u64::MAX),
                "memory",
            ),
            ("/TaskGroups/0/EphemeralDisk/SizeMB", json!(301), "disk"),
            ("/TaskGroups/0/Tasks/0/Resources/CPU", json!(-1), "CPU"),
        ];
        for (pointer, value, named) in changes {
            let refused = refusals(|job| set(job, pointer, value));
            assert!(
                refused.iter().any(|detail| detail.contains(named)),
                "{pointer}: {refused:?}"
            );
        }
    }

    #[test]
    fn what_is_not_an_allowed_service_is_refused_by_its_place() {
        let changes: [(&str, Value, &str); 9] = [
            ("/Type", json!("batch"), "Type"),
            ("/Type", json!({}), "Type"),
            ("/Periodic", json!({}), "Periodic"),
            (
                "/TaskGroups/0/Tasks/0/Driver",
                json!("raw_exec"),
                "Tasks/0/Driver",
            ),
            ("/TaskGroups/0/Tasks/0/Name", json!(".."), "Tasks/0/Name"),
            (
                "/TaskGroups/0/Update",
                json!({"MaxParallel": 0}),
                "MaxParallel",
            ),
            ("/TaskGroups/0/Update", json!({"Canary": 1}), "Canary"),
            (
                "/TaskGroups/0/Services",
                json!([{"Connect": {"SidecarTask": {}}}]),
                "Connect",
            ),
            ("/TaskGroups", json!([]), "TaskGroups"),
        ];
        for (pointer, value, named) in changes {
            let refused = refusals(|job| set(job, pointer, value));
            assert!(
                refused.iter().any(|detail| detail.contains(named)),
                "{pointer}: {refused:?}"
            );
        }
    }

    #[test]
    fn nothing_reverts_by_itself() {
        let mut job = job(|job| set(job, "/TaskGroups/0/Update", json!({"AutoRevert": true})));
        check(&mut job, &["docker"], &RESERVED).unwrap();
        assert_eq!(job["TaskGroups"][0]["Update"]["AutoRevert"], json!(false));
    }

    fn set(job: &mut Value, pointer: &str, value: Value) {
        let mut place = job;
        for segment in pointer.split('/').skip(1) {
            place = match segment.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[segment],
            };
        }
        *place = value;
    }
}
