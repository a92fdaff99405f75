//! The steps of each kind of deployment, and what must hold whatever Nomad shows.

use proptest::prelude::*;

use super::*;

const ID: Uuid = Uuid::from_u128(1);

fn job(owner: Owner, rollout: Rollout) -> ObservedJob {
    ObservedJob {
        index: 7,
        owner,
        stopped: false,
        rollout,
        allocations: vec![running(0)],
        wanted: 1,
        checks_fail: false,
    }
}

fn running(restarts: u64) -> ObservedAllocation {
    ObservedAllocation {
        id: ID,
        state: AllocationState::Running,
        restarts,
    }
}

fn seen(job: ObservedJob) -> Observation {
    Observation {
        job: Some(job),
        overdue: false,
    }
}

fn overdue(job: ObservedJob) -> Observation {
    Observation {
        overdue: true,
        ..seen(job)
    }
}

fn start(phase: &Phase, observation: &Observation) -> Step {
    next(DeploymentAction::Start, phase, observation)
}

const SENT: Phase = Phase::Submitting { expected: 7 };
const CONFIRMING: Phase = Phase::Confirming {
    deployment: DeploymentId(Uuid::from_u128(2)),
};

#[test]
fn a_job_is_sent_only_after_its_index_was_written_down() {
    let before = seen(job(Owner::OtherDeployment, Rollout::Healthy));
    assert_eq!(start(&Phase::Prepared, &before), Step::Record(SENT));
    assert_eq!(start(&SENT, &before), Step::Submit { expected: 7 });
}

#[test]
fn a_start_that_may_have_nothing_to_do_does_nothing_only_where_all_of_it_is_up() {
    let up = job(Owner::ThisDeployment, Rollout::Healthy);
    assert_eq!(start(&CONFIRMING, &seen(up.clone())), Step::Complete);
    let with = |state| ObservedAllocation {
        state,
        ..running(0)
    };
    let down = [
        ObservedJob {
            stopped: true,
            ..up.clone()
        },
        ObservedJob {
            checks_fail: true,
            ..up.clone()
        },
        ObservedJob {
            wanted: 2,
            ..up.clone()
        },
        ObservedJob {
            allocations: Vec::new(),
            wanted: 0,
            ..up.clone()
        },
        ObservedJob {
            allocations: vec![running(0), with(AllocationState::Failed)],
            ..up.clone()
        },
        ObservedJob {
            allocations: vec![with(AllocationState::Starting)],
            ..up
        },
        job(Owner::OtherDeployment, Rollout::Healthy),
        job(Owner::ThisDeployment, Rollout::InProgress),
    ];
    for observation in down.map(seen).into_iter().chain([Observation::default()]) {
        let step = start(&CONFIRMING, &observation);
        assert_eq!(step, Step::Record(Phase::Accepted), "{observation:?}");
    }
}

#[test]
fn a_lost_answer_is_found_again_and_the_job_not_sent_twice() {
    let arrived = seen(job(Owner::ThisDeployment, Rollout::InProgress));
    assert_eq!(start(&SENT, &arrived), Step::Wait);
    let arrived = seen(job(Owner::ThisDeployment, Rollout::Healthy));
    assert_eq!(start(&SENT, &arrived), Step::Complete);
}

#[test]
fn a_job_that_changed_meanwhile_is_looked_at_again_before_anything_is_sent() {
    let changed = seen(ObservedJob {
        index: 9,
        ..job(Owner::OtherDeployment, Rollout::Healthy)
    });
    let expected = Phase::Submitting { expected: 9 };
    assert_eq!(start(&SENT, &changed), Step::Record(expected));
    let gone = Phase::Submitting { expected: 0 };
    assert_eq!(start(&SENT, &Observation::default()), Step::Record(gone));
}

#[test]
fn what_failed_is_stopped_before_it_is_called_failed() {
    let failed = job(Owner::ThisDeployment, Rollout::Failed);
    let abandoning = Phase::Abandoning {
        cause: Cause::Unhealthy,
    };
    assert_eq!(
        start(&SENT, &seen(failed.clone())),
        Step::Record(abandoning.clone())
    );
    assert_eq!(
        start(&abandoning, &seen(failed.clone())),
        Step::Stop { expected: 7 }
    );
    let stopped = ObservedJob {
        stopped: true,
        ..failed
    };
    assert_eq!(
        start(&abandoning, &seen(stopped)),
        Step::Fail(Cause::Unhealthy)
    );
}

#[test]
fn a_deployment_without_a_place_or_an_end_fails_at_its_deadline() {
    for (rollout, cause) in [
        (Rollout::Unplaced, Cause::Unplaceable),
        (Rollout::InProgress, Cause::DeadlinePassed),
    ] {
        let job = job(Owner::ThisDeployment, rollout);
        assert_eq!(start(&SENT, &seen(job.clone())), Step::Wait);
        let given_up = Step::Record(Phase::Abandoning { cause });
        assert_eq!(start(&SENT, &overdue(job)), given_up);
    }
}

#[test]
fn a_job_of_somebody_else_is_left_alone() {
    let foreign = seen(job(Owner::Foreign, Rollout::Healthy));
    for action in [
        DeploymentAction::Start,
        DeploymentAction::Stop,
        DeploymentAction::Restart,
    ] {
        let step = next(action, &Phase::Prepared, &foreign);
        assert_eq!(step, Step::Fail(Cause::ForeignJob), "{action}");
    }
    let purge = next(DeploymentAction::Purge, &Phase::Accepted, &foreign);
    assert_eq!(purge, Step::Complete);
}

