//! Inviting people into a tenant, and joining it. Whoever shows the token that the inviter was told once becomes a member.

use std::time::Duration;

use domain::{
    Acting, Error, ErrorKind, Origin, SystemPurpose, TenantScope, UserId,
    idempotency::{Answer, Once},
    invitation::{
        Acceptance, Invitation, NewInvitation, OpenInvitation,
        ports::{InvitationAcceptance, InvitationChanges, InvitationReads},
    },
    page::{Page, PageRequest},
    policy::{Action, Resource, authorise, authorise_grant, can, may_grant},
    ports::{SystemStore, TenantStore, TenantTransaction as _, Transaction as _},
    session::ports::PasswordHasher,
    user::{NewUser, User},
};
use uuid::Uuid;

use crate::OneTimeToken;

/// What is done with invitations.
#[derive(Clone, Debug)]
pub struct Invitations<S, H> {
    store: S,
    passwords: H,
    duration: Duration,
}

impl<S, H> Invitations<S, H> {
    /// An invitation can be accepted for `duration`.
    pub fn new(store: S, passwords: H, duration: Duration) -> Self {
        Self {
            store,
            passwords,
            duration,
        }
    }
}

/// An invitation that was just made, and its token.
#[derive(Debug)]
pub struct Invited {
    /// What is kept of it.
    pub invitation: Invitation,
    /// For the person who is invited, told now and never again.
    pub token: OneTimeToken,
}

impl<S, H> Invitations<S, H>
where
    S: TenantStore<Read: InvitationReads, Transaction: InvitationChanges>,
{
    /// The tenant's invitations.
    ///
    /// # Errors
    /// `forbidden` for anybody but the tenant's administrators.
    pub async fn list(
        &self,
        scope: TenantScope,
        request: PageRequest,
    ) -> Result<Page<Invitation>, Error> {
        let tenant = scope.tenant;
        let (actor, page) = self.store.read(scope).list_invitations(request).await?;
        authorise(&actor, Action::Read, Resource::Invitations(tenant))?;
        Ok(page)
    }

    /// One invitation.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn read(&self, scope: TenantScope, id: Uuid) -> Result<Invitation, Error> {
        let tenant = scope.tenant;
        let (actor, invitation) = self.store.read(scope).invitation(id).await?;
        authorise(&actor, Action::Read, Resource::Invitations(tenant))?;
        found(invitation)
    }

    /// Invites somebody; `answer` is what a client that asks again is told, without the token.
    ///
    /// # Errors
    /// `forbidden`, also for a role above the caller's, and those of [`Transaction::once`](domain::ports::Transaction::once).
    pub async fn create(
        &self,
        scope: TenantScope,
        once: Option<&Once>,
        new: NewInvitation,
        answer: impl FnOnce(&Invitation) -> Answer + Send,
    ) -> Result<Invited, Error> {
        let tenant = scope.tenant;
        let mut transaction = self.store.tenant(scope).await?;
        transaction.begin_once(once);
        let actor = transaction.caller().await?;
        authorise(&actor, Action::Create, Resource::Invitations(tenant))?;
        authorise_grant(&actor, new.role)?;
        let token = OneTimeToken::generate();
        let duration = self.duration;
        let invitation = transaction
            .insert_invitation(&actor, new, token.hash(), duration, answer)
            .await?;
        Ok(Invited { invitation, token })
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `invitation_accepted`, and whatever `check` answers.
    pub async fn delete(
        &self,
        scope: TenantScope,
        id: Uuid,
        check: impl FnOnce(&Invitation) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let tenant = scope.tenant;
        let mut transaction = self.store.tenant(scope).await?;
        let (actor, invitation) = transaction.find_invitation(id).await?;
        authorise(&actor, Action::Delete, Resource::Invitations(tenant))?;
        let invitation = found(invitation)?;
        check(&invitation)?;
        if invitation.accepted_at.is_some() {
            let detail = "it was accepted; whoever it was for is a member now";
            return Err(Error::conflict("invitation_accepted", detail));
        }
        transaction.delete_invitation(id).await
    }
}

impl<S, H> Invitations<S, H>
where
    S: SystemStore<Transaction: InvitationAcceptance>,
    H: PasswordHasher,
{
    /// Makes whoever shows the token a member of the tenant it is for.
    ///
    /// # Errors
    /// `invalid_invitation` for a token that is unknown, used, expired or taken back, or whose maker may not invite any more;
    /// `email_taken`, `username_taken`, what is wrong with the password, and those of
    /// [`Transaction::once`](domain::ports::Transaction::once).
    pub async fn accept(
        &self,
        origin: Origin,
        once: Option<&Once>,
        acceptance: Acceptance,
        answer: impl Fn(&User) -> Answer + Send,
    ) -> Result<User, Error> {
        let token = OneTimeToken::from(acceptance.token.expose().to_owned());
        let id = UserId(Uuid::new_v4());
        let store = &self.store;
        let nobody = Acting::nobody(origin.clone());
        let mut lookup = store.system(SystemPurpose::Invitation, &nobody).await?;
        lookup.once(once).await?;
        let invitation = open(&lookup, &token).await?;
        lookup.commit().await?;
        let names = [
            acceptance.username.as_str(),
            invitation.email.as_str(),
            invitation.tenant_name.as_str(),
        ];
        let password = &acceptance.password;
        password
            .ensure_none_of(&names)
            .map_err(|refused| Error::invalid(vec![refused.at("/password")]))?;
        // Not inside a transaction: hashing takes long.
        let password_hash = self.passwords.hash(password).await?;

        let acting = Acting::user(id, Some(invitation.tenant), origin);
        let mut transaction = store.system(SystemPurpose::Invitation, &acting).await?;
        transaction.once(once).await?;
        let invitation = open(&transaction, &token).await?;
        let member = NewUser {
            id,
            email: invitation.email.clone(),
            username: acceptance.username,
            password_hash,
            first_name: acceptance.first_name,
            last_name: acceptance.last_name,
            role: invitation.role,
        };
        transaction
            .accept_invitation(&invitation, member, answer)
            .await
    }
}

/// The invitation with this token, as long as whoever made it could still make it.
async fn open(
    transaction: &impl InvitationAcceptance,
    token: &OneTimeToken,
) -> Result<OpenInvitation, Error> {
    let invitation = transaction.lock_open_invitation(token.hash()).await?;
    let stands = |invitation: &OpenInvitation| {
        let resource = Resource::Invitations(invitation.tenant);
        can(&invitation.inviter, Action::Create, resource)
            && may_grant(&invitation.inviter, invitation.role)
    };
    invitation.filter(stands).ok_or_else(|| {
        Error::new(
            ErrorKind::Unauthenticated,
            "invalid_invitation",
            "this invitation can't be accepted (any more); ask for another",
        )
    })
}

fn found(invitation: Option<Invitation>) -> Result<Invitation, Error> {
    invitation.ok_or_else(|| Error::not_found("invitation"))
}
