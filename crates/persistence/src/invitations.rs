//! Invitations to a tenant. What is stored of the token, which its maker is told once, is a hash.

use domain::{
    Error, Role, TenantId, UserId,
    audit_log::Event,
    idempotency::Answer,
    invitation::{
        Invitation, NewInvitation, OpenInvitation,
        ports::{InvitationAcceptance, InvitationChanges, InvitationReads},
    },
    page::{Page, PageRequest},
    policy::Actor,
    user::{NewUser, User},
};
use postgres_connection::Row;
use sea_orm::{
    FromQueryResult, Statement,
    prelude::{DateTime as Timestamp, Uuid},
};

use crate::{
    SystemTx, TenantRead, TenantTx, audit,
    page::{self, Estimate},
    rows::{first, read},
    statement::statement,
    users::one as user,
};

#[derive(FromQueryResult)]
struct InvitationRow {
    id: Uuid,
    email: String,
    role: String,
    invited_by: Uuid,
    expires_at: Timestamp,
    accepted_at: Option<Timestamp>,
    created_at: Timestamp,
}

#[derive(FromQueryResult)]
struct OpenRow {
    id: Uuid,
    tenant_id: Uuid,
    tenant_name: String,
    email: String,
    role: String,
    invited_by: Uuid,
    inviter_role: String,
}

const PAGE: &str = "SELECT * FROM invitations \
     WHERE $1::timestamp IS NULL OR (created_at, id) < ($1, $2::uuid) ORDER BY created_at DESC, id DESC LIMIT $3";

const ALL: &str = "SELECT 1 FROM invitations";

const INSERT: &str = "INSERT INTO invitations (tenant_id, email, role, token_hash, invited_by, expires_at) \
     VALUES ($1, $2, $3, $4, $5, CURRENT_TIMESTAMP + $6::bigint * INTERVAL '1 second') RETURNING *";

/// Whoever made it must still be somebody who can.
const OPEN: &str = "SELECT i.id, i.tenant_id, t.name AS tenant_name, i.email, i.role, i.invited_by, u.role AS inviter_role \
     FROM invitations i JOIN tenants t ON t.id = i.tenant_id JOIN users u ON u.id = i.invited_by AND u.tenant_id = i.tenant_id \
     WHERE i.token_hash = $1 AND i.accepted_at IS NULL AND i.expires_at > CURRENT_TIMESTAMP \
       AND t.is_active AND u.is_active FOR UPDATE OF i";

const INSERT_MEMBER: &str = "INSERT INTO users (id, email, username, password, first_name, last_name, role, tenant_id) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *";

const ACCEPT: &str =
    "UPDATE invitations SET accepted_at = CURRENT_TIMESTAMP, accepted_by = $2 WHERE id = $1";

fn by_id(id: Uuid) -> Statement {
    statement("SELECT * FROM invitations WHERE id = $1", [id.into()])
}

fn invitation(row: &Row) -> Result<Invitation, Error> {
    let row: InvitationRow = read(row)?;
    Ok(Invitation {
        id: row.id,
        email: row.email,
        role: row.role.parse().map_err(Error::internal)?,
        invited_by: UserId(row.invited_by),
        expires_at: row.expires_at.and_utc(),
        accepted_at: row.accepted_at.map(|time| time.and_utc()),
        created_at: row.created_at.and_utc(),
    })
}

fn found(rows: &[Row]) -> Result<Option<Invitation>, Error> {
    rows.first().map(invitation).transpose()
}

impl InvitationReads for TenantRead {
    async fn list_invitations(
        &self,
        request: PageRequest,
    ) -> Result<(Actor, Page<Invitation>), Error> {
        let after = request.after;
        let limit = i64::try_from(request.limit + 1).map_err(Error::internal)?;
        let list = statement(
            PAGE,
            [
                after.map(|after| after.created_at.naive_utc()).into(),
                after.map(|after| after.id).into(),
                limit.into(),
            ],
        );
        let count = page::count(statement(ALL, []), Estimate::AtLeast, request);
        let (actor, [list, count]) = self.fetch([list, count]).await?;
        let page = page::read(&list, &count, request, invitation)?;
        Ok((actor, page))
    }

    async fn invitation(&self, id: Uuid) -> Result<(Actor, Option<Invitation>), Error> {
        let (actor, [rows]) = self.fetch([by_id(id)]).await?;
        Ok((actor, found(&rows)?))
    }
}

impl InvitationChanges for TenantTx {
    async fn insert_invitation(
        self,
        actor: &Actor,
        new: NewInvitation,
        token_hash: Vec<u8>,
        duration: std::time::Duration,
        answer: impl FnOnce(&Invitation) -> Answer + Send,
    ) -> Result<Invitation, Error> {
        let seconds = i64::try_from(duration.as_secs()).map_err(Error::internal)?;
        let insert = statement(
            INSERT,
            [
                actor.tenant.map(|tenant| tenant.0).into(),
                new.email.into(),
                new.role.as_str().into(),
                token_hash.into(),
                actor.user.0.into(),
                seconds.into(),
            ],
        );
        let one = |[rows]: [Vec<Row>; 1]| {
            found(&rows)?.ok_or_else(|| Error::internal("nothing was inserted"))
        };
        self.finish_answered([insert], one, answer).await
    }

    async fn find_invitation(&mut self, id: Uuid) -> Result<(Actor, Option<Invitation>), Error> {
        let (actor, [rows]) = self.enter([by_id(id)]).await?;
        Ok((actor, found(&rows)?))
    }

    async fn delete_invitation(self, id: Uuid) -> Result<(), Error> {
        let delete = statement("DELETE FROM invitations WHERE id = $1", [id.into()]);
        self.finish([delete]).await.map(drop)
    }
}

impl InvitationAcceptance for SystemTx {
    async fn lock_open_invitation(
        &self,
        token_hash: Vec<u8>,
    ) -> Result<Option<OpenInvitation>, Error> {
        let [rows] = self.rows([statement(OPEN, [token_hash.into()])]).await?;
        let Some(row) = first::<OpenRow>(&rows)? else {
            return Ok(None);
        };
        let role = |text: &str| text.parse::<Role>().map_err(Error::internal);
        let tenant = TenantId(row.tenant_id);
        Ok(Some(OpenInvitation {
            id: row.id,
            tenant,
            tenant_name: row.tenant_name,
            email: row.email,
            role: role(&row.role)?,
            inviter: Actor {
                user: UserId(row.invited_by),
                role: role(&row.inviter_role)?,
                tenant: Some(tenant),
                scopes: None,
            },
        }))
    }

    async fn accept_invitation(
        self,
        invitation: &OpenInvitation,
        member: NewUser,
        answer: impl FnOnce(&User) -> Answer + Send,
    ) -> Result<User, Error> {
        let insert = statement(
            INSERT_MEMBER,
            [
                member.id.0.into(),
                member.email.into(),
                member.username.into(),
                member.password_hash.into(),
                member.first_name.into(),
                member.last_name.into(),
                member.role.as_str().into(),
                invitation.tenant.0.into(),
            ],
        );
        let accept = statement(ACCEPT, [invitation.id.into(), member.id.0.into()]);
        let event = audit::event(Event::new(
            "invitation.accept",
            format!("invitations/{}", invitation.id),
            serde_json::json!({"user_id": member.id}),
        ));
        let statements = [insert, accept, event];
        self.finish_answered(statements, |[rows, _, _]| user(&rows), answer)
            .await
    }
}
