//! The people of a tenant. Nobody is ever deleted, because the audit names them: who is removed becomes nobody, with an id that
//! stays. A tenant's last active administrator can't go: the tenant's row is locked while that is decided.

use domain::{
    Error, Role, UserId,
    page::{Page, PageRequest},
    policy::Actor,
    user::{
        MemberChange, ProfileChange, User,
        ports::{LockedMember, MemberChanges, MemberReads},
    },
};
use entity::user::Column;
use sea_orm::{DbBackend, FromQueryResult, Statement};

use crate::{
    TenantRead, TenantTx,
    page::{self, Estimate},
    rows::{first, missing},
    services::lock_tenant,
    users::{by_id, found, locked, one, people, person, profile, standing, updated},
};

/// The tenant's active administrators, besides one user, and whether another is among them.
const ADMINISTRATORS: &str = "SELECT COUNT(*) FILTER (WHERE id <> $1) AS others, \
     COALESCE(bool_or(id = $2), false) AS actor_is_one FROM users WHERE role = 'tenant_admin' AND is_active";

const REMOVE: &str = "UPDATE users SET is_active = false, email = id || '@removed.invalid', username = '~' || id, \
         password = '!', first_name = NULL, last_name = NULL, updated_at = CURRENT_TIMESTAMP WHERE id = $1";

#[derive(FromQueryResult)]
struct Administrators {
    others: i64,
    actor_is_one: bool,
}

impl MemberReads for TenantRead {
    async fn user(&self, id: UserId) -> Result<(Actor, User), Error> {
        let (actor, [rows]) = self.fetch([by_id(id)]).await?;
        Ok((actor, one(&rows)?))
    }

    async fn list_members(&self, request: PageRequest) -> Result<(Actor, Page<User>), Error> {
        let key = (Column::CreatedAt, Column::Id);
        let statements = page::statements(people(), key, Estimate::AtLeast, request);
        let (actor, [list, count]) = self.fetch(statements).await?;
        let page = page::read(&list, &count, request, person)?;
        Ok((actor, page))
    }

    async fn member(&self, id: UserId) -> Result<(Actor, Option<User>), Error> {
        let (actor, [rows]) = self.fetch([by_id(id)]).await?;
        Ok((actor, found(&rows)?))
    }
}

impl MemberChanges for TenantTx {
    async fn lock_user(&mut self, id: UserId) -> Result<(Actor, User), Error> {
        let (actor, [rows]) = self.enter([locked(id)]).await?;
        Ok((actor, one(&rows)?))
    }

    async fn update_profile(self, id: UserId, change: ProfileChange) -> Result<User, Error> {
        let [rows] = self.finish([updated(id, profile(change))]).await?;
        one(&rows)
    }

    async fn lock_member(&mut self, id: UserId) -> Result<(Actor, LockedMember), Error> {
        let caller = self.caller()?;
        let administrators = Statement::from_sql_and_values(
            DbBackend::Postgres,
            ADMINISTRATORS,
            [id.0.into(), caller.0.into()],
        );
        let statements = [lock_tenant(), administrators, locked(id)];
        let (mut actor, [_, administrators, rows]) = self.enter(statements).await?;
        let administrators: Administrators =
            first(&administrators)?.ok_or_else(|| missing("count"))?;
        // Whoever was demoted while this waited for the tenant administers it no more.
        if actor.role == Role::TenantAdmin && !administrators.actor_is_one {
            actor.role = Role::User;
        }
        let member = LockedMember {
            user: found(&rows)?,
            other_administrators: administrators.others.unsigned_abs(),
        };
        Ok((actor, member))
    }

    async fn update_member(self, id: UserId, change: MemberChange) -> Result<User, Error> {
        let [rows] = self
            .finish([standing(id, change.role, change.is_active)])
            .await?;
        found(&rows)?.ok_or_else(|| Error::not_found("user"))
    }

    async fn remove_member(self, id: UserId) -> Result<(), Error> {
        let remove = Statement::from_sql_and_values(DbBackend::Postgres, REMOVE, [id.0.into()]);
        self.finish([remove]).await.map(drop)
    }
}
