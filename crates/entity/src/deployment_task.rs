//! Deployment tasks: what the worker knows of a deployment, beside the document's columns.

use domain::DeploymentAction;
use sea_orm::entity::prelude::*;

use crate::Stored;

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "deployment_tasks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub service_id: Uuid,
    pub deployment_id: Option<Uuid>,
    pub action: Stored<DeploymentAction>,
    pub nomad_namespace: String,
    pub nomad_job_id: String,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub request: Option<Json>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub job: Option<Json>,
    pub spec_hash: Option<String>,
    pub cpu: Option<i32>,
    pub memory: Option<i32>,
    pub disk: Option<i32>,
    #[sea_orm(column_type = "JsonBinary")]
    pub phase: Json,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    pub lease_owner: Option<Uuid>,
    pub lease_until: Option<DateTime>,
    pub fence: i64,
    pub attempts: i32,
    pub run_at: DateTime,
    pub deadline_at: DateTime,
    pub finished_at: Option<DateTime>,
    pub created_at: DateTime,
    #[sea_orm(belongs_to, from = "tenant_id", to = "id")]
    pub tenant: BelongsTo<super::tenant::Entity>,
    #[sea_orm(belongs_to, from = "deployment_id", to = "id", on_delete = "Cascade")]
    pub service_deployment: BelongsTo<Option<super::service_deployment::Entity>>,
}

impl ActiveModelBehavior for ActiveModel {}
