//! Nomad as the deployment rules want it: observe, submit, stop, restart, purge.

use std::{pin::pin, time::Duration};

use domain::{
    DeploymentId, Error, Result, ServiceConfig, ServiceId,
    deployment::{
        Evidence, JobDocument, JobPlace, JobRequest, ObservedAllocation, ObservedJob, Owner,
        ports::Orchestrator,
    },
    ports::Reachable,
    service::ports::JobRules,
};
use futures::{
    StreamExt,
    future::{try_join, try_join3},
    stream,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Client, ErrorKind, NamespaceClient,
    client::{
        jobs::Job,
        logs::{LogSource, LogTail},
        services::CheckResult,
    },
    errors,
    job::JobBuilder,
    observation,
};

const EVIDENCE_LINES: LogTail = LogTail::Lines {
    count: 10,
    at_most_bytes: 16 * 1024,
};

const CHECKS_AT_ONCE: usize = 8;

/// Nomad's own default.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// A Nomad cluster, with what builds jobs for it.
#[derive(Clone, Debug)]
pub struct Nomad {
    client: Client,
    /// Builds and checks jobs.
    pub jobs: JobBuilder,
}

impl Nomad {
    /// The cluster that `client` reaches.
    pub fn new(client: Client, jobs: JobBuilder) -> Self {
        Self { client, jobs }
    }

