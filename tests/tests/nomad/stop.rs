//! Stopping, starting again and purging.

use nomad::{
    ErrorKind,
    client::{
        allocations::ClientStatus,
        deployments::DeploymentStatus,
        jobs::JobStatus,
        logs::{LogSource, LogTail},
    },
};
use serde_json::{Value, json};

use crate::{
    scenarios,
    stage::{Stage, eventually, id, never_healthy, refusal},
};

scenarios![
    a_stop_is_a_version_that_inherits_stability,
    a_job_registered_as_stopped_stops_under_the_expected_index,
    a_stopped_job_registered_again_runs_as_a_new_version,
    a_stop_cancels_the_deployment_under_way,
    stopping_an_absent_job_finds_nothing,
    a_purge_drops_all_but_evaluations_at_once,
    a_purged_jobs_id_begins_anew,
];

async fn dead(stage: &Stage, job: &Value) {
    eventually("a dead job", async || {
        (stage.view(job).await.status == JobStatus::Dead).then_some(())
    })
    .await;
}

async fn a_stop_is_a_version_that_inherits_stability(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    let stopped = stage.nomad.stop(id(&job), false).await.unwrap();
    assert!(stopped.found());
    let evaluation = stage.finished(&stopped.evaluation_id).await;
    assert_eq!(evaluation.triggered_by, "job-deregister");
    assert_eq!(
        stage.versions(&job).await,
        [(1, true, true), (0, true, false)]
    );
    assert_eq!(
        stage.view(&job).await.job_modify_index,
        stopped.job_modify_index
    );
    dead(stage, &job).await;

    let ended = stage
        .allocation(&job, "a complete allocation", |allocation| {
            allocation.client_status == ClientStatus::Complete
        })
        .await;
    assert_eq!(ended.desired_status, "stop");
    assert_eq!(
        ended.desired_description,
        "alloc not needed due to job update"
    );
    assert_eq!(ended.next_allocation, "");

    stage.nomad.stop(id(&job), false).await.unwrap();
    assert_eq!(
        stage.versions(&job).await,
        [(2, true, true), (1, true, true), (0, true, false)],
        "a stop of a stopped job is one more version"
    );
}

async fn a_job_registered_as_stopped_stops_under_the_expected_index(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    let current = stage.nomad.job(id(&job)).await.unwrap().value;
    let index = current.view.job_modify_index;
    let mut document = current.document;
    document["Stop"] = json!(true);

    let stale = stage.nomad.register(&document, Some(index - 1)).await;
    assert_eq!(refusal(stale).0, ErrorKind::IndexConflict);
    let stopped = stage.nomad.register(&document, Some(index)).await.unwrap();
    stage.finished(&stopped.evaluation_id).await;
    assert_eq!(
        stage.versions(&job).await,
        [(1, false, true), (0, true, false)],
        "unlike a deletion it does not inherit stability"
    );
    assert_eq!(
        stage.view(&job).await.job_modify_index,
        stopped.job_modify_index
    );
    dead(stage, &job).await;
    let ended = stage
        .allocation(&job, "a complete allocation", |allocation| {
            allocation.client_status == ClientStatus::Complete
        })
        .await;
    assert_eq!(ended.desired_status, "stop");
    assert_eq!(
        ended.desired_description,
        "alloc not needed due to job update"
    );
    assert_eq!(
        stage.deployments(&job).await.len(),
        1,
        "a stop has no deployment"
    );
}

async fn a_stopped_job_registered_again_runs_as_a_new_version(stage: &Stage) {
    let job = stage.sleeper();
    let first = stage.healthy(&job).await;
    let stopped = stage.nomad.stop(id(&job), false).await.unwrap();
    dead(stage, &job).await;
    let index = Some(stopped.job_modify_index);
    let started = stage.nomad.register(&job, index).await.unwrap();
    let second = stage.deployed(&job, 2, DeploymentStatus::Successful).await;
    assert_ne!(second.id, first.id);
    assert_eq!(second.job_spec_modify_index, started.job_modify_index);
    assert_eq!(
        stage.versions(&job).await,
        [(2, true, false), (1, true, true), (0, true, false)]
    );
    assert_eq!(stage.view(&job).await.status, JobStatus::Running);
}

async fn a_stop_cancels_the_deployment_under_way(stage: &Stage) {
    let mut job = stage.sleeper();
    never_healthy(&mut job);
    stage.register(&job).await;
    stage.deployed(&job, 0, DeploymentStatus::Running).await;
    stage.nomad.stop(id(&job), false).await.unwrap();
    let cancelled = stage.deployed(&job, 0, DeploymentStatus::Cancelled).await;
    assert_eq!(
        cancelled.status_description,
        "Cancelled because job is stopped"
    );
    assert_eq!(
        stage.versions(&job).await,
        [(1, false, true), (0, false, false)]
    );
}

async fn stopping_an_absent_job_finds_nothing(stage: &Stage) {
    for purge in [false, true] {
        let stopped = stage.nomad.stop(&stage.job_id(), purge).await.unwrap();
        assert!(!stopped.found());
        assert_eq!(stopped.evaluation_id, "");
    }
    let absent = stage.nomad.job(&stage.job_id()).await;
    assert_eq!(
        refusal(absent),
        (ErrorKind::NotFound, 404, "job not found".to_owned())
    );
}

async fn a_purge_drops_all_but_evaluations_at_once(stage: &Stage) {
    let job = stage.sleeper();
    let deployment = stage.healthy(&job).await;
    let allocation = stage.allocations(&job).await.remove(0).id;

    let purged = stage.nomad.stop(id(&job), true).await.unwrap();
    assert!(purged.found());
    let not_found = |text: &str| (ErrorKind::NotFound, 404, text.to_owned());
    assert_eq!(
        refusal(stage.nomad.job(id(&job)).await),
        not_found("job not found")
    );
    assert_eq!(
        refusal(stage.nomad.versions(id(&job)).await),
        not_found("job versions not found")
    );
    assert_eq!(stage.allocations(&job).await, []);
    assert_eq!(stage.deployments(&job).await, []);
    assert_eq!(
        refusal(stage.nomad.allocation(&allocation).await),
        not_found("alloc not found")
    );
    assert_eq!(
        refusal(stage.nomad.deployment(&deployment.id).await),
        not_found("deployment not found")
    );
    let unknown = not_found(&format!("Unknown allocation \"{allocation}\""));
    let logs = stage
        .nomad
        .logs(&allocation, "app", LogSource::Stdout, LogTail::Bytes(10));
    assert_eq!(refusal(logs.await), unknown);
    assert_eq!(refusal(stage.nomad.stats(&allocation).await), unknown);
    let evaluations = stage.nomad.evaluations(id(&job)).await.unwrap().value;
    assert!(!evaluations.is_empty());
}

async fn a_purged_jobs_id_begins_anew(stage: &Stage) {
    let job = stage.sleeper();
    let old = stage.register(&job).await.job_modify_index;
    stage.nomad.stop(id(&job), true).await.unwrap();
    let stale = stage.nomad.register(&job, Some(old)).await;
    assert_eq!(
        refusal(stale),
        (
            ErrorKind::IndexConflict,
            500,
            format!("Enforcing job modify index {old}: job does not exist")
        )
    );
    let new = stage.nomad.register(&job, Some(0)).await.unwrap();
    let view = stage.view(&job).await;
    assert_eq!(view.version, 0);
    assert_eq!(view.create_index, new.job_modify_index);
}
