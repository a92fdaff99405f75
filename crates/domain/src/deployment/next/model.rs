//! Every order of events that two workers, crashes, lost leases and lost answers can bring about, tried one by one on a small
//! model of Nomad and the database. What must hold in all of them: Nomad takes one version of a deployment, nobody who
//! lost a task changes what came after it, and whatever has happened, one worker that is left alone brings it to its end.

use std::collections::{HashSet, VecDeque};

use super::*;

const MOST_CLAIMS: u8 = 4;

/// What Nomad has.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct World {
    job: Option<Job>,
    /// How often this deployment's job was taken.
    taken: u8,
    phase: Phase,
    ended: Option<Result<(), Cause>>,
    fence: u8,
    lease: Option<(usize, bool)>,
    workers: [Option<Pass>; 2],
    /// Whether a later deployment has its own job in place.
    superseded: bool,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Job {
    index: u64,
    owner: Owner,
    stopped: bool,
    rollout: Rollout,
    /// Whether what it has placed runs.
    alive: bool,
}

/// A worker with a task, and what it has decided on.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Pass {
    fence: u8,
    phase: Phase,
    step: Option<Step>,
}

impl World {
    fn with(job: Option<Job>, phase: Phase) -> Self {
        Self {
            job,
            taken: 0,
            phase,
            ended: None,
            fence: 0,
            lease: None,
            workers: [None, None],
            superseded: false,
        }
    }

    /// What a worker sees: while it confirms, the job is looked for as the earlier deployment's.
    fn observe(&self, phase: &Phase) -> Observation {
        let seen_as = |owner| match (owner, phase) {
            (Owner::OtherDeployment, Phase::Confirming { .. }) => Owner::ThisDeployment,
            (Owner::ThisDeployment, Phase::Confirming { .. }) => Owner::OtherDeployment,
            (owner, _) => owner,
        };
        let running = ObservedAllocation {
            id: Uuid::nil(),
            state: AllocationState::Running,
            restarts: 0,
        };
        let job = self.job.clone().map(|job| ObservedJob {
            index: job.index,
            owner: seen_as(job.owner),
            stopped: job.stopped,
            rollout: job.rollout,
            allocations: job.alive.then_some(running).into_iter().collect(),
            wanted: 1,
            checks_fail: false,
        });
        Observation {
            job,
            overdue: false,
        }
    }

    /// Everything that can happen next.
    fn successors(&self) -> Vec<Self> {
        let mut next = Vec::new();
        for worker in 0..self.workers.len() {
            next.extend(self.claimed(worker));
            next.extend(self.decided(worker));
            next.extend(self.acted(worker));
            if self.workers[worker].is_some() {
                let mut crashed = self.clone();
                crashed.workers[worker] = None;
                next.push(crashed);
            }
        }
        if let Some((holder, true)) = self.lease {
            let mut expired = self.clone();
            expired.lease = Some((holder, false));
            next.push(expired);
        }
        next.extend(self.rolled_out(Rollout::Healthy));
        next.extend(self.rolled_out(Rollout::Failed));
        if self.ended.is_some() && !self.superseded {
            let mut later = self.clone();
            later.superseded = true;
            later.job = Some(Job {
                index: self.job.as_ref().map_or(0, |job| job.index) + 1,
                owner: Owner::OtherDeployment,
                stopped: false,
                rollout: Rollout::Healthy,
                alive: true,
            });
            next.push(later);
        }
        next
    }

    fn claimed(&self, worker: usize) -> Option<Self> {
        let free = self.lease.is_none_or(|(_, valid)| !valid);
        if !free
            || self.ended.is_some()
            || self.workers[worker].is_some()
            || self.fence == MOST_CLAIMS
        {
            return None;
        }
        let mut world = self.clone();
        world.fence += 1;
        world.lease = Some((worker, true));
        world.workers[worker] = Some(Pass {
            fence: world.fence,
            phase: self.phase.clone(),
            step: None,
        });
        Some(world)
    }

    /// A worker looks only while its lease holds by its own clock; it may sleep right after.
    fn decided(&self, worker: usize) -> Option<Self> {
        let pass = self.workers[worker]
            .as_ref()
            .filter(|pass| pass.step.is_none())?;
        let mut world = self.clone();
        world.workers[worker] = match self.lease {
            Some((holder, true)) if holder == worker => Some(Pass {
                step: Some(next(
                    DeploymentAction::Start,
                    &pass.phase,
                    &self.observe(&pass.phase),
                )),
                ..pass.clone()
            }),
            _ => None,
        };
        Some(world)
    }

