//! Users: members of a tenant, and the platform's list of them.

use domain::{
    Acting, BillingCycle, Credential, Error, Limits, Plan, Role, SYSTEM_USER, SubscriptionStatus,
    TenantId, UserId,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    user::{
        NewUser, ProfileChange, User,
        ports::{LockedMember, Registering, UserAdministration},
    },
};
use entity::{Stored, user};
use postgres_connection::Row;
use sea_orm::{
    ActiveValue::Set,
    DbBackend, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, QueryTrait, Select,
    Statement,
    prelude::Uuid,
    sea_query::{Expr, LockType},
};

use crate::{
    SystemTx,
    encryption::insert_keys,
    page::{self, Estimate},
    rows::{first, missing, read, timestamp},
    statement::statement,
};

pub(crate) fn of_row(row: user::Model) -> Result<User, Error> {
    Ok(User {
        id: UserId(row.id),
        email: row.email,
        username: row.username,
        first_name: row.first_name,
        last_name: row.last_name,
        role: row.role.ok_or_else(|| missing("role"))?.0,
        is_active: row.is_active.unwrap_or_default(),
        tenant: row.tenant_id.map(TenantId),
        created_at: timestamp(row.created_at)?,
        updated_at: timestamp(row.updated_at)?,
    })
}

/// What the username of somebody who was removed is like, and no other.
const REMOVED: &str = "~%";

const LOCK_ADMINISTRATORS: &str = "SELECT id FROM users WHERE role = 'admin' AND tenant_id IS NULL AND is_active ORDER BY id FOR NO KEY UPDATE";

const LOCK_TENANT_OF: &str = "SELECT id FROM tenants WHERE id = (SELECT tenant_id FROM users WHERE id = $1) FOR NO KEY UPDATE";

const OTHER_ADMINISTRATORS: &str = "SELECT COUNT(*) AS others FROM users \
     WHERE tenant_id = (SELECT tenant_id FROM users WHERE id = $1) AND id <> $1 AND role = 'tenant_admin' AND is_active";

#[derive(FromQueryResult)]
struct Others {
    others: i64,
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

const INSERT_TENANT: &str = "WITH tenant AS ( \
         INSERT INTO tenants (id, name, slug, plan, max_services) VALUES ($14, $1, $2, $3, $4) \
         RETURNING id, plan, max_services \
     ), subscription AS ( \
         INSERT INTO subscriptions (tenant_id, plan, status, billing_cycle, max_services, price_per_month, \
             current_period_start) \
         SELECT id, plan, $5, $6, max_services, 0, CURRENT_TIMESTAMP FROM tenant \
     ) \
     INSERT INTO users (id, email, username, password, first_name, last_name, role, tenant_id) \
     SELECT $7, $8, $9, $10, $11, $12, $13, id FROM tenant RETURNING *";

impl Registering for SystemTx {
    async fn register(
        self,
        tenant_name: &str,
        slug: &str,
        limits: (Plan, Limits),
        user: NewUser,
        answer: impl FnOnce(&User) -> Answer + Send,
    ) -> Result<User, Error> {
        let (plan, limits) = limits;
        let max_services = i32::try_from(limits.services).map_err(Error::internal)?;
        // The tenant's data key is bound to its id, so the id is known before the row is.
        let tenant = TenantId(Uuid::new_v4());
        let key = self.database().keyring().generate(Some(tenant)).ok();
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            INSERT_TENANT,
            [
                tenant_name.into(),
                slug.into(),
                plan.as_str().into(),
                max_services.into(),
                SubscriptionStatus::Active.as_str().into(),
                BillingCycle::Monthly.as_str().into(),
                user.id.0.into(),
                user.email.into(),
                user.username.into(),
                user.password_hash.into(),
                user.first_name.into(),
                user.last_name.into(),
                user.role.as_str().into(),
                tenant.0.into(),
            ],
        );
        let keys = insert_keys(key.as_slice(), None);
        let statements = [statement, keys];
        self.finish_answered(statements, |[rows, _]| one(&rows), answer)
            .await
    }
}

/// How many there were when PostgreSQL looked last.
const USERS: Estimate =
    Estimate::Query("SELECT reltuples::bigint FROM pg_class WHERE oid = 'users'::regclass");

impl UserAdministration for SystemTx {
    async fn insert_administrator(self, administrator: NewUser) -> Result<User, Error> {
        let row = user::ActiveModel {
            id: Set(administrator.id.0),
            email: Set(administrator.email),
            username: Set(administrator.username),
            password: Set(administrator.password_hash),
            first_name: Set(administrator.first_name),
            last_name: Set(administrator.last_name),
            role: Set(Some(Stored(Role::Admin))),
            ..Default::default()
        };
        let mut insert = sea_orm::Insert::one(row).into_query();
        insert.returning_all();
        let [rows] = self.finish([DbBackend::Postgres.build(&insert)]).await?;
        one(&rows)
    }

