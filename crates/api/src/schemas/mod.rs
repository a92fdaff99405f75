//! Bodies whose rules `domain` applies field by field, described for those who send them.

pub mod accounts;

use std::collections::BTreeMap;

use domain::{DeploymentStatus, Role, ServiceStatus, ServiceType};
use utoipa::{
    ToSchema,
    openapi::{
        Object, ObjectBuilder,
        schema::{SchemaType, Type},
    },
};
use uuid::Uuid;

/// Somebody who wants to use the product.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "username": "ada", "email": "ada@example.com", "password": "correct horse battery",
    "first_name": "Ada", "last_name": "Lovelace", "tenant_name": "Analytical Engines"
}))]
pub struct Registration {
    /// Compared and kept in lower case.
    #[schema(
        min_length = 2,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )]
    pub username: String,
    /// Compared and kept in lower case.
    #[schema(max_length = 254)]
    pub email: String,
    /// Any characters, but enough of them.
    #[schema(min_length = 15, max_length = 256, format = Password)]
    pub password: String,
    /// Given name.
    #[schema(max_length = 255)]
    pub first_name: Option<String>,
    /// Family name.
    #[schema(max_length = 255)]
    pub last_name: Option<String>,
    /// What the tenant is to be called; the username, unless said otherwise.
    pub tenant_name: Option<String>,
}

/// Who signs in: by username or email address.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"username": "ada", "password": "correct horse battery"}))]
pub struct SignIn {
    /// In any case.
    pub username: Option<String>,
    /// In any case.
    pub email: Option<String>,
    /// Older passwords may be shorter than new ones.
    #[schema(format = Password)]
    pub password: String,
}

/// A session to keep or to end.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"refresh_token": "kZ0tQm3cX0Lw8cJt5vM0n2pQ4rS6uV8xY1zA3bC5dE7"}))]
pub struct RefreshToken {
    /// As the last answer had it. It works once; a second use ends the session.
    pub refresh_token: String,
}

/// What a user changes of itself. What is absent stays; what can't be changed may stand here as it is.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"first_name": "Ada", "last_name": "King", "email": "ada@example.com"}))]
pub struct ProfileChange {
    /// Given name.
    #[schema(max_length = 255)]
    pub first_name: Option<String>,
    /// Family name.
    #[schema(max_length = 255)]
    pub last_name: Option<String>,
    /// Compared and kept in lower case.
    #[schema(max_length = 254, nullable = false)]
    pub email: Option<String>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub id: Option<Uuid>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// Unchanged.
    #[schema(schema_with = role)]
    pub role: Option<String>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
    /// Unchanged.
    pub tenant_id: Option<Uuid>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub created_at: Option<String>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub updated_at: Option<String>,
}

/// The role a user is to have.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"role": "user"}))]
pub struct RoleChange {
    /// Platform administrators have no tenant, everybody else has one.
    #[schema(schema_with = role)]
    pub role: String,
}

/// A service to be made.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "name": "orders", "type": "database", "description": "where orders are kept",
    "config": {"image": "postgres:17", "ports": [5432], "resources": {"cpu": 500, "memory": 512}}
}))]
pub struct NewService {
    /// Unique within the tenant.
    #[schema(min_length = 1, max_length = 63)]
    pub name: String,
    /// One of each within the tenant.
    #[schema(schema_with = service_type)]
    pub r#type: String,
    /// For people.
    #[schema(max_length = 4096)]
    pub description: Option<String>,
    /// What it runs.
    pub config: ServiceConfig,
}

/// A whole service, to take the place of what is there. What can't be changed may stand here as it is.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"name": "orders", "description": null, "config": {"image": "postgres:17"}}))]
pub struct ServiceReplacement {
    /// Unique within the tenant.
    #[schema(min_length = 1, max_length = 63)]
    pub name: String,
    /// For people; absent, it is taken away.
    #[schema(max_length = 4096)]
    pub description: Option<String>,
    /// What it runs.
    pub config: ServiceConfig,
    /// Unchanged.
    #[schema(nullable = false)]
    pub id: Option<Uuid>,
    /// Unchanged.
    #[schema(schema_with = service_type)]
    pub r#type: Option<String>,
    /// Unchanged.
    #[schema(schema_with = service_status)]
    pub status: Option<String>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub tenant_id: Option<Uuid>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub created_by: Option<Uuid>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub created_at: Option<String>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub updated_at: Option<String>,
}

/// What changes of a service; what is absent stays.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"description": "where orders are kept"}))]
pub struct ServiceChange {
    /// Unique within the tenant.
    #[schema(min_length = 1, max_length = 63, nullable = false)]
    pub name: Option<String>,
    /// For people; null takes it away.
    #[schema(max_length = 4096)]
    pub description: Option<String>,
    /// What it runs: a whole new configuration.
    #[schema(nullable = false)]
    pub config: Option<ServiceConfig>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub id: Option<Uuid>,
    /// Unchanged.
    #[schema(schema_with = service_type)]
    pub r#type: Option<String>,
    /// Unchanged.
    #[schema(schema_with = service_status)]
    pub status: Option<String>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub tenant_id: Option<Uuid>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub created_by: Option<Uuid>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub created_at: Option<String>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub updated_at: Option<String>,
}

