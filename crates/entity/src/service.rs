//! Services: what tenants have defined.

use domain::{ServiceStatus, ServiceType};
use sea_orm::entity::prelude::*;

use crate::Stored;

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "services")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    #[sea_orm(column_name = "type")]
    pub r#type: Stored<ServiceType>,
    pub status: Option<Stored<ServiceStatus>>,
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
