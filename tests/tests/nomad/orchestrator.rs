//! The product's own way with Nomad: a job file is prepared, submitted under the index that is expected, observed, stopped,
//! restarted and purged.

use domain::{
    DeploymentId, ErrorKind, ServiceId, TenantId,
    deployment::{
        AllocationState, JobPlace, JobRequest, ObservedJob, Owner, Rollout, ports::Orchestrator,
    },
};
use nomad::{
    Nomad,
    client::logs::{LogSource, LogTail},
    job::{JobBuilder, JobFiles},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    scenarios,
    stage::{Stage, eventually},
};

scenarios![
    a_prepared_job_is_submitted_and_becomes_healthy,
    only_the_expected_job_is_replaced,
    only_the_expected_job_is_stopped,
    a_stopped_job_is_started_by_another_deployment,
    a_failed_deployment_says_why_and_can_be_repeated,
    what_no_node_takes_is_unplaced_and_says_why,
    a_restart_is_seen_in_the_allocation,
    a_task_finds_names_with_dots_in_its_environment,
    a_purged_job_is_not_seen_any_more,
];

const FILE: &str = r#"
variable "script" {
  type = string
}

variable "memory" {
  type    = number
  default = 16
}

variable "environment" {
  type    = map(string)
  default = {}
}

job "service" {
  group "main" {
    update {
      health_check      = "task_states"
      min_healthy_time  = "1s"
      healthy_deadline  = "1m"
      progress_deadline = "0s"
    }

    restart {
      attempts = 0
      mode     = "fail"
    }

    reschedule {
      attempts  = 0
      unlimited = false
    }

    ephemeral_disk {
      size = 20
    }

    task "app" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", var.script]
      }

      env = var.environment

      logs {
        max_files     = 1
        max_file_size = 1
      }

      kill_timeout = "1s"

      resources {
        cpu    = 10
        memory = var.memory
      }
    }
  }
}
"#;

const SLEEP: &str = "exec sleep 86400";

/// A service with the one who runs it.
pub struct Service {
    nomad: Nomad,
    request: JobRequest,
    _files: tempfile::TempDir,
}

impl Service {
    pub fn new(stage: &Stage, script: &str, memory: u32) -> Self {
        let variables = json!({"script": script});
        Self::of(stage, FILE, &variables, memory)
    }

    pub fn of(stage: &Stage, file: &str, variables: &Value, memory: u32) -> Self {
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("service.nomad"), file).unwrap();
        let job_files = JobFiles::new(files.path().to_owned());
        let jobs = JobBuilder::new(stage.client.clone(), job_files, vec!["raw_exec"]);
        let config = json!({
            "nomad_job_file": "service.nomad",
            "custom_variables": variables,
            "resources": {"cpu": 10, "memory": memory, "disk": 20},
        });
        let request = JobRequest {
            tenant_id: TenantId(Uuid::new_v4()),
            service_id: ServiceId(Uuid::new_v4()),
            service_name: "contract".to_owned(),
            deployment_id: DeploymentId(Uuid::new_v4()),
            place: JobPlace {
                namespace: "default".to_owned(),
                job_id: stage.job_id(),
            },
            config: serde_json::from_value(config).unwrap(),
        };
        Self {
            nomad: Nomad::new(stage.client.clone(), jobs),
            request,
            _files: files,
        }
    }

    fn place(&self) -> &JobPlace {
        &self.request.place
    }

    pub async fn observe(&self) -> Option<ObservedJob> {
        let deployment = Some(self.request.deployment_id);
        let observed = self
            .nomad
            .observe(self.place(), self.request.service_id, deployment)
            .await;
        observed.unwrap()
    }

    /// The job, once it has come so far.
    async fn observed(&self, rollout: Rollout) -> ObservedJob {
        eventually(&format!("{rollout:?}"), async || {
            let observed = self.observe().await?;
            (observed.rollout == rollout).then_some(observed)
        })
        .await
    }

    async fn submit(&self, expected: u64) -> domain::Result<()> {
        let job = self.nomad.prepare(&self.request).await.unwrap();
        self.nomad.submit(self.place(), &job, expected).await
    }

    /// The same service, asked for once more.
    fn deploy_again(&mut self) {
        self.request.deployment_id = DeploymentId(Uuid::new_v4());
    }

    pub async fn running(&self) -> ObservedJob {
        self.submit(0).await.unwrap();
        self.observed(Rollout::Healthy).await
    }
}

fn conflict(answer: domain::Result<()>) {
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Conflict);
}

async fn a_prepared_job_is_submitted_and_becomes_healthy(stage: &Stage) {
    let service = Service::new(stage, SLEEP, 16);
    let job = service.nomad.prepare(&service.request).await.unwrap();
    assert_eq!(service.observe().await, None, "preparing changes nothing");
    let submitted = service.nomad.submit(service.place(), &job, 0).await;
    submitted.unwrap();
    let observed = service.observed(Rollout::Healthy).await;
    assert_eq!(observed.owner, Owner::ThisDeployment);
    assert!(!observed.stopped);
    let [allocation] = observed.allocations[..] else {
        panic!("one allocation, not {observed:?}");
    };
    assert_eq!(allocation.state, AllocationState::Running);
    assert_eq!(allocation.restarts, 0);
}

async fn only_the_expected_job_is_replaced(stage: &Stage) {
    let mut service = Service::new(stage, SLEEP, 16);
    conflict(service.submit(7).await);
    let first = service.running().await;
    service.deploy_again();
    conflict(service.submit(0).await);
    conflict(service.submit(first.index - 1).await);
    assert_eq!(
        service.observe().await.unwrap().owner,
        Owner::OtherDeployment
    );
    service.submit(first.index).await.unwrap();
    let second = service.observed(Rollout::Healthy).await;
    assert_eq!(second.owner, Owner::ThisDeployment);
    assert!(second.index > first.index);
    conflict(service.submit(first.index).await);
}

