//! `/admin/users`: the platform's list of people.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use domain::{Error, Role, UserId, user::parse_role};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{paging, users::view};
use crate::{extract::Caller, problem::Problem, state::State, use_cases::administration};

/// Which users to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    limit: Option<u64>,
    cursor: Option<String>,
    offset: Option<u64>,
}

pub async fn list_users(
    state: Data<Arc<State>>,
    caller: Caller,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let mut request = paging::request(query.limit, query.cursor.as_deref())?;
    request.offset = query.offset.unwrap_or_default();
    let page = administration::list_users(&state, caller.user, request).await?;
    Ok(HttpResponse::Ok().json(json!({
        "users": page.items.iter().map(view).collect::<Vec<_>>(),
        "total": page.total,
        "next_cursor": page.next.map(paging::cursor),
    })))
}

pub async fn set_role(
    state: Data<Arc<State>>,
    caller: Caller,
    id: Path<Uuid>,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let role = role(&body)?;
    change(&state, &caller, *id, Some(role), None).await
}

pub async fn activate(
    state: Data<Arc<State>>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    change(&state, &caller, *id, None, Some(true)).await
}

pub async fn deactivate(
    state: Data<Arc<State>>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    change(&state, &caller, *id, None, Some(false)).await
}

async fn change(
    state: &State,
    caller: &Caller,
    id: Uuid,
    role: Option<Role>,
    is_active: Option<bool>,
) -> Result<HttpResponse, Problem> {
    let user =
        administration::change_standing(state, caller.user, UserId(id), role, is_active).await?;
    Ok(HttpResponse::Ok().json(view(&user)))
}

fn role(body: &Value) -> Result<Role, Error> {
    let role = body.get("role").unwrap_or(&Value::Null);
    parse_role(role).map_err(|refused| Error::invalid(vec![refused.at("/role")]))
}
