//! `/audit-logs`: who did what in the tenant, and the proofs that nothing of it was changed or left out.

use std::str::FromStr;

use actix_web::{
    HttpResponse,
    web::{Data, Query},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use domain::{AuditLog, Error, TenantId, UserId, Violation, audit_log::AuditLogFilter};
use serde::{Deserialize, Serialize};
use transparency_log::Hash;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    entity_tag::tagged,
    paging::{self, PageQuery},
};
use crate::{
    extract::{Id, Member},
    problem::Problem,
    server::App,
};

const TEXT: &str = "text/plain; charset=utf-8";

/// The largest number that every JSON reader reads.
const LARGEST: u64 = (1 << 53) - 1;

/// One thing that was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLog, example = json!({
    "id": "5f0c2b9a-7d1e-4f63-9f0b-2f6f0a3c9d11", "user_id": "3b241101-e2bb-4255-8caf-4136c566a962",
    "tenant_id": "0d9f5b5e-4a0f-4c39-8a3e-6b1f7a2f9c40", "action": "service.update",
    "resource": "services/6e3c9e0e-5f0b-4c5b-9a53-0d5f2a9a4f10",
    "details": "{\"changes\": {\"description\": {\"to\": \"where orders are kept\"}}, \"request_id\": \"7c1e\"}",
    "ip_address": "192.0.2.17", "user_agent": "curl/8.5.0", "created_at": "2026-11-24T20:00:00.123456Z"
}))]
pub struct AuditLogView<'row> {
    id: Uuid,
    /// Who did it.
    #[schema(value_type = Uuid)]
    user_id: UserId,
    /// The tenant it was done in.
    #[schema(required = true, value_type = Option<Uuid>)]
    tenant_id: Option<TenantId>,
    /// What was done, as `<resource>.<verb>`.
    action: &'row str,
    /// To what, named as in the paths.
    resource: &'row str,
    /// What changed and through which request: where the product wrote it, a JSON object, as the text that is sealed.
    #[schema(required = true)]
    details: Option<&'row str>,
    /// Where the request came from.
    #[schema(required = true)]
    ip_address: Option<&'row str>,
    /// What the client called itself.
    #[schema(required = true)]
    user_agent: Option<&'row str>,
    created_at: DateTime<Utc>,
}

/// A part of the trail, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditLogList<'row> {
    audit_logs: Vec<AuditLogView<'row>>,
    /// How many there are on all pages: exactly, up to 1,000; above that an estimate, at least 1,001.
    total: u64,
    /// Whether `total` is no estimate, as it never is with `total=exact`.
    total_is_exact: bool,
    /// For the next page, if there is one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// That a row is in the log (RFC 6962, section 2.1.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct InclusionProof {
    /// How many rows stand before it in the log.
    leaf_index: u64,
    /// The size of the tree it is proved in: that of the checkpoint to compare with.
    tree_size: u64,
    /// The hash of its leaf, in base64.
    leaf_hash: String,
    /// The audit path from the leaf up, in base64.
    hashes: Vec<String>,
}

/// That the log has only grown (RFC 6962, section 2.1.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsistencyProof {
    /// The earlier size.
    from: u64,
    /// The later size.
    to: u64,
    /// The proof, in base64.
    hashes: Vec<String>,
}

/// Which rows to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Done by this user.
    #[param(value_type = Option<Uuid>, nullable = false)]
    user_id: Option<String>,
    /// Of this action.
    #[param(nullable = false, example = "service.update")]
    action: Option<String>,
    /// Done to this.
    #[param(
        nullable = false,
        example = "services/6e3c9e0e-5f0b-4c5b-9a53-0d5f2a9a4f10"
    )]
    resource: Option<String>,
    /// Not before this time.
    #[param(value_type = Option<DateTime<Utc>>, nullable = false)]
    from: Option<String>,
    /// Before this time.
    #[param(value_type = Option<DateTime<Utc>>, nullable = false)]
    to: Option<String>,
}