    async fn lock_user(&self, id: UserId) -> Result<LockedMember, Error> {
        let lock = statement(LOCK_TENANT_OF, [id.0.into()]);
        let others = statement(OTHER_ADMINISTRATORS, [id.0.into()]);
        let [_, others, rows] = self.rows([lock, others, locked(id)]).await?;
        let others: Others = first(&others)?.ok_or_else(|| missing("count"))?;
        Ok(LockedMember {
            user: found(&rows)?,
            other_administrators: others.others.unsigned_abs(),
        })
    }

    async fn list_users(&self, request: PageRequest) -> Result<Page<User>, Error> {
        let key = (user::Column::CreatedAt, user::Column::Id);
        let statements = page::statements(people(), key, USERS, request);
        let [list, count] = self.rows(statements).await?;
        page::read(&list, &count, request, person)
    }

    async fn update_standing(
        self,
        id: UserId,
        role: Option<Role>,
        is_active: Option<bool>,
    ) -> Result<User, Error> {
        let [rows] = self.finish([standing(id, role, is_active)]).await?;
        one(&rows)
    }

    async fn lock_administrators(&self) -> Result<Vec<UserId>, Error> {
        let [rows] = self
            .rows([Statement::from_string(
                DbBackend::Postgres,
                LOCK_ADMINISTRATORS,
            )])
            .await?;
        let ids = rows.iter().map(read::<Id>);
        ids.map(|row| Ok(UserId(row?.id))).collect()
    }

    async fn lock_caller(
        &self,
        acting: &Acting,
        credential: &Credential,
    ) -> Result<(Actor, User), Error> {
        let user = acting.user.ok_or_else(Error::unauthenticated)?;
        let (actor, [rows]) = self.enter(acting, credential, [locked(user)]).await?;
        Ok((actor, one(&rows)?))
    }

    async fn update_profile(self, id: UserId, change: ProfileChange) -> Result<User, Error> {
        let [rows] = self.finish([updated(id, profile(change))]).await?;
        one(&rows)
    }
}

pub(crate) fn profile(change: ProfileChange) -> user::ActiveModel {
    let mut row = user::ActiveModel::default();
    if let Some(first_name) = change.first_name {
        row.first_name = Set(Some(first_name));
    }
    if let Some(last_name) = change.last_name {
        row.last_name = Set(Some(last_name));
    }
    if let Some(email) = change.email {
        row.email = Set(email);
    }
    row
}

/// Everybody but the system user, and those who were removed.
pub(crate) fn people() -> Select<user::Entity> {
    user::Entity::find()
        .filter(user::COLUMN.id.ne(SYSTEM_USER.0))
        .filter(user::COLUMN.username.not_like(REMOVED))
}

pub(crate) fn by_id(id: UserId) -> Statement {
    people()
        .filter(user::COLUMN.id.eq(id.0))
        .build(DbBackend::Postgres)
}

pub(crate) fn locked(id: UserId) -> Statement {
    people()
        .filter(user::COLUMN.id.eq(id.0))
        .lock(LockType::NoKeyUpdate)
        .build(DbBackend::Postgres)
}

/// Changes what a user may do.
pub(crate) fn standing(id: UserId, role: Option<Role>, is_active: Option<bool>) -> Statement {
    let row = user::ActiveModel {
        role: role.map_or_else(Default::default, |role| Set(Some(Stored(role)))),
        is_active: is_active.map_or_else(Default::default, |active| Set(Some(active))),
        ..Default::default()
    };
    updated(id, row)
}

pub(crate) fn updated(id: UserId, change: user::ActiveModel) -> Statement {
    let mut update = user::Entity::update_many()
        .set(change)
        .col_expr(user::Column::UpdatedAt, Expr::current_timestamp())
        .filter(user::COLUMN.id.eq(id.0))
        .into_query();
    DbBackend::Postgres.build(update.returning_all())
}

pub(crate) fn person(row: &Row) -> Result<User, Error> {
    of_row(read(row)?)
}

pub(crate) fn found(rows: &[Row]) -> Result<Option<User>, Error> {
    rows.first().map(person).transpose()
}

pub(crate) fn one(rows: &[Row]) -> Result<User, Error> {
    found(rows)?.ok_or_else(|| Error::not_found("user"))
}
