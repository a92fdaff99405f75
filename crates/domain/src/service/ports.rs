//! What the rules of services need from outside.

use std::future::Future;

use super::{Admission, NewService, OpenService, Service, ServiceFilter, ServicePatch};
use crate::{
    Result, ServiceConfig, ServiceId,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    secret::CurrentValues,
};

/// A configuration as it is stored, with what it takes to read its secret values.
pub trait StoredConfig: CurrentValues + Send + Sync {
    /// The configuration with its secret values.
    ///
    /// # Errors
    /// `decryption_failed`.
    fn open(&self) -> Result<ServiceConfig>;

    /// A secret value at a pointer within the configuration, where one stands there.
    ///
    /// # Errors
    /// `decryption_failed`.
    fn secret(&self, pointer: &str) -> Result<Option<String>>;
}

/// Looks at services.
pub trait ServiceReads {
    /// The tenant's services, newest first, and how many there are.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn list_services(
        &self,
        filter: &ServiceFilter,
        request: PageRequest,
    ) -> impl Future<Output = Result<(Actor, Page<Service>)>> + Send;

    /// The service with this id.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    fn service(&self, id: ServiceId) -> impl Future<Output = Result<(Actor, Service)>> + Send;
}

/// Changes services. What locks is the first call of a transaction.
pub trait ServiceChanges: Sized {
    /// A configuration as the store has it.
    type Config: StoredConfig;

    /// What the tenant may have and has, locked so that nobody adds to it meanwhile.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn lock_admission(&mut self) -> impl Future<Output = Result<(Actor, Admission)>> + Send;

    /// As [`lock_admission`](Self::lock_admission), and one of the services.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    fn lock_admission_of(
        &mut self,
        id: ServiceId,
    ) -> impl Future<Output = Result<(Actor, Admission, OpenService<Self::Config>)>> + Send;

    /// The service with this id and its configuration with the secret values.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    fn service_with_secrets(
        &mut self,
        id: ServiceId,
    ) -> impl Future<Output = Result<(Actor, OpenService<Self::Config>)>> + Send;

    /// The service with this id, locked until the transaction ends.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    fn lock_service(
        &mut self,
        id: ServiceId,
    ) -> impl Future<Output = Result<(Actor, Service)>> + Send;

    /// Makes a service, and commits; `answer` is what its caller is told.
    ///
    /// # Errors
    /// `type_taken`, `name_taken`.
    fn insert_service(
        self,
        actor: &Actor,
        new: NewService,
        answer: impl FnOnce(&Service) -> Answer + Send,
    ) -> impl Future<Output = Result<Service>> + Send;

    /// Changes a service, and commits. What was stored before there was encryption is encrypted at the latest now.
    ///
    /// # Errors
    /// `name_taken`.
    fn update_service(
        self,
        current: &OpenService<Self::Config>,
        patch: ServicePatch,
    ) -> impl Future<Output = Result<Service>> + Send;

    /// Removes a service with its deployments, has a worker purge what it left in Nomad within `deadline`, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn delete_service(
        self,
        id: ServiceId,
        deadline: std::time::Duration,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Says what a configuration would run, before anything does.
pub trait JobRules: Send + Sync {
    /// Refuses what can be known to be wrong without asking the cluster.
    ///
    /// # Errors
    /// Names the fields.
    fn check_config(&self, config: &ServiceConfig) -> impl Future<Output = Result<()>> + Send;

    /// The text of the job file that a configuration names, if it names one.
    ///
    /// # Errors
    /// Invalid for a file that is not there.
    fn source(&self, config: &ServiceConfig)
    -> impl Future<Output = Result<Option<String>>> + Send;
}
