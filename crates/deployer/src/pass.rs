//! One pass over one task: observe, ask, act, record, until there is something to wait for or nothing left to do. A task
//! that waits is let go of, so that waiting costs no worker anything.

use std::{pin::pin, sync::Arc, time::Duration};

use domain::{
    DeploymentAction, Error, ErrorKind,
    deployment::{
        Cause, Claim, Evidence, JobDocument, Observation, Phase, Step, explain, next,
        ports::{DeploymentQueue, Ending, Orchestrator, Progress},
    },
    secret::redact,
};
use tokio::time::{Instant, interval};

use crate::WorkerSettings;

/// More steps than any task needs without waiting.
const MAX_STEPS: usize = 32;

/// The longest pause before Nomad is asked again after it could not be asked.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Why a pass ended without a step that ends it.
enum Interruption {
    /// Somebody else has the task now, or the database can't be written: nothing more may be done.
    Lost(Error),
    /// Nomad could not be asked, or answered what helps nobody.
    Unanswered(Error),
    /// What was to be sent is refused for good.
    Refused(Error),
}

impl Interruption {
    fn of_orchestrator(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Invalid => Self::Refused(error),
            _ => Self::Unanswered(error),
        }
    }
}

/// A claimed task on its way.
pub(crate) struct Pass<Q, O> {
    queue: Arc<Q>,
    orchestrator: Arc<O>,
    settings: WorkerSettings,
    claim: Claim,
    held_until: Instant,
}

impl<Q: DeploymentQueue, O: Orchestrator> Pass<Q, O> {
    pub(crate) fn new(
        queue: Arc<Q>,
        orchestrator: Arc<O>,
        settings: WorkerSettings,
        claim: Claim,
        claimed: Instant,
    ) -> Self {
        Self {
            queue,
            orchestrator,
            settings,
            claim,
            held_until: claimed + settings.lease,
        }
    }

