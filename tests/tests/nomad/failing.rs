//! Tasks that fail, what a second try does, and restarts.

use std::time::Duration;

use nomad::{
    ErrorKind,
    client::{
        allocations::{Allocation, ClientStatus},
        deployments::DeploymentStatus,
        jobs::JobStatus,
    },
};
use serde_json::{Value, json};

use crate::{
    scenarios,
    stage::{Stage, eventually, group, id, refusal, task, update},
};

scenarios![
    without_a_progress_deadline_a_first_deployment_fails_with_its_task,
    without_rescheduling_the_job_is_dead_at_once,
    a_service_that_ends_well_has_failed_too,
    a_command_that_does_not_exist_is_named,
    the_same_job_after_a_failure_places_nothing,
    a_changed_meta_after_a_failure_places_anew,
    stopped_and_registered_the_failed_job_places_nothing,
    a_failed_update_goes_back_to_the_stable_version,
    a_restarted_task_counts_its_restarts,
    an_ended_allocation_is_not_restarted,
];

const KILL_TIMEOUT: Duration = Duration::from_secs(1);

async fn failed(stage: &Stage, job: &Value) -> Allocation {
    stage
        .allocation(job, "a failed allocation", |allocation| {
            allocation.client_status == ClientStatus::Failed
        })
        .await
}

fn events(allocation: &Allocation) -> Vec<(&str, &str)> {
    let events = &allocation.task_states["app"].events;
    let texts = events
        .iter()
        .map(|event| (event.kind.as_str(), event.display_message.as_str()));
    texts.collect()
}

async fn without_a_progress_deadline_a_first_deployment_fails_with_its_task(stage: &Stage) {
    let mut job = stage.failing();
    group(&mut job)["ReschedulePolicy"] = json!(null);
    let registered = stage.register(&job).await;
    let deployment = stage.deployed(&job, 0, DeploymentStatus::Failed).await;
    assert_eq!(
        deployment.status_description,
        "Failed due to unhealthy allocations"
    );
    assert_eq!(
        deployment.job_spec_modify_index,
        registered.job_modify_index
    );
    let progress = &deployment.task_groups["main"];
    assert_eq!((progress.placed_allocs, progress.unhealthy_allocs), (1, 1));

    let allocation = failed(stage, &job).await;
    assert_eq!(allocation.desired_status, "run");
    assert_eq!(allocation.client_description, "Failed tasks");
    let health = allocation.deployment_status.clone().unwrap();
    assert_eq!(health.healthy, Some(false));
    let events = events(&allocation);
    assert!(
        events.contains(&("Terminated", "Exit Code: 1")),
        "{events:?}"
    );
    let last = ("Not Restarting", "Policy allows no restarts");
    assert!(events.contains(&last), "{events:?}");
    assert!(!stage.view(&job).await.stable);
}

async fn without_rescheduling_the_job_is_dead_at_once(stage: &Stage) {
    let mut job = stage.failing();
    // The deadline would come only in two hours.
    update(&mut job)["ProgressDeadline"] = json!(2 * crate::stage::HOUR);
    stage.register(&job).await;
    let deployment = stage.deployed(&job, 0, DeploymentStatus::Failed).await;
    assert_eq!(
        deployment.status_description,
        "Failed due to unhealthy allocations"
    );
    eventually("a dead job", async || {
        let view = stage.view(&job).await;
        assert!(!view.stop);
        (view.status == JobStatus::Dead).then_some(())
    })
    .await;
}

async fn a_service_that_ends_well_has_failed_too(stage: &Stage) {
    let mut job = stage.service("/bin/true", &[]);
    update(&mut job)["ProgressDeadline"] = json!(0);
    stage.register(&job).await;
    stage.deployed(&job, 0, DeploymentStatus::Failed).await;
    let allocation = failed(stage, &job).await;
    let events = events(&allocation);
    assert!(
        events.contains(&("Terminated", "Exit Code: 0")),
        "{events:?}"
    );
}

async fn a_command_that_does_not_exist_is_named(stage: &Stage) {
    let mut job = stage.failing();
    task(&mut job)["Config"] = json!({"command": "/no/such/command"});
    stage.register(&job).await;
    let allocation = failed(stage, &job).await;
    let events = events(&allocation);
    let named = |(kind, text): &(&str, &str)| {
        *kind == "Driver Failure" && text.contains("/no/such/command")
    };
    assert!(events.iter().any(named), "{events:?}");
}

/// Registers the job, which fails.
async fn fail(stage: &Stage, job: &Value) {
    stage.register(job).await;
    stage.deployed(job, 0, DeploymentStatus::Failed).await;
    failed(stage, job).await;
}