#[test]
fn a_stop_waits_until_nothing_runs() {
    let stop = |observation| next(DeploymentAction::Stop, &Phase::Accepted, &observation);
    let up = job(Owner::OtherDeployment, Rollout::Healthy);
    assert_eq!(stop(seen(up.clone())), Step::Stop { expected: 7 });
    let stopping = ObservedJob {
        stopped: true,
        ..up
    };
    assert_eq!(stop(seen(stopping.clone())), Step::Wait);
    let stopped = ObservedJob {
        allocations: Vec::new(),
        ..stopping
    };
    assert_eq!(stop(seen(stopped)), Step::Complete);
}

#[test]
fn a_restart_touches_each_allocation_once() {
    let restart = |phase: &Phase, allocation| {
        let job = ObservedJob {
            allocations: vec![allocation],
            ..job(Owner::OtherDeployment, Rollout::Healthy)
        };
        next(DeploymentAction::Restart, phase, &seen(job))
    };
    let marked = Phase::Restarting {
        marks: vec![RestartMark {
            allocation: ID,
            restarts: 2,
        }],
    };
    assert_eq!(
        restart(&Phase::Accepted, running(2)),
        Step::Record(marked.clone())
    );
    assert_eq!(restart(&marked, running(2)), Step::Restart(ID));
    assert_eq!(restart(&marked, running(3)), Step::Complete);
    let starting = ObservedAllocation {
        state: AllocationState::Starting,
        ..running(3)
    };
    assert_eq!(restart(&marked, starting), Step::Wait);
}

#[test]
fn what_is_purged_was_stopped_and_has_ended() {
    let purge = |observation| next(DeploymentAction::Purge, &Phase::Accepted, &observation);
    let up = job(Owner::OtherDeployment, Rollout::Healthy);
    assert_eq!(purge(seen(up.clone())), Step::Stop { expected: 7 });
    let stopping = ObservedJob {
        stopped: true,
        ..up
    };
    assert_eq!(purge(seen(stopping.clone())), Step::Wait);
    assert_eq!(purge(overdue(stopping)), Step::Purge);
    assert_eq!(purge(Observation::default()), Step::Complete);
}

fn any_job() -> impl Strategy<Value = ObservedJob> {
    let owner = prop_oneof![
        Just(Owner::ThisDeployment),
        Just(Owner::OtherDeployment),
        Just(Owner::Foreign)
    ];
    let rollout = prop_oneof![
        Just(Rollout::InProgress),
        Just(Rollout::Unplaced),
        Just(Rollout::Healthy),
        Just(Rollout::Failed)
    ];
    let state = prop_oneof![
        Just(AllocationState::Starting),
        Just(AllocationState::Running),
        Just(AllocationState::Failed),
        Just(AllocationState::Ended)
    ];
    let allocation = (state, 0..3_u64).prop_map(|(state, restarts)| ObservedAllocation {
        id: ID,
        state,
        restarts,
    });
    let allocations = prop::collection::vec(allocation, 0..2);
    let flags = (any::<bool>(), any::<bool>(), 0..3_usize);
    (1..4_u64, owner, flags, rollout, allocations).prop_map(
        |(index, owner, (stopped, checks_fail, wanted), rollout, allocations)| ObservedJob {
            index,
            owner,
            stopped,
            rollout,
            allocations,
            wanted,
            checks_fail,
        },
    )
}

fn any_phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Accepted),
        Just(CONFIRMING),
        Just(Phase::Prepared),
        (0..4_u64).prop_map(|expected| Phase::Submitting { expected }),
        (0..3_u64).prop_map(|restarts| Phase::Restarting {
            marks: vec![RestartMark {
                allocation: ID,
                restarts
            }]
        }),
        Just(Phase::Abandoning {
            cause: Cause::Unhealthy
        }),
    ]
}

proptest! {
    #[test]
    fn a_foreign_job_is_never_changed(phase in any_phase(), job in any_job(), late: bool, action in 0..4_usize) {
        let observation = Observation {
            job: Some(ObservedJob { owner: Owner::Foreign, ..job }),
            overdue: late,
        };
        let step = next(DeploymentAction::ALL[action], &phase, &observation);
        let changes = matches!(step, Step::Submit { .. } | Step::Stop { .. } | Step::Restart(_) | Step::Purge);
        prop_assert!(!changes, "{:?}", step);
    }

    #[test]
    fn every_change_names_the_index_that_was_seen(phase in any_phase(), job in prop::option::of(any_job()), action in 0..4_usize) {
        let index = job.as_ref().map_or(0, |job| job.index);
        let observation = Observation { job, overdue: false };
        match next(DeploymentAction::ALL[action], &phase, &observation) {
            Step::Submit { expected } | Step::Stop { expected } => prop_assert_eq!(expected, index),
            _ => {}
        }
    }

    #[test]
    fn nothing_waits_once_its_time_is_up(phase in any_phase(), job in prop::option::of(any_job()), action in 0..4_usize) {
        let step = next(DeploymentAction::ALL[action], &phase, &Observation { job, overdue: true });
        prop_assert_ne!(step, Step::Wait);
    }
}
