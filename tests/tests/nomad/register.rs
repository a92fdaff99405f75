//! Registering a job: versions, indexes, and the deployments that follow.

use nomad::{ErrorKind, client::deployments::DeploymentStatus};
use serde_json::json;

use crate::{
    scenarios,
    stage::{Stage, group, id, never_healthy, refusal, task},
};

scenarios![
    a_new_job_gets_a_deployment_that_makes_it_stable,
    an_enforced_index_is_compared_with_the_job,
    of_many_callers_with_the_same_index_one_wins,
    an_identical_job_makes_neither_a_version_nor_a_deployment,
    an_edited_job_is_an_unstable_version_with_its_own_deployment,
    a_newer_version_cancels_the_deployment_under_way,
    an_invalid_job_is_refused_in_words,
];

async fn a_new_job_gets_a_deployment_that_makes_it_stable(stage: &Stage) {
    let job = stage.sleeper();
    let registered = stage.register(&job).await;
    let evaluation = stage.finished(&registered.evaluation_id).await;
    assert_eq!(evaluation.triggered_by, "job-register");
    assert_eq!(evaluation.job_modify_index, registered.job_modify_index);

    let deployment = stage.deployed(&job, 0, DeploymentStatus::Successful).await;
    assert_eq!(deployment.id, evaluation.deployment_id);
    assert_eq!(
        deployment.status_description,
        "Deployment completed successfully"
    );
    assert_eq!(
        deployment.job_spec_modify_index,
        registered.job_modify_index
    );
    let group = &deployment.task_groups["main"];
    assert_eq!((group.desired_total, group.healthy_allocs), (1, 1));

    let view = stage.view(&job).await;
    assert_eq!((view.version, view.stable, view.stop), (0, true, false));
    assert_eq!(view.job_modify_index, registered.job_modify_index);
    assert_eq!(view.create_index, deployment.job_create_index);
}

async fn an_enforced_index_is_compared_with_the_job(stage: &Stage) {
    let mut job = stage.sleeper();
    let absent = stage.nomad.register(&job, Some(7)).await;
    assert_eq!(
        refusal(absent),
        (
            ErrorKind::IndexConflict,
            500,
            "Enforcing job modify index 7: job does not exist".to_owned()
        )
    );
    let first = stage.nomad.register(&job, Some(0)).await.unwrap();
    let again = stage.nomad.register(&job, Some(0)).await;
    assert_eq!(
        refusal(again),
        (
            ErrorKind::IndexConflict,
            500,
            "Enforcing job modify index 0: job already exists".to_owned()
        )
    );
    let index = first.job_modify_index;
    for other in [index - 1, index + 1_000_000] {
        let conflict = format!(
            "Enforcing job modify index {other}: job exists with conflicting job modify index: {index}"
        );
        assert_eq!(
            refusal(stage.nomad.register(&job, Some(other)).await),
            (ErrorKind::IndexConflict, 500, conflict)
        );
    }
    task(&mut job)["Env"]["CHANGED"] = json!("1");
    let second = stage.nomad.register(&job, Some(index)).await.unwrap();
    assert!(second.job_modify_index > index);
    assert_eq!(stage.view(&job).await.version, 1);
}

async fn of_many_callers_with_the_same_index_one_wins(stage: &Stage) {
    let job = stage.sleeper();
    let index = stage.register(&job).await.job_modify_index;
    let calls = (0..8).map(|caller| {
        let mut job = job.clone();
        job["Meta"]["caller"] = json!(caller.to_string());
        async move { stage.nomad.register(&job, Some(index)).await }
    });
    let answers = futures::future::join_all(calls).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    for answer in lost {
        assert_eq!(refusal(answer).0, ErrorKind::IndexConflict);
    }
    assert_eq!(stage.view(&job).await.version, 1);
}

async fn an_identical_job_makes_neither_a_version_nor_a_deployment(stage: &Stage) {
    let job = stage.sleeper();
    let deployment = stage.healthy(&job).await;
    let before = stage.view(&job).await;

    let again = stage.register(&job).await;
    let evaluation = stage.finished(&again.evaluation_id).await;
    assert_eq!(
        evaluation.deployment_id, deployment.id,
        "the evaluation names the deployment that has ended"
    );
    assert_eq!(
        again.job_modify_index, before.modify_index,
        "not the index that a later registration must enforce"
    );
    assert_eq!(stage.view(&job).await, before);
    assert_eq!(stage.deployments(&job).await.len(), 1);
    assert_eq!(stage.allocations(&job).await.len(), 1);
}

async fn an_edited_job_is_an_unstable_version_with_its_own_deployment(stage: &Stage) {
    let mut job = stage.sleeper();
    let first = stage.healthy(&job).await;
    task(&mut job)["Env"]["CHANGED"] = json!("1");
    never_healthy(&mut job);
    let registered = stage.register(&job).await;
    assert_eq!(
        stage.versions(&job).await,
        [(1, false, false), (0, true, false)]
    );
    assert_eq!(
        stage.view(&job).await.job_modify_index,
        registered.job_modify_index
    );
    let second = stage.deployed(&job, 1, DeploymentStatus::Running).await;
    assert_ne!(second.id, first.id);
    assert_eq!(second.job_spec_modify_index, registered.job_modify_index);
    assert_eq!(second.status_description, "Deployment is running");

    let allocations = stage.allocations(&job).await;
    let [new, old] = &allocations[..] else {
        panic!("two allocations, not {}", allocations.len());
    };
    assert_eq!((old.job_version, new.job_version), (Some(0), Some(1)));
    assert_eq!(old.next_allocation, new.id);
    assert_eq!(old.desired_status, "stop");
    assert_eq!(
        old.desired_description,
        "alloc is being updated due to job update"
    );
}

async fn a_newer_version_cancels_the_deployment_under_way(stage: &Stage) {
    let mut job = stage.sleeper();
    never_healthy(&mut job);
    stage.register(&job).await;
    stage.deployed(&job, 0, DeploymentStatus::Running).await;
    job["Meta"]["attempt"] = json!("2");
    stage.register(&job).await;
    let cancelled = stage.deployed(&job, 0, DeploymentStatus::Cancelled).await;
    assert_eq!(
        cancelled.status_description,
        "Cancelled due to newer version of job"
    );
    stage.deployed(&job, 1, DeploymentStatus::Running).await;
}

async fn an_invalid_job_is_refused_in_words(stage: &Stage) {
    let job = stage.sleeper();
    let text = |message: &str| format!("1 error occurred:\n\t* {message}");
    let mut without_groups = job.clone();
    without_groups["TaskGroups"] = json!([]);
    assert_eq!(
        refusal(stage.nomad.register(&without_groups, None).await),
        (ErrorKind::Invalid, 500, text("Missing job task groups"))
    );
    let nowhere = stage.client.in_namespace("no-such-namespace");
    let missing = format!(
        "job \"{}\" is in nonexistent namespace \"no-such-namespace\"",
        id(&job)
    );
    assert_eq!(
        refusal(nowhere.register(&job, None).await),
        (ErrorKind::NamespaceMissing, 500, text(&missing))
    );
    stage.register(&job).await;
    let mut batch = job.clone();
    batch["Type"] = json!("batch");
    group(&mut batch)["Update"] = json!(null);
    assert_eq!(
        refusal(stage.nomad.register(&batch, None).await),
        (
            ErrorKind::Invalid,
            500,
            "cannot update job from type \"service\" to \"batch\"".to_owned()
        )
    );
}
