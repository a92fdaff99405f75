//! Users: the people who sign in.

use sea_orm::entity::prelude::*;

/// What a user may do.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(50))")]
pub enum Role {
    /// `admin`
    #[sea_orm(string_value = "admin")]
    Admin,
    /// `user`
    #[sea_orm(string_value = "user")]
    User,
    /// `tenant_admin`
    #[sea_orm(string_value = "tenant_admin")]
    TenantAdmin,
}

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
    pub role: Option<Role>,
    pub is_active: Option<bool>,
    pub tenant_id: Option<Uuid>,
    pub created_at: Option<DateTime>,
    pub updated_at: Option<DateTime>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::tenant::Entity",
        from = "Column::TenantId",
        to = "super::tenant::Column::Id"
    )]
    Tenant,
    #[sea_orm(has_many = "super::service::Entity")]
    Services,
    #[sea_orm(has_many = "super::service_deployment::Entity")]
    ServiceDeployments,
    #[sea_orm(has_many = "super::service_template::Entity")]
    ServiceTemplates,
    #[sea_orm(has_many = "super::audit_log::Entity")]
    AuditLogs,
    #[sea_orm(has_many = "super::api_key::Entity")]
    ApiKeys,
}

impl Related<super::tenant::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Tenant.def()
    }
}

impl Related<super::service::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Services.def()
    }
}

impl Related<super::service_deployment::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::ServiceDeployments.def()
    }
}

impl Related<super::service_template::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::ServiceTemplates.def()
    }
}

impl Related<super::audit_log::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::AuditLogs.def()
    }
}

impl Related<super::api_key::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::ApiKeys.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
