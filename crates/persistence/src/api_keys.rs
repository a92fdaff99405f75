//! API keys of a tenant. `api_keys.key` holds `<public id>$<SHA-256 of the whole key, in hexadecimal>`: the key is found by it,
//! and can't be made from it. What a key may be used for stands in `api_key_grants`.

use domain::{
    Error, TenantId, UserId,
    api_key::{
        ApiKey, ApiKeyChange, KeyOwner, NewApiKey,
        ports::{ApiKeyChanges, ApiKeyReads, KeyOwners},
    },
    audit_log::Event,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
};
use postgres_connection::Row;
use sea_orm::{
    FromQueryResult, Statement,
    prelude::{DateTime as Timestamp, Uuid},
};

use crate::{
    SystemTx, TenantRead, TenantTx, audit,
    callers::{networks, scopes},
    page::{self, Estimate},
    rows::{first, read, timestamp},
    statement::statement,
};

#[derive(FromQueryResult)]
struct KeyRow {
    id: Uuid,
    name: String,
    public_id: String,
    user_id: Uuid,
    scopes: Vec<String>,
    allowed_networks: Vec<String>,
    is_active: Option<bool>,
    expires_at: Option<Timestamp>,
    last_used: Option<Timestamp>,
    previous_valid_until: Option<Timestamp>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

#[derive(FromQueryResult)]
struct OwnerRow {
    id: Uuid,
    user_id: Uuid,
    tenant_id: Uuid,
}

#[derive(FromQueryResult)]
struct StoredKey {
    key: String,
}

const SELECT: &str = "SELECT k.id, k.name, split_part(k.key, '$', 1) AS public_id, k.key, k.user_id, g.scopes, \
         g.allowed_networks, k.is_active, k.expires_at, k.last_used, \
         CASE WHEN g.previous_valid_until > CURRENT_TIMESTAMP THEN g.previous_valid_until END AS previous_valid_until, \
         k.created_at, GREATEST(k.updated_at, g.updated_at) AS updated_at \
     FROM api_keys k JOIN api_key_grants g ON g.api_key_id = k.id";

/// A page, and with no page at all the count.
const LIST: &str = " WHERE $1::timestamp IS NULL OR (k.created_at, k.id) < ($1, $2::uuid) \
     ORDER BY k.created_at DESC, k.id DESC LIMIT $3";

const ALL: &str = "SELECT 1 FROM api_keys k JOIN api_key_grants g ON g.api_key_id = k.id";

const INSERT_KEY: &str = "INSERT INTO api_keys (id, name, key, user_id, tenant_id, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";

const INSERT_GRANT: &str =
    "INSERT INTO api_key_grants (api_key_id, scopes, allowed_networks) VALUES ($1, $2, $3)";

const UPDATE_KEY: &str = "UPDATE api_keys SET name = COALESCE($2, name), \
         expires_at = CASE WHEN $3 THEN $4::timestamp ELSE expires_at END, updated_at = CURRENT_TIMESTAMP WHERE id = $1";

const UPDATE_GRANT: &str = "UPDATE api_key_grants SET scopes = COALESCE($2, scopes), \
         allowed_networks = COALESCE($3, allowed_networks), updated_at = CURRENT_TIMESTAMP WHERE api_key_id = $1";

const KEEP_PREVIOUS: &str = "UPDATE api_key_grants SET previous_key = $2, \
         previous_valid_until = CURRENT_TIMESTAMP + $3::bigint * INTERVAL '1 second', updated_at = CURRENT_TIMESTAMP \
     WHERE api_key_id = $1";

const REPLACE: &str = "UPDATE api_keys SET key = $2, updated_at = CURRENT_TIMESTAMP WHERE id = $1";

const REVOKE: &str =
    "UPDATE api_keys SET is_active = false, updated_at = CURRENT_TIMESTAMP WHERE id = $1";

/// Finds the key and, where it works, notes that it was used, unless that was noted a moment ago.
const FIND_OWNER: &str = "WITH found AS ( \
         SELECT k.id, k.user_id, k.tenant_id, k.is_active, k.expires_at FROM api_keys k WHERE k.key = $1 \
         UNION ALL \
         SELECT k.id, k.user_id, k.tenant_id, k.is_active AND g.previous_valid_until > CURRENT_TIMESTAMP, k.expires_at \
         FROM api_key_grants g JOIN api_keys k ON k.id = g.api_key_id WHERE g.previous_key = $1 \
     ), used AS ( \
         UPDATE api_keys SET last_used = CURRENT_TIMESTAMP \
         WHERE id = (SELECT id FROM found WHERE is_active AND (expires_at IS NULL OR expires_at > CURRENT_TIMESTAMP)) \
           AND (last_used IS NULL OR last_used <= CURRENT_TIMESTAMP - $2::bigint * INTERVAL '1 second') \
     ) SELECT id, user_id, tenant_id FROM found WHERE tenant_id IS NOT NULL";

fn by_id(id: Uuid, lock: &str) -> Statement {
    statement(&format!("{SELECT} WHERE k.id = $1 {lock}"), [id.into()])
}

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

fn key(row: &Row) -> Result<ApiKey, Error> {
    let row: KeyRow = read(row)?;
    let time = |time: Option<Timestamp>| time.map(|time| time.and_utc());
    Ok(ApiKey {
        id: row.id,
        name: row.name,
        public_id: row.public_id,
        owner: UserId(row.user_id),
        scopes: scopes(&row.scopes)?,
        allowed_networks: networks(&row.allowed_networks)?,
        is_active: row.is_active.unwrap_or_default(),
        expires_at: time(row.expires_at),
        last_used: time(row.last_used),
        previous_valid_until: time(row.previous_valid_until),
        created_at: timestamp(row.created_at)?,
        updated_at: timestamp(row.updated_at)?,
    })
}

fn found(rows: &[Row]) -> Result<Option<ApiKey>, Error> {
    rows.first().map(key).transpose()
}

fn one(rows: &[Row]) -> Result<ApiKey, Error> {
    found(rows)?.ok_or_else(|| Error::not_found("API key"))
}

impl ApiKeyReads for TenantRead {
    async fn list_api_keys(&self, request: PageRequest) -> Result<(Actor, Page<ApiKey>), Error> {
        let after = request.after;
        let limit = i64::try_from(request.limit + 1).map_err(Error::internal)?;
        let list = statement(
            &format!("{SELECT}{LIST}"),
            [
                after.map(|after| after.created_at.naive_utc()).into(),
                after.map(|after| after.id).into(),
                limit.into(),
            ],
        );
        let count = page::count(statement(ALL, []), Estimate::AtLeast, request);
        let (actor, [list, count]) = self.fetch([list, count]).await?;
        let page = page::read(&list, &count, request, key)?;
        Ok((actor, page))
    }

