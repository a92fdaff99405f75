//! `/admin/users`: the platform's list of people.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use domain::{
    Caller, Error, Role, UserId,
    page::Page,
    user::{User, parse_role_change},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    entity_tag::{IfMatch, tagged},
    paging::{self, PageQuery},
    users::{UserView, view},
};
use crate::{
    extract::{Authenticated, Body},
    problem::Problem,
    schemas,
    server::App,
};

/// Which users to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// How many to pass over, for older clients; a cursor costs less.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 100_000, nullable = false)]
    offset: Option<String>,
}

/// A part of the users, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserList<'user> {
    users: Vec<UserView<'user>>,
    /// How many there are on all pages: exactly, up to 1,000; above that an estimate, at least 1,001.
    total: u64,
    /// Whether `total` is no estimate, as it never is with `total=exact`.
    total_is_exact: bool,
    /// For the next page, if there is one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl<'user> UserList<'user> {
    /// The page as the API shows it.
    pub(super) fn of(page: &'user Page<User>) -> Self {
        Self {
            users: page.items.iter().map(view).collect(),
            total: page.total,
            total_is_exact: page.total_is_exact,
            next_cursor: page.next.map(paging::cursor),
        }
    }
}

/// List the users of every tenant
#[utoipa::path(get, path = "/api/v1/admin/users", tag = "admin", params(PageQuery, ListQuery), responses(
    (status = 200, description = "A page of them.", body = UserList),
))]
pub async fn list_users(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    asked: Query<PageQuery>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let request = asked.request_at(query.offset.as_deref())?;
    let page = app.administration.list_users(&caller, request).await?;
    Ok(HttpResponse::Ok().json(UserList::of(&page)))
}

/// Give a user another role
#[utoipa::path(put, path = "/api/v1/admin/users/{id}/role", tag = "admin",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    request_body = schemas::RoleChange, responses(
    (status = 200, description = "The user.", body = UserView,
        headers(("ETag" = String, description = "Its version."))),
    (status = 409, description = "`invalid_role`: only platform administrators have no tenant; `last_administrator` of its tenant."),
))]
pub async fn set_role(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    id: Path<Uuid>,
    request: HttpRequest,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let role = parse_role_change(&body).map_err(Error::invalid)?;
    change(&app, &caller, *id, &request, (Some(role), None)).await
}

/// Let a user sign in again
#[utoipa::path(put, path = "/api/v1/admin/users/{id}/activate", tag = "admin",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    responses(
    (status = 200, description = "The user.", body = UserView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn activate(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    change(&app, &caller, *id, &request, (None, Some(true))).await
}

/// Keep a user out, from the next request on
#[utoipa::path(put, path = "/api/v1/admin/users/{id}/deactivate", tag = "admin",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    responses(
    (status = 200, description = "The user.", body = UserView,
        headers(("ETag" = String, description = "Its version."))),
    (status = 409, description = "`own_account`: nobody deactivates their own; `last_administrator` of its tenant, or of the platform."),
))]
pub async fn deactivate(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    change(&app, &caller, *id, &request, (None, Some(false))).await
}

async fn change(
    app: &App,
    caller: &Caller,
    id: Uuid,
    request: &HttpRequest,
    standing: (Option<Role>, Option<bool>),
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(request);
    let check = |user: &User| expected.check(&view(user));
    let user = app
        .administration
        .change_standing(caller, UserId(id), standing, check)
        .await?;
    Ok(tagged(HttpResponse::Ok(), &view(&user)))
}
