//! Service deployments: each attempt at starting, stopping or restarting a service.

use domain::DeploymentStatus;
use sea_orm::entity::prelude::*;

use crate::Stored;

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "service_deployments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub service_id: Uuid,
    pub status: Option<Stored<DeploymentStatus>>,
    pub nomad_job_id: Option<String>,
    pub started_at: Option<DateTime>,
    pub completed_at: Option<DateTime>,
    #[sea_orm(column_type = "Text", nullable)]
    pub error_msg: Option<String>,
    pub deployed_by: Uuid,
    pub created_at: Option<DateTime>,
    pub updated_at: Option<DateTime>,
    #[sea_orm(belongs_to, from = "service_id", to = "id", on_delete = "Cascade")]
    pub service: BelongsTo<super::service::Entity>,
    #[sea_orm(belongs_to, from = "deployed_by", to = "id")]
    pub deployer: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