    async fn api_key(&self, id: Uuid) -> Result<(Actor, Option<ApiKey>), Error> {
        let (actor, [rows]) = self.fetch([by_id(id, "")]).await?;
        Ok((actor, found(&rows)?))
    }
}

impl ApiKeyChanges for TenantTx {
    async fn lock_api_key(&mut self, id: Uuid) -> Result<(Actor, Option<ApiKey>), Error> {
        let (actor, [rows]) = self.enter([by_id(id, "FOR UPDATE")]).await?;
        Ok((actor, found(&rows)?))
    }

    async fn insert_api_key(
        self,
        actor: &Actor,
        new: NewApiKey,
        stored: String,
        answer: impl FnOnce(&ApiKey) -> Answer + Send,
    ) -> Result<ApiKey, Error> {
        let id = Uuid::new_v4();
        let key = statement(
            INSERT_KEY,
            [
                id.into(),
                new.name.into(),
                stored.into(),
                actor.user.0.into(),
                actor.tenant.map(|tenant| tenant.0).into(),
                new.expires_at.map(|time| time.naive_utc()).into(),
            ],
        );
        let grant = statement(
            INSERT_GRANT,
            [
                id.into(),
                texts(new.scopes.iter()).into(),
                texts(new.allowed_networks).into(),
            ],
        );
        let statements = [key, grant, by_id(id, "")];
        self.finish_answered(statements, |[_, _, rows]| one(&rows), answer)
            .await
    }

    async fn update_api_key(self, id: Uuid, change: ApiKeyChange) -> Result<ApiKey, Error> {
        let key = statement(
            UPDATE_KEY,
            [
                id.into(),
                change.name.into(),
                change.expires_at.is_some().into(),
                change
                    .expires_at
                    .flatten()
                    .map(|time| time.naive_utc())
                    .into(),
            ],
        );
        let grant = statement(
            UPDATE_GRANT,
            [
                id.into(),
                change.scopes.map(|scopes| texts(scopes.iter())).into(),
                change.allowed_networks.map(texts).into(),
            ],
        );
        let [_, _, rows] = self.finish([key, grant, by_id(id, "")]).await?;
        one(&rows)
    }

    async fn rotate_api_key(
        self,
        id: Uuid,
        stored: String,
        overlap: std::time::Duration,
        answer: impl FnOnce(&ApiKey) -> Answer + Send,
    ) -> Result<ApiKey, Error> {
        let current = statement("SELECT key FROM api_keys WHERE id = $1", [id.into()]);
        let [rows] = self.rows([current]).await?;
        let current: Option<StoredKey> = first(&rows)?;
        let current = current.ok_or_else(|| Error::not_found("API key"))?;
        let seconds = i64::try_from(overlap.as_secs()).map_err(Error::internal)?;
        let keep = statement(
            KEEP_PREVIOUS,
            [id.into(), current.key.into(), seconds.into()],
        );
        let replace = statement(REPLACE, [id.into(), stored.into()]);
        let event = event("api_key.rotate", id);
        let statements = [keep, replace, event, by_id(id, "")];
        self.finish_answered(statements, |[_, _, _, rows]| one(&rows), answer)
            .await
    }

    async fn revoke_api_key(self, id: Uuid) -> Result<(), Error> {
        let revoke = statement(REVOKE, [id.into()]);
        let event = event("api_key.revoke", id);
        self.finish([revoke, event]).await.map(drop)
    }
}

fn event(action: &str, id: Uuid) -> Statement {
    let resource = format!("api-keys/{id}");
    audit::event(Event::new(action, resource, serde_json::json!({})))
}

impl KeyOwners for SystemTx {
    async fn find_key_owner(
        self,
        stored: &str,
        pause: std::time::Duration,
    ) -> Result<Option<KeyOwner>, Error> {
        let seconds = i64::try_from(pause.as_secs()).map_err(Error::internal)?;
        let find = statement(FIND_OWNER, [stored.into(), seconds.into()]);
        let [rows] = self.finish([find]).await?;
        let row: Option<OwnerRow> = first(&rows)?;
        Ok(row.map(|row| KeyOwner {
            id: row.id,
            user: UserId(row.user_id),
            tenant: TenantId(row.tenant_id),
        }))
    }
}
