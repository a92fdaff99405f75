//! `/v1/jobs`, `/v1/jobs/parse` and `/v1/validate/job`: what takes a whole job, and the list of all.

use serde_json::{Value, json};

use super::answer::{Answer, ApiError};
use super::blocking;
use super::call::Call;
use crate::admission::{self, normalize, validate};
use crate::operations::{Registered, Registration};
use crate::parse;
use crate::spec::{flag, number, text};
use crate::state::job::JobKey;

pub async fn collection(call: &Call) -> Result<Answer, ApiError> {
    match call.method.as_str() {
        "GET" => list(call).await,
        "PUT" | "POST" => register(call, None),
        _ => Err(ApiError::InvalidMethod),
    }
}

async fn list(call: &Call) -> Result<Answer, ApiError> {
    let page = super::page::Page::of(call)?;
    let prefix = call.query("prefix").unwrap_or_default();
    let (index, seen) = blocking::wait_for(call, |cluster| {
        let found = cluster
            .jobs
            .iter()
            .filter(|(key, _)| call.covers(&key.namespace) && key.id.starts_with(prefix));
        let (rows, next) = page.cut(found, |(key, _)| format!("{}.{}", key.namespace, key.id));
        let rows: Vec<Value> = rows
            .into_iter()
            .map(|(key, job)| stub(&job.current, cluster.summary(key), call.flag("meta")))
            .collect();
        (
            cluster.tables.jobs.max(cluster.tables.allocations),
            Ok((rows, next)),
        )
    })
    .await?;
    let (rows, next) = seen.map_err(ApiError::NotFound)?;
    Ok(page.answer(index, &rows, next))
}

fn stub(job: &crate::state::job::JobVersion, summary: Option<Value>, with_meta: bool) -> Value {
    let part = |name: &str| job.spec.get(name).cloned().unwrap_or_default();
    let mut stub = json!({
        "CreateIndex": job.create_index, "Datacenters": part("Datacenters"), "ID": part("ID"), "JobModifyIndex": job.job_modify_index,
        "JobSummary": summary, "ModifyIndex": job.modify_index, "Multiregion": null, "Name": part("Name"), "Namespace": part("Namespace"),
        "NodePool": part("NodePool"), "ParameterizedJob": false, "ParentID": "", "Periodic": false, "Priority": part("Priority"),
        "Status": job.status, "StatusDescription": "", "Stop": job.stop, "SubmitTime": crate::clock::nanoseconds(job.submit_time), "Type": part("Type"),
    });
    if with_meta {
        stub["Meta"] = part("Meta");
    }
    stub
}

/// A job that was sent, checked and normalised, and where it goes.
pub struct Admitted {
    pub key: JobKey,
    pub spec: Value,
    pub stop: bool,
    pub warnings: String,
    pub request: Value,
}

/// Takes the job out of a request's body.
pub fn admit(call: &Call) -> Result<Admitted, ApiError> {
    let mut request = call.json()?;
    let mut job = request.get_mut("Job").map(Value::take).unwrap_or_default();
    if !job.is_object() {
        return Err(ApiError::Bad("Job must be specified".to_owned()));
    }
    let first = |candidates: [&str; 3], default: &str| {
        candidates
            .into_iter()
            .find(|candidate| !candidate.is_empty())
            .unwrap_or(default)
            .to_owned()
    };
    let namespace = first(
        [
            call.query("namespace").unwrap_or_default(),
            text(&request, "Namespace"),
            text(&job, "Namespace"),
        ],
        "default",
    );
    let region = first(
        [
            call.query("region").unwrap_or_default(),
            text(&request, "Region"),
            text(&job, "Region"),
        ],
        "global",
    );
    if region != "global" {
        return Err(ApiError::Failed("No path to region".to_owned()));
    }
    job["Region"] = json!(region);
    let stop = flag(&job, "Stop");
    let findings = checked(call, &mut job, &namespace);
    if !findings.0.is_empty() {
        return Err(ApiError::Failed(findings.text()));
    }
    let key = JobKey {
        namespace,
        id: text(&job, "ID").to_owned(),
    };
    Ok(Admitted {
        key,
        warnings: admission::warnings(&job),
        spec: job,
        stop,
        request,
    })
}

/// Checks a job as it came and brings it into the server's form.
fn checked(call: &Call, job: &mut Value, namespace: &str) -> admission::Findings {
    let exists = call
        .agent
        .read(|cluster| cluster.namespaces.contains_key(namespace));
    normalize(job, namespace);
    validate(job, namespace, exists)
}

/// `path_id` is the ID in the path, where there is one.
pub fn register(call: &Call, path_id: Option<&str>) -> Result<Answer, ApiError> {
    let admitted = admit(call)?;
    if path_id.is_some_and(|id| id != admitted.key.id) {
        return Err(ApiError::Bad("Job ID does not match name".to_owned()));
    }
    let enforced_index = flag(&admitted.request, "EnforceIndex")
        .then(|| u64::try_from(number(&admitted.request, "JobModifyIndex")).unwrap_or_default());
    let registration = Registration {
        spec: admitted.spec,
        stop: admitted.stop,
        enforced_index,
    };
    let registered = call
        .agent
        .write(|cluster| cluster.register(&admitted.key, registration))
        .map_err(ApiError::Failed)?;
    Ok(reply(&registered, &admitted.warnings))
}

pub fn reply(registered: &Registered, warnings: &str) -> Answer {
    Answer::written(
        registered.index,
        &json!({
            "EvalCreateIndex": registered.evaluation_index, "EvalID": registered.evaluation, "Index": registered.index,
            "JobModifyIndex": registered.job_modify_index, "KnownLeader": false, "LastContact": 0, "NextToken": "", "Warnings": warnings,
        }),
    )
}

pub fn parse(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["PUT", "POST"])?;
    let job = parse::parse(&call.json()?).map_err(ApiError::Bad)?;
    Ok(Answer::json(&job))
}

/// Looks at the job's own namespace only, whatever the query says.
pub fn validate_job(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["PUT", "POST"])?;
    let mut job = call
        .json()?
        .get_mut("Job")
        .map(Value::take)
        .unwrap_or_default();
    if !job.is_object() {
        return Err(ApiError::Bad("Job must be specified".to_owned()));
    }
    let namespace = Some(text(&job, "Namespace"))
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or("default")
        .to_owned();
    let findings = checked(call, &mut job, &namespace);
    Ok(Answer::json(&json!({
        "DriverConfigValidated": true,
        "Error": findings.text(),
        "ValidationErrors": if findings.0.is_empty() { Value::Null } else { json!(findings.0) },
        "Warnings": admission::warnings(&job),
    })))
}
