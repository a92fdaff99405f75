//! Services: what tenants have defined.

use sea_orm::entity::prelude::*;

/// The kinds of service there are; a tenant has one of each at most.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(50))")]
pub enum ServiceType {
    /// `database`
    #[sea_orm(string_value = "database")]
    Database,
    /// `web_server`
    #[sea_orm(string_value = "web_server")]
    WebServer,
    /// `message_queue`
    #[sea_orm(string_value = "message_queue")]
    MessageQueue,
    /// `monitoring`
    #[sea_orm(string_value = "monitoring")]
    Monitoring,
    /// `devops`
    #[sea_orm(string_value = "devops")]
    Devops,
    /// `custom`
    #[sea_orm(string_value = "custom")]
    Custom,
}

/// What a service is doing.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(50))")]
pub enum ServiceStatus {
    /// `running`
    #[sea_orm(string_value = "running")]
    Running,
    /// `stopped`
    #[sea_orm(string_value = "stopped")]
    Stopped,
    /// `error`
    #[sea_orm(string_value = "error")]
    Error,
    /// `pending`
    #[sea_orm(string_value = "pending")]
    Pending,
}

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "services")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    #[sea_orm(column_name = "type")]
    pub r#type: ServiceType,
    pub status: Option<ServiceStatus>,
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub config: Option<Json>,
    pub tenant_id: Option<Uuid>,
    pub created_by: Uuid,
    pub created_at: Option<DateTime>,
    pub updated_at: Option<DateTime>,
    #[sea_orm(belongs_to, from = "tenant_id", to = "id")]
    pub tenant: BelongsTo<Option<super::tenant::Entity>>,
    #[sea_orm(belongs_to, from = "created_by", to = "id")]
    pub creator: BelongsTo<super::user::Entity>,
    #[sea_orm(has_many)]
    pub service_deployments: HasMany<super::service_deployment::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
