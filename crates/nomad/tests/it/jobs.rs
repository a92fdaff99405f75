//! Jobs: read, planned and registered without losing a field.

use nomad_services_nomad::client::{
    allocations::ClientStatus, deployments::DeploymentStatus, jobs::JobStatus,
    registration::DiffKind,
};
use serde_json::{Value, json};

use crate::{
    agent::{Agent, ID},
    recorded::recorded,
};

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_job_is_read_with_its_view_and_its_whole_document() {
    let agent = Agent::answering(recorded("job.json")).await;
    let job = agent.namespace().job("ok-web").await.unwrap();
    let view = &job.view;
    assert_eq!(
        (view.id.as_str(), view.kind.as_str()),
        ("ok-web", "service")
    );
    assert_eq!((view.version, view.stable, view.stop), (0, true, false));
    assert_eq!(view.status, JobStatus::Running);
    assert_eq!((view.job_modify_index, view.modify_index), (165, 172));
    assert!(view.meta.is_empty());
    assert_eq!(view.task_groups[0].count, Some(1));
    assert_eq!(view.task_groups[0].tasks[0].driver, "raw_exec");
    assert_eq!(job.document, document(&recorded("job.json")));
}

#[tokio::test]
async fn a_parsed_job_is_the_document_nomad_answered() {
    for (answer, canonicalize, count) in [
        (recorded("jobs-parse.json"), false, 3),
        (recorded("jobs-parse-canonicalized.json"), true, 2),
    ] {
        let agent = Agent::answering(answer.clone()).await;
        let variables = json!({"name": "a ${x} %{if} \" \n", "count": 3});
        let variables = variables.as_object().unwrap();
        let namespace = agent.namespace();
        let parsed = namespace
            .parse("job {}", variables, canonicalize)
            .await
            .unwrap();
        assert_eq!(parsed, document(&answer));
        assert_eq!(parsed["TaskGroups"][0]["Count"], count);
        let sent = agent.last().json();
        assert_eq!(sent["JobHCL"], "job {}");
        assert_eq!(sent["Canonicalize"], canonicalize);
        let sent_variables = document(sent["Variables"].as_str().unwrap());
        assert_eq!(sent_variables.as_object().unwrap(), variables);

        // A document without defaults reads as a view too.
        let view: nomad_services_nomad::client::jobs::Job = serde_json::from_value(parsed).unwrap();
        assert_eq!((view.view.id.as_str(), view.view.version), ("web", 0));
    }
}

#[tokio::test]
async fn a_registered_job_is_sent_as_it_was_parsed_unknown_fields_included() {
    let agent = Agent::answering(recorded("job-register.json")).await;
    let mut job = document(&recorded("jobs-parse.json"));
    job["FieldOfTheFuture"] =
        json!({"Big": u64::MAX, "Negative": i64::MIN, "Half": 0.5, "None": null});
    job["TaskGroups"][0]["Tasks"][0]["Env"]["Ü"] = json!("\u{2028}${x} \"\\\u{0}");
    let registered = agent.namespace().register(&job, Some(0)).await.unwrap();
    assert_eq!(
        registered.evaluation_id,
        "6ba54db3-e95f-d529-38b4-af55ebec17c2"
    );
    assert_eq!(registered.job_modify_index, 18);
    assert_eq!(registered.warnings, "");
    let sent = agent.last().json();
    assert_eq!(sent["Job"], job);
    assert_eq!(
        (&sent["EnforceIndex"], &sent["JobModifyIndex"]),
        (&json!(true), &json!(0))
    );

    agent.namespace().register(&job, None).await.unwrap();
    assert_eq!(agent.last().json(), json!({ "Job": job }));

    agent.namespace().plan(&job).await.unwrap();
    let planned = agent.last();
    assert_eq!(planned.path, "/v1/job/web/plan");
    assert_eq!(planned.json()["Job"], job);
}

#[tokio::test]
async fn a_plan_says_what_would_change_and_what_could_not_be_placed() {
    let job = json!({"ID": "plan-a"});
    for (answer, kind, index) in [
        (recorded("job-plan-new.json"), DiffKind::Added, 0),
        (recorded("job-plan-unchanged.json"), DiffKind::None, 138),
        (recorded("job-plan-edited.json"), DiffKind::Edited, 148),
    ] {
        let agent = Agent::answering(answer).await;
        let plan = agent.namespace().plan(&job).await.unwrap();
        let diff = plan.diff.as_ref().unwrap();
        assert_eq!((diff.kind, plan.job_modify_index), (kind, index));
        assert_eq!(diff.task_groups.len(), 1);
        let updates = &plan.annotations.updates["main"];
        let unchanged = kind == DiffKind::None;
        assert_eq!(
            (updates.place == 0, updates.ignore > 0),
            (unchanged, kind != DiffKind::Added)
        );
        assert!(plan.failed_groups.is_empty());
        assert!(plan.warnings.starts_with("1 warning:"));
        assert!(!format!("{plan:?}").contains("task_groups"));
    }

    let agent = Agent::answering(recorded("job-plan-unplaceable.json")).await;
    let plan = agent.namespace().plan(&job).await.unwrap();
    assert_eq!(plan.diff, None);
    assert_eq!(
        plan.failed_groups["main"].constraint_filtered["missing drivers"],
        1
    );
    assert_eq!(plan.created_evaluations[0].job_id, "plan-d");
}

