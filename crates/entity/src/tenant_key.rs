//! Data keys: what the secret values of a tenant are encrypted under.

use sea_orm::entity::prelude::*;

/// What a key is still good for.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(50))")]
pub enum KeyState {
    /// `active`
    #[sea_orm(string_value = "active")]
    Active,
    /// `old`
    #[sea_orm(string_value = "old")]
    Old,
    /// `retired`
    #[sea_orm(string_value = "retired")]
    Retired,
}

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "tenant_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant_id: Option<Uuid>,
    pub version: i32,
    pub wrapped: Option<Vec<u8>>,
    pub wrapped_by: String,
    pub state: KeyState,
    pub rotation_id: Option<Uuid>,
    pub created_at: DateTime,
    pub retired_at: Option<DateTime>,
    #[sea_orm(belongs_to, from = "tenant_id", to = "id")]
    pub tenant: BelongsTo<Option<super::tenant::Entity>>,
}

impl ActiveModelBehavior for ActiveModel {}
