//! Who calls, as the database has it at this moment, whatever a token or key says: asked together with the first statements
//! of every transaction, so that a demotion, a deactivation, an ended session, a revoked key or a suspended tenant counts
//! from the next request on, on every replica.

use domain::{
    Credential, Error, ErrorKind, Inspection, Origin, Role, Scope, Scopes, TenantId, TenantScope,
    UserId,
    api_key::Network,
    policy::{Action, Actor, Resource, authorise},
};
use postgres_connection::Row;
use sea_orm::{DbBackend, FromQueryResult, Statement, prelude::Uuid};
use serde_json::json;

use crate::rows::{column, first};

/// A session lives as long as one of its tokens is neither used nor revoked.
const OF_SESSION: &str = "SELECT u.role, u.tenant_id, NULL::text[] AS scopes, NULL::text[] AS allowed_networks \
     FROM users u LEFT JOIN tenants t ON t.id = u.tenant_id \
     WHERE u.id = $1 AND u.is_active AND (u.tenant_id IS NULL OR t.is_active) AND EXISTS ( \
         SELECT FROM refresh_tokens r WHERE r.family_id = $2 AND r.user_id = u.id \
           AND r.used_at IS NULL AND r.revoked_at IS NULL AND r.expires_at > CURRENT_TIMESTAMP)";

/// A key works while its owner does, until it is revoked or expires; what it was before its rotation, for a while.
const OF_API_KEY: &str = "SELECT u.role, k.tenant_id, g.scopes, g.allowed_networks \
     FROM api_keys k JOIN api_key_grants g ON g.api_key_id = k.id \
     JOIN users u ON u.id = k.user_id AND u.tenant_id = k.tenant_id JOIN tenants t ON t.id = k.tenant_id \
     WHERE k.id = $2 AND u.id = $1 AND u.is_active AND t.is_active AND k.is_active \
       AND (k.expires_at IS NULL OR k.expires_at > CURRENT_TIMESTAMP) \
       AND (k.key = $3 OR (g.previous_key = $3 AND g.previous_valid_until > CURRENT_TIMESTAMP))";

/// Only where the caller is a platform administrator and the tenant exists, the transaction gets that tenant, and its event;
/// without an action, no event. Nested, because that is the order in which they have to happen.
const INSPECTING: &str = "SELECT caller.*, tenants.id AS inspected, \
         CASE WHEN tenants.id IS NOT NULL AND caller.role = 'admin' AND caller.tenant_id IS NULL THEN \
             CASE WHEN set_config('app.tenant_id', tenants.id::text, true) <> '' THEN \
                 CASE WHEN $4::text IS NOT NULL THEN audit_event($4, $5, $6)::text IS NOT NULL END \
             END \
         END AS recorded \
     FROM caller LEFT JOIN tenants ON tenants.id = $3";

#[derive(FromQueryResult)]
struct Inspected {
    inspected: Option<Uuid>,
    recorded: Option<bool>,
}

/// Asks for the caller of a tenant's transaction.
pub(crate) fn of_scope(scope: &TenantScope) -> Statement {
    statement(scope.user, &scope.credential)
}

/// Asks for a caller, who shows `credential`.
pub(crate) fn statement(user: UserId, credential: &Credential) -> Statement {
    let user = user.0.into();
    match credential {
        Credential::Session(id) => {
            Statement::from_sql_and_values(DbBackend::Postgres, OF_SESSION, [user, (*id).into()])
        }
        Credential::ApiKey { id, stored } => Statement::from_sql_and_values(
            DbBackend::Postgres,
            OF_API_KEY,
            [user, (*id).into(), stored.as_str().into()],
        ),
    }
}

/// The caller of a tenant's transaction; row-level security has kept it to that tenant.
pub(crate) fn member(scope: &TenantScope, rows: &[Row]) -> Result<Actor, Error> {
    let actor = actor(scope.user, &scope.origin, rows)?;
    if actor.tenant != Some(scope.tenant) {
        return Err(Error::unauthenticated());
    }
    Ok(actor)
}

/// Asks for the caller who looks into a tenant, and writes that down in it; asked across tenants, as nobody inside sees who
/// runs the platform.
pub(crate) fn of_inspection(scope: &TenantScope, inspection: &Inspection) -> Statement {
    let Credential::Session(session) = scope.credential else {
        // A key is of a member, and no member looks into a tenant this way.
        return of_scope(scope);
    };
    let (action, resource, path) = inspection.event();
    Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!("WITH caller AS ({OF_SESSION}) {INSPECTING}"),
        [
            scope.user.0.into(),
            session.into(),
            scope.tenant.0.into(),
            action.map(str::to_owned).into(),
            resource.into(),
            json!({"path": path}).into(),
        ],
    )
}

/// The platform administrator who looks into a tenant, and whose look is recorded there.
pub(crate) fn inspector(
    scope: &TenantScope,
    inspection: &Inspection,
    rows: &[Row],
) -> Result<Actor, Error> {
    let actor = actor(scope.user, &scope.origin, rows)?;
    // The answer of `/admin/tenants/{id}`, before anything says whether there is such a tenant.
    authorise(&actor, Action::Read, Resource::PlatformTenants)?;
    let row: Inspected = first(rows)?.ok_or_else(Error::unauthenticated)?;
    if row.inspected.is_none() {
        return Err(Error::not_found("tenant"));
    }
    if row.recorded == Some(true) {
        inspection.has_been_recorded();
    } else if !inspection.is_recorded() {
        return Err(Error::internal("a look into a tenant was not recorded"));
    }
    Ok(Actor {
        tenant: Some(scope.tenant),
        ..actor
    })
}

/// The caller.
pub(crate) fn actor(user: UserId, origin: &Origin, rows: &[Row]) -> Result<Actor, Error> {
    let row = rows.first().ok_or_else(Error::unauthenticated)?;
    let networks: Option<Vec<String>> = column(row, "allowed_networks")?;
    ensure_allowed(&networks.unwrap_or_default(), origin)?;
    let names: Option<Vec<String>> = column(row, "scopes")?;
    let role: &str = column(row, "role")?;
    Ok(Actor {
        user,
        role: role.parse::<Role>().map_err(Error::internal)?,
        tenant: column::<Option<Uuid>>(row, "tenant_id")?.map(TenantId),
        scopes: names.map(|names| scopes(&names)).transpose()?,
    })
}

pub(crate) fn scopes(names: &[String]) -> Result<Scopes, Error> {
    let scopes = names.iter().map(|name| name.parse::<Scope>());
    scopes.collect::<Result<_, _>>().map_err(Error::internal)
}

pub(crate) fn networks(texts: &[String]) -> Result<Vec<Network>, Error> {
    let networks = texts.iter().map(|text| text.parse());
    networks.collect::<Result<_, _>>().map_err(Error::internal)
}

fn ensure_allowed(allowed: &[String], origin: &Origin) -> Result<(), Error> {
    let allowed = networks(allowed)?;
    let is_inside = |address| allowed.iter().any(|network| network.contains(address));
    if allowed.is_empty() || origin.ip_address.is_some_and(is_inside) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forbidden,
        "network_not_allowed",
        "this API key may not be used from this address",
    ))
}