#[tokio::test]
async fn a_validation_lists_each_mistake() {
    let job = json!({"ID": "x"});
    let agent = Agent::answering(recorded("validate-ok.json")).await;
    let valid = agent.namespace().validate(&job).await.unwrap();
    assert!(valid.error.is_empty() && valid.validation_errors.is_empty());

    let agent = Agent::answering(recorded("validate-errors.json")).await;
    let invalid = agent.namespace().validate(&job).await.unwrap();
    assert_eq!(invalid.validation_errors.len(), 1);
    assert!(invalid.error.contains("Missing task driver"));
}

#[tokio::test]
async fn versions_come_newest_first_with_what_a_revert_left() {
    let agent = Agent::answering(recorded("job-versions.json")).await;
    let versions = agent.namespace().versions("plan-a").await.unwrap();
    assert_eq!(versions[0].view.meta["h"], "1");
    assert_eq!((versions[0].view.version, versions[1].view.version), (1, 0));

    let agent = Agent::answering(recorded("job-versions-reverted.json")).await;
    let versions = agent.namespace().versions("rv-a").await.unwrap();
    let seen: Vec<_> = versions
        .iter()
        .map(|job| (job.view.version, job.view.stable, job.view.job_modify_index))
        .collect();
    assert_eq!(seen, [(2, true, 398), (1, false, 259), (0, true, 178)]);
}

#[tokio::test]
async fn stopping_an_absent_job_is_told_from_stopping_one() {
    let agent = Agent::answering(recorded("job-deregister-unknown.json")).await;
    let absent = agent.namespace().stop("nope", false).await.unwrap();
    assert!(!absent.found());
    assert_eq!(agent.last().method, "DELETE");
    assert!(agent.last().asks("purge=false"));

    let agent = Agent::answering(r#"{"EvalID":"4c3b","JobModifyIndex":534}"#).await;
    assert!(agent.namespace().stop("a", true).await.unwrap().found());
    assert!(agent.last().asks("purge=true"));
}

#[tokio::test]
async fn reverting_and_scaling_answer_like_a_registration() {
    let agent = Agent::answering(recorded("job-revert-reply.json")).await;
    let reverted = agent.namespace().revert("ad", 0).await.unwrap();
    assert_eq!(reverted.job_modify_index, 575);
    assert_eq!(agent.last().json(), json!({"JobID": "ad", "JobVersion": 0}));

    let agent = Agent::answering(recorded("job-scale-reply.json")).await;
    let scaled = agent.namespace().scale("ad", "main", 2).await.unwrap();
    assert_eq!(scaled.evaluation_id, "bad2e980-6871-29b8-eb39-01e336b3f7da");
    assert_eq!(
        agent.last().json(),
        json!({"Count": 2, "Target": {"Group": "main"}})
    );

    let agent = Agent::answering(recorded("job-scale-status.json")).await;
    let status = agent.namespace().scale_status("ad").await.unwrap();
    let group = &status.task_groups["main"];
    assert_eq!((group.desired, group.running, group.healthy), (2, 2, 0));
}

#[tokio::test]
async fn lists_of_jobs_count_their_allocations() {
    let agent = Agent::answering(recorded("jobs-list.json")).await;
    let jobs = agent.namespace().jobs("ok").await.unwrap();
    assert_eq!(
        (jobs[0].id.as_str(), jobs[0].status),
        ("ok-web", JobStatus::Running)
    );
    assert_eq!(jobs[0].job_summary.summary["main"].running, 1);
    assert!(agent.last().asks("prefix=ok"));

    let agent = Agent::answering(recorded("job-summary.json")).await;
    let summary = agent.namespace().job_summary("ok-web").await.unwrap();
    assert_eq!(
        (
            summary.summary["main"].running,
            summary.summary["main"].failed
        ),
        (1, 0)
    );

    let agent = Agent::answering(recorded("jobs-statuses.json")).await;
    let states = agent.namespace().job_states().await.unwrap();
    assert_eq!((states[0].group_count_sum, states[0].allocs.len()), (1, 1));
    assert_eq!(states[0].allocs[0].id, ID);
    assert_eq!(states[0].allocs[0].client_status, ClientStatus::Running);
    let deployment = states[0].latest_deployment.as_ref().unwrap();
    assert_eq!(deployment.status, DeploymentStatus::Successful);
}

#[tokio::test]
async fn lists_that_are_null_are_empty() {
    let agent = Agent::answering("null").await;
    let namespace = agent.namespace();
    assert!(namespace.evaluations("a").await.unwrap().is_empty());
    assert!(namespace.deployments("a").await.unwrap().is_empty());
    assert!(namespace.allocations("a").await.unwrap().is_empty());
    assert!(namespace.jobs("").await.unwrap().is_empty());
    assert!(namespace.variables("").await.unwrap().is_empty());
    assert!(agent.client().namespaces().await.unwrap().is_empty());
}

#[tokio::test]
async fn printing_a_job_leaves_its_environment_out() {
    let mut job = document(&recorded("job.json"));
    job["TaskGroups"][0]["Tasks"][0]["Env"] = json!({"PASSWORD": "hunter2"});
    let agent = Agent::answering(job.to_string()).await;
    let job = agent.namespace().job("ok-web").await.unwrap();
    assert!(job.document.to_string().contains("hunter2"));
    assert!(!format!("{job:?}").contains("hunter2"));
}