/// Which checkpoint to answer with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CheckpointQuery {
    /// The one that was signed when the log had this many rows; the newest unless said otherwise.
    #[param(value_type = Option<u64>, minimum = 1, nullable = false)]
    tree_size: Option<String>,
}

/// In which tree to prove it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProofQuery {
    /// The size of the checkpoint to compare with; that of the newest unless said otherwise.
    #[param(value_type = Option<u64>, minimum = 1, nullable = false)]
    tree_size: Option<String>,
}

/// Between which sizes to prove it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyQuery {
    /// The size of the earlier checkpoint.
    #[param(value_type = u64, minimum = 1, required = true)]
    from: Option<String>,
    /// The size of the later checkpoint.
    #[param(value_type = u64, minimum = 1, required = true)]
    to: Option<String>,
}

fn view(row: &AuditLog) -> AuditLogView<'_> {
    AuditLogView {
        id: row.id,
        user_id: row.user_id,
        tenant_id: row.tenant_id,
        action: &row.action,
        resource: &row.resource,
        details: row.details.as_deref(),
        ip_address: row.ip_address.as_deref(),
        user_agent: row.user_agent.as_deref(),
        created_at: row.created_at,
    }
}

fn refused(name: &str, code: &'static str, detail: impl Into<String>) -> Error {
    Error::invalid(vec![Violation::new(code, detail).at(format!("/{name}"))])
}

/// The value of a parameter, where it is what it has to be.
fn parsed<T: FromStr>(name: &str, text: Option<&str>, form: &str) -> Result<Option<T>, Error> {
    text.map(|text| {
        let value = text.parse();
        value.map_err(|_| refused(name, "invalid_parameter", format!("must be {form}")))
    })
    .transpose()
}

fn time(name: &str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Error> {
    let time: Option<DateTime<Utc>> = parsed(
        name,
        text,
        "a time as in RFC 3339, such as 2026-11-24T20:00:00Z",
    )?;
    // What PostgreSQL knows as a time is more than what a row of the trail has.
    let within = |time: &DateTime<Utc>| (0..253_402_300_800).contains(&time.timestamp());
    if time.is_some_and(|time| !within(&time)) {
        return Err(refused(name, "out_of_range", "must be from 1970 to 9999"));
    }
    Ok(time)
}

/// The number of rows of a tree.
fn size(name: &str, text: Option<&str>) -> Result<Option<u64>, Error> {
    let form = "a whole number above zero";
    let size = parsed(name, text, form)?;
    if size.is_some_and(|size| !(1..=LARGEST).contains(&size)) {
        return Err(refused(
            name,
            "out_of_range",
            format!("must be {form}, at most {LARGEST}"),
        ));
    }
    Ok(size)
}

/// Which rows a request asks for.
pub(super) fn filter(
    user_id: Option<&str>,
    action: Option<String>,
    resource: Option<String>,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<AuditLogFilter, Error> {
    Ok(AuditLogFilter {
        user_id: parsed("user_id", user_id, "a UUID")?,
        action,
        resource,
        from: time("from", from)?,
        to: time("to", to)?,
    })
}

fn encoded(hash: &Hash) -> String {
    STANDARD.encode(hash.0)
}

/// List what was done in the tenant
#[utoipa::path(get, path = "/api/v1/audit-logs", tag = "audit", params(PageQuery, ListQuery), responses(
    (status = 200, description = "A page of the trail.", body = AuditLogList),
))]
pub async fn list(
    app: Data<App>,
    Member(scope): Member,
    asked: Query<PageQuery>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let request = asked.request()?;
    let (from, to) = (query.from.as_deref(), query.to.as_deref());
    let user_id = query.user_id.as_deref();
    let filter = filter(user_id, query.action, query.resource, from, to)?;
    let page = app.audit_logs.list(scope, &filter, request).await?;
    Ok(HttpResponse::Ok().json(AuditLogList {
        audit_logs: page.items.iter().map(view).collect(),
        total: page.total,
        total_is_exact: page.total_is_exact,
        next_cursor: page.next.map(paging::cursor),
    }))
}