    pub(crate) async fn run(mut self) {
        for _ in 0..MAX_STEPS {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(interruption) => return self.interrupted(interruption).await,
            }
        }
        self.release(self.settings.poll_interval, 0).await;
    }

    /// Does what comes next, and answers whether to go on.
    async fn step(&mut self) -> Result<bool, Interruption> {
        let step = self.next().await?;
        // What was seen is only good for as long as nobody else may have taken the task over.
        if Instant::now() >= self.held_until {
            let late = Error::conflict("lease_lost", "the lease ended before the step");
            return Err(Interruption::Lost(late));
        }
        tracing::debug!(task = %self.claim.task, service = %self.claim.service_id, ?step, "next");
        let (queue, orchestrator) = (self.queue.clone(), self.orchestrator.clone());
        let place = self.claim.place.clone();
        match step {
            Step::Prepare => {
                let job = self.prepare().await?;
                self.record(Phase::Prepared, Some(job), None).await?;
            }
            Step::Record(phase) => {
                let reason = match phase {
                    Phase::Abandoning { cause } => Some(self.explain(cause).await),
                    _ => None,
                };
                self.record(phase, None, reason).await?;
            }
            Step::Submit { expected } => {
                let job = self.claim.job.clone().unwrap_or_default();
                let submit = async move { orchestrator.submit(&place, &job, expected).await };
                self.act(submit).await?;
            }
            Step::Stop { expected } => {
                self.act(async move { orchestrator.stop(&place, expected).await })
                    .await?;
            }
            Step::Restart(allocation) => {
                self.act(async move { orchestrator.restart(&place, allocation).await })
                    .await?;
            }
            Step::Purge => {
                self.act(async move { orchestrator.purge(&place).await })
                    .await?;
            }
            Step::Wait => {
                self.release(self.settings.poll_interval, 0).await;
                return Ok(false);
            }
            Step::Complete => {
                self.finish(&queue, Ok(()), None).await?;
                return Ok(false);
            }
            Step::Fail(cause) => {
                let reason = match self.claim.reason.take() {
                    Some(reason) => reason,
                    None => explain(cause, &Evidence::default()),
                };
                self.finish(&queue, Err(cause), Some(reason)).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn next(&self) -> Result<Step, Interruption> {
        let claim = &self.claim;
        let mut observation = Observation {
            job: None,
            overdue: claim.overdue,
        };
        let first = next(claim.action, &claim.phase, &observation);
        if first == Step::Prepare {
            return Ok(first);
        }
        let deployment = match claim.phase {
            Phase::Confirming { deployment } => Some(deployment),
            _ => claim.deployment_id,
        };
        let job = self
            .orchestrator
            .observe(&claim.place, claim.service_id, deployment);
        observation.job = job.await.map_err(Interruption::of_orchestrator)?;
        Ok(next(claim.action, &claim.phase, &observation))
    }

    async fn prepare(&self) -> Result<JobDocument, Interruption> {
        let Some(request) = &self.claim.request else {
            let missing = "the deployment holds nothing to build a job from";
            return Err(Interruption::Refused(Error::internal(missing)));
        };
        let prepared = self.orchestrator.prepare(request).await;
        prepared.map_err(Interruption::of_orchestrator)
    }

    /// Carries a change out while holding the task. One that comes too late was refused by its index: looking again
    /// tells what to do.
    async fn act(
        &mut self,
        change: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Interruption> {
        let mut change = pin!(change);
        let mut renewals = interval(self.settings.lease / 3);
        renewals.tick().await;
        loop {
            tokio::select! {
                done = &mut change => return match done {
                    Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
                    done => done.map_err(Interruption::of_orchestrator),
                },
                _ = renewals.tick() => {
                    self.record(self.claim.phase.clone(), None, None).await?;
                }
            }
        }
    }

    async fn record(
        &mut self,
        phase: Phase,
        job: Option<JobDocument>,
        reason: Option<String>,
    ) -> Result<(), Interruption> {
        let asked = Instant::now();
        let progress = Progress { phase, job, reason };
        let recorded = self
            .queue
            .record(&self.claim, &progress, self.settings.lease);
        recorded.await.map_err(Interruption::Lost)?;
        self.held_until = asked + self.settings.lease;
        let claim = &mut self.claim;
        claim.phase = progress.phase;
        claim.job = progress.job.or(claim.job.take());
        claim.reason = progress.reason.or(claim.reason.take());
        Ok(())
    }

    /// Without evidence the cause alone has to do.
    async fn explain(&self, cause: Cause) -> String {
        let evidence = self.orchestrator.evidence(&self.claim.place).await;
        let mut evidence = evidence.unwrap_or_else(|error| {
            tracing::warn!(task = %self.claim.task, cause = ?error, "no evidence of a failure");
            Evidence::default()
        });
        if self.claim.request.is_none() {
            // What a task wrote is told where its secrets are known, and so can be left out.
            for failure in &mut evidence.failures {
                failure.log.clear();
            }
        }
        self.redacted(explain(cause, &evidence))
    }

    /// A reason is kept and shown to whoever may read the deployment, and Nomad or a task may have put a secret into it.
    fn redacted(&self, reason: String) -> String {
        match &self.claim.request {
            Some(request) => redact(&reason, &request.config),
            None => reason,
        }
    }

    async fn interrupted(mut self, interruption: Interruption) {
        // Nobody would ask for a purge once more, and what it leaves would run on unseen.
        let goes_on = !self.claim.overdue || self.claim.action == DeploymentAction::Purge;
        let (cause, error) = match interruption {
            Interruption::Lost(error) => {
                tracing::warn!(task = %self.claim.task, cause = ?error, "let go of a deployment");
                return;
            }
            Interruption::Unanswered(error) if goes_on => {
                let cause = self.redacted(format!("{error:?}"));
                tracing::warn!(task = %self.claim.task, cause, "Nomad could not be asked");
                let attempts = self.claim.attempts.saturating_add(1);
                return self.release(self.backoff(attempts), attempts).await;
            }
            Interruption::Unanswered(error) => (Cause::Unreachable, error),
            Interruption::Refused(error) => (Cause::Refused, error),
        };
        let mut reason = format!("{}: ", explain(cause, &Evidence::default()));
        match error.fields() {
            [] => reason.push_str(error.detail()),
            fields => {
                let fields = fields.iter();
                let named = fields.map(|field| format!("{}: {}", field.pointer, field.detail));
                reason.push_str(&named.collect::<Vec<_>>().join("; "));
            }
        }
        let reason = self.redacted(reason);
        let queue = self.queue.clone();
        if let Err(Interruption::Lost(error)) = self.finish(&queue, Err(cause), Some(reason)).await
        {
            tracing::warn!(task = %self.claim.task, cause = ?error, "let go of a deployment");
        }
    }

    async fn finish(
        &mut self,
        queue: &Q,
        outcome: Result<(), Cause>,
        reason: Option<String>,
    ) -> Result<(), Interruption> {
        let ending = Ending { outcome, reason };
        let finished = queue.finish(&self.claim, &ending).await;
        finished.map_err(Interruption::Lost)?;
        let result = match outcome {
            Ok(()) => "completed",
            Err(_) => "failed",
        };
        let action = self.claim.action.as_str();
        metrics::counter!("nomad_services_deployments_total", "action" => action, "result" => result)
            .increment(1);
        tracing::info!(
            task = %self.claim.task, service = %self.claim.service_id, action, result, ?outcome, "a deployment ended"
        );
        Ok(())
    }

    async fn release(&self, after: Duration, attempts: u32) {
        if let Err(error) = self.queue.release(&self.claim, after, attempts).await {
            tracing::warn!(task = %self.claim.task, cause = ?error, "a lease is left to end by itself");
        }
    }

    fn backoff(&self, attempts: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1).min(16));
        self.settings
            .poll_interval
            .saturating_mul(doubled)
            .min(MAX_BACKOFF)
    }
}
