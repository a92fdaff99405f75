//! What a scenario works with: a client, jobs with ids nobody else uses, and waiting until something is so. The jobs are
//! purged when the scenario has ended, however it ended.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Mutex,
    time::Duration,
};

use futures::{FutureExt, future::LocalBoxFuture};
use nomad::{
    Client, Error, ErrorKind, NamespaceClient,
    client::{
        allocations::Allocation,
        deployments::{Deployment, DeploymentStatus},
        evaluations::{Evaluation, EvaluationStatus},
        jobs::JobView,
        registration::Registered,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

/// How long anything may take to become so. Generous, because the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(90);
const INTERVAL: Duration = Duration::from_millis(50);

pub const SECOND: i64 = 1_000_000_000;
pub const HOUR: i64 = 3600 * SECOND;

/// One thing Nomad is relied on for.
#[derive(Clone, Copy)]
pub struct Scenario {
    path: &'static str,
    play: fn(&Stage) -> LocalBoxFuture<'_, ()>,
}

impl Scenario {
    pub fn new(path: &'static str, play: fn(&Stage) -> LocalBoxFuture<'_, ()>) -> Self {
        Self { path, play }
    }

    /// Its file and what it says, without the name of the test program.
    pub fn name(&self) -> &'static str {
        self.path.split_once("::").unwrap().1
    }

    pub async fn run(self, client: Client) {
        let stage = Stage {
            nomad: client.in_namespace("default"),
            client,
            jobs: Mutex::default(),
        };
        let played = AssertUnwindSafe((self.play)(&stage)).catch_unwind().await;
        let jobs = stage.jobs.lock().unwrap().clone();
        for job in jobs {
            stage.nomad.stop(&job, true).await.unwrap();
        }
        if let Err(panic) = played {
            resume_unwind(panic);
        }
    }
}

/// The scenarios of a file.
#[macro_export]
macro_rules! scenarios {
    ($($scenario:ident),+ $(,)?) => {
        pub fn scenarios() -> Vec<$crate::stage::Scenario> {
            vec![$($crate::stage::Scenario::new(
                concat!(module_path!(), "::", stringify!($scenario)),
                |stage| Box::pin($scenario(stage)),
            )),+]
        }
    };
}

pub struct Stage {
    pub client: Client,
    /// The namespace `default`.
    pub nomad: NamespaceClient,
    jobs: Mutex<Vec<String>>,
}

impl Stage {
    /// An id for a job that is purged at the end.
    pub fn job_id(&self) -> String {
        let id = format!("contract-{}", Uuid::new_v4());
        self.jobs.lock().unwrap().push(id.clone());
        id
    }

    /// A service of one task that sleeps and obeys signals; it is healthy once it has run for a second.
    pub fn sleeper(&self) -> Value {
        self.service("/bin/sleep", &["86400"])
    }

    /// A service that runs a shell script.
    pub fn script(&self, script: &str) -> Value {
        self.service("/bin/sh", &["-c", script])
    }

    /// A service that fails at once, and whose first deployment fails with it.
    pub fn failing(&self) -> Value {
        let mut job = self.service("/bin/false", &[]);
        update(&mut job)["ProgressDeadline"] = json!(0);
        job
    }

    /// A service of one task. A task that ends is neither restarted nor placed again.
    pub fn service(&self, command: &str, arguments: &[&str]) -> Value {
        let id = self.job_id();
        json!({
            "ID": id,
            "Name": id,
            "Type": "service",
            "Datacenters": ["*"],
            "Meta": {"attempt": "1"},
            "TaskGroups": [{
                "Name": "main",
                "Count": 1,
                "EphemeralDisk": {"SizeMB": 20},
                "RestartPolicy": {"Attempts": 0, "Delay": SECOND, "Interval": HOUR, "Mode": "fail"},
                "ReschedulePolicy": {
                    "Attempts": 0, "Unlimited": false, "Delay": 5 * SECOND, "DelayFunction": "constant",
                    "Interval": HOUR, "MaxDelay": 0,
                },
                "Update": {
                    "MaxParallel": 1, "HealthCheck": "task_states", "MinHealthyTime": SECOND,
                    "HealthyDeadline": HOUR, "ProgressDeadline": 2 * HOUR, "AutoRevert": false,
                    "AutoPromote": false, "Canary": 0, "Stagger": 30 * SECOND,
                },
                "Tasks": [{
                    "Name": "app",
                    "Driver": "raw_exec",
                    "Config": {"command": command, "args": arguments},
                    "Env": {},
                    "KillTimeout": SECOND,
                    "LogConfig": {"MaxFiles": 2, "MaxFileSizeMB": 2},
                    "Resources": {"CPU": 10, "MemoryMB": 16},
                }],
            }],
        })
    }

    pub async fn register(&self, job: &Value) -> Registered {
        self.nomad.register(job, None).await.unwrap()
    }

    pub async fn view(&self, job: &Value) -> JobView {
        self.nomad.job(id(job)).await.unwrap().value.view
    }

    /// Version, whether it is stable, whether it is stopped; newest first.
    pub async fn versions(&self, job: &Value) -> Vec<(u64, bool, bool)> {
        let versions = self.nomad.versions(id(job)).await.unwrap().value;
        let facts = |version: &JobView| (version.version, version.stable, version.stop);
        versions.iter().map(|job| facts(&job.view)).collect()
    }

    pub async fn deployments(&self, job: &Value) -> Vec<Deployment> {
        self.nomad.deployments(id(job)).await.unwrap().value
    }

    pub async fn allocations(&self, job: &Value) -> Vec<Allocation> {
        self.nomad.allocations(id(job)).await.unwrap().value
    }

    /// The evaluation, once the scheduler has finished it.
    pub async fn finished(&self, evaluation: &str) -> Evaluation {
        eventually("a complete evaluation", async || {
            let evaluation = self.nomad.evaluation(evaluation).await.unwrap().value;
            (evaluation.status == EvaluationStatus::Complete).then_some(evaluation)
        })
        .await
    }

    /// The deployment of this version of the job, once it is so.
    pub async fn deployed(
        &self,
        job: &Value,
        version: u64,
        status: DeploymentStatus,
    ) -> Deployment {
        eventually(
            &format!("version {version} deployed {status:?}"),
            async || {
                let deployments = self.deployments(job).await;
                let mut own = deployments.into_iter();
                own.find(|deployment| {
                    deployment.job_version == version && deployment.status == status
                })
            },
        )
        .await
    }

    /// Registers the job and waits until it is healthy and, which comes with it, stable.
    pub async fn healthy(&self, job: &Value) -> Deployment {
        self.register(job).await;
        let version = self.view(job).await.version;
        self.deployed(job, version, DeploymentStatus::Successful)
            .await
    }

    /// The newest allocation of a job, once it is so.
    pub async fn allocation(
        &self,
        job: &Value,
        what: &str,
        wanted: impl Fn(&Allocation) -> bool,
    ) -> Allocation {
        eventually(what, async || {
            let newest = self.allocations(job).await.into_iter().next()?;
            wanted(&newest).then_some(newest)
        })
        .await
    }
}

/// Asks until there is an answer.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

pub fn id(job: &Value) -> &str {
    job["ID"].as_str().unwrap()
}

pub fn group(job: &mut Value) -> &mut Value {
    &mut job["TaskGroups"][0]
}

pub fn update(job: &mut Value) -> &mut Value {
    &mut job["TaskGroups"][0]["Update"]
}

pub fn task(job: &mut Value) -> &mut Value {
    &mut job["TaskGroups"][0]["Tasks"][0]
}

/// Makes the job one whose allocations take an hour to become healthy.
pub fn never_healthy(job: &mut Value) {
    let update = update(job);
    update["MinHealthyTime"] = json!(HOUR);
    update["HealthyDeadline"] = json!(2 * HOUR);
    update["ProgressDeadline"] = json!(3 * HOUR);
}

/// What Nomad refused, in its words.
pub fn refusal<T>(answer: Result<T, Error>) -> (ErrorKind, u16, String) {
    let Err(error) = answer else {
        panic!("it was not refused");
    };
    let status = error.status().expect("an answer");
    (error.kind(), status, error.text().to_owned())
}