    /// Carries out what was decided, however long ago.
    fn acted(&self, worker: usize) -> Option<Self> {
        let mut pass = self.workers[worker].clone()?;
        let step = pass.step.take()?;
        let mut world = self.clone();
        let holds = pass.fence == self.fence && self.ended.is_none();
        let index = self.job.as_ref().map_or(0, |job| job.index);
        let mut goes_on = true;
        match step {
            Step::Submit { expected } if expected == index => {
                world.taken += 1;
                world.job = Some(Job {
                    index: index + 1,
                    owner: Owner::ThisDeployment,
                    stopped: false,
                    rollout: Rollout::InProgress,
                    alive: true,
                });
            }
            Step::Stop { expected } if expected == index => {
                if let Some(job) = &mut world.job {
                    job.index += 1;
                    job.stopped = true;
                    job.alive = false;
                }
            }
            Step::Submit { .. } | Step::Stop { .. } => {}
            Step::Prepare | Step::Record(_) => {
                goes_on = holds;
                let phase = match step {
                    Step::Record(phase) => phase,
                    _ => Phase::Prepared,
                };
                pass.phase = phase.clone();
                if holds {
                    world.phase = phase;
                }
            }
            Step::Wait | Step::Complete | Step::Fail(_) => {
                goes_on = false;
                if holds {
                    world.lease = None;
                    world.ended = match step {
                        Step::Complete => Some(Ok(())),
                        Step::Fail(cause) => Some(Err(cause)),
                        _ => None,
                    };
                }
            }
            Step::Restart(_) | Step::Purge => unreachable!("a start does neither"),
        }
        world.workers[worker] = goes_on.then_some(pass);
        Some(world)
    }

    fn rolled_out(&self, rollout: Rollout) -> Option<Self> {
        let mut world = self.clone();
        let job = world.job.as_mut()?;
        if job.stopped || job.rollout != Rollout::InProgress {
            return None;
        }
        job.rollout = rollout;
        Some(world)
    }

    /// One worker alone, on a Nomad that finishes what it has begun.
    fn left_alone(mut self) -> Option<Result<(), Cause>> {
        self.workers = [None, None];
        for _ in 0..64 {
            if self.ended.is_some() {
                return self.ended;
            }
            self.lease = self
                .lease
                .map(|(holder, _)| (holder, self.workers[0].is_some()));
            if self.workers[0].is_none() {
                self.fence = self.fence.min(MOST_CLAIMS - 1);
            }
            let healthy = self.rolled_out(Rollout::Healthy);
            let moved = self
                .claimed(0)
                .or_else(|| self.decided(0))
                .or_else(|| self.acted(0));
            self = healthy.or(moved)?;
        }
        None
    }
}

fn explore(initial: World) -> HashSet<World> {
    let mut seen = HashSet::from([initial.clone()]);
    let mut open = VecDeque::from([initial]);
    while let Some(world) = open.pop_front() {
        for next in world.successors() {
            let done = world.superseded && next.job != world.job;
            assert!(
                !done,
                "somebody who lost the task changed what came after: {world:?} → {next:?}"
            );
            if seen.insert(next.clone()) {
                open.push_back(next);
            }
        }
    }
    seen
}

#[test]
fn in_every_order_of_events_nomad_takes_one_version_and_the_deployment_can_end() {
    let stopped = Job {
        index: 3,
        owner: Owner::OtherDeployment,
        stopped: true,
        rollout: Rollout::Healthy,
        alive: false,
    };
    let dead = Job {
        stopped: false,
        ..stopped.clone()
    };
    let running = Job {
        alive: true,
        ..dead.clone()
    };
    let confirming = || Phase::Confirming {
        deployment: DeploymentId(Uuid::nil()),
    };
    for (before, phase) in [
        (None, Phase::Accepted),
        (Some(stopped), Phase::Accepted),
        (Some(running), Phase::Accepted),
        (None, confirming()),
        (Some(dead), confirming()),
    ] {
        let worlds = explore(World::with(before, phase));
        assert!(
            worlds.len() > 1_000,
            "too few orders to mean anything: {}",
            worlds.len()
        );
        assert!(worlds.iter().any(|world| world.ended == Some(Ok(()))));
        let failed = Some(Err(Cause::Unhealthy));
        assert!(worlds.iter().any(|world| world.ended == failed));
        for world in worlds {
            assert!(world.taken <= 1, "{world:?}");
            assert!(
                world.clone().left_alone().is_some(),
                "it never ends: {world:?}"
            );
        }
    }
}

#[test]
fn in_every_order_of_events_nothing_is_sent_where_the_job_is_up() {
    let running = Job {
        index: 3,
        owner: Owner::OtherDeployment,
        stopped: false,
        rollout: Rollout::Healthy,
        alive: true,
    };
    let phase = Phase::Confirming {
        deployment: DeploymentId(Uuid::nil()),
    };
    let worlds = explore(World::with(Some(running), phase));
    assert!(worlds.iter().any(|world| world.ended.is_some()));
    for world in worlds {
        assert_eq!(world.taken, 0, "{world:?}");
        assert_eq!(world.clone().left_alone(), Some(Ok(())), "{world:?}");
    }
}