/// Read a row of the audit trail
#[utoipa::path(get, path = "/api/v1/audit-logs/{id}", tag = "audit", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The row.", body = AuditLogView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
) -> Result<HttpResponse, Problem> {
    let row = app.audit_logs.read(scope, id).await?;
    Ok(tagged(HttpResponse::Ok(), &view(&row)))
}

/// Prove that a row is in the log
///
/// What is hashed for it stands in the export, as `leaf`. A row that was archived is still proved.
#[utoipa::path(get, path = "/api/v1/audit-logs/{id}/proof", tag = "audit", params(("id" = Uuid, Path), ProofQuery), responses(
    (status = 200, description = "The proof.", body = InclusionProof),
    (status = 409, description = "`not_sealed`: the row was written in the last seconds.",
        headers(("Retry-After" = String, description = "Seconds to wait."))),
))]
pub async fn proof(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
    query: Query<ProofQuery>,
) -> Result<HttpResponse, Problem> {
    let tree_size = size("tree_size", query.tree_size.as_deref())?;
    let proved = app.audit_logs.prove(scope, id, tree_size).await?;
    Ok(HttpResponse::Ok().json(InclusionProof {
        leaf_index: proved.leaf_index,
        tree_size: proved.tree_size,
        leaf_hash: encoded(&proved.leaf_hash),
        hashes: proved.hashes.iter().map(encoded).collect(),
    }))
}

/// Prove that the log has only grown
#[utoipa::path(get, path = "/api/v1/audit-logs/consistency", tag = "audit", params(ConsistencyQuery), responses(
    (status = 200, description = "The proof.", body = ConsistencyProof),
))]
pub async fn consistency(
    app: Data<App>,
    Member(scope): Member,
    query: Query<ConsistencyQuery>,
) -> Result<HttpResponse, Problem> {
    let required = |name: &str, text: Option<&str>| {
        size(name, text)?.ok_or_else(|| refused(name, "required", "is required"))
    };
    let from = required("from", query.from.as_deref())?;
    let to = required("to", query.to.as_deref())?;
    let proof = app.audit_logs.prove_consistency(scope, from, to).await?;
    Ok(HttpResponse::Ok().json(ConsistencyProof {
        from,
        to,
        hashes: proof.iter().map(encoded).collect(),
    }))
}

/// Read the signed head of the log
///
/// A C2SP `tlog-checkpoint` in a C2SP `signed-note`: the log's name, its size and its root hash, and the signature. Keep it
/// somewhere else: with it, rows that are cut off the end later are noticed.
#[utoipa::path(get, path = "/api/v1/audit-logs/checkpoint", tag = "audit", params(CheckpointQuery), responses(
    (status = 200, description = "The checkpoint.", body = String, content_type = "text/plain; charset=utf-8"),
    (status = 404, description = "No checkpoint was signed at this size."),
    (status = 409, description = "`not_sealed`: the tenant's first rows were written in the last seconds.",
        headers(("Retry-After" = String, description = "Seconds to wait."))),
))]
pub async fn checkpoint(
    app: Data<App>,
    Member(scope): Member,
    query: Query<CheckpointQuery>,
) -> Result<HttpResponse, Problem> {
    let tree_size = size("tree_size", query.tree_size.as_deref())?;
    let note = app.audit_logs.checkpoint(scope, tree_size).await?;
    Ok(HttpResponse::Ok().content_type(TEXT).body(note))
}

/// Read the keys to check checkpoints with
///
/// Verifier keys as C2SP `signed-note` has them, a line each, the newest first. Get them once and keep them: a key that
/// comes along with what it is to check proves little.
#[utoipa::path(get, path = "/api/v1/audit-logs/verifier-key", tag = "audit", responses(
    (status = 200, description = "The keys.", body = String, content_type = "text/plain; charset=utf-8"),
))]
pub async fn verifier_key(app: Data<App>, Member(scope): Member) -> Result<HttpResponse, Problem> {
    let mut keys = app.audit_logs.verifier_keys(scope).await?.join("\n");
    keys.push('\n');
    Ok(HttpResponse::Ok().content_type(TEXT).body(keys))
}
