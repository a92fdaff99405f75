//! `/users/me`: one's own profile.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use domain::{Error, user::ProfileChange};
use persistence::{SystemPurpose, User};
use serde_json::{Value, json};

use crate::{extract::Caller, problem::Problem, state::State};

/// A user as the API shows it.
pub fn view(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "role": user.role,
        "is_active": user.is_active,
        "tenant_id": user.tenant,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    })
}

pub async fn read_me(state: Data<Arc<State>>, caller: Caller) -> Result<HttpResponse, Problem> {
    let user = match caller.tenant {
        Some(_) => {
            state
                .database
                .read(caller.scope()?)
                .user(caller.user)
                .await?
                .1
        }
        None => administrator(&state, &caller).await?,
    };
    Ok(HttpResponse::Ok().json(view(&user)))
}

pub async fn update_me(
    state: Data<Arc<State>>,
    caller: Caller,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let change = |user: &User| {
        let current = view(user);
        let current = current.as_object().cloned().unwrap_or_default();
        ProfileChange::parse(&body, &current).map_err(Error::invalid)
    };
    let user = if caller.tenant.is_some() {
        let mut transaction = state.database.tenant(caller.scope()?).await?;
        let (_, user) = transaction.lock_user(caller.user).await?;
        transaction
            .update_profile(caller.user, change(&user)?)
            .await?
    } else {
        let change = change(&administrator(&state, &caller).await?)?;
        let transaction = state.database.system(SystemPurpose::Administration).await?;
        transaction.update_profile(caller.user, change).await?
    };
    Ok(HttpResponse::Ok().json(view(&user)))
}

async fn administrator(state: &State, caller: &Caller) -> Result<User, Error> {
    let transaction = state.database.system(SystemPurpose::Administration).await?;
    let user = transaction.find_user(caller.user).await?;
    if user.is_active {
        Ok(user)
    } else {
        Err(Error::unauthenticated())
    }
}
