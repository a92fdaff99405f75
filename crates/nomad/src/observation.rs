//! What the deployment rules want to know of a job, read out of Nomad's evaluations, deployments and allocations.

use domain::{
    DeploymentId, ServiceId,
    deployment::{
        AllocationState, Evidence, ObservedAllocation, ObservedJob, Owner, Rollout, TaskFailure,
    },
};

use crate::{
    client::{
        allocations::{Allocation, ClientStatus, TaskState},
        deployments::{Deployment, DeploymentStatus},
        evaluations::{Evaluation, EvaluationStatus, PlacementFailure},
        jobs::JobView,
    },
    job::{DEPLOYMENT_ID, MANAGED_BY, SERVICE_ID},
};

const MAX_FAILURES: usize = 3;
const MAX_EVENTS: usize = 3;

/// The events of a task that explain why it does not run.
const TELLING: [&str; 9] = [
    "Driver Failure",
    "Setup Failure",
    "Failed Validation",
    "Failed Artifact Download",
    "Task hook failed",
    "Template",
    "Alloc Unhealthy",
    "Terminated",
    "Not Restarting",
];

/// Whose job it is, by the meta that was put on it.
pub fn owner(job: &JobView, service: ServiceId, deployment: Option<DeploymentId>) -> Owner {
    let says = |key: &str, value: &str| job.meta.get(key).is_some_and(|found| found == value);
    if !says(MANAGED_BY.0, MANAGED_BY.1) || !says(SERVICE_ID, &service.to_string()) {
        return Owner::Foreign;
    }
    match deployment {
        Some(deployment) if says(DEPLOYMENT_ID, &deployment.to_string()) => Owner::ThisDeployment,
        _ => Owner::OtherDeployment,
    }
}

/// The job with what Nomad has made of it. Deployments and evaluations may have been read a little later than the job:
/// only those of the job's own index count. Checks are not looked at.
pub fn observed(
    job: &JobView,
    owner: Owner,
    evaluations: &[Evaluation],
    deployments: &[Deployment],
    allocations: &[Allocation],
) -> ObservedJob {
    ObservedJob {
        index: job.job_modify_index,
        owner,
        stopped: job.stop,
        rollout: rollout(job, evaluations, deployments),
        allocations: allocations.iter().filter_map(allocation).collect(),
        wanted: wanted(job),
        checks_fail: false,
    }
}

fn wanted(job: &JobView) -> usize {
    let counts = job.task_groups.iter().map(|group| group.count.unwrap_or(1));
    counts.filter_map(|count| usize::try_from(count).ok()).sum()
}

fn rollout(job: &JobView, evaluations: &[Evaluation], deployments: &[Deployment]) -> Rollout {
    let own = |deployment: &&Deployment| {
        deployment.job_spec_modify_index == job.job_modify_index
            && deployment.job_create_index == job.create_index
    };
    match deployments.iter().find(own).map(|own| own.status) {
        Some(DeploymentStatus::Successful) => return Rollout::Healthy,
        Some(DeploymentStatus::Failed | DeploymentStatus::Cancelled) => return Rollout::Failed,
        _ => {}
    }
    let blocked = |evaluation: &Evaluation| evaluation.status == EvaluationStatus::Blocked;
    if evaluations.iter().any(blocked) {
        return Rollout::Unplaced;
    }
    Rollout::InProgress
}

/// None for one that Nomad has replaced or that was meant to end and has.
fn allocation(allocation: &Allocation) -> Option<ObservedAllocation> {
    let ended = allocation.client_status.is_terminal();
    let replaced = !allocation.next_allocation.is_empty() || allocation.desired_status != "run";
    if ended && replaced {
        return None;
    }
    let tasks = || allocation.task_states.values();
    let up = tasks().all(|task| task.state == "running") && tasks().count() > 0;
    let state = match allocation.client_status {
        ClientStatus::Running if up => AllocationState::Running,
        ClientStatus::Failed => AllocationState::Failed,
        ClientStatus::Complete | ClientStatus::Lost => AllocationState::Ended,
        // A node that can't be reached may still run it.
        ClientStatus::Running | ClientStatus::Pending | ClientStatus::Unknown => {
            AllocationState::Starting
        }
    };
    Some(ObservedAllocation {
        id: allocation.id.parse().ok()?,
        state,
        restarts: tasks().map(|task| task.restarts).sum(),
    })
}

/// The tasks that went wrong in the newest allocations, with the allocation of each; logs are not in it yet.
pub fn failures(allocations: &[Allocation]) -> Vec<(String, TaskFailure)> {
    let tasks = allocations.iter().flat_map(|allocation| {
        let tasks = allocation.task_states.iter();
        tasks.filter_map(|(name, task)| Some((allocation.id.clone(), failure(name, task)?)))
    });
    tasks.take(MAX_FAILURES).collect()
}

