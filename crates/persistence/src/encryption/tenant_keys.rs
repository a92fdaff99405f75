//! The data keys of one tenant within a transaction, and the configurations that are stored with them.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use domain::{
    Acting, Error, Result, ServiceConfig, ServiceId, SystemPurpose, TenantId,
    secret::{
        Cipher, CurrentValues, Holder, KeyId, Place, Row, SEALED, Sealed, open_all, open_text,
        seal_all, secret_pointers,
    },
};
use entity::tenant_key::{self, KeyState};
use sea_orm::{DbBackend, Statement, Value, prelude::Uuid};
use serde_json::json;

use super::{
    Keyring,
    keyring::{NewKey, unavailable},
};
use crate::{Database, TenantTx, rows::read};

/// A rotation waits until whoever writes under the active key has committed, and the other way round.
const LOCK_SHARED: &str = "SELECT pg_advisory_xact_lock_shared(hashtextextended('tenant_keys ' || $1::text, 0))::text AS locked";

/// See [`LOCK_SHARED`].
const LOCK_EXCLUSIVE: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('tenant_keys ' || $1::text, 0))::text AS locked";

/// Whoever reads the keys after a lock sees what the holder before has committed.
const USABLE: &str =
    "SELECT * FROM tenant_keys WHERE tenant_id IS NOT DISTINCT FROM $1 AND state <> 'retired'";

const USABLE_OF: &str =
    "SELECT * FROM tenant_keys WHERE tenant_id = ANY($1) AND state <> 'retired'";

/// Of several that make a tenant's first key at once, one does.
const INSERT: &str = "INSERT INTO tenant_keys (id, tenant_id, version, wrapped, wrapped_by, rotation_id) \
     SELECT new.id, new.tenant_id, \
         1 + COALESCE((SELECT MAX(version) FROM tenant_keys WHERE tenant_id IS NOT DISTINCT FROM new.tenant_id), 0), \
         decode(new.wrapped, 'base64'), new.wrapped_by, $2 \
     FROM jsonb_to_recordset($1) AS new (id UUID, tenant_id UUID, wrapped TEXT, wrapped_by TEXT) \
     ON CONFLICT DO NOTHING";

/// The lock, shared, and the keys of a tenant or of the platform: what begins each transaction that encrypts or decrypts.
pub(crate) fn key_statements(owner: Option<TenantId>) -> [Statement; 2] {
    statements(LOCK_SHARED, owner)
}

/// As [`key_statements`], for whoever changes the keys.
pub(super) fn exclusive_key_statements(owner: Option<TenantId>) -> [Statement; 2] {
    statements(LOCK_EXCLUSIVE, owner)
}

fn statements(lock: &str, owner: Option<TenantId>) -> [Statement; 2] {
    let name = owner.map_or("platform".to_owned(), |owner| owner.to_string());
    let owner = owner.map(|owner| owner.0);
    [(lock, name.into()), (USABLE, owner.into())].map(|(sql, value): (&str, Value)| {
        Statement::from_sql_and_values(DbBackend::Postgres, sql, [value])
    })
}

/// Stores new keys, except where there is an active one already.
pub(crate) fn insert_keys(keys: &[NewKey], rotation: Option<Uuid>) -> Statement {
    let keys = keys.iter().map(|key| {
        json!({
            "id": key.id, "tenant_id": key.owner, "wrapped": BASE64.encode(&key.wrapped),
            "wrapped_by": key.wrapped_by,
        })
    });
    let keys = serde_json::Value::from_iter(keys);
    Statement::from_sql_and_values(DbBackend::Postgres, INSERT, [keys.into(), rotation.into()])
}

/// The row of a service.
pub(crate) fn service_row(tenant: TenantId, id: ServiceId) -> Row {
    row(Some(tenant), "services", id.0)
}

/// The row of a deployment's task.
pub(crate) fn task_row(tenant: TenantId, id: Uuid) -> Row {
    row(Some(tenant), "deployment_tasks", id)
}

/// The row of a template; one of nobody's tenant is the platform's.
pub(super) fn template_row(owner: Option<TenantId>, id: Uuid) -> Row {
    row(owner, "service_templates", id)
}

fn row(tenant: Option<TenantId>, table: &'static str, id: Uuid) -> Row {
    Row { tenant, table, id }
}

/// The data keys of one tenant, or of the platform.
#[derive(Clone, Debug)]
pub(crate) struct TenantKeys {
    keyring: Keyring,
    rows: Vec<tenant_key::Model>,
}

