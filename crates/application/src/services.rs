//! Defining services.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Error, Service, ServiceId, TenantScope, Violation,
    audit_log::Event,
    idempotency::{Answer, Once},
    page::{Page, PageRequest},
    policy::{Action, Resource, authorise},
    ports::{TenantStore, TenantTransaction as _, Transaction as _},
    secret::in_config,
    service::{
        Candidate, NewService, ServiceFilter, ServicePatch, admit,
        ports::{JobRules, ServiceChanges, ServiceReads, StoredConfig as _},
    },
};
use serde_json::json;

/// What is done with services.
#[derive(Clone, Debug)]
pub struct Services<S, J> {
    store: S,
    jobs: J,
    deployment_deadline: Duration,
}

impl<S, J> Services<S, J> {
    /// What a removed service left behind is purged within `deployment_deadline`.
    pub fn new(store: S, jobs: J, deployment_deadline: Duration) -> Self {
        Self {
            store,
            jobs,
            deployment_deadline,
        }
    }
}

impl<S, J> Services<S, J>
where
    S: TenantStore<Read: ServiceReads, Transaction: ServiceChanges>,
    J: JobRules,
{
    /// The caller's services.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    pub async fn list(
        &self,
        scope: TenantScope,
        filter: &ServiceFilter,
        request: PageRequest,
    ) -> Result<Page<Service>, Error> {
        let tenant = scope.tenant;
        let (actor, page) = self
            .store
            .read(scope)
            .list_services(filter, request)
            .await?;
        authorise(&actor, Action::Read, Resource::Service(tenant))?;
        Ok(page)
    }

    /// One service.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    pub async fn read(&self, scope: TenantScope, id: ServiceId) -> Result<Service, Error> {
        let (actor, service) = self.store.read(scope).service(id).await?;
        authorise(&actor, Action::Read, Resource::Service(service.tenant_id))?;
        Ok(service)
    }

    /// Defines a service; `answer` is what the client is told, kept where the request is to take effect once.
    ///
    /// # Errors
    /// `type_taken`, `name_taken`, `limit_exceeded`, and those of [`Transaction::once`](domain::ports::Transaction::once).
    pub async fn create(
        &self,
        scope: TenantScope,
        once: Option<&Once>,
        new: NewService,
        answer: impl FnOnce(&Service) -> Answer + Send,
    ) -> Result<Service, Error> {
        let tenant = scope.tenant;
        self.jobs.check_config(&new.config).await?;
        let mut transaction = self.store.tenant(scope).await?;
        transaction.begin_once(once);
        let (actor, admission) = transaction.lock_admission().await?;
        authorise(&actor, Action::Create, Resource::Service(tenant))?;
        let candidate = Candidate {
            id: None,
            name: &new.name,
            service_type: new.service_type,
            reservation: new.config.reservation(),
        };
        admit(&candidate, &admission)?;
        transaction.insert_service(&actor, new, answer).await
    }

    /// Changes a service; `change` reads the change against the service and the values it has, and refuses a stale one.
    ///
    /// # Errors
    /// `not_found`, `name_taken`, `limit_exceeded`, and whatever `change` answers.
    pub async fn update(
        &self,
        scope: TenantScope,
        id: ServiceId,
        change: impl FnOnce(
            &Service,
            &<S::Transaction as ServiceChanges>::Config,
        ) -> Result<ServicePatch, Error>,
    ) -> Result<Service, Error> {
        let mut transaction = self.store.tenant(scope).await?;
        let (actor, admission, current) = transaction.lock_admission_of(id).await?;
        let service = &current.service;
        authorise(&actor, Action::Update, Resource::Service(service.tenant_id))?;
        let patch = change(service, &current.config)?;
        if let Some(config) = &patch.config {
            self.jobs.check_config(config).await?;
        }
        let reservation = match &patch.config {
            Some(config) => config.reservation(),
            None => service.config.read()?.reservation(),
        };
        let candidate = Candidate {
            id: Some(id),
            name: patch.name.as_deref().unwrap_or(&service.name),
            service_type: service.service_type,
            reservation,
        };
        admit(&candidate, &admission)?;
        transaction.update_service(&current, patch).await
    }

    /// Removes a service that is not running.
    ///
    /// # Errors
    /// `not_found`, `service_running`, and whatever `check` answers.
    pub async fn delete(
        &self,
        scope: TenantScope,
        id: ServiceId,
        check: impl FnOnce(&Service) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut transaction = self.store.tenant(scope).await?;
        let (actor, service) = transaction.lock_service(id).await?;
        authorise(&actor, Action::Delete, Resource::Service(service.tenant_id))?;
        check(&service)?;
        service.ensure_deletable()?;
        transaction
            .delete_service(id, self.deployment_deadline)
            .await
    }

    /// The secret values at some pointers of a service.
    ///
    /// # Errors
    /// `not_found`, `forbidden` for whoever may not see secrets, invalid where a pointer names no secret value, and
    /// `decryption_failed`.
    pub async fn reveal(
        &self,
        scope: TenantScope,
        id: ServiceId,
        pointers: &[String],
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut transaction = self.store.tenant(scope).await?;
        let (actor, current) = transaction.service_with_secrets(id).await?;
        authorise(
            &actor,
            Action::Reveal,
            Resource::Service(current.service.tenant_id),
        )?;
        let (mut values, mut errors) = (BTreeMap::new(), Vec::new());
        for (index, pointer) in pointers.iter().enumerate() {
            match current.config.secret(in_config(pointer))? {
                Some(value) => {
                    values.insert(pointer.clone(), value);
                }
                None => {
                    let detail = "must be the JSON pointer of a secret value, such as /config/environment/PASSWORD";
                    let refused = Violation::new("no_such_value", detail);
                    errors.push(refused.at(format!("/pointers/{index}")));
                }
            }
        }
        if !errors.is_empty() {
            return Err(Error::invalid(errors));
        }
        let event = Event::new(
            "service.reveal",
            format!("services/{id}"),
            json!({"pointers": pointers}),
        );
        transaction.record(event).await?;
        Ok(values)
    }
}
