//! What no node can take, and what a plan says beforehand.

use nomad::client::{
    deployments::DeploymentStatus,
    evaluations::{Evaluation, EvaluationStatus},
    jobs::JobStatus,
    registration::{DesiredUpdates, DiffKind, Plan},
};
use serde_json::{Value, json};

use crate::{
    scenarios,
    stage::{Stage, eventually, id, task},
};

scenarios![
    a_missing_driver_filters_every_node,
    too_much_memory_exhausts_every_node,
    an_unknown_datacenter_has_no_nodes,
    a_stop_cancels_what_waits_for_capacity,
    a_plan_of_a_new_job_places_it,
    a_plan_of_an_unchanged_job_ignores_it,
    a_plan_tells_replacing_from_updating_in_place,
    what_is_updated_in_place_counts_as_placed,
    a_plan_of_a_stopped_job_places_it_again,
    a_plan_says_what_can_not_be_placed,
    a_plan_changes_nothing,
];

/// Registers what can't be placed: the finished evaluation, and the one that waits.
async fn unplaced(stage: &Stage, job: &Value) -> (Evaluation, Evaluation) {
    let registered = stage.register(job).await;
    let evaluation = stage.finished(&registered.evaluation_id).await;
    assert_eq!(evaluation.queued_allocations["main"], 1);
    let blocked = stage.nomad.evaluation(&evaluation.blocked_eval).await;
    let blocked = blocked.unwrap().value;
    assert_eq!(blocked.status, EvaluationStatus::Blocked);
    assert_eq!(blocked.triggered_by, "queued-allocs");
    assert_eq!(
        blocked.status_description,
        "created to place remaining allocations"
    );
    assert_eq!(blocked.previous_eval, evaluation.id);

    let deployment = stage.deployed(job, 0, DeploymentStatus::Running).await;
    let group = &deployment.task_groups["main"];
    assert_eq!(
        (group.placed_allocs, &group.require_progress_by),
        (0, &None)
    );
    assert_eq!(
        stage.view(job).await.status,
        JobStatus::Running,
        "which says nothing of health"
    );
    assert_eq!(stage.allocations(job).await, []);
    (evaluation, blocked)
}

fn with_unknown_driver(stage: &Stage) -> Value {
    let mut job = stage.sleeper();
    task(&mut job)["Driver"] = json!("no-such-driver");
    job
}

async fn a_missing_driver_filters_every_node(stage: &Stage) {
    let (evaluation, blocked) = unplaced(stage, &with_unknown_driver(stage)).await;
    for evaluation in [evaluation, blocked] {
        let failure = &evaluation.failed_groups["main"];
        let nodes = failure.nodes_evaluated;
        assert!(nodes > 0);
        assert_eq!(failure.nodes_filtered, nodes);
        assert_eq!(
            failure.constraint_filtered,
            [("missing drivers".to_owned(), nodes)].into()
        );
        assert_eq!(failure.dimension_exhausted, [].into());
        assert_eq!(failure.node_pool, "default");
    }
}

async fn too_much_memory_exhausts_every_node(stage: &Stage) {
    let mut job = stage.sleeper();
    task(&mut job)["Resources"]["MemoryMB"] = json!(10_000_000);
    let (evaluation, _) = unplaced(stage, &job).await;
    let failure = &evaluation.failed_groups["main"];
    let nodes = failure.nodes_evaluated;
    assert!(nodes > 0);
    assert_eq!(
        (failure.nodes_exhausted, failure.nodes_filtered),
        (nodes, 0)
    );
    assert_eq!(
        failure.dimension_exhausted,
        [("memory".to_owned(), nodes)].into()
    );
    assert_eq!(failure.constraint_filtered, [].into());
}

async fn an_unknown_datacenter_has_no_nodes(stage: &Stage) {
    let mut job = stage.sleeper();
    job["Datacenters"] = json!(["no-such-datacenter"]);
    let (evaluation, _) = unplaced(stage, &job).await;
    let failure = &evaluation.failed_groups["main"];
    assert_eq!(failure.nodes_evaluated, 0);
    assert_eq!(failure.nodes_available, [].into());
}

async fn a_stop_cancels_what_waits_for_capacity(stage: &Stage) {
    let job = with_unknown_driver(stage);
    let (_, blocked) = unplaced(stage, &job).await;
    stage.nomad.stop(id(&job), false).await.unwrap();
    let cancelled = stage.deployed(&job, 0, DeploymentStatus::Cancelled).await;
    assert_eq!(
        cancelled.status_description,
        "Cancelled because job is stopped"
    );
    eventually("a canceled evaluation", async || {
        let blocked = stage.nomad.evaluation(&blocked.id).await.unwrap();
        (blocked.status == EvaluationStatus::Canceled).then_some(())
    })
    .await;
    eventually("a dead job", async || {
        (stage.view(&job).await.status == JobStatus::Dead).then_some(())
    })
    .await;
}

async fn plan(stage: &Stage, job: &Value) -> Plan {
    stage.nomad.plan(job).await.unwrap()
}

