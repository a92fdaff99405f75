//! `/users`: the people of the caller's tenant.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use domain::{
    Error, UserId,
    user::{MemberChange, User},
};
use uuid::Uuid;

use super::{
    admin::UserList,
    entity_tag::{IfMatch, shown, tagged},
    paging::PageQuery,
    users::{UserView, view},
};
use crate::{
    extract::{Body, Id, Member},
    problem::Problem,
    schemas::accounts as schemas,
    server::App,
};

/// List the tenant's members
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(PageQuery), responses(
    (status = 200, description = "A page of them, newest first.", body = UserList),
))]
pub async fn list(
    app: Data<App>,
    Member(scope): Member,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = app.members.list(scope, query.request()?).await?;
    Ok(HttpResponse::Ok().json(UserList::of(&page)))
}

/// Read a member
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The member.", body = UserView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
) -> Result<HttpResponse, Problem> {
    let user = app.members.read(scope, UserId(id)).await?;
    Ok(tagged(HttpResponse::Ok(), &view(&user)))
}

/// Change what a member may do
///
/// It counts from the member's next request on.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The `ETag` of what was read.")),
    request_body = schemas::MemberChange, responses(
    (status = 200, description = "The member.", body = UserView,
        headers(("ETag" = String, description = "Its version."))),
    (status = 409, description = "`last_administrator`, or `own_account`: nobody deactivates their own."),
))]
pub async fn update(
    app: Data<App>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request).required()?;
    let user = app.members.update(scope, UserId(*id), |user| {
        let current = view(user);
        expected.check(&current)?;
        let current = shown(&current);
        MemberChange::parse(&body, &current).map_err(Error::invalid)
    });
    Ok(tagged(HttpResponse::Ok(), &view(&user.await?)))
}

/// Take a member out
///
/// They can't sign in any more, and what said who they were is gone; what they did stays in the audit trail, under their id.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    responses(
    (status = 204, description = "They are out."),
    (status = 409, description = "`last_administrator`, or `own_account`: nobody removes their own."),
))]
pub async fn remove(
    app: Data<App>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request);
    let check = |user: &User| expected.check(&view(user));
    app.members.remove(scope, UserId(*id), check).await?;
    Ok(HttpResponse::NoContent().finish())
}
