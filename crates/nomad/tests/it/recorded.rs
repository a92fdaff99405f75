//! What a real agent answered, read through the client. The files in `tests/recorded` are as it sent them, with host
//! names and paths made neutral.

use std::{collections::BTreeSet, fs, path::PathBuf};

use nomad_services_nomad::client::{
    allocations::ClientStatus, deployments::DeploymentStatus, evaluations::EvaluationStatus,
    services::CheckStatus,
};

use crate::agent::{Agent, ID};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded")
}

pub fn recorded(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

pub async fn answering(answer: String) -> Agent {
    Agent::answering(answer).await
}

#[test]
fn every_recorded_answer_is_read_by_a_test() {
    let sources = [
        include_str!("cluster.rs"),
        include_str!("errors.rs"),
        include_str!("jobs.rs"),
        include_str!("recorded.rs"),
        include_str!("streams.rs"),
    ]
    .concat();
    let files: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(files.len() > 50, "{files:?}");
    let unread: Vec<_> = files
        .iter()
        .filter(|file| !sources.contains(&format!("recorded(\"{file}\")")))
        .collect();
    assert!(unread.is_empty(), "no test reads {unread:?}");
}

#[tokio::test]
async fn an_evaluation_says_whether_it_placed_what_it_should() {
    let complete = answering(recorded("eval-complete.json")).await;
    let complete = complete.namespace().evaluation(ID).await.unwrap();
    assert_eq!(complete.index, 7);
    assert_eq!(complete.status, EvaluationStatus::Complete);
    assert_eq!(complete.triggered_by, "job-register");
    assert_eq!(complete.blocked_eval, "");
    assert!(complete.failed_groups.is_empty());
    assert_eq!(complete.queued_allocations["main"], 0);

    let filtered = answering(recorded("unplaceable-eval-failed-placement.json")).await;
    let filtered = filtered.namespace().evaluation(ID).await.unwrap();
    assert_eq!(filtered.status, EvaluationStatus::Complete);
    assert_eq!(
        filtered.blocked_eval,
        "464fc5a8-a784-91bb-7011-18d43a730040"
    );
    let reason = &filtered.failed_groups["main"];
    assert_eq!(reason.constraint_filtered["missing drivers"], 1);
    assert_eq!(reason.nodes_available["dc1"], 1);
    assert!(reason.dimension_exhausted.is_empty());

    let exhausted = answering(recorded("exhausted-eval-failed-placement.json")).await;
    let exhausted = exhausted.namespace().evaluation(ID).await.unwrap();
    let reason = &exhausted.failed_groups["main"];
    assert_eq!(reason.dimension_exhausted["memory"], 1);
    assert_eq!((reason.nodes_exhausted, reason.coalesced_failures), (1, 1));
    assert_eq!(exhausted.queued_allocations["main"], 2);
}

#[tokio::test]
async fn a_blocked_evaluation_names_the_one_before_it() {
    for (answer, previous) in [
        (
            recorded("unplaceable-eval-blocked.json"),
            "6fdad998-59eb-daf5-c083-4f67b7ca0c77",
        ),
        (
            recorded("exhausted-eval-blocked.json"),
            "c933eea1-2740-2779-7bb2-011e7c8bb70f",
        ),
    ] {
        let blocked = answering(answer).await;
        let blocked = blocked.namespace().evaluation(ID).await.unwrap();
        assert_eq!(blocked.status, EvaluationStatus::Blocked);
        assert_eq!(blocked.triggered_by, "queued-allocs");
        assert_eq!(blocked.previous_eval, previous);
    }
}

#[tokio::test]
async fn a_list_of_evaluations_has_the_newest_first() {
    let one = answering(recorded("job-evaluations.json")).await;
    let one = one.namespace().evaluations("ok-web").await.unwrap();
    assert_eq!((one.len(), one[0].create_index), (1, 165));

    let list = answering(recorded("eval-after-deployment-failed.json")).await;
    let list = list.namespace().evaluations("f-none").await.unwrap();
    let triggers: Vec<_> = list.iter().map(|one| one.triggered_by.as_str()).collect();
    assert_eq!(triggers, ["deployment-watcher", "job-register"]);
    assert_eq!(list[0].job_modify_index, 0);
}

#[tokio::test]
async fn a_deployment_says_how_it_ended() {
    for (answer, status, description, terminal) in [
        (
            recorded("deployment-successful.json"),
            DeploymentStatus::Successful,
            "Deployment completed successfully",
            true,
        ),
        (
            recorded("deployment-failed.json"),
            DeploymentStatus::Failed,
            "Failed due to unhealthy allocations",
            true,
        ),
        (
            recorded("deployment-cancelled.json"),
            DeploymentStatus::Cancelled,
            "Cancelled due to newer version of job",
            true,
        ),
        (
            recorded("deployment-needs-promotion.json"),
            DeploymentStatus::Running,
            "Deployment is running but requires manual promotion",
            false,
        ),
        (
            recorded("unplaceable-deployment.json"),
            DeploymentStatus::Running,
            "Deployment is running",
            false,
        ),
        (
            recorded("exhausted-deployment.json"),
            DeploymentStatus::Running,
            "Deployment is running",
            false,
        ),
    ] {
        let deployment = answering(answer).await;
        let deployment = deployment.namespace().deployment(ID).await.unwrap();
        assert_eq!(deployment.status, status);
        assert_eq!(deployment.status_description, description);
        assert_eq!(deployment.status.is_terminal(), terminal);
        assert_eq!(
            deployment.job_spec_modify_index,
            deployment.job_modify_index
        );
        let group = &deployment.task_groups["main"];
        assert_eq!(group.progress_deadline_nanos, 20_000_000_000);
        // What can't be placed has no deadline of Nomad's.
        assert_eq!(
            group.require_progress_by.is_none(),
            group.placed_allocs == 0
        );
        assert_eq!(group.placed_canaries.len() as u64, group.desired_canaries);
    }
}

#[tokio::test]
async fn a_list_of_deployments_has_the_newest_first() {
    let list = answering(recorded("job-reverted-deployments.json")).await;
    let list = list.namespace().deployments("rv-a").await.unwrap();
    let versions: Vec<_> = list
        .iter()
        .map(|one| (one.job_version, one.status))
        .collect();
    assert_eq!(
        versions,
        [
            (2, DeploymentStatus::Successful),
            (1, DeploymentStatus::Failed),
            (0, DeploymentStatus::Successful)
        ]
    );

    let one = answering(recorded("job-deployments.json")).await;
    let one = one.namespace().deployments("ok-web").await.unwrap();
    assert_eq!(one[0].task_groups["main"].healthy_allocs, 1);

    let failed = answering(recorded("job-failed-deployments.json")).await;
    let failed = failed.namespace().deployments("f").await.unwrap();
    assert_eq!(
        failed[0].status_description,
        "Failed due to progress deadline"
    );
}

#[tokio::test]
async fn a_changed_deployment_names_its_evaluation_if_there_is_one() {
    let failed = answering(recorded("deployment-fail-reply.json")).await;
    let failed = failed.namespace().fail_deployment(ID).await.unwrap();
    assert_eq!(failed.evaluation_id, "082e35b3-0b72-e3c5-247e-aa15ea66d0ec");
    assert_eq!(failed.reverted_job_version, None);

    let paused = answering(recorded("deployment-pause-reply.json")).await;
    let paused = paused.namespace().pause_deployment(ID, true).await.unwrap();
    assert_eq!(
        (
            paused.evaluation_id.as_str(),
            paused.deployment_modify_index
        ),
        ("", 599)
    );

    let promoted = answering(recorded("deployment-promote-reply.json")).await;
    let promoted = promoted.namespace().promote_deployment(ID).await.unwrap();
    assert_eq!(promoted.deployment_modify_index, 709);
}

#[tokio::test]
async fn an_allocation_shows_its_tasks_its_health_and_its_ports() {
    let full = answering(recorded("allocation.json")).await;
    let full = full.namespace().allocation(ID).await.unwrap();
    assert_eq!(full.client_status, ClientStatus::Running);
    assert_eq!(full.deployment_id, "3e66011a-f59c-c30c-5cd7-6b76ca1d3f13");
    assert_eq!(full.deployment_status.as_ref().unwrap().healthy, Some(true));
    let port = &full.allocated_resources.shared.ports[0];
    assert_eq!((port.label.as_str(), port.value), ("http", 26190));
    assert_eq!(full.task_states["app"].state, "running");

    let stubs = answering(recorded("job-allocations.json")).await;
    let stubs = stubs.namespace().allocations("ok-web").await.unwrap();
    assert_eq!((stubs[0].job_version, stubs[0].id.as_str()), (Some(0), ID));
    assert_eq!(
        stubs[0].task_states["app"].events.last().unwrap().kind,
        "Started"
    );

    let failed = answering(recorded("allocations-driver-failure.json")).await;
    let failed = failed.namespace().allocations("f-nocmd").await.unwrap();
    assert_eq!(failed[0].client_status, ClientStatus::Failed);
    assert_eq!(failed[0].desired_status, "run");
    let task = &failed[0].task_states["app"];
    let failure = task
        .events
        .iter()
        .find(|event| event.kind == "Driver Failure");
    assert!(failure.unwrap().details["driver_error"].contains("/no/such/cmd"));
    assert!(task.failed);
}

#[tokio::test]
async fn a_list_of_allocations_has_the_newest_first_and_the_chain_of_replacements() {
    let list = answering(recorded("job-reverted-allocations.json")).await;
    let list = list.namespace().allocations("rv-a").await.unwrap();
    let versions: Vec<_> = list.iter().map(|one| one.job_version.unwrap()).collect();
    assert_eq!(versions, [2, 1, 0]);
    assert_eq!(list[1].next_allocation, list[0].id);
    assert_eq!(list[2].next_allocation, list[1].id);
    let exit = &list[1].task_states["app"].events;
    assert!(exit.iter().any(|event| {
        event
            .details
            .get("exit_code")
            .is_some_and(|code| code == "1")
    }));
}

#[tokio::test]
async fn a_stopped_allocation_names_the_evaluation_that_replaces_it() {
    let stopped = answering(recorded("alloc-stop-reply.json")).await;
    let reply = stopped.namespace().stop_allocation(ID).await.unwrap();
    assert_eq!(reply.evaluation_id, "88db8aa7-d5fe-b074-850d-337612aa49f6");
    assert_eq!(reply.index, 955);
    assert_eq!(stopped.last().method, "POST");
}

#[tokio::test]
async fn statistics_show_what_is_measured_and_nothing_else() {
    let stats = answering(recorded("alloc-stats.json")).await;
    let stats = stats.namespace().stats(ID).await.unwrap();
    assert_eq!(stats.resource_usage.memory.resident(), Some(19_333_120));
    assert_eq!(stats.resource_usage.memory.usage(), None);
    assert_eq!(stats.resource_usage.cpu.percent(), Some(0.0));
    assert_eq!(stats.resource_usage.cpu.throttled_periods(), None);
    assert_eq!(
        stats.tasks["app"].resource_usage.memory.resident(),
        Some(19_333_120)
    );
    assert_eq!(stats.timestamp_nanos, 1_795_393_810_241_915_576);
}

#[tokio::test]
async fn statistics_without_a_sample_are_empty() {
    let none = r#"{"ResourceUsage":{"CpuStats":{"Measured":null,"Percent":0},"DeviceStats":null,
        "MemoryStats":{"Measured":null,"RSS":0}},"Tasks":{},"Timestamp":0}"#;
    let stats = answering(none.to_owned()).await;
    let stats = stats.namespace().stats(ID).await.unwrap();
    assert_eq!(stats.resource_usage.memory.resident(), None);
    assert_eq!(stats.timestamp_nanos, 0);
}

#[tokio::test]
async fn services_and_checks_are_read() {
    let checks = answering(recorded("alloc-checks.json")).await;
    let checks = checks.namespace().checks(ID).await.unwrap();
    let check = checks.values().next().unwrap();
    assert_eq!(check.status, CheckStatus::Success);
    assert_eq!((check.check.as_str(), check.status_code), ("up", 200));
    let stopped = answering("null".to_owned()).await;
    assert!(stopped.namespace().checks(ID).await.unwrap().is_empty());

    let all = answering(recorded("services.json")).await;
    let all = all.namespace().services().await.unwrap();
    assert_eq!(all[0].services[0].service_name, "ok-web");

    let one = answering(recorded("service.json")).await;
    let one = one.namespace().service("ok-web").await.unwrap();
    assert_eq!((one[0].address.as_str(), one[0].port), ("127.0.0.1", 26190));

    let of_job = answering(recorded("job-services.json")).await;
    let of_job = of_job.namespace().job_services("ok-web").await.unwrap();
    assert_eq!(of_job[0].allocation_id, ID);
}
