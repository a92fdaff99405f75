//! What is up at this moment, and what only was: a rollout stays healthy whatever becomes of what it has placed.

use domain::deployment::{AllocationState, ObservedJob, Rollout};
use serde_json::json;

use crate::{
    orchestrator::Service,
    scenarios,
    stage::{Stage, eventually},
};

scenarios![
    what_has_died_is_not_up_although_its_rollout_was_healthy,
    what_fails_its_check_is_not_up_although_it_runs,
];

/// Serves a folder, and is healthy for as long as the file `ok` is in it.
const CHECKED: &str = r#"
variable "folder" {
  type = string
}

job "checked" {
  group "main" {
    network {
      port "http" {}
    }

    update {
      health_check      = "checks"
      min_healthy_time  = "1s"
      healthy_deadline  = "1m"
      progress_deadline = "0s"
    }

    ephemeral_disk {
      size = 20
    }

    service {
      name     = "checked"
      provider = "nomad"
      port     = "http"

      check {
        type     = "http"
        path     = "/ok"
        interval = "1s"
        timeout  = "1s"
      }
    }

    task "app" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args = [
          "-c", "exec python3 -m http.server --bind $NOMAD_IP_http --directory \"$0\" $NOMAD_PORT_http", var.folder
        ]
      }

      logs {
        max_files     = 1
        max_file_size = 1
      }

      kill_timeout = "1s"

      resources {
        cpu    = 10
        memory = 64
      }
    }
  }
}
"#;

/// The job, once it is not up any more.
async fn down(service: &Service) -> ObservedJob {
    eventually("a job that is not up", async || {
        let observed = service.observe().await?;
        (!observed.is_up()).then_some(observed)
    })
    .await
}

async fn what_has_died_is_not_up_although_its_rollout_was_healthy(stage: &Stage) {
    let service = Service::new(stage, "exec sleep 3", 16);
    service.running().await;
    let observed = down(&service).await;
    assert_eq!(observed.rollout, Rollout::Healthy);
    assert_eq!(observed.wanted, 1);
    let states: Vec<_> = observed.allocations.iter().map(|one| one.state).collect();
    assert_eq!(states, [AllocationState::Failed]);
}

async fn what_fails_its_check_is_not_up_although_it_runs(stage: &Stage) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ok"), "").unwrap();
    let variables = json!({"folder": folder.path()});
    let service = Service::of(stage, CHECKED, &variables, 64);
    let running = service.running().await;
    assert!(running.is_up(), "{running:?}");
    std::fs::remove_file(folder.path().join("ok")).unwrap();
    let observed = down(&service).await;
    assert!(observed.checks_fail, "{observed:?}");
    let states: Vec<_> = observed.allocations.iter().map(|one| one.state).collect();
    assert_eq!(states, [AllocationState::Running]);
}
