//! The job of a service that names an image: one group with one container.

use std::time::Duration;

use domain::{FieldError, ServiceConfig, service_config::VolumeMount};
use serde_json::{Value, json};

pub const DRIVER: &str = "docker";

const GROUP: &str = "main";
const TASK: &str = "app";
const MAX_LOG_FILES: u32 = 2;

/// How long a container must stay healthy to count as healthy, and how long it may take to become so.
const MIN_HEALTHY: Duration = Duration::from_secs(5);
const HEALTHY_DEADLINE: Duration = Duration::from_secs(300);

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn label(port: u16) -> String {
    format!("p{port}")
}

/// The job for a configuration whose templates are filled.
pub fn job(config: &ServiceConfig, service_name: &str) -> Result<Value, Vec<FieldError>> {
    let reservation = config.reservation();
    let ports = config.ports.as_deref().unwrap_or_default();
    let labels: Vec<_> = ports.iter().copied().map(label).collect();
    let environment = config.environment.clone().unwrap_or_default();
    let dynamic: Vec<_> = ports
        .iter()
        .map(|port| json!({"Label": label(*port), "To": port}))
        .collect();
    Ok(json!({
        "Type": "service",
        "Datacenters": ["*"],
        "TaskGroups": [{
            "Name": GROUP,
            "Count": 1,
            "RestartPolicy": {
                "Attempts": 2,
                "Interval": nanoseconds(Duration::from_secs(300)),
                "Delay": nanoseconds(Duration::from_secs(5)),
                "Mode": "fail",
            },
            "ReschedulePolicy": {
                "Attempts": 0,
                "Interval": 0,
                "Unlimited": true,
                "Delay": nanoseconds(Duration::from_secs(30)),
                "DelayFunction": "exponential",
                "MaxDelay": nanoseconds(Duration::from_secs(3600)),
            },
            // Without a progress deadline the first unhealthy allocation fails the deployment at once, and what runs
            // already is still placed elsewhere when a node is lost.
            "Update": {
                "MaxParallel": 1,
                "HealthCheck": "checks",
                "MinHealthyTime": nanoseconds(MIN_HEALTHY),
                "HealthyDeadline": nanoseconds(HEALTHY_DEADLINE),
                "ProgressDeadline": 0,
                "AutoRevert": false,
                "Canary": 0,
            },
            "EphemeralDisk": {"SizeMB": reservation.disk, "Sticky": true, "Migrate": true},
            "Networks": [{"DynamicPorts": dynamic}],
            "Services": services(config, service_name),
            "Tasks": [{
                "Name": TASK,
                "Driver": DRIVER,
                "Config": {
                    "image": config.image,
                    "ports": labels,
                    "volumes": volumes(config)?,
                },
                "Env": environment.0,
                "Resources": {"CPU": reservation.cpu, "MemoryMB": reservation.memory},
                "LogConfig": {
                    "MaxFiles": MAX_LOG_FILES,
                    // Nomad refuses logs that may grow as large as the disk.
                    "MaxFileSizeMB": (reservation.disk / 5).clamp(1, 10),
                },
            }],
        }],
    }))
}

/// Found under the job's own name, which no tenant chooses.
fn services(config: &ServiceConfig, name: &str) -> Value {
    let Some(port) = config.ports.as_deref().and_then(<[u16]>::first) else {
        return json!([]);
    };
    json!([{
        "Name": name,
        "Provider": "nomad",
        "PortLabel": label(*port),
        "Checks": checks(config, *port),
    }])
}

fn checks(config: &ServiceConfig, port: u16) -> Value {
    let enabled = config.health_check.as_ref();
    let Some(check) = enabled.filter(|check| check.is_enabled()) else {
        return json!([]);
    };
    json!([{
        "Name": "health",
        "Type": if check.path.is_some() { "http" } else { "tcp" },
        "Path": check.path.as_deref().unwrap_or_default(),
        "PortLabel": label(port),
        "Interval": nanoseconds(check.interval()),
        "Timeout": nanoseconds(check.timeout()),
        "CheckRestart": {
            "Limit": check.retries(),
            "Grace": nanoseconds(check.interval().max(Duration::from_secs(10))),
        },
    }])
}

/// Volumes are folders of the allocation's own directory, which is sticky: a path without a leading slash never leaves it.
fn volumes(config: &ServiceConfig) -> Result<Vec<String>, Vec<FieldError>> {
    let written = config.volumes.as_deref().unwrap_or_default();
    let mounts = written.iter().enumerate().map(|(index, volume)| {
        let mount: VolumeMount = volume.parse().map_err(|refused: domain::Violation| {
            vec![refused.at(format!("/config/volumes/{index}"))]
        })?;
        let read_only = if mount.read_only { ":ro" } else { "" };
        let VolumeMount { source, target, .. } = mount;
        Ok(format!("../alloc/data/{source}:{target}{read_only}"))
    });
    mounts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(document: Value) -> ServiceConfig {
        ServiceConfig::parse(&document, "").unwrap()
    }

    #[test]
    fn a_service_reserves_what_it_counts_for_and_publishes_its_ports() {
        let built = job(
            &config(json!({
                "image": "postgres:13", "ports": [5432], "environment": {"discovery.type": "1"},
                "resources": {"cpu": 500, "memory": 1024, "disk": 2048},
                "volumes": ["/data:/var/lib/postgresql/data:rw"],
            })),
            "service-1",
        )
        .unwrap();
        let group = &built["TaskGroups"][0];
        let task = &group["Tasks"][0];
        assert_eq!(task["Resources"], json!({"CPU": 500, "MemoryMB": 1024}));
        assert_eq!(group["EphemeralDisk"]["SizeMB"], 2048);
        assert_eq!(
            group["Networks"][0]["DynamicPorts"][0],
            json!({"Label": "p5432", "To": 5432})
        );
        assert_eq!(task["Config"]["ports"], json!(["p5432"]));
        let volumes = json!(["../alloc/data/data:/var/lib/postgresql/data"]);
        assert_eq!(task["Config"]["volumes"], volumes);
        assert_eq!(task["Env"], json!({"discovery.type": "1"}));
    }

    #[test]
    fn a_health_check_asks_the_first_port_and_only_where_it_is_enabled() {
        let with = |check: Value| {
            let document = json!({"image": "nginx:1", "ports": [80, 81], "health_check": check});
            job(&config(document), "s").unwrap()["TaskGroups"][0]["Services"][0]["Checks"].clone()
        };
        let check = with(json!({"path": "/health", "interval": "10s", "retries": 2}));
        assert_eq!(
            (&check[0]["Type"], &check[0]["Path"], &check[0]["PortLabel"]),
            (&json!("http"), &json!("/health"), &json!("p80"))
        );
        assert_eq!(check[0]["Interval"], 10_000_000_000_u64);
        assert_eq!(check[0]["CheckRestart"]["Limit"], 2);
        assert_eq!(with(json!({}))[0]["Type"], "tcp");
        assert_eq!(with(json!({"enabled": false})), json!([]));
    }

    #[test]
    fn logs_never_fill_the_disk_they_share() {
        for disk in [10, 11, 49, 50, 300, 20_480] {
            let built = job(
                &config(json!({"image": "a", "resources": {"disk": disk}})),
                "s",
            )
            .unwrap();
            let size = &built["TaskGroups"][0]["Tasks"][0]["LogConfig"]["MaxFileSizeMB"];
            assert!(
                size.as_u64().unwrap() * u64::from(MAX_LOG_FILES) < disk,
                "{disk}"
            );
        }
    }
}
