//! What every request handler works with.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{Plan, ServiceId, deployment::JobPlace};
use persistence::{Database, audit_seal::Seal, throttles::ThrottlePolicy};
use tokio::sync::{Notify, Semaphore, watch};

use crate::{
    idempotency::Fingerprints,
    lifecycle::Lifecycle,
    sign_in::{AccessTokens, KnownKeys, PasswordHasher},
};

/// The parts of a running server, shared by its requests.
#[derive(Debug)]
pub struct State {
    /// Whether the server starts, serves or drains, and its background work.
    pub lifecycle: Lifecycle,
    /// The database.
    pub database: Database,
    /// The cluster that runs the services.
    pub nomad: nomad::Nomad,
    /// The namespace of every job.
    pub namespace: String,
    /// Tells this server's worker that there is something to do.
    pub wake_worker: Arc<Notify>,
    /// Each follower of a log holds a connection to Nomad, which allows only so many.
    pub log_followers: Arc<Semaphore>,
    /// Issues and verifies access tokens.
    pub access_tokens: AccessTokens,
    /// How long a deployment may take.
    pub deployment_deadline: std::time::Duration,
    /// How long a session lasts without being used.
    pub refresh_duration: std::time::Duration,
    /// A refused sign-in is answered no sooner.
    pub refusal_time: std::time::Duration,
    /// How attempts to sign in are put off.
    pub throttle: ThrottlePolicy,
    /// Whose the API keys are that were used lately.
    pub api_keys: KnownKeys,
    /// How long an API key still works after it was rotated.
    pub rotation_overlap: std::time::Duration,
    /// How long an invitation can be accepted.
    pub invitation_duration: std::time::Duration,
    /// Hashes passwords.
    pub passwords: PasswordHasher,
    /// Tells apart the requests that carry an idempotency key.
    pub fingerprints: Fingerprints,
    /// Whether secret values can be encrypted.
    pub encryption: Encryption,
    /// What the audit trail is sealed with; known before the first request is served.
    pub seal: watch::Sender<Option<Arc<Seal>>>,
    /// How long a row of the audit trail waits to be sealed.
    pub seal_interval: std::time::Duration,
    /// How many services a tenant may have, where the operator decides it instead of the plan.
    pub max_services: Option<u32>,
}

/// Whether secret values can be encrypted, or why not.
#[derive(Debug, Default)]
pub struct Encryption(Mutex<Option<String>>);

impl Encryption {
    /// Why it is not possible now.
    pub fn refusal(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Keeps why it is not possible, and says whether that is news.
    pub(crate) fn refuse(&self, reason: &str) -> bool {
        let mut refusal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = refusal.replace(reason.to_owned());
        before.as_deref() != Some(reason)
    }

    pub(crate) fn accept(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl State {
    /// Where the job of a service is.
    pub fn place_of(&self, service: ServiceId) -> JobPlace {
        JobPlace::of(&self.namespace, service)
    }

    /// What a tenant of `plan` may have.
    pub fn limits(&self, plan: Plan) -> domain::Limits {
        domain::Limits::of_tenant(plan, plan.max_services(self.max_services))
    }
}