impl TenantKeys {
    /// Those in `rows`, which are of one owner.
    pub(crate) fn read(keyring: &Keyring, rows: &[postgres_connection::Row]) -> Result<Self> {
        Ok(Self {
            keyring: keyring.clone(),
            rows: rows.iter().map(read).collect::<Result<_>>()?,
        })
    }

    /// The key that new values are encrypted under, where there is one.
    pub(crate) fn active(&self) -> Option<&tenant_key::Model> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.state == KeyState::Active)
    }

    pub(super) fn rows(&self) -> &[tenant_key::Model] {
        &self.rows
    }

    /// Whether everything within `value` that is encrypted is so under the active key.
    pub(super) fn is_current(&self, value: &serde_json::Value) -> bool {
        let active = self.active().map(|row| KeyId(row.id));
        let mut keys = domain::secret::sealed_keys(value).into_iter();
        keys.all(|key| Some(key) == active)
    }

    /// A configuration with every secret value of it encrypted, for its row.
    pub(crate) fn sealed(&self, config: &ServiceConfig, row: Row) -> Result<serde_json::Value> {
        let mut config = serde_json::to_value(config).map_err(Error::internal)?;
        seal_all(&mut config, Holder::Service, row, self)?;
        Ok(config)
    }
}

impl Cipher for TenantKeys {
    fn seal(&self, place: &Place<'_>, text: &str) -> Result<Sealed> {
        let row = self.active();
        let row = row.ok_or_else(|| unavailable("there is no key to encrypt with"))?;
        let kid = KeyId(row.id);
        let key = self.keyring.unwrap(row)?;
        let encrypted = key.encrypt(text.as_bytes(), &place.associated_data(kid));
        let (nonce, encrypted) = encrypted.map_err(Error::internal)?;
        let (nonce, encrypted) = (BASE64.encode(nonce), BASE64.encode(encrypted));
        Ok(Sealed::new(kid, nonce, encrypted))
    }

    fn open(&self, place: &Place<'_>, sealed: &Sealed) -> Result<String> {
        let opened = self.decrypt(place, sealed);
        if let Err(error) = &opened
            && error.code() == "decryption_failed"
        {
            metrics::counter!("nomad_services_decryption_failures_total").increment(1);
        }
        opened
    }
}

impl TenantKeys {
    fn decrypt(&self, place: &Place<'_>, sealed: &Sealed) -> Result<String> {
        let failed = |reason: &str| {
            let Row { table, id, .. } = place.row;
            let (pointer, kid) = (place.pointer, sealed.kid);
            Error::decryption_failed(format!("{pointer} of {table}/{id}, key {kid}: {reason}"))
        };
        let mut rows = self.rows.iter();
        let row = rows.find(|row| row.id == sealed.kid.0);
        let row = row.ok_or_else(|| failed("the tenant has no such key"))?;
        let key = self.keyring.unwrap(row)?;
        let (Ok(nonce), Ok(encrypted)) = (BASE64.decode(&sealed.n), BASE64.decode(&sealed.ct))
        else {
            return Err(failed("it is no base64"));
        };
        let data = place.associated_data(sealed.kid);
        let text = key.decrypt(&nonce, &encrypted, &data);
        let text = text.map_err(|error| failed(&error.to_string()))?;
        String::from_utf8(text).map_err(|_| failed("it is no text"))
    }
}

/// A service's configuration as it is stored, with the keys to read it.
#[derive(Clone)]
pub struct StoredConfig {
    row: Row,
    stored: serde_json::Value,
    keys: TenantKeys,
}

impl fmt::Debug for StoredConfig {
    /// What was stored before there was encryption is in the clear.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoredConfig")
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

impl StoredConfig {
    pub(crate) fn new(row: Row, stored: serde_json::Value, keys: TenantKeys) -> Self {
        Self { row, stored, keys }
    }

    /// The same with everything encrypted, where something is not: it was stored before there was encryption.
    pub(crate) fn sealed(&self) -> Result<Option<serde_json::Value>> {
        let mut config = self.stored.clone();
        seal_all(&mut config, Holder::Service, self.row, &self.keys)?;
        Ok((config != self.stored).then_some(config))
    }
}

impl domain::service::ports::StoredConfig for StoredConfig {
    fn open(&self) -> Result<ServiceConfig> {
        let mut config = self.stored.clone();
        open_all(&mut config, self.row, &self.keys)?;
        serde_json::from_value(config).map_err(Error::internal)
    }

