//! Subscriptions: what a tenant has agreed to pay.

use domain::{BillingCycle, Plan, SubscriptionStatus};
use sea_orm::entity::prelude::*;

use crate::Stored;

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "subscriptions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(unique)]
    pub tenant_id: Uuid,
    pub plan: Stored<Plan>,
    pub status: Option<Stored<SubscriptionStatus>>,
    #[sea_orm(column_type = "Decimal(Some((10, 2)))", nullable)]
    pub price_per_month: Option<Decimal>,
    pub max_services: Option<i32>,
    pub billing_cycle: Option<Stored<BillingCycle>>,
    pub current_period_start: Option<DateTime>,
    pub current_period_end: Option<DateTime>,
    pub cancel_at_period_end: Option<bool>,
    pub created_at: Option<DateTime>,
    pub updated_at: Option<DateTime>,
    #[sea_orm(belongs_to, from = "tenant_id", to = "id")]
    pub tenant: BelongsTo<super::tenant::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