    /// Nomad's whole API.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn namespace(&self, place: &JobPlace) -> NamespaceClient {
        self.client.in_namespace(&place.namespace)
    }

    async fn job(&self, place: &JobPlace) -> Result<Option<Job>> {
        match self.namespace(place).job(&place.job_id).await {
            Ok(job) => Ok(Some(job.value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(errors::of(error)),
        }
    }

    /// Whether a check of one of these allocations fails. What can't be looked at is no sign of health, either.
    async fn checks_fail(&self, place: &JobPlace, allocations: &[ObservedAllocation]) -> bool {
        let ids: Vec<_> = allocations
            .iter()
            .map(|allocation| allocation.id.to_string())
            .collect();
        let fail = stream::iter(ids).map(|id| {
            let nomad = self.namespace(place);
            async move {
                match nomad.checks(&id).await {
                    Ok(checks) => checks.values().any(CheckResult::says_unhealthy),
                    Err(error) => {
                        tracing::debug!(cause = %error, "the checks of an allocation can't be read");
                        true
                    }
                }
            }
        });
        let mut fail = pin!(fail.buffer_unordered(CHECKS_AT_ONCE));
        while let Some(fails) = fail.next().await {
            if fails {
                return true;
            }
        }
        false
    }

    /// The last lines of a task; standard error, or standard output where that says nothing.
    async fn last_lines(&self, place: &JobPlace, allocation: &str, task: &str) -> Vec<String> {
        for source in [LogSource::Stderr, LogSource::Stdout] {
            let read = self
                .namespace(place)
                .logs(allocation, task, source, EVIDENCE_LINES)
                .await;
            let lines = read.map(|text| crate::inspection::lines(&text));
            match lines {
                Ok(lines) if !lines.is_empty() => return lines,
                Ok(_) => {}
                Err(error) => tracing::debug!(cause = %error, "no log of a failed task"),
            }
        }
        Vec::new()
    }
}

impl JobRules for Nomad {
    async fn check_config(&self, config: &ServiceConfig) -> Result<()> {
        self.jobs.check_config(config).await
    }

    async fn source(&self, config: &ServiceConfig) -> Result<Option<String>> {
        self.jobs.source(config).await
    }
}

impl Reachable for Nomad {
    async fn reach(&self) -> Result<()> {
        match self.client.health().await {
            Ok(health) if health.is_ok() => Ok(()),
            Ok(_) => Err(errors::unavailable("the agent says that it does not work")),
            Err(error) => Err(errors::unavailable(error.text())),
        }
    }
}

impl Orchestrator for Nomad {
    async fn prepare(&self, request: &JobRequest) -> Result<JobDocument> {
        let job = self.jobs.build(request).await?;
        // Nomad's own validation comes with the plan, before anything is changed.
        let planned = self.namespace(&request.place).plan(&job).await;
        planned.map_err(errors::of)?;
        Ok(JobDocument(job))
    }

    async fn observe(
        &self,
        place: &JobPlace,
        service: ServiceId,
        deployment: Option<DeploymentId>,
    ) -> Result<Option<ObservedJob>> {
        let Some(Job { view, .. }) = self.job(place).await? else {
            return Ok(None);
        };
        let owner = observation::owner(&view, service, deployment);
        let nomad = self.namespace(place);
        let allocations = nomad.allocations(&place.job_id);
        if owner != Owner::ThisDeployment || view.stop {
            let allocations = allocations.await.map_err(errors::of)?.value;
            return Ok(Some(observation::observed(
                &view,
                owner,
                &[],
                &[],
                &allocations,
            )));
        }
        let (evaluations, deployments, allocations) = try_join3(
            nomad.evaluations(&place.job_id),
            nomad.deployments(&place.job_id),
            allocations,
        )
        .await
        .map_err(errors::of)?;
        let mut observed = observation::observed(
            &view,
            owner,
            &evaluations.value,
            &deployments.value,
            &allocations.value,
        );
        if observed.is_up() {
            observed.checks_fail = self.checks_fail(place, &observed.allocations).await;
        }
        Ok(Some(observed))
    }

    async fn evidence(&self, place: &JobPlace) -> Result<Evidence> {
        let Some(Job { view, .. }) = self.job(place).await? else {
            return Ok(Evidence::default());
        };
        let nomad = self.namespace(place);
        let ((evaluations, deployments), allocations) = try_join(
            try_join(
                nomad.evaluations(&place.job_id),
                nomad.deployments(&place.job_id),
            ),
            nomad.allocations(&place.job_id),
        )
        .await
        .map_err(errors::of)?;
        let mut evidence = observation::evidence(&view, &evaluations.value, &deployments.value);
        let mut current = allocations.value;
        current.retain(|allocation| allocation.job_version == Some(view.version));
        for (allocation, mut failure) in observation::failures(&current) {
            failure.log = self.last_lines(place, &allocation, &failure.task).await;
            evidence.failures.push(failure);
        }
        Ok(evidence)
    }

    async fn submit(&self, place: &JobPlace, job: &JobDocument, expected: u64) -> Result<()> {
        let registered = self.namespace(place).register(&job.0, Some(expected)).await;
        registered.map(drop).map_err(errors::of)
    }

    /// Registers the job as stopped instead of deleting it, because only a registration names the index it expects.
    async fn stop(&self, place: &JobPlace, expected: u64) -> Result<()> {
        let Some(Job { view, mut document }) = self.job(place).await? else {
            return Ok(());
        };
        if view.job_modify_index != expected {
            let changed = "the job in Nomad has changed meanwhile";
            return Err(Error::conflict("job_changed", changed));
        }
        document["Stop"] = json!(true);
        self.submit(place, &JobDocument(document), expected).await
    }

    async fn restart(&self, place: &JobPlace, allocation: Uuid) -> Result<()> {
        let Some(Job { view, .. }) = self.job(place).await? else {
            return Ok(());
        };
        let tasks = view.task_groups.iter().flat_map(|group| &group.tasks);
        let longest = tasks
            .filter_map(|task| u64::try_from(task.kill_timeout_nanos?).ok())
            .map(Duration::from_nanos)
            .max();
        let restarted = self
            .namespace(place)
            .restart(&allocation.to_string(), longest.unwrap_or(KILL_TIMEOUT))
            .await;
        match restarted {
            // It ended meanwhile: looking again tells what became of it.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyEnded) => {
                Ok(())
            }
            restarted => restarted.map_err(errors::of),
        }
    }

    async fn purge(&self, place: &JobPlace) -> Result<()> {
        let purged = self.namespace(place).stop(&place.job_id, true).await;
        purged.map(drop).map_err(errors::of)
    }
}
