//! API keys: programmatic access for a user, within one tenant.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    #[sea_orm(unique)]
    pub key: String,
    pub user_id: Uuid,
    pub tenant_id: Option<Uuid>,
    pub is_active: Option<bool>,
    pub expires_at: Option<DateTime>,
    pub last_used: Option<DateTime>,
    pub created_at: Option<DateTime>,
    pub updated_at: Option<DateTime>,
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub user: BelongsTo<super::user::Entity>,
    #[sea_orm(belongs_to, from = "tenant_id", to = "id")]
    pub tenant: BelongsTo<Option<super::tenant::Entity>>,
}

impl ActiveModelBehavior for ActiveModel {}
