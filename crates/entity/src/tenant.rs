//! Tenants: the organisations that own services.

use domain::Plan;
use sea_orm::entity::prelude::*;

use crate::Stored;

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "tenants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    #[sea_orm(unique)]
    pub slug: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    #[sea_orm(unique)]
    pub domain: Option<String>,
    pub is_active: Option<bool>,
    pub plan: Option<Stored<Plan>>,
    pub max_services: Option<i32>,
    pub created_at: Option<DateTime>,
    pub updated_at: Option<DateTime>,
    #[sea_orm(has_many)]
    pub users: HasMany<super::user::Entity>,
    #[sea_orm(has_many)]
    pub services: HasMany<super::service::Entity>,
    #[sea_orm(has_one)]
    pub subscription: HasOne<super::subscription::Entity>,
    #[sea_orm(has_many)]
    pub audit_logs: HasMany<super::audit_log::Entity>,
    #[sea_orm(has_many)]
    pub api_keys: HasMany<super::api_key::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
