//! Subscriptions: what a tenant has agreed to pay.

use sea_orm::entity::prelude::*;

use super::tenant::Plan;

/// Whether a subscription holds.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(50))")]
pub enum SubscriptionStatus {
    /// `active`
    #[sea_orm(string_value = "active")]
    Active,
    /// `canceled`
    #[sea_orm(string_value = "canceled")]
    Canceled,
    /// `expired`
    #[sea_orm(string_value = "expired")]
    Expired,
    /// `pending`
    #[sea_orm(string_value = "pending")]
    Pending,
}

/// How often a subscription is charged.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(50))")]
pub enum BillingCycle {
    /// `monthly`
    #[sea_orm(string_value = "monthly")]
    Monthly,
    /// `yearly`
    #[sea_orm(string_value = "yearly")]
    Yearly,
}

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "subscriptions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(unique)]
    pub tenant_id: Uuid,
    pub plan: Plan,
    pub status: Option<SubscriptionStatus>,
    #[sea_orm(column_type = "Decimal(Some((10, 2)))", nullable)]
    pub price_per_month: Option<Decimal>,
    pub max_services: Option<i32>,
    pub billing_cycle: Option<BillingCycle>,
    pub current_period_start: Option<DateTime>,
    pub current_period_end: Option<DateTime>,
    pub cancel_at_period_end: Option<bool>,
    pub created_at: Option<DateTime>,
    pub updated_at: Option<DateTime>,
    #[sea_orm(belongs_to, from = "tenant_id", to = "id")]
    pub tenant: BelongsTo<super::tenant::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
