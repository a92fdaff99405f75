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
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::tenant::Entity",
        from = "Column::TenantId",
        to = "super::tenant::Column::Id"
    )]
    Tenant,
}

impl Related<super::tenant::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Tenant.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
