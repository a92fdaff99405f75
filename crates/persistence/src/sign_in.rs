//! Who signs in, and the refresh tokens that keep a session. Nobody is known yet, so this works across tenants.

use std::net::IpAddr;

use domain::{
    Error, TenantId, UserId,
    audit_log::Event,
    session::{
        Applicant, Attempt, Credentials, NewRefreshToken, Session, ThrottlePolicy, TokenOwner,
        ports::SignIns,
    },
};
use entity::{refresh_token, user};
use postgres_connection::Row;
use sea_orm::{
    ActiveValue::Set,
    Condition, DbBackend, EntityTrait, FromQueryResult, Insert, QueryFilter, QueryTrait, Statement,
    prelude::{DateTime, Uuid},
};

use crate::{
    SystemTx, audit,
    rows::{first, read},
    scope::printable,
    statement::statement,
    throttles, users,
};

#[derive(FromQueryResult)]
struct Standing {
    password: String,
    may_sign_in: bool,
    tenant_name: Option<String>,
}

const USER: &str = "SELECT u.*, u.is_active IS TRUE AND (u.tenant_id IS NULL OR t.is_active IS TRUE) AS may_sign_in, \
     t.name AS tenant_name \
     FROM users u LEFT JOIN tenants t ON t.id = u.tenant_id";

/// Redeems a token only once, however many present it at the same time.
const REDEEM: &str = "UPDATE refresh_tokens SET used_at = CURRENT_TIMESTAMP \
     WHERE token_hash = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > CURRENT_TIMESTAMP \
     RETURNING family_id, user_id, signed_in_at";

const OWNER: &str = "SELECT u.id, u.tenant_id FROM refresh_tokens r JOIN users u ON u.id = r.user_id \
     WHERE r.token_hash = $1";

/// Whether the user has signed in from this network lately.
const IS_KNOWN: &str = "SELECT EXISTS (SELECT FROM refresh_tokens r JOIN users u ON u.id = r.user_id \
     WHERE (u.email = $1 OR u.username = $1) AND r.created_at > CURRENT_TIMESTAMP - INTERVAL '30 days' \
       AND r.ip_address::inet <<= $2::text::cidr) AS is_known";

const END: &str = "UPDATE refresh_tokens SET revoked_at = CURRENT_TIMESTAMP \
     WHERE used_at IS NULL AND revoked_at IS NULL";

#[derive(FromQueryResult)]
struct Known {
    is_known: bool,
}

#[derive(FromQueryResult)]
struct SessionRow {
    family_id: Uuid,
    user_id: Uuid,
    signed_in_at: DateTime,
}

#[derive(FromQueryResult)]
struct OwnerRow {
    id: Uuid,
    tenant_id: Option<Uuid>,
}

impl SignIns for SystemTx {
    async fn find_applicant(
        &self,
        login: &str,
        address: Option<IpAddr>,
    ) -> Result<Applicant, Error> {
        let network = address.map(throttles::network_of);
        let values = [login.into(), network.clone().into()];
        let known = Statement::from_sql_and_values(DbBackend::Postgres, IS_KNOWN, values);
        let [found, known] = self.rows([find_credentials(login), known]).await?;
        let credentials = credentials(&found)?;
        let known = first::<Known>(&known)?.is_some_and(|known| known.is_known);
        let mut account = match &credentials {
            Some(found) => format!("account {}", found.user.id),
            None => format!("account {login}"),
        };
        if let (true, Some(network)) = (known, &network) {
            account = format!("{account} from {network}");
        }
        let network = throttles::network_subject(address);
        Ok(Applicant {
            credentials,
            account,
            network,
        })
    }

    async fn count_sign_in(
        self,
        applicant: &Applicant,
        policy: &ThrottlePolicy,
    ) -> Result<Attempt, Error> {
        let subjects = [applicant.account.clone(), applicant.network.clone()];
        self.count(subjects, policy).await
    }

    async fn replace_password_hash(
        &self,
        user: UserId,
        outdated: &str,
        current: String,
    ) -> Result<(), Error> {
        let replace = replace_password_hash(user, outdated, current);
        self.rows([replace]).await.map(drop)
    }

    async fn begin_session(
        self,
        token: NewRefreshToken,
        attempt: &Attempt,
        event: Event,
    ) -> Result<(), Error> {
        let insert = insert_refresh_token(token);
        let statements = [insert, audit::event(event), throttles::take_back(attempt)];
        self.finish(statements).await.map(drop)
    }

