//! Who signs in, and the refresh tokens that keep a session. Nobody is known yet, so this works across tenants.

use domain::{Error, UserId};
use entity::{refresh_token, user};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, DbBackend, EntityTrait, FromQueryResult, Insert, QueryFilter,
    QueryTrait, Statement,
    prelude::{DateTime, Uuid},
};

use crate::{
    SystemTx, User,
    rows::{first, read},
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
}

#[derive(FromQueryResult)]
struct Standing {
    password: String,
    may_sign_in: bool,
}

const USER: &str = "SELECT u.*, u.is_active IS TRUE AND (u.tenant_id IS NULL OR t.is_active IS TRUE) AS may_sign_in \
     FROM users u LEFT JOIN tenants t ON t.id = u.tenant_id";

/// Redeems a token only once, however many present it at the same time.
const REDEEM: &str = "UPDATE refresh_tokens SET used_at = CURRENT_TIMESTAMP \
     WHERE token_hash = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > CURRENT_TIMESTAMP \
     RETURNING family_id, user_id";

const END_FAMILY: &str = "UPDATE refresh_tokens SET revoked_at = CURRENT_TIMESTAMP \
     WHERE revoked_at IS NULL AND family_id = (SELECT family_id FROM refresh_tokens WHERE token_hash = $1)";

/// A session: the refresh tokens that follow from one sign-in.
#[derive(Clone, Copy, Debug, Eq, FromQueryResult, PartialEq)]
pub struct Session {
    /// The same for every token of the session.
    pub family_id: Uuid,
    /// Whose session it is.
    pub user_id: Uuid,
}

impl SystemTx {
    /// The user with this email address or username, both in lower case.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn find_credentials(&self, login: &str) -> Result<Option<Credentials>, Error> {
        let sql = format!("{USER} WHERE u.email = $1 OR u.username = $1");
        self.credentials(Statement::from_sql_and_values(
            DbBackend::Postgres,
            sql,
            [login.into()],
        ))
        .await
    }

    /// The user with this id.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn find_credentials_of(&self, user: UserId) -> Result<Option<Credentials>, Error> {
        let sql = format!("{USER} WHERE u.id = $1");
        self.credentials(Statement::from_sql_and_values(
            DbBackend::Postgres,
            sql,
            [user.0.into()],
        ))
        .await
    }

    async fn credentials(&self, statement: Statement) -> Result<Option<Credentials>, Error> {
        let [rows] = self.rows([statement]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let standing: Standing = read(row)?;
        Ok(Some(Credentials {
            user: read::<user::Model>(row)?.try_into()?,
            password_hash: standing.password,
            is_active: standing.may_sign_in,
        }))
    }

    /// Uses a refresh token up. `None`: it is not good, and if it was used before, its whole session has ended; commit that.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn redeem_refresh_token(&self, hash: Vec<u8>) -> Result<Option<Session>, Error> {
        let redeem =
            Statement::from_sql_and_values(DbBackend::Postgres, REDEEM, [hash.clone().into()]);
        let [rows] = self.rows([redeem]).await?;
        let session = first(&rows)?;
        if session.is_none() {
            self.rows([end_session(hash)]).await?;
        }
        Ok(session)
    }
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

/// Adds a token to a session.
pub fn insert_refresh_token(session: Session, hash: Vec<u8>, expires_at: DateTime) -> Statement {
    Insert::one(refresh_token::ActiveModel {
        family_id: Set(session.family_id),
        user_id: Set(session.user_id),
        token_hash: Set(hash),
        expires_at: Set(expires_at),
        ..Default::default()
    })
    .build(DbBackend::Postgres)
}

/// Ends the session a token belongs to.
pub fn end_session(hash: Vec<u8>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, END_FAMILY, [hash.into()])
}

/// Ends every session of a user.
pub fn end_sessions(user: UserId) -> Statement {
    refresh_token::Entity::update_many()
        .col_expr(
            refresh_token::Column::RevokedAt,
            sea_orm::sea_query::Expr::current_timestamp(),
        )
        .filter(refresh_token::Column::UserId.eq(user.0))
        .filter(refresh_token::Column::RevokedAt.is_null())
        .build(DbBackend::Postgres)
}
