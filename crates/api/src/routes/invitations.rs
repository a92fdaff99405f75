//! `/invitations`: letting people into a tenant. The token is told once; an answer that is given again because of its
//! `Idempotency-Key` has all but the token, which is stored nowhere.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use application::Invited;
use chrono::{DateTime, Utc};
use domain::{
    Error,
    idempotency::Answer,
    invitation::{Acceptance, Invitation, NewInvitation},
    user::User,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    auth::{Registered, joined},
    entity_tag::{IfMatch, etag, shown, tagged},
    paging::{self, PageQuery},
};
use crate::{
    extract::{Anybody, Body, Id, Member},
    idempotency::{IdempotencyKey, answered, answered_for},
    problem::Problem,
    schemas::accounts as schemas,
    server::App,
};

/// An invitation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation, example = json!({
    "id": "3b241101-e2bb-4255-8caf-4136c566a962", "email": "grace@example.com", "role": "user",
    "invited_by": "7d9f3c0e-5b1a-4c7e-9a55-0d8f6e1b2a34", "expires_at": "2026-12-01T20:00:00.123456Z", "accepted_at": null,
    "created_at": "2026-11-24T20:00:00.123456Z"
}))]
pub struct InvitationView<'invitation> {
    id: Uuid,
    /// Becomes the address of whoever accepts.
    email: &'invitation str,
    /// What they may do.
    #[schema(schema_with = schemas::member_role)]
    role: domain::Role,
    /// Who made it.
    #[schema(value_type = Uuid)]
    invited_by: domain::UserId,
    /// Until when it can be accepted.
    expires_at: DateTime<Utc>,
    /// When it was accepted.
    #[schema(required = true)]
    accepted_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// For the person who is invited, told when the invitation is made and never again: an answer that is repeated for its
    /// `Idempotency-Key` lacks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<&'invitation str>,
}

/// A part of the tenant's invitations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationList<'invitation> {
    invitations: Vec<InvitationView<'invitation>>,
    /// How many there are on all pages: exactly, up to 1,000; above that an estimate, at least 1,001.
    total: u64,
    /// Whether `total` is no estimate, as it never is with `total=exact`.
    total_is_exact: bool,
    /// For the next page, if there is one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

fn view<'text>(invitation: &'text Invitation, token: Option<&'text str>) -> InvitationView<'text> {
    InvitationView {
        id: invitation.id,
        email: &invitation.email,
        role: invitation.role,
        invited_by: invitation.invited_by,
        expires_at: invitation.expires_at,
        accepted_at: invitation.accepted_at,
        created_at: invitation.created_at,
        token,
    }
}

fn created(invitation: &Invitation, token: Option<&str>) -> Answer {
    Answer {
        status: 201,
        location: Some(format!("/api/v1/invitations/{}", invitation.id)),
        etag: Some(etag(&view(invitation, None))),
        body: shown(&view(invitation, token)).into(),
    }
}

/// List the tenant's invitations
#[utoipa::path(get, path = "/api/v1/invitations", tag = "invitations", params(PageQuery), responses(
    (status = 200, description = "A page of them, accepted ones included.", body = InvitationList),
))]
pub async fn list(
    app: Data<App>,
    Member(scope): Member,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = app.invitations.list(scope, query.request()?).await?;
    let invitations = page.items.iter().map(|invitation| view(invitation, None));
    Ok(HttpResponse::Ok().json(InvitationList {
        invitations: invitations.collect(),
        total: page.total,
        total_is_exact: page.total_is_exact,
        next_cursor: page.next.map(paging::cursor),
    }))
}

/// Invite somebody
///
/// Give them the token: whoever has it can join the tenant, once, until it expires (`invitations.duration`, a week unless the
/// operator says otherwise), as long as you could still invite them.
#[utoipa::path(post, path = "/api/v1/invitations", tag = "invitations", request_body = schemas::NewInvitation, responses(
    (status = 201, description = "The invitation, with its token.", body = InvitationView,
        headers(("Location" = String, description = "Where it is."), ("ETag" = String, description = "Its version."))),
))]
pub async fn create(
    app: Data<App>,
    Member(scope): Member,
    key: IdempotencyKey,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let new = NewInvitation::parse(&body).map_err(Error::invalid)?;
    let once = key.of_user(&scope, &body)?;
    let stored = |invitation: &Invitation| created(invitation, None);
    let told = |new: &Invited| created(&new.invitation, Some(new.token.reveal()));
    let outcome = app
        .invitations
        .create(scope.clone(), once.as_ref(), new, stored)
        .await;
    answered_for(&app, scope, once, outcome, told).await
}

/// Read an invitation
#[utoipa::path(get, path = "/api/v1/invitations/{id}", tag = "invitations", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "All but its token.", body = InvitationView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
) -> Result<HttpResponse, Problem> {
    let invitation = app.invitations.read(scope, id).await?;
    Ok(tagged(HttpResponse::Ok(), &view(&invitation, None)))
}

/// Take an invitation back
#[utoipa::path(delete, path = "/api/v1/invitations/{id}", tag = "invitations",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    responses(
    (status = 204, description = "It can't be accepted any more."),
    (status = 409, description = "`invitation_accepted`."),
))]
pub async fn delete(
    app: Data<App>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request);
    let check = |invitation: &Invitation| expected.check(&view(invitation, None));
    app.invitations.delete(scope, *id, check).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Accept an invitation
///
/// Makes a member of the tenant; sign in next.
#[utoipa::path(post, path = "/api/v1/invitations/accept", tag = "invitations", security(()), request_body = schemas::Acceptance,
    responses(
    (status = 201, description = "Joined.", body = Registered),
    (status = 401, description = "`invalid_invitation`: unknown, used, expired, taken back, or its maker may not invite any more."),
    (status = 409, description = "`username_taken`, `email_taken`, or a request with this `Idempotency-Key` is under way."),
))]
pub async fn accept(
    app: Data<App>,
    key: IdempotencyKey,
    Anybody(origin): Anybody,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let acceptance = Acceptance::parse(&body).map_err(Error::invalid)?;
    let once = key.of_invitation(acceptance.token.expose(), &body)?;
    let answer = |user: &User| joined("You are a member now", user);
    let outcome = app
        .invitations
        .accept(origin, once.as_ref(), acceptance, answer)
        .await;
    answered(outcome, answer)
}