async fn only_the_expected_job_is_stopped(stage: &Stage) {
    let service = Service::new(stage, SLEEP, 16);
    let running = service.running().await;
    let stop = async |expected| service.nomad.stop(service.place(), expected).await;
    conflict(stop(running.index - 1).await);
    assert!(!service.observe().await.unwrap().stopped);
    stop(running.index).await.unwrap();
    let ended = eventually("a stopped job without allocations", async || {
        let observed = service.observe().await.unwrap();
        observed.allocations.is_empty().then_some(observed)
    })
    .await;
    assert!(ended.stopped);
    assert!(ended.index > running.index);
    assert_eq!(ended.owner, Owner::ThisDeployment);
}

async fn a_stopped_job_is_started_by_another_deployment(stage: &Stage) {
    let mut service = Service::new(stage, SLEEP, 16);
    let running = service.running().await;
    let stopped = service.nomad.stop(service.place(), running.index).await;
    stopped.unwrap();
    let stopped = service.observe().await.unwrap();
    service.deploy_again();
    service.submit(stopped.index).await.unwrap();
    let again = service.observed(Rollout::Healthy).await;
    assert!(!again.stopped);
    assert_eq!(again.owner, Owner::ThisDeployment);
}

async fn a_failed_deployment_says_why_and_can_be_repeated(stage: &Stage) {
    let mut service = Service::new(stage, "echo no such host >&2; exit 3", 16);
    service.submit(0).await.unwrap();
    let failed = service.observed(Rollout::Failed).await;
    let evidence = service.nomad.evidence(service.place()).await.unwrap();
    assert_eq!(
        evidence.description.as_deref(),
        Some("Failed due to unhealthy allocations")
    );
    assert!(evidence.placement.is_empty());
    let [failure] = &evidence.failures[..] else {
        panic!("one failure, not {evidence:?}");
    };
    assert_eq!(failure.task, "app");
    assert!(
        failure.events.contains(&"Exit Code: 3".to_owned()),
        "{failure:?}"
    );
    assert_eq!(failure.log, ["no such host"]);

    // The same job once more would place nothing; the deployment's id in its meta makes it another one.
    service.deploy_again();
    service.submit(failed.index).await.unwrap();
    let again = service.observed(Rollout::Failed).await;
    assert!(again.index > failed.index);
    let tried = stage.nomad.allocations(&service.place().job_id).await;
    assert_eq!(tried.unwrap().len(), 2);
}

async fn what_no_node_takes_is_unplaced_and_says_why(stage: &Stage) {
    let service = Service::new(stage, SLEEP, 10_000_000);
    service.submit(0).await.unwrap();
    let observed = service.observed(Rollout::Unplaced).await;
    assert!(observed.allocations.is_empty());
    let evidence = service.nomad.evidence(service.place()).await.unwrap();
    let [reason] = &evidence.placement[..] else {
        panic!("one reason, not {evidence:?}");
    };
    assert!(
        reason.starts_with("group main: ") && reason.ends_with("have not enough left of: memory"),
        "{reason}"
    );
    assert!(evidence.failures.is_empty());
}

async fn a_restart_is_seen_in_the_allocation(stage: &Stage) {
    let service = Service::new(stage, SLEEP, 16);
    let before = service.running().await;
    let allocation = before.allocations[0];
    let restarted = service.nomad.restart(service.place(), allocation.id).await;
    restarted.unwrap();
    let after = eventually("a restarted allocation", async || {
        let observed = service.observe().await.unwrap();
        let restarted = observed.allocations[0].restarts > allocation.restarts;
        (restarted && observed.allocations[0].state == AllocationState::Running).then_some(observed)
    })
    .await;
    assert_eq!(after.allocations[0].id, allocation.id);
    assert_eq!(after.allocations[0].restarts, 1);
    assert_eq!(after.index, before.index);

    let absent = service.nomad.restart(service.place(), Uuid::new_v4()).await;
    absent.unwrap();
}

async fn a_task_finds_names_with_dots_in_its_environment(stage: &Stage) {
    // A shell hands on only the names that it can use itself.
    let script = "tr '\\0' '\\n' < /proc/$$/environ; exec sleep 86400";
    let mut service = Service::new(stage, script, 16);
    let environment = json!({"discovery.type": "single-node", "xpack.ml.enabled": "false"});
    service.request.config.environment = serde_json::from_value(environment).unwrap();
    let running = service.running().await;
    let allocation = running.allocations[0].id.to_string();
    let printed = eventually("the environment in the log", async || {
        let tail = LogTail::Lines {
            count: 1_000,
            at_most_bytes: 64 * 1024,
        };
        let logs = stage
            .nomad
            .logs(&allocation, "app", LogSource::Stdout, tail);
        let text = String::from_utf8_lossy(&logs.await.unwrap()).into_owned();
        text.contains("NOMAD_ALLOC_ID=").then_some(text)
    })
    .await;
    for line in ["discovery.type=single-node", "xpack.ml.enabled=false"] {
        assert!(printed.lines().any(|found| found == line), "{printed}");
    }
}

async fn a_purged_job_is_not_seen_any_more(stage: &Stage) {
    let service = Service::new(stage, SLEEP, 16);
    service.running().await;
    for _ in 0..2 {
        service.nomad.purge(service.place()).await.unwrap();
        assert_eq!(service.observe().await, None);
    }
    let stopped = service.nomad.stop(service.place(), 1).await;
    stopped.unwrap();
}
