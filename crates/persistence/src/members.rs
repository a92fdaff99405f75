//! The people of a tenant. Nobody is ever deleted, because the audit names them: who is removed becomes nobody, with an id that
//! stays. A tenant's last active administrator can't go: the tenant's row is locked while that is decided.

use domain::{Error, Role, UserId, policy::Actor, user::MemberChange};
use entity::user::Column;
use sea_orm::{DbBackend, FromQueryResult, Statement};

use crate::{
    TenantRead, TenantTx, User,
    page::{self, Page, PageRequest},
    rows::{first, missing},
    services::lock_tenant,
    users::{by_id, found, locked, people, person, standing},
};

/// The tenant's active administrators, besides one user, and whether another is among them.
const ADMINISTRATORS: &str = "SELECT COUNT(*) FILTER (WHERE id <> $1) AS others, \
     COALESCE(bool_or(id = $2), false) AS actor_is_one FROM users WHERE role = 'tenant_admin' AND is_active";

const REMOVE: &str = "UPDATE users SET is_active = false, email = id || '@removed.invalid', username = '~' || id, \
         password = '!', first_name = NULL, last_name = NULL, updated_at = CURRENT_TIMESTAMP WHERE id = $1";

/// A member, locked, and how the tenant stands without them.
#[derive(Clone, Debug)]
pub struct LockedMember {
    /// The member, if there is one.
    pub user: Option<User>,
    /// How many active administrators the tenant has besides.
    pub other_administrators: u64,
}

#[derive(FromQueryResult)]
struct Administrators {
    others: i64,
    actor_is_one: bool,
}

impl TenantRead<'_> {
    /// The tenant's members, newest first.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    pub async fn list_members(&self, request: PageRequest) -> Result<(Actor, Page<User>), Error> {
        let statements = page::statements(people(), (Column::CreatedAt, Column::Id), request);
        let (actor, [list, count]) = self.fetch(statements).await?;
        let page = Page::read(&list, &count, request, person)?;
        Ok((actor, page))
    }

    /// The member with this id, if the tenant has one.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    pub async fn member(&self, id: UserId) -> Result<(Actor, Option<User>), Error> {
        let (actor, [rows]) = self.fetch([by_id(id)]).await?;
        Ok((actor, found(&rows)?))
    }
}

impl TenantTx {
    /// The member with this id, locked until the transaction ends together with who administers the tenant. The first call
    /// of a transaction.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    pub async fn lock_member(&mut self, id: UserId) -> Result<(Actor, LockedMember), Error> {
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

    /// Changes what a member may do, and commits.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn update_member(self, id: UserId, change: MemberChange) -> Result<User, Error> {
        let [rows] = self
            .finish([standing(id, change.role, change.is_active)])
            .await?;
        found(&rows)?.ok_or_else(|| Error::not_found("user"))
    }

    /// Takes a member's access and everything that says who it was, and commits.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn remove_member(self, id: UserId) -> Result<(), Error> {
        let remove = Statement::from_sql_and_values(DbBackend::Postgres, REMOVE, [id.0.into()]);
        self.finish([remove]).await.map(drop)
    }
}
