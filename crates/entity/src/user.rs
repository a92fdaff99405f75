//! Users: the people who sign in.

use domain::Role;
use sea_orm::entity::prelude::*;

use crate::Stored;

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(unique)]
    pub email: String,
    #[sea_orm(unique)]
    pub username: String,
    pub password: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub role: Option<Stored<Role>>,
    pub is_active: Option<bool>,
    pub tenant_id: Option<Uuid>,
    pub created_at: Option<DateTime>,
    pub updated_at: Option<DateTime>,
    #[sea_orm(belongs_to, from = "tenant_id", to = "id")]
    pub tenant: BelongsTo<Option<super::tenant::Entity>>,
    #[sea_orm(has_many)]
    pub services: HasMany<super::service::Entity>,
    #[sea_orm(has_many)]
    pub service_deployments: HasMany<super::service_deployment::Entity>,
    #[sea_orm(has_many)]
    pub service_templates: HasMany<super::service_template::Entity>,
    #[sea_orm(has_many)]
    pub audit_logs: HasMany<super::audit_log::Entity>,
    #[sea_orm(has_many)]
    pub api_keys: HasMany<super::api_key::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