    async fn continue_session(self, token: NewRefreshToken) -> Result<(), Error> {
        self.finish([insert_refresh_token(token)]).await.map(drop)
    }

    async fn end_session(self, hash: Vec<u8>) -> Result<(), Error> {
        self.finish([end_session(hash)]).await.map(drop)
    }

    async fn find_token_owner(self, hash: Vec<u8>) -> Result<Option<TokenOwner>, Error> {
        let [rows] = self.finish([statement(OWNER, [hash.into()])]).await?;
        let row: Option<OwnerRow> = first(&rows)?;
        Ok(row.map(|row| TokenOwner {
            user: UserId(row.id),
            tenant: row.tenant_id.map(TenantId),
        }))
    }

    async fn redeem_refresh_token(
        &self,
        hash: Vec<u8>,
        user: UserId,
    ) -> Result<(Option<Session>, Option<Credentials>), Error> {
        let redeem = statement(REDEEM, [hash.into()]);
        let [session, user] = self.rows([redeem, find_credentials_of(user)]).await?;
        let session = first::<SessionRow>(&session)?.map(|row| Session {
            family_id: row.family_id,
            user: UserId(row.user_id),
            signed_in_at: row.signed_in_at.and_utc(),
        });
        Ok((session, credentials(&user)?))
    }

    async fn end_reused_session(&self, hash: Vec<u8>) -> Result<Option<Uuid>, Error> {
        let sql = format!(
            "{END} AND family_id = (SELECT family_id FROM refresh_tokens WHERE token_hash = $1 \
                 AND used_at IS NOT NULL) \
             RETURNING family_id"
        );
        let [rows] = self.rows([statement(&sql, [hash.into()])]).await?;
        let ended: Option<Ended> = first(&rows)?;
        Ok(ended.map(|ended| ended.family_id))
    }
}

#[derive(FromQueryResult)]
struct Ended {
    family_id: Uuid,
}

pub(crate) fn credentials(rows: &[Row]) -> Result<Option<Credentials>, Error> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let standing: Standing = read(row)?;
    Ok(Some(Credentials {
        user: users::of_row(read(row)?)?,
        password_hash: standing.password,
        is_active: standing.may_sign_in,
        tenant_name: standing.tenant_name,
    }))
}

/// Asks for the user with this email address or username, both in lower case; see [`credentials`].
pub(crate) fn find_credentials(login: &str) -> Statement {
    let sql = format!("{USER} WHERE u.email = $1 OR u.username = $1");
    statement(&sql, [login.into()])
}

/// Asks for the user with this id; see [`credentials`].
pub(crate) fn find_credentials_of(user: UserId) -> Statement {
    statement(&format!("{USER} WHERE u.id = $1"), [user.0.into()])
}

/// Replaces an outdated hash, unless the password was changed meanwhile.
fn replace_password_hash(user: UserId, outdated: &str, current: String) -> Statement {
    user::Entity::update_many()
        .set(user::ActiveModel {
            password: Set(current),
            ..Default::default()
        })
        .filter(
            Condition::all()
                .add(user::COLUMN.id.eq(user.0))
                .add(user::COLUMN.password.eq(outdated)),
        )
        .build(DbBackend::Postgres)
}

/// Adds a token to its session.
fn insert_refresh_token(token: NewRefreshToken) -> Statement {
    let (session, origin) = (token.session, token.origin);
    Insert::one(refresh_token::ActiveModel {
        family_id: Set(session.family_id),
        user_id: Set(session.user.0),
        token_hash: Set(token.hash),
        expires_at: Set(token.expires_at.naive_utc()),
        signed_in_at: Set(session.signed_in_at.naive_utc()),
        ip_address: Set(origin.ip_address.map(|address| address.to_string())),
        user_agent: Set(origin
            .user_agent
            .as_deref()
            .map(|agent| printable(Some(agent)))),
        ..Default::default()
    })
    .build(DbBackend::Postgres)
}

/// Ends the session a token belongs to.
fn end_session(hash: Vec<u8>) -> Statement {
    let sql = format!(
        "{END} AND family_id = (SELECT family_id FROM refresh_tokens WHERE token_hash = $1)"
    );
    statement(&sql, [hash.into()])
}
