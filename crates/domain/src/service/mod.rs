//! A service a tenant has defined: what it is, which state it is in, and what may be done with it in that state.

mod admission;
mod input;
pub mod ports;
mod status;

use chrono::{DateTime, Utc};

pub use admission::{Admission, AdmittedService, Candidate, admit};
pub use input::{
    MAX_DESCRIPTION, MAX_NAME, MAX_POINTERS, NAME_PATTERN, NewService, ServicePatch, parse_reveal,
};
pub use status::ServiceStatus;

use crate::{
    Error, Result, ServiceId, TenantId, UserId, secret::ShownConfig, text_enum::text_enum,
};

text_enum! {
    /// What kind of service it is. A tenant has at most one of each.
    ServiceType {
        /// Keeps data: PostgreSQL, Redis.
        Database => "database",
        /// Answers HTTP requests.
        WebServer => "web_server",
        /// Passes messages on: RabbitMQ, NATS.
        MessageQueue => "message_queue",
        /// Watches others: Prometheus, Grafana.
        Monitoring => "monitoring",
        /// Helps building software: Gitea, Jenkins.
        Devops => "devops",
        /// Anything else.
        Custom => "custom",
    }
}

/// A service a tenant has defined.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its identifier.
    pub id: ServiceId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Unique within the tenant.
    pub name: String,
    /// Unique within the tenant, too.
    pub service_type: ServiceType,
    /// Where it is in its life.
    pub status: ServiceStatus,
    /// For people.
    pub description: Option<String>,
    /// What it runs.
    pub config: ShownConfig,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Service {
    /// Refuses to restart what does not run; see [`ServiceStatus::ensure_running`].
    ///
    /// # Errors
    /// `not_running`, a conflict.
    pub fn ensure_running(&self) -> Result<()> {
        self.status.ensure_running()
    }

    /// Refuses to delete what runs or is about to.
    ///
    /// # Errors
    /// `service_running`, a conflict.
    pub fn ensure_deletable(&self) -> Result<()> {
        match self.status {
            ServiceStatus::Stopped | ServiceStatus::Error => Ok(()),
            ServiceStatus::Running | ServiceStatus::Pending => Err(Error::conflict(
                "service_running",
                format!("the service is {}; stop it first", self.status),
            )),
        }
    }
}

/// A service with what only some may see.
#[derive(Clone, Debug)]
pub struct OpenService<Config> {
    /// The service.
    pub service: Service,
    /// Its configuration with the secret values.
    pub config: Config,
}

/// Which services to list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServiceFilter {
    /// Of this type.
    pub service_type: Option<ServiceType>,
    /// In this state.
    pub status: Option<ServiceStatus>,
    /// With this text in the name or the description, in any case.
    pub text: Option<String>,
}
