//! A simulator to test, the calls of a caller, and jobs to send.

use std::time::Duration;

use nomad_sim::{Settings, Simulator};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

/// How long anything may take to become so. Generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Sim {
    simulator: Simulator,
    client: reqwest::Client,
}

pub struct Seen {
    pub status: StatusCode,
    pub index: Option<u64>,
    pub content_type: Option<String>,
    pub text: String,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn failure(&self) -> (u16, &str) {
        (self.status.as_u16(), &self.text)
    }
}

impl Sim {
    /// A simulator on which waits are a tenth of what they would be.
    pub fn start() -> Self {
        Self::with_speed(10.0)
    }

    pub fn with_speed(speed: f64) -> Self {
        let simulator = Simulator::start(Settings {
            speed,
            ..Settings::default()
        })
        .unwrap();
        Self {
            simulator,
            client: reqwest::Client::new(),
        }
    }

    pub fn url(&self) -> String {
        self.simulator.url()
    }

    pub async fn stop(self) {
        self.simulator.stop().await;
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<Response> {
        let request = self.client.request(method, format!("{}{path}", self.url()));
        match body {
            Some(body) => request.json(&body).send().await,
            None => request.send().await,
        }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Seen {
        let response = self.send(method, path, body).await.unwrap();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        Seen {
            status: response.status(),
            index: header("x-nomad-index").map(|index| index.parse().unwrap()),
            content_type: header("content-type"),
            text: response.text().await.unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Seen {
        self.call(Method::GET, path, None).await
    }

    pub async fn read(&self, path: &str) -> Value {
        let seen = self.get(path).await;
        assert_eq!(seen.status, 200, "GET {path}: {}", seen.text);
        seen.json()
    }

    pub async fn post(&self, path: &str, body: Value) -> Seen {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Seen {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Seen {
        self.call(Method::DELETE, path, None).await
    }

    pub async fn register(&self, job: &Value) -> Value {
        let seen = self.post("/v1/jobs", json!({"Job": job})).await;
        assert_eq!(seen.status, 200, "{}", seen.text);
        seen.json()
    }

    /// Reads until what is read is as wanted.
    pub async fn until(&self, path: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let reading = async {
            loop {
                last = self.read(path).await;
                if wanted(&last) {
                    return last.clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(seen) => seen,
            Err(_) => panic!("{path} never became {what}; last: {last}"),
        }
    }

    pub async fn until_deployment(&self, job: &str, status: &str) -> Value {
        self.until(&format!("/v1/job/{job}/deployment"), status, |deployment| {
            deployment["Status"] == status
        })
        .await
    }

    pub async fn until_job(&self, job: &str, status: &str) -> Value {
        self.until(&format!("/v1/job/{job}"), status, |job| {
            job["Status"] == status
        })
        .await
    }

    pub async fn until_allocations(
        &self,
        job: &str,
        what: &str,
        wanted: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let path = format!("/v1/job/{job}/allocations");
        let seen = self
            .until(&path, what, |list| wanted(list.as_array().unwrap()))
            .await;
        seen.as_array().unwrap().clone()
    }

    /// Until the scheduler has no evaluation of the job left to take up, other than those that wait for a time.
    pub async fn settle(&self, job: &str) {
        self.until(
            &format!("/v1/job/{job}/evaluations"),
            "settled",
            |evaluations| {
                evaluations.as_array().unwrap().iter().all(|evaluation| {
                    evaluation["Status"] != "pending" || evaluation.get("WaitUntil").is_some()
                })
            },
        )
        .await;
    }

    pub async fn versions(&self, job: &str) -> Vec<(u64, bool, bool)> {
        let versions = self.read(&format!("/v1/job/{job}/versions")).await;
        let versions = versions["Versions"].as_array().unwrap().clone();
        versions
            .iter()
            .map(|version| {
                (
                    version["Version"].as_u64().unwrap(),
                    version["Stable"] == true,
                    version["Stop"] == true,
                )
            })
            .collect()
    }
}

/// A service with one played task, whose image says what becomes of it. Nothing is left to defaults.
pub fn played(id: &str, image: &str) -> Value {
    json!({
        "ID": id,
        "Name": id,
        "Type": "service",
        "Datacenters": ["*"],
        "TaskGroups": [{
            "Name": "main",
            "Count": 1,
            "EphemeralDisk": {"SizeMB": 150},
            "RestartPolicy": {"Attempts": 0, "Delay": 1_000_000_000_i64, "Interval": 1_800_000_000_000_i64, "Mode": "fail"},
            "ReschedulePolicy": {"Attempts": 0, "Unlimited": false, "Delay": 5_000_000_000_i64, "DelayFunction": "constant", "Interval": 86_400_000_000_000_i64, "MaxDelay": 0},
            "Update": {
                "MaxParallel": 1, "HealthCheck": "checks", "MinHealthyTime": 1_000_000_000, "HealthyDeadline": 10_000_000_000_i64,
                "ProgressDeadline": 20_000_000_000_i64, "AutoRevert": false, "AutoPromote": false, "Canary": 0, "Stagger": 30_000_000_000_i64,
            },
            "Tasks": [{
                "Name": "app",
                "Driver": "docker",
                "Config": {"image": image},
                "KillTimeout": 5_000_000_000_i64,
                "LogConfig": {"MaxFiles": 2, "MaxFileSizeMB": 1},
                "Resources": {"CPU": 50, "MemoryMB": 32},
            }],
        }],
    })
}

/// The same job with another image: another specification that can't be reached in place.
pub fn with_image(mut job: Value, image: &str) -> Value {
    job["TaskGroups"][0]["Tasks"][0]["Config"]["image"] = json!(image);
    job
}

/// A process that sleeps, obeying signals.
pub fn sleeper(id: &str) -> Value {
    let mut job = played(id, "");
    job["TaskGroups"][0]["Tasks"][0]["Driver"] = json!("raw_exec");
    job["TaskGroups"][0]["Tasks"][0]["Config"] = json!({"command": "/bin/sleep", "args": ["600"]});
    job
}

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is no text in {value}"))
}