/// What a service runs. `image` or `nomad_job_file` is required.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "image": "postgres:17", "ports": [5432], "environment": {"POSTGRES_DB": "orders"},
    "volumes": ["/data:/var/lib/postgresql/data"], "resources": {"cpu": 500, "memory": 512, "disk": 1024},
    "health_check": {"enabled": true, "interval": "30s", "timeout": "5s", "retries": 3}
}))]
pub struct ServiceConfig {
    /// The container image, as `docker pull` takes it.
    pub image: Option<String>,
    /// The ports the service listens on.
    pub ports: Option<Vec<u16>>,
    /// Environment variables by name; a name may have dots (`discovery.type`), no dashes. An answer shows `**********` for
    /// each value, and takes it back for the value there is.
    pub environment: Option<BTreeMap<String, String>>,
    /// Each `source:target`, `source:target:ro` or `source:target:rw`.
    pub volumes: Option<Vec<String>>,
    /// What the service reserves.
    pub resources: Option<Resources>,
    /// How to tell whether it works.
    pub health_check: Option<HealthCheck>,
    /// The name of the operator's job file that decides what runs.
    pub nomad_job_file: Option<String>,
    /// With a job file, values of variables it declares; without one, what fills `{{NAME}}` in the texts above.
    pub custom_variables: Option<BTreeMap<String, String>>,
    /// JSON pointers of further secret values, such as `/custom_variables/PASSWORD`: texts in `custom_variables`, `image`,
    /// `volumes` or `health_check/path`.
    pub sensitive: Option<Vec<String>>,
}

/// Which secret values to reveal.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"pointers": ["/config/environment/POSTGRES_PASSWORD"]}))]
pub struct Reveal {
    /// JSON pointers into the service.
    #[schema(min_items = 1, max_items = 100)]
    pub pointers: Vec<String>,
}

/// What a service reserves; what is absent counts as Nomad's default (100 MHz, 300 MB, 300 MB).
#[derive(Debug, ToSchema)]
pub struct Resources {
    /// Processor, in MHz.
    pub cpu: Option<u32>,
    /// Memory, in MB.
    pub memory: Option<u32>,
    /// Disk, in MB.
    pub disk: Option<u32>,
}

/// How to tell whether a service works.
#[derive(Debug, ToSchema)]
pub struct HealthCheck {
    /// Whether to check at all: yes, unless it says no.
    pub enabled: Option<bool>,
    /// The path to request from the first port; without one, the check only connects.
    pub path: Option<String>,
    /// From one check to the next, such as `90s` or `1m30s`: `30s`, unless said otherwise.
    pub interval: Option<String>,
    /// How long an answer may take: `5s`, unless said otherwise.
    pub timeout: Option<String>,
    /// Failures in a row before the service counts as broken: 3, unless said otherwise.
    pub retries: Option<u32>,
}

/// One of the server-sent events of a log that is followed (WHATWG HTML, section 9.2).
#[derive(Debug, ToSchema)]
#[schema(example = json!({"id": "4096", "data": "listening on port 8000"}))]
pub struct LogEvent {
    /// The line, without its end. Of the last event: nothing, or why it comes, as JSON with `code` and `detail`.
    pub data: String,
    /// Absent for a line; `end` for the last event of all.
    #[schema(nullable = false)]
    pub event: Option<String>,
    /// Where the line ends in the log: sent as `Last-Event-ID`, following goes on behind it.
    #[schema(nullable = false, pattern = "^[0-9]+$")]
    pub id: Option<String>,
    /// How long to wait before connecting again, in milliseconds.
    #[schema(nullable = false)]
    pub retry: Option<u64>,
}

/// The roles there are.
pub(crate) fn role() -> Object {
    one_of(Role::ALL.iter().map(|role| role.as_str()))
}

/// The types of services there are.
pub(crate) fn service_type() -> Object {
    one_of(ServiceType::ALL.iter().map(|kind| kind.as_str()))
}

/// The states a service can be in.
pub(crate) fn service_status() -> Object {
    one_of(ServiceStatus::ALL.iter().map(|status| status.as_str()))
}

/// The states a deployment can be in.
pub(crate) fn deployment_status() -> Object {
    one_of(DeploymentStatus::ALL.iter().map(|status| status.as_str()))
}

/// The outputs a task has.
pub(crate) fn log_type() -> Object {
    one_of(["stdout", "stderr"].into_iter())
}

pub(crate) fn one_of(texts: impl Iterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(texts))
        .build()
}
