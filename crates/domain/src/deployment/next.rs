//! What a deployment needs next: one pure function of how far it has come and what Nomad shows. It is small and
//! comparable on purpose, so that a model checker can run it against crashes, lost answers and several workers.
//!
//! Two rules keep it right whoever runs it. A phase is committed before the call that it announces, so that nobody who
//! takes over repeats a call blindly. And every call that changes a job names the index it expects, so that a worker who
//! slept through its lease changes nothing.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::DeploymentAction;
use crate::DeploymentId;

/// How far a task has come, as it is stored.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing has been done.
    #[default]
    Accepted,
    /// Nothing may have to be done, if all that an earlier deployment sent still runs.
    Confirming {
        /// That deployment.
        deployment: DeploymentId,
    },
    /// The job is built, checked and stored.
    Prepared,
    /// The job may have been sent, in place of the one at this index (0: of none).
    Submitting {
        /// Nomad's `JobModifyIndex`.
        expected: u64,
    },
    /// These allocations are to be restarted, or have been.
    Restarting {
        /// What ran when the restart began.
        marks: Vec<RestartMark>,
    },
    /// It has failed, and what it left in Nomad is being stopped.
    Abandoning {
        /// Why.
        cause: Cause,
    },
}

/// An allocation that ran before a restart.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct RestartMark {
    /// The allocation.
    pub allocation: Uuid,
    /// How often its tasks had been restarted.
    pub restarts: u64,
}

/// Why a deployment failed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The job is not one that may be sent, or Nomad refused it.
    Refused,
    /// No node can take it.
    Unplaceable,
    /// Its tasks do not stay up, or do not become healthy.
    Unhealthy,
    /// It was neither healthy nor broken when its time was up.
    DeadlinePassed,
    /// Nomad could not be asked until its time was up.
    Unreachable,
    /// Somebody else stopped or replaced the job meanwhile.
    Interrupted,
    /// A job of somebody else stands in this place.
    ForeignJob,
    /// There is nothing to restart.
    NotRunning,
}

/// Whose job it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Owner {
    /// This deployment's own.
    ThisDeployment,
    /// Another deployment's of the same service.
    OtherDeployment,
    /// Not ours at all.
    Foreign,
}

/// How far Nomad has come with the job's present version.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rollout {
    /// It is being placed, or waits for its tasks to become healthy.
    InProgress,
    /// Nomad finds no place for it.
    Unplaced,
    /// All of it is healthy.
    Healthy,
    /// Nomad gave it up.
    Failed,
}

/// What an allocation is doing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AllocationState {
    /// Not yet up, or between two starts.
    Starting,
    /// All its tasks run.
    Running,
    /// It failed.
    Failed,
    /// It ended otherwise.
    Ended,
}

/// One allocation of the job that is meant to run or still runs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ObservedAllocation {
    /// Its identifier.
    pub id: Uuid,
    /// What it does.
    pub state: AllocationState,
    /// How often its tasks have been restarted.
    pub restarts: u64,
}

/// The job as Nomad shows it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ObservedJob {
    /// Nomad's `JobModifyIndex`: changes with every change of the job.
    pub index: u64,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it is meant to be stopped.
    pub stopped: bool,
    /// How far Nomad has come with it.
    pub rollout: Rollout,
    /// Its allocations, without those that Nomad has replaced.
    pub allocations: Vec<ObservedAllocation>,
    /// How many allocations it asks for.
    pub wanted: usize,
    /// Whether all that runs is up and a check of it fails all the same.
    pub checks_fail: bool,
}

impl ObservedJob {
    /// Whether all of it runs and is healthy at this moment. A rollout stays healthy when what it placed dies later.
    pub fn is_up(&self) -> bool {
        let running =
            |allocation: &ObservedAllocation| allocation.state == AllocationState::Running;
        !self.stopped
            && self.rollout == Rollout::Healthy
            && self.allocations.len() >= self.wanted.max(1)
            && self.allocations.iter().all(running)
            && !self.checks_fail
    }
}