async fn the_same_job_after_a_failure_places_nothing(stage: &Stage) {
    let job = stage.failing();
    fail(stage, &job).await;
    let before = stage.view(&job).await;
    let deployment = stage.deployments(&job).await.remove(0).id;
    let again = stage.register(&job).await;
    let evaluation = stage.finished(&again.evaluation_id).await;
    assert_eq!(
        evaluation.deployment_id, deployment,
        "the failed deployment"
    );
    assert_eq!(evaluation.failed_groups.len(), 0);
    assert_eq!(stage.allocations(&job).await.len(), 1);
    assert_eq!(stage.deployments(&job).await.len(), 1);
    assert_eq!(stage.view(&job).await.version, before.version);
}

async fn a_changed_meta_after_a_failure_places_anew(stage: &Stage) {
    let mut job = stage.failing();
    fail(stage, &job).await;
    job["Meta"]["attempt"] = json!("2");
    let registered = stage.register(&job).await;
    let second = stage.deployed(&job, 1, DeploymentStatus::Failed).await;
    assert_eq!(second.job_spec_modify_index, registered.job_modify_index);
    let allocations = stage.allocations(&job).await;
    let versions: Vec<_> = allocations.iter().map(|alloc| alloc.job_version).collect();
    assert_eq!(versions, [Some(1), Some(0)]);
}

async fn stopped_and_registered_the_failed_job_places_nothing(stage: &Stage) {
    let job = stage.failing();
    fail(stage, &job).await;
    let stopped = stage.nomad.stop(id(&job), false).await.unwrap();
    stage.finished(&stopped.evaluation_id).await;
    let again = stage.register(&job).await;
    stage.finished(&again.evaluation_id).await;
    assert_eq!(stage.view(&job).await.version, 2);
    assert_eq!(stage.deployments(&job).await.len(), 1);
    assert_eq!(stage.allocations(&job).await.len(), 1);
}

async fn a_failed_update_goes_back_to_the_stable_version(stage: &Stage) {
    let mut job = stage.sleeper();
    let policy = update(&mut job);
    policy["AutoRevert"] = json!(true);
    policy["ProgressDeadline"] = json!(0);
    stage.healthy(&job).await;
    task(&mut job)["Config"] = json!({"command": "/bin/false"});
    let bad = stage.register(&job).await;
    let failed = stage.deployed(&job, 1, DeploymentStatus::Failed).await;
    assert_eq!(
        failed.status_description,
        "Failed due to unhealthy allocations - rolling back to job version 0"
    );
    assert_eq!(failed.job_spec_modify_index, bad.job_modify_index);
    let back = stage.deployed(&job, 2, DeploymentStatus::Successful).await;
    assert!(back.job_spec_modify_index > bad.job_modify_index);
    assert_eq!(
        stage.versions(&job).await,
        [(2, true, false), (1, false, false), (0, true, false)]
    );
}

async fn a_restarted_task_counts_its_restarts(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    let running = stage.allocations(&job).await.remove(0);
    assert_eq!(running.task_states["app"].restarts, 0);
    stage
        .nomad
        .restart(&running.id, KILL_TIMEOUT)
        .await
        .unwrap();
    let restarted = stage
        .allocation(&job, "a restarted task", |allocation| {
            let task = &allocation.task_states["app"];
            task.restarts == 1 && task.state == "running"
        })
        .await;
    assert_eq!(restarted.id, running.id, "in place");
    assert_eq!(restarted.client_status, ClientStatus::Running);
    let events = events(&restarted);
    let kinds: Vec<&str> = events.iter().map(|(kind, _)| *kind).collect();
    let signaled = kinds.iter().position(|kind| *kind == "Restart Signaled");
    let after = &kinds[signaled.expect("a Restart Signaled event")..];
    assert_eq!(
        after,
        ["Restart Signaled", "Terminated", "Restarting", "Started"]
    );
    assert_eq!(stage.view(&job).await.version, 0, "a restart is no version");
}

async fn an_ended_allocation_is_not_restarted(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    stage.nomad.stop(id(&job), false).await.unwrap();
    let ended = stage
        .allocation(&job, "a complete allocation", |allocation| {
            allocation.client_status == ClientStatus::Complete
        })
        .await;
    let (kind, status, text) = refusal(stage.nomad.restart(&ended.id, KILL_TIMEOUT).await);
    assert_eq!((kind, status), (ErrorKind::AlreadyEnded, 500), "{text}");

    let absent = "00000000-0000-4000-8000-000000000000";
    assert_eq!(
        refusal(stage.nomad.restart(absent, KILL_TIMEOUT).await),
        (
            ErrorKind::NotFound,
            404,
            format!("Unknown allocation \"{absent}\"")
        )
    );
}