fn updates(plan: &Plan) -> &DesiredUpdates {
    &plan.annotations.updates["main"]
}

fn kind(plan: &Plan) -> DiffKind {
    plan.diff.as_ref().unwrap().kind
}

fn placing() -> DesiredUpdates {
    DesiredUpdates {
        place: 1,
        ..DesiredUpdates::default()
    }
}

fn replacing() -> DesiredUpdates {
    DesiredUpdates {
        destructive_update: 1,
        ..DesiredUpdates::default()
    }
}

async fn a_plan_of_a_new_job_places_it(stage: &Stage) {
    let plan = plan(stage, &stage.sleeper()).await;
    assert_eq!(plan.job_modify_index, 0);
    assert_eq!(updates(&plan), &placing());
    assert_eq!(kind(&plan), DiffKind::Added);
    assert!(plan.failed_groups.is_empty());
    assert!(plan.created_evaluations.is_empty());
}

async fn a_plan_of_an_unchanged_job_ignores_it(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    let plan = plan(stage, &job).await;
    let ignoring = DesiredUpdates {
        ignore: 1,
        ..DesiredUpdates::default()
    };
    assert_eq!(updates(&plan), &ignoring);
    assert_eq!(kind(&plan), DiffKind::None);
    assert_eq!(
        plan.job_modify_index,
        stage.view(&job).await.job_modify_index
    );
}

async fn a_plan_tells_replacing_from_updating_in_place(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;

    let mut environment = job.clone();
    task(&mut environment)["Env"]["CHANGED"] = json!("1");
    let mut meta = job.clone();
    meta["Meta"]["attempt"] = json!("2");
    let mut arguments = job.clone();
    task(&mut arguments)["Config"]["args"] = json!(["86401"]);
    let mut memory = job.clone();
    task(&mut memory)["Resources"]["MemoryMB"] = json!(17);
    for changed in [environment, meta, arguments, memory] {
        let plan = plan(stage, &changed).await;
        assert_eq!(updates(&plan), &replacing());
        assert_eq!(kind(&plan), DiffKind::Edited);
    }

    let mut priority = job.clone();
    priority["Priority"] = json!(40);
    let mut kill_timeout = job.clone();
    task(&mut kill_timeout)["KillTimeout"] = json!(2 * crate::stage::SECOND);
    for changed in [priority, kill_timeout] {
        let plan = plan(stage, &changed).await;
        let in_place = DesiredUpdates {
            in_place_update: 1,
            ..DesiredUpdates::default()
        };
        assert_eq!(updates(&plan), &in_place);
        assert_eq!(kind(&plan), DiffKind::Edited);
    }

    let mut more = job;
    more["TaskGroups"][0]["Count"] = json!(3);
    let more = plan(stage, &more).await;
    let scaled = DesiredUpdates {
        place: 2,
        in_place_update: 1,
        ..DesiredUpdates::default()
    };
    assert_eq!(updates(&more), &scaled);
}

async fn what_is_updated_in_place_counts_as_placed(stage: &Stage) {
    let mut job = stage.sleeper();
    stage.healthy(&job).await;
    job["Priority"] = json!(40);
    let deployment = stage.healthy(&job).await;
    assert_eq!(deployment.job_version, 1);
    assert_eq!(stage.allocations(&job).await.len(), 1);
    let progress = &deployment.task_groups["main"];
    assert_eq!((progress.placed_allocs, progress.healthy_allocs), (1, 1));
    assert!(progress.require_progress_by.is_some());
}

async fn a_plan_of_a_stopped_job_places_it_again(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    let stopped = stage.nomad.stop(id(&job), false).await.unwrap();
    stage.finished(&stopped.evaluation_id).await;
    let plan = plan(stage, &job).await;
    assert_eq!(updates(&plan).place, 1);
    assert_eq!(kind(&plan), DiffKind::Edited);
    assert_eq!(plan.job_modify_index, stopped.job_modify_index);
}

async fn a_plan_says_what_can_not_be_placed(stage: &Stage) {
    let plan = plan(stage, &with_unknown_driver(stage)).await;
    let failure = &plan.failed_groups["main"];
    assert_eq!(
        failure.constraint_filtered,
        [("missing drivers".to_owned(), failure.nodes_evaluated)].into()
    );
    let [blocked] = &plan.created_evaluations[..] else {
        panic!("one evaluation, not {}", plan.created_evaluations.len());
    };
    assert_eq!(blocked.status, EvaluationStatus::Blocked);
}

async fn a_plan_changes_nothing(stage: &Stage) {
    let mut job = stage.sleeper();
    plan(stage, &job).await;
    assert!(stage.nomad.jobs(id(&job)).await.unwrap().is_empty());
    stage.healthy(&job).await;
    let before = stage.view(&job).await;
    task(&mut job)["Env"]["CHANGED"] = json!("1");
    plan(stage, &job).await;
    assert_eq!(stage.view(&job).await, before);
    assert_eq!(stage.allocations(&job).await.len(), 1);
}