/// What is to be known before a step.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Observation {
    /// The job, where there is one.
    pub job: Option<ObservedJob>,
    /// Whether the deployment's time is up.
    pub overdue: bool,
}

/// What to do next.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// Build and check the job, and store it as [`Phase::Prepared`].
    Prepare,
    /// Store this phase, then ask again.
    Record(Phase),
    /// Send the job, in place of the one at this index.
    Submit {
        /// Nomad's `JobModifyIndex`; 0 where there must be no job.
        expected: u64,
    },
    /// Stop the job that stands at this index.
    Stop {
        /// Nomad's `JobModifyIndex`.
        expected: u64,
    },
    /// Restart the tasks of this allocation.
    Restart(Uuid),
    /// Make Nomad forget the job.
    Purge,
    /// Look again later.
    Wait,
    /// It is as it was asked for.
    Complete,
    /// It has failed.
    Fail(Cause),
}

/// What a task with this `action`, that has come to `phase`, needs next.
///
/// ```
/// use nomad_services_domain::deployment::{DeploymentAction, Observation, Phase, Step, next};
///
/// let nothing = Observation::default();
/// assert_eq!(next(DeploymentAction::Start, &Phase::Accepted, &nothing), Step::Prepare);
/// let announced = Phase::Submitting { expected: 0 };
/// assert_eq!(next(DeploymentAction::Start, &Phase::Prepared, &nothing), Step::Record(announced.clone()));
/// assert_eq!(next(DeploymentAction::Start, &announced, &nothing), Step::Submit { expected: 0 });
/// assert_eq!(next(DeploymentAction::Stop, &Phase::Accepted, &nothing), Step::Complete);
/// ```
pub fn next(action: DeploymentAction, phase: &Phase, observation: &Observation) -> Step {
    let job = observation.job.as_ref();
    match (phase, action) {
        (Phase::Abandoning { cause }, _) => abandon(*cause, job),
        (Phase::Accepted, DeploymentAction::Start) => Step::Prepare,
        (_, DeploymentAction::Purge) => purge(job, observation.overdue),
        (_, DeploymentAction::Start | DeploymentAction::Stop | DeploymentAction::Restart)
            if job.is_some_and(|job| job.owner == Owner::Foreign) =>
        {
            Step::Fail(Cause::ForeignJob)
        }
        (Phase::Confirming { .. }, DeploymentAction::Start) => confirm(job),
        (Phase::Submitting { expected }, DeploymentAction::Start) => {
            submit(*expected, job, observation.overdue)
        }
        (_, DeploymentAction::Start) => announce(job),
        (_, DeploymentAction::Stop) => stop(job, observation.overdue),
        (Phase::Restarting { marks }, DeploymentAction::Restart) => {
            restart(marks, job, observation.overdue)
        }
        (_, DeploymentAction::Restart) => begin_restart(job),
    }
}

/// The job was looked for as the earlier deployment's.
fn confirm(job: Option<&ObservedJob>) -> Step {
    match job {
        Some(job) if job.owner == Owner::ThisDeployment && job.is_up() => Step::Complete,
        _ => Step::Record(Phase::Accepted),
    }
}

fn announce(job: Option<&ObservedJob>) -> Step {
    let expected = job.map_or(0, |job| job.index);
    Step::Record(Phase::Submitting { expected })
}

/// A lost answer and a call that was never made look alike: only the job tells them apart.
fn submit(expected: u64, job: Option<&ObservedJob>, overdue: bool) -> Step {
    match job {
        Some(job) if job.owner == Owner::ThisDeployment => follow(job, overdue),
        _ if overdue => Step::Fail(Cause::DeadlinePassed),
        job if job.map_or(0, |job| job.index) == expected => Step::Submit { expected },
        moved => announce(moved),
    }
}

