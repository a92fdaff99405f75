//! What admission reads of a tenant: its limits, what its services are configured for, and what may still run of each.

use domain::{
    Error, Limits, ServiceConfig, ServiceId, ServiceType,
    service::{Admission, AdmittedService},
    service_config::Reservation,
};
use entity::{Stored, tenant};
use postgres_connection::Row;
use sea_orm::{DbBackend, FromQueryResult, Statement, prelude::Uuid};

use crate::{
    rows::{first, missing, read},
    services::lock_tenant,
};

/// What may run in Nomad of the row that a query calls `service`: the greatest of the jobs that may have been sent since
/// Nomad was last known to run one, or none. A start counts from the moment it is asked for, and not any more when it has
/// ended without sending anything.
macro_rules! may_run {
    () => {
        "SELECT max(task.cpu) AS cpu, max(task.memory) AS memory, max(task.disk) AS disk \
         FROM deployment_tasks task \
         WHERE service.status <> 'stopped' AND task.service_id = service.id AND task.action = 'start' \
             AND (task.finished_at IS NULL OR task.phase ?| ARRAY['submitting', 'abandoning']) \
             AND task.created_at >= COALESCE(( \
                 SELECT known.created_at FROM deployment_tasks known \
                     JOIN service_deployments deployment ON deployment.id = known.deployment_id \
                 WHERE known.service_id = service.id AND deployment.status = 'completed' \
                     AND (known.action = 'stop' OR known.action = 'start' AND known.phase ? 'submitting') \
                 ORDER BY known.created_at DESC LIMIT 1 \
             ), '-infinity')"
    };
}
pub(crate) use may_run;

/// Resources are all that admission needs of a configuration, which may be large.
const SERVICES: &str = concat!(
    "SELECT service.id, service.name, service.type, \
         jsonb_build_object('resources', service.config -> 'resources') AS config, run.cpu, run.memory, run.disk \
     FROM services service LEFT JOIN LATERAL (",
    may_run!(),
    ") run ON true"
);

/// Of services that are gone.
const PURGING: &str = "SELECT cpu, memory, disk FROM deployment_tasks \
     WHERE action = 'purge' AND finished_at IS NULL AND cpu IS NOT NULL";

#[derive(FromQueryResult)]
struct Admitted {
    id: Uuid,
    name: String,
    r#type: Stored<ServiceType>,
    config: Option<serde_json::Value>,
}

#[derive(FromQueryResult)]
struct Running {
    cpu: Option<i32>,
    memory: Option<i32>,
    disk: Option<i32>,
}

/// The tenant, locked so that nobody adds to it meanwhile; its services, and what is left of those that are gone.
pub(crate) fn statements() -> [Statement; 3] {
    let plain = |sql| Statement::from_string(DbBackend::Postgres, sql);
    [lock_tenant(), plain(SERVICES), plain(PURGING)]
}

pub(crate) fn admission(
    tenant: &[Row],
    services: &[Row],
    purging: &[Row],
) -> Result<Admission, Error> {
    let tenant: Option<tenant::Model> = first(tenant)?;
    let tenant = tenant.ok_or_else(Error::unauthenticated)?;
    let Stored(plan) = tenant.plan.ok_or_else(|| missing("plan"))?;
    let max_services = tenant.max_services.ok_or_else(|| missing("max_services"))?;
    let max_services = u32::try_from(max_services).map_err(Error::internal)?;
    Ok(Admission {
        limits: Limits::of_tenant(plan, max_services),
        services: services.iter().map(admitted).collect::<Result<_, _>>()?,
        purging: purging.iter().map(running).collect::<Result<_, _>>()?,
    })
}

fn admitted(row: &Row) -> Result<AdmittedService, Error> {
    let running = running(row)?;
    let row: Admitted = read(row)?;
    let config = row.config.ok_or_else(|| missing("config"))?;
    let config: ServiceConfig = serde_json::from_value(config).map_err(Error::internal)?;
    Ok(AdmittedService {
        id: ServiceId(row.id),
        name: row.name,
        service_type: row.r#type.0,
        configured: config.reservation(),
        running,
    })
}

fn running(row: &Row) -> Result<Reservation, Error> {
    let row: Running = read(row)?;
    let part = |part: Option<i32>| u32::try_from(part.unwrap_or(0)).map_err(Error::internal);
    Ok(Reservation {
        cpu: part(row.cpu)?,
        memory: part(row.memory)?,
        disk: part(row.disk)?,
    })
}