fn failure(name: &str, task: &TaskState) -> Option<TaskFailure> {
    let mut events = Vec::new();
    for event in &task.events {
        let telling = TELLING.contains(&event.kind.as_str())
            || (event.kind == "Killing" && event.display_message.starts_with("Template"));
        if telling && !event.display_message.is_empty() && !events.contains(&event.display_message)
        {
            events.push(event.display_message.clone());
        }
    }
    if events.is_empty() {
        return None;
    }
    Some(TaskFailure {
        task: name.to_owned(),
        events: events.split_off(events.len().saturating_sub(MAX_EVENTS)),
        log: Vec::new(),
    })
}

/// Why nothing could be placed and what Nomad says of the deployment, without the tasks.
pub fn evidence(job: &JobView, evaluations: &[Evaluation], deployments: &[Deployment]) -> Evidence {
    let failed = evaluations
        .iter()
        .find(|evaluation| !evaluation.failed_groups.is_empty());
    let groups = failed.into_iter().flat_map(|failed| &failed.failed_groups);
    let own = |deployment: &&Deployment| deployment.job_spec_modify_index == job.job_modify_index;
    Evidence {
        placement: groups
            .flat_map(|(group, failure)| placement(group, failure))
            .collect(),
        failures: Vec::new(),
        description: deployments
            .iter()
            .find(own)
            .map(|deployment| deployment.status_description.clone())
            .filter(|description| !description.is_empty()),
    }
}

fn placement(group: &str, failure: &PlacementFailure) -> Vec<String> {
    let nodes = failure.nodes_evaluated;
    if nodes == 0 {
        let pool = match failure.node_pool.as_str() {
            "" => "default",
            pool => pool,
        };
        return vec![format!(
            "group {group}: no node is ready in the node pool {pool}"
        )];
    }
    let filtered = failure
        .constraint_filtered
        .iter()
        .map(|(constraint, count)| {
            format!("group {group}: {count} of {nodes} nodes do not fit: {constraint}")
        });
    let exhausted = failure
        .dimension_exhausted
        .iter()
        .map(|(dimension, count)| {
            format!("group {group}: {count} of {nodes} nodes have not enough left of: {dimension}")
        });
    filtered.chain(exhausted).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn recorded<T: serde::de::DeserializeOwned>(name: &str) -> T {
        let path = format!("{}/tests/recorded/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn job(index: u64) -> JobView {
        let view = json!({"JobModifyIndex": index});
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn a_deployment_counts_only_for_the_index_it_was_made_for() {
        let mut deployment: Deployment = recorded("deployment-successful.json");
        deployment.job_create_index = 0;
        let index = deployment.job_spec_modify_index;
        assert_eq!(
            rollout(&job(index), &[], &[deployment.clone()]),
            Rollout::Healthy
        );
        assert_eq!(
            rollout(&job(index + 1), &[], &[deployment]),
            Rollout::InProgress
        );
    }

    #[test]
    fn what_no_node_takes_is_unplaced_and_says_why() {
        let evaluation: Evaluation = recorded("exhausted-eval-blocked.json");
        assert_eq!(
            rollout(&job(1), std::slice::from_ref(&evaluation), &[]),
            Rollout::Unplaced
        );
        let evidence = evidence(&job(1), &[evaluation], &[]);
        assert_eq!(
            evidence.placement,
            ["group main: 1 of 1 nodes have not enough left of: memory"]
        );
    }

    #[test]
    fn a_missing_driver_is_named() {
        let evaluation: Evaluation = recorded("unplaceable-eval-failed-placement.json");
        let evidence = evidence(&job(1), &[evaluation], &[]);
        assert_eq!(
            evidence.placement,
            ["group main: 1 of 1 nodes do not fit: missing drivers"]
        );
    }

    #[test]
    fn a_task_that_can_not_start_says_what_the_driver_said() {
        let allocations: Vec<Allocation> = recorded("allocations-driver-failure.json");
        let failures = failures(&allocations);
        assert!(!failures.is_empty());
        let events = failures[0].1.events.join("; ");
        assert!(events.contains("could not be found"), "{events}");
    }

    #[test]
    fn a_job_without_our_meta_is_foreign() {
        let (service, deployment) = (
            ServiceId(Uuid::from_u128(1)),
            DeploymentId(Uuid::from_u128(2)),
        );
        let with = |meta: Value| {
            let view: JobView = serde_json::from_value(json!({"Meta": meta})).unwrap();
            owner(&view, service, Some(deployment))
        };
        assert_eq!(with(json!(null)), Owner::Foreign);
        let ours = json!({"managed_by": "nomad-services", "service_id": service});
        assert_eq!(with(ours.clone()), Owner::OtherDeployment);
        let other = json!({"managed_by": "nomad-services", "service_id": Uuid::nil()});
        assert_eq!(with(other), Owner::Foreign);
        let mut this = ours;
        this["deployment_id"] = json!(deployment);
        assert_eq!(with(this), Owner::ThisDeployment);
    }
}
