//! `/users/me`: one's own profile.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use chrono::{DateTime, Utc};
use domain::{
    Error,
    user::{ProfileChange, User},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::entity_tag::{IfMatch, shown, tagged};
use crate::{
    extract::{Authenticated, Body},
    problem::Problem,
    schemas,
    server::App,
};

/// A user, without the password.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User, example = json!({
    "id": "3b241101-e2bb-4255-8caf-4136c566a962", "email": "ada@example.com", "username": "ada",
    "first_name": "Ada", "last_name": "Lovelace", "role": "tenant_admin", "is_active": true,
    "tenant_id": "0d0f5a3e-8f57-4e0f-8f0e-0a2b8f5d9c11",
    "created_at": "2026-11-24T20:00:00.123456Z", "updated_at": "2026-11-24T20:00:00.123456Z"
}))]
pub struct UserView<'user> {
    #[schema(value_type = uuid::Uuid)]
    id: domain::UserId,
    /// In lower case.
    email: &'user str,
    /// In lower case.
    username: &'user str,
    #[schema(required = true)]
    first_name: Option<&'user str>,
    #[schema(required = true)]
    last_name: Option<&'user str>,
    #[schema(schema_with = schemas::role)]
    role: domain::Role,
    /// Whether the user may sign in.
    is_active: bool,
    /// A platform administrator has none.
    #[schema(value_type = Option<uuid::Uuid>, required = true)]
    tenant_id: Option<domain::TenantId>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A user as the API shows it.
pub(super) fn view(user: &User) -> UserView<'_> {
    UserView {
        id: user.id,
        email: &user.email,
        username: &user.username,
        first_name: user.first_name.as_deref(),
        last_name: user.last_name.as_deref(),
        role: user.role,
        is_active: user.is_active,
        tenant_id: user.tenant,
        created_at: user.created_at,
        updated_at: user.updated_at,
    }
}

/// Read one's own profile
#[utoipa::path(get, path = "/api/v1/users/me", tag = "users", responses(
    (status = 200, description = "The caller.", body = UserView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read_me(
    app: Data<App>,
    Authenticated(caller): Authenticated,
) -> Result<HttpResponse, Problem> {
    let user = app.profiles.read(&caller).await?;
    Ok(tagged(HttpResponse::Ok(), &view(&user)))
}

/// Change one's own profile
///
/// Takes what reading it answered; what is absent stays.
#[utoipa::path(put, path = "/api/v1/users/me", tag = "users",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    request_body = schemas::ProfileChange, responses(
    (status = 200, description = "The caller.", body = UserView,
        headers(("ETag" = String, description = "Its version."))),
    (status = 409, description = "`email_taken`."),
))]
pub async fn update_me(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request);
    let change = |user: &User| {
        let current = view(user);
        expected.check(&current)?;
        let current = shown(&current);
        ProfileChange::parse(&body, &current).map_err(Error::invalid)
    };
    let user = app.profiles.update(&caller, change).await?;
    Ok(tagged(HttpResponse::Ok(), &view(&user)))
}