fn follow(job: &ObservedJob, overdue: bool) -> Step {
    let cause = match (job.rollout, overdue) {
        _ if job.stopped => return Step::Fail(Cause::Interrupted),
        (Rollout::Healthy, _) => return Step::Complete,
        (Rollout::Failed, _) => Cause::Unhealthy,
        (Rollout::Unplaced, true) => Cause::Unplaceable,
        (Rollout::InProgress, true) => Cause::DeadlinePassed,
        (Rollout::Unplaced | Rollout::InProgress, false) => return Step::Wait,
    };
    Step::Record(Phase::Abandoning { cause })
}

/// What has failed must not come up later, when nobody expects it any more.
fn abandon(cause: Cause, job: Option<&ObservedJob>) -> Step {
    match job {
        Some(job) if job.owner == Owner::ThisDeployment && !job.stopped => Step::Stop {
            expected: job.index,
        },
        _ => Step::Fail(cause),
    }
}

fn stop(job: Option<&ObservedJob>, overdue: bool) -> Step {
    match job {
        None => Step::Complete,
        Some(job) if job.stopped && !is_alive(job) => Step::Complete,
        Some(_) if overdue => Step::Fail(Cause::DeadlinePassed),
        Some(job) if job.stopped => Step::Wait,
        Some(job) => Step::Stop {
            expected: job.index,
        },
    }
}

fn begin_restart(job: Option<&ObservedJob>) -> Step {
    let running = job.filter(|job| !job.stopped).into_iter();
    let marks: Vec<_> = running
        .flat_map(|job| &job.allocations)
        .filter(|allocation| allocation.state == AllocationState::Running)
        .map(|allocation| RestartMark {
            allocation: allocation.id,
            restarts: allocation.restarts,
        })
        .collect();
    if marks.is_empty() {
        return Step::Fail(Cause::NotRunning);
    }
    Step::Record(Phase::Restarting { marks })
}

/// An allocation has been restarted once its count has risen, whoever did it; one that Nomad replaced has been, too.
fn restart(marks: &[RestartMark], job: Option<&ObservedJob>, overdue: bool) -> Step {
    let Some(job) = job.filter(|job| !job.stopped) else {
        return Step::Fail(Cause::Interrupted);
    };
    let find = |id| {
        job.allocations
            .iter()
            .find(|allocation| allocation.id == id)
    };
    let mut pending = false;
    for mark in marks {
        match find(mark.allocation).map(|allocation| (allocation.state, allocation.restarts)) {
            Some((AllocationState::Failed, _)) => return Step::Fail(Cause::Unhealthy),
            Some((AllocationState::Running, restarts)) if restarts == mark.restarts && !overdue => {
                return Step::Restart(mark.allocation);
            }
            Some((AllocationState::Running, restarts)) if restarts > mark.restarts => {}
            Some((AllocationState::Running | AllocationState::Starting, _)) => pending = true,
            Some((AllocationState::Ended, _)) | None => {}
        }
    }
    let up = |allocation: &ObservedAllocation| allocation.state == AllocationState::Running;
    match (!pending && job.allocations.iter().any(up), overdue) {
        (true, _) => Step::Complete,
        (false, true) => Step::Fail(Cause::DeadlinePassed),
        (false, false) => Step::Wait,
    }
}

/// Purging takes allocations and logs away at once, so what runs is stopped and waited for first.
fn purge(job: Option<&ObservedJob>, overdue: bool) -> Step {
    match job.filter(|job| job.owner != Owner::Foreign) {
        None => Step::Complete,
        Some(job) if !job.stopped => Step::Stop {
            expected: job.index,
        },
        Some(job) if is_alive(job) && !overdue => Step::Wait,
        Some(_) => Step::Purge,
    }
}

fn is_alive(job: &ObservedJob) -> bool {
    job.allocations.iter().any(|allocation| {
        matches!(
            allocation.state,
            AllocationState::Starting | AllocationState::Running
        )
    })
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
