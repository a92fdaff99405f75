//! The event stream.

use std::collections::BTreeSet;

use futures::{StreamExt, stream::BoxStream};
use nomad::{
    Error,
    client::{
        deployments::DeploymentStatus,
        events::{Event, EventBatch, Topic},
    },
};
use serde_json::{Value, json};

use crate::{
    scenarios,
    stage::{PATIENCE, Stage, id},
};

scenarios![
    a_jobs_life_is_told_by_topic,
    a_topics_key_picks_one_job,
    a_stream_begins_with_the_index_it_is_given,
    a_purge_tells_that_the_job_is_gone,
];

type Stream = BoxStream<'static, Result<EventBatch, Error>>;

/// What happens to one job.
fn topics_of(job: &Value) -> Vec<Topic> {
    ["Job", "Evaluation", "Deployment", "Allocation"]
        .map(|name| Topic {
            name: name.to_owned(),
            key: Some(id(job).to_owned()),
        })
        .into()
}

/// A stream from the last change of any job on.
async fn stream(stage: &Stage, topics: &[Topic]) -> Stream {
    let index = stage.nomad.jobs("").await.unwrap().index;
    stage.client.events(index, topics, "default").await.unwrap()
}

/// All batches until one holds an event that is wanted.
async fn until(
    stream: &mut Stream,
    what: &str,
    wanted: impl Fn(&Event) -> bool,
) -> Vec<EventBatch> {
    let mut seen = Vec::new();
    let reading = async {
        loop {
            let batch = stream.next().await.unwrap().unwrap();
            let found = batch.events.iter().any(&wanted);
            seen.push(batch);
            if found {
                return;
            }
        }
    };
    let read = tokio::time::timeout(PATIENCE, reading).await;
    assert!(read.is_ok(), "no event: {what}; seen {seen:?}");
    seen
}

fn successful(event: &Event) -> bool {
    event.topic == "Deployment" && event.object().unwrap()["Status"] == "successful"
}

async fn a_jobs_life_is_told_by_topic(stage: &Stage) {
    let job = stage.sleeper();
    let mut stream = stream(stage, &topics_of(&job)).await;
    let registered = stage.register(&job).await;
    let batches = until(&mut stream, "a successful deployment", successful).await;
    let deployment = stage.deployed(&job, 0, DeploymentStatus::Successful).await;

    let events: Vec<&Event> = batches.iter().flat_map(|batch| &batch.events).collect();
    let topics: BTreeSet<&str> = events.iter().map(|event| &*event.topic).collect();
    assert_eq!(
        topics,
        ["Allocation", "Deployment", "Evaluation", "Job"].into()
    );
    for event in &events {
        assert_eq!(event.namespace, "default");
        let object = event.object().unwrap();
        match event.topic.as_str() {
            "Job" => {
                assert_eq!((&*event.key, &object["ID"]), (id(&job), &job["ID"]));
                assert!(!event.is_purge());
            }
            "Allocation" => {
                assert!(event.filter_keys.iter().any(|key| key == id(&job)));
                assert_eq!(object["DeploymentID"], json!(deployment.id));
                assert_eq!(object.get("Job").unwrap_or(&Value::Null), &Value::Null);
            }
            _ => {
                assert!(event.filter_keys.iter().any(|key| key == id(&job)));
                assert_eq!(object["JobID"], job["ID"]);
            }
        }
    }
    let first = &events[0];
    assert_eq!((&*first.topic, &*first.kind), ("Job", "JobRegistered"));
    assert_eq!(first.index, registered.job_modify_index);
    let same_index: BTreeSet<&str> = events
        .iter()
        .filter(|event| event.index == registered.job_modify_index)
        .map(|event| &*event.topic)
        .collect();
    assert_eq!(
        same_index,
        ["Evaluation", "Job"].into(),
        "a registration is two events of one index"
    );
    assert!(batches.is_sorted_by_key(|batch| batch.index));
}

async fn a_topics_key_picks_one_job(stage: &Stage) {
    let (mut wanted, mut other) = (stage.sleeper(), stage.sleeper());
    for job in [&mut wanted, &mut other] {
        job["TaskGroups"][0]["Count"] = json!(0);
    }
    let topic = Topic {
        name: "Job".to_owned(),
        key: Some(id(&wanted).to_owned()),
    };
    let mut stream = stream(stage, &[topic]).await;
    stage.register(&other).await;
    let registered = stage.register(&wanted).await;
    let batches = until(&mut stream, "the job", |event| event.key == id(&wanted)).await;
    let [batch] = &batches[..] else {
        panic!("one batch, not {batches:?}");
    };
    assert_eq!(batch.index, registered.job_modify_index);
    assert_eq!(batch.events.len(), 1);
}

async fn a_stream_begins_with_the_index_it_is_given(stage: &Stage) {
    let job = stage.sleeper();
    // At once, because an agent keeps only its last hundred events or so.
    let index = stage.register(&job).await.job_modify_index;
    let topics = topics_of(&job);
    let again = stage.client.events(index, &topics, "default").await;
    let batches = until(&mut again.unwrap(), "a successful deployment", successful).await;
    assert_eq!(
        batches[0].index, index,
        "the event of that index is told again"
    );
    assert_eq!(batches[0].events[0].kind, "JobRegistered");
}

async fn a_purge_tells_that_the_job_is_gone(stage: &Stage) {
    let job = stage.sleeper();
    stage.healthy(&job).await;
    let topic = Topic {
        name: "Job".to_owned(),
        key: Some(id(&job).to_owned()),
    };
    let mut stream = stream(stage, &[topic]).await;
    let stopped = stage.nomad.stop(id(&job), false).await.unwrap();
    let of_stop = |event: &Event| event.index == stopped.job_modify_index;
    let batches = until(&mut stream, "the stop", of_stop).await;
    let stop = &batches.last().unwrap().events[0];
    assert_eq!((&*stop.kind, stop.is_purge()), ("JobDeregistered", false));

    stage.nomad.stop(id(&job), true).await.unwrap();
    let batches = until(&mut stream, "the purge", Event::is_purge).await;
    let purge = &batches.last().unwrap().events[0];
    assert_eq!((&*purge.kind, &*purge.key), ("JobDeregistered", id(&job)));
    assert_eq!(purge.object().unwrap()["ID"], job["ID"]);
}
