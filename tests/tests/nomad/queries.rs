//! Blocking queries, and the indexes that answers carry.

use std::time::Duration;

use nomad::{
    ErrorKind,
    client::{Wait, deployments::DeploymentStatus},
};
use serde_json::json;

use crate::{
    scenarios,
    stage::{PATIENCE, Stage, id, refusal, task},
};

scenarios![
    an_old_index_is_answered_at_once,
    a_change_wakes_who_waits,
    without_a_change_the_answer_comes_when_the_wait_is_over,
    an_absent_job_can_be_waited_for,
    a_purge_wakes_who_waits_for_the_job,
    a_deployments_end_can_be_waited_for,
];

fn after(index: u64) -> Wait {
    Wait {
        index,
        at_most: PATIENCE,
    }
}

async fn an_old_index_is_answered_at_once(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    let current = stage.nomad.job(id(&job)).await.unwrap();
    assert_eq!(
        current.index, current.view.modify_index,
        "a job's answer carries the job's own index"
    );
    let waiting = stage.nomad.after(after(current.index - 1));
    let answer = tokio::time::timeout(PATIENCE / 2, waiting.job(id(&job))).await;
    assert_eq!(answer.unwrap().unwrap(), current);
}

async fn a_change_wakes_who_waits(stage: &Stage) {
    let mut job = stage.sleeper();
    stage.healthy(&job).await;
    let current = stage.nomad.job(id(&job)).await.unwrap();
    let waiting = stage.nomad.after(after(current.index));
    task(&mut job)["Env"]["CHANGED"] = json!("1");
    let (woken, registered) =
        futures::future::join(waiting.job(id(&job)), stage.register(&job)).await;
    let woken = woken.unwrap();
    assert!(woken.index >= registered.job_modify_index);
    assert_eq!(woken.view.version, 1);
}

async fn without_a_change_the_answer_comes_when_the_wait_is_over(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    let current = stage.nomad.job(id(&job)).await.unwrap();
    let waiting = stage.nomad.after(Wait {
        index: current.index,
        at_most: Duration::from_millis(200),
    });
    assert_eq!(waiting.job(id(&job)).await.unwrap(), current);
}

async fn an_absent_job_can_be_waited_for(stage: &Stage) {
    let job = stage.sleeper();
    let not_found = |error: nomad::Error| {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        error.index().unwrap()
    };
    let mut index = not_found(stage.nomad.job(id(&job)).await.unwrap_err());
    let waiting = async {
        loop {
            match stage.nomad.after(after(index)).job(id(&job)).await {
                Ok(found) => return found,
                // Other scenarios change jobs meanwhile, which wakes who waits for one that is absent.
                Err(error) => index = not_found(error),
            }
        }
    };
    let registering = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stage.register(&job).await
    };
    let both = futures::future::join(waiting, registering);
    let (found, registered) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert!(found.index >= registered.job_modify_index);
}

async fn a_purge_wakes_who_waits_for_the_job(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    let current = stage.nomad.job(id(&job)).await.unwrap().index;
    let waiting = stage.nomad.after(after(current));
    let (woken, purged) =
        futures::future::join(waiting.job(id(&job)), stage.nomad.stop(id(&job), true)).await;
    purged.unwrap();
    let error = woken.unwrap_err();
    assert!(error.index().unwrap() > current, "the index does not fall");
    assert_eq!(
        refusal::<()>(Err(error)),
        (ErrorKind::NotFound, 404, "job not found".to_owned())
    );
}

async fn a_deployments_end_can_be_waited_for(stage: &Stage) {
    let job = stage.sleeper();
    stage.register(&job).await;
    let waiting = async {
        let mut index = 1;
        loop {
            let waiting = stage.nomad.after(after(index));
            let deployments = waiting.deployments(id(&job)).await.unwrap();
            assert!(deployments.index >= index, "indexes do not fall");
            let mut own = deployments.iter();
            if own.any(|deployment| deployment.status == DeploymentStatus::Successful) {
                return;
            }
            index = deployments.index;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}