    fn secret(&self, pointer: &str) -> Result<Option<String>> {
        if !secret_pointers(&self.stored, Holder::Service).contains(pointer) {
            return Ok(None);
        }
        self.value(pointer)
    }
}

impl CurrentValues for StoredConfig {
    fn value(&self, pointer: &str) -> Result<Option<String>> {
        let Some(value) = self.stored.pointer(pointer) else {
            return Ok(None);
        };
        if value.get(SEALED).is_none() {
            return Ok(value.as_str().map(str::to_owned));
        }
        // This one alone: another that can't be decrypted does not matter.
        let (row, pointer) = (self.row, &format!("/config{pointer}"));
        open_text(value, &Place { row, pointer }, &self.keys).map(Some)
    }
}

impl TenantTx {
    /// Takes the tenant's keys from the rows that [`key_statements`] gave; a tenant that has none gets its first, which
    /// costs a round trip.
    pub(crate) async fn read_keys(&mut self, rows: &[postgres_connection::Row]) -> Result<()> {
        let keyring = self.database().keyring().clone();
        let mut keys = TenantKeys::read(&keyring, rows)?;
        // Whoever has nothing to encrypt does not need a key.
        if let (None, Ok(new)) = (keys.active(), keyring.generate(Some(self.tenant()?))) {
            let [_, usable] = key_statements(new.owner);
            let [_, rows] = self.rows([insert_keys(&[new], None), usable]).await?;
            keys = TenantKeys::read(&keyring, &rows)?;
        }
        self.keep_keys(keys);
        Ok(())
    }
}

/// The keys of several tenants, of the worker's claims.
pub(crate) async fn keys_of_tenants(
    database: &Database,
    tenants: Vec<Uuid>,
) -> Result<Vec<(Uuid, TenantKeys)>> {
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, USABLE_OF, [tenants.clone().into()]);
    let transaction = database
        .system(SystemPurpose::Deployment, &Acting::product())
        .await?;
    let [rows] = transaction.finish([statement]).await?;
    let rows: Vec<tenant_key::Model> = rows.iter().map(read).collect::<Result<_>>()?;
    let of = |tenant: Uuid| TenantKeys {
        keyring: database.keyring().clone(),
        rows: rows
            .iter()
            .filter(|row| row.tenant_id == Some(tenant))
            .cloned()
            .collect(),
    };
    Ok(tenants
        .into_iter()
        .map(|tenant| (tenant, of(tenant)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::KeyEncryptionKey;

    const PLACE: Place<'_> = Place {
        row: Row {
            tenant: Some(TenantId(Uuid::from_u128(1))),
            table: "services",
            id: Uuid::from_u128(2),
        },
        pointer: "/config/environment/PASSWORD",
    };

    fn keys() -> TenantKeys {
        let key = KeyEncryptionKey::parse(&BASE64.encode([1; 32]).into()).unwrap();
        let keyring = Keyring::new(move || Ok(vec![key.clone()]));
        let new = keyring.generate(PLACE.row.tenant).unwrap();
        let row = tenant_key::Model {
            id: new.id.0,
            tenant_id: new.owner.map(|owner| owner.0),
            version: 1,
            wrapped: Some(new.wrapped),
            wrapped_by: new.wrapped_by,
            state: KeyState::Active,
            rotation_id: None,
            created_at: Default::default(),
            retired_at: None,
        };
        TenantKeys {
            keyring,
            rows: vec![row],
        }
    }

    #[test]
    fn a_value_with_any_bit_flipped_is_refused() {
        let keys = keys();
        let sealed = keys.seal(&PLACE, "hunter2").unwrap();
        assert_eq!(keys.open(&PLACE, &sealed).unwrap(), "hunter2");
        let flipped = |text: &str, bit: usize| {
            let mut bytes = BASE64.decode(text).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            BASE64.encode(bytes)
        };
        let of_nonce = (0..24 * 8).map(|bit| Sealed {
            n: flipped(&sealed.n, bit),
            ..sealed.clone()
        });
        let of_text = (0..("hunter2".len() + 16) * 8).map(|bit| Sealed {
            ct: flipped(&sealed.ct, bit),
            ..sealed.clone()
        });
        let cut = Sealed {
            ct: String::new(),
            ..sealed.clone()
        };
        let other_key = Sealed {
            kid: KeyId(Uuid::nil()),
            ..sealed.clone()
        };
        for bad in of_nonce.chain(of_text).chain([cut, other_key]) {
            let refused = keys.open(&PLACE, &bad).unwrap_err();
            assert_eq!(refused.code(), "decryption_failed");
        }
    }

    #[test]
    fn the_same_value_never_looks_the_same_twice() {
        let keys = keys();
        let seal = || keys.seal(&PLACE, "hunter2").unwrap();
        let (one, other) = (seal(), seal());
        assert!(one.n != other.n && one.ct != other.ct);
    }
}
