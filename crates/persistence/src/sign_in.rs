//! Who signs in, and the refresh tokens that keep a session. Nobody is known yet, so this works across tenants.

use domain::{Error, TenantId, UserId};
use entity::{refresh_token, user};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, DbBackend, EntityTrait, FromQueryResult, Insert, QueryFilter,
    QueryResult, QueryTrait, Statement,
    prelude::{DateTime, Uuid},
};

use crate::{
    Origin, SystemTx, User,
    rows::{first, read},
    scope::printable,
    statement::statement,
};

/// What a password is compared with, and whose it is.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user, as the API shows it.
    pub user: User,
    /// The stored hash, in PHC or bcrypt form.
    pub password_hash: String,
    /// Whether user and tenant may sign in at all.
    pub is_active: bool,
    /// What the tenant is called, if there is one.
    pub tenant_name: Option<String>,
}

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

const END: &str = "UPDATE refresh_tokens SET revoked_at = CURRENT_TIMESTAMP \
     WHERE used_at IS NULL AND revoked_at IS NULL";

/// A session: the refresh tokens that follow from one sign-in.
#[derive(Clone, Copy, Debug, Eq, FromQueryResult, PartialEq)]
pub struct Session {
    /// The same for every token of the session.
    pub family_id: Uuid,
    /// Whose session it is.
    pub user_id: Uuid,
    /// When it was begun.
    pub signed_in_at: DateTime,
}

/// Whom a refresh token was given to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenOwner {
    /// The user.
    pub user: UserId,
    /// The user's tenant, if any.
    pub tenant: Option<TenantId>,
}

#[derive(FromQueryResult)]
struct OwnerRow {
    id: Uuid,
    tenant_id: Option<Uuid>,
}

impl SystemTx {
    /// Whom a refresh token was given to, however long ago, and commits.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn find_token_owner(self, hash: Vec<u8>) -> Result<Option<TokenOwner>, Error> {
        let [rows] = self.finish([statement(OWNER, [hash.into()])]).await?;
        let row: Option<OwnerRow> = first(&rows)?;
        Ok(row.map(|row| TokenOwner {
            user: UserId(row.id),
            tenant: row.tenant_id.map(TenantId),
        }))
    }

    /// Uses a refresh token of `user` up, once. Without a session it is not good.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn redeem_refresh_token(
        &self,
        hash: Vec<u8>,
        user: UserId,
    ) -> Result<(Option<Session>, Option<Credentials>), Error> {
        let redeem = statement(REDEEM, [hash.into()]);
        let [session, user] = self.rows([redeem, find_credentials_of(user)]).await?;
        Ok((first(&session)?, credentials(&user)?))
    }

    /// Ends the session of a refresh token that has been used already; which one, if it had not ended before.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn end_reused_session(&self, hash: Vec<u8>) -> Result<Option<Uuid>, Error> {
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

pub(crate) fn credentials(rows: &[QueryResult]) -> Result<Option<Credentials>, Error> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let standing: Standing = read(row)?;
    Ok(Some(Credentials {
        user: read::<user::Model>(row)?.try_into()?,
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
pub fn replace_password_hash(user: UserId, outdated: &str, current: String) -> Statement {
    user::Entity::update_many()
        .set(user::ActiveModel {
            password: Set(current),
            ..Default::default()
        })
        .filter(
            Condition::all()
                .add(user::Column::Id.eq(user.0))
                .add(user::Column::Password.eq(outdated)),
        )
        .build(DbBackend::Postgres)
}

/// Adds a token to a session, given out to `origin`.
pub fn insert_refresh_token(
    session: Session,
    hash: Vec<u8>,
    expires_at: DateTime,
    origin: &Origin,
) -> Statement {
    Insert::one(refresh_token::ActiveModel {
        family_id: Set(session.family_id),
        user_id: Set(session.user_id),
        token_hash: Set(hash),
        expires_at: Set(expires_at),
        signed_in_at: Set(session.signed_in_at),
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
pub fn end_session(hash: Vec<u8>) -> Statement {
    let sql = format!(
        "{END} AND family_id = (SELECT family_id FROM refresh_tokens WHERE token_hash = $1)"
    );
    statement(&sql, [hash.into()])
}
