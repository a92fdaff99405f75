//! The URL map: every route of the API on one screen.

mod admin;
mod auth;
mod health;
mod paging;
mod services;
mod users;

use actix_web::{
    HttpResponse, ResponseError,
    web::{self, ServiceConfig, delete, get, patch, post, put, resource, scope},
};
use domain::Error;

use crate::problem::{self, Problem};

/// Adds every route, with bodies of at most `max_body` bytes.
pub fn configure(max_body: usize) -> impl Fn(&mut ServiceConfig) + Clone {
    move |config| {
        let json = web::JsonConfig::default()
            .limit(max_body)
            .error_handler(|error, _| problem::json_error(error).into());
        config
            .app_data(json)
            .app_data(
                web::PathConfig::default().error_handler(|e, _| problem::path_error(e).into()),
            )
            .app_data(
                web::QueryConfig::default().error_handler(|e, _| problem::query_error(e).into()),
            )
            .route("/livez", get().to(health::live))
            .route("/readyz", get().to(health::ready))
            .route("/health", get().to(health::health))
            .service(
                scope("/api/v1")
                    .route("/auth/register", post().to(auth::register))
                    .route("/auth/login", post().to(auth::login))
                    .route("/auth/refresh", post().to(auth::refresh))
                    .route("/auth/logout", post().to(auth::logout))
                    .route("/admin/users", get().to(admin::list_users))
                    .route("/admin/users/{id}/role", put().to(admin::set_role))
                    .route("/admin/users/{id}/activate", put().to(admin::activate))
                    .route("/admin/users/{id}/deactivate", put().to(admin::deactivate))
                    .service(
                        resource("/users/me")
                            .route(get().to(users::read_me))
                            .route(put().to(users::update_me)),
                    )
                    .service(
                        resource("/services")
                            .route(get().to(services::list))
                            .route(post().to(services::create)),
                    )
                    .service(
                        resource("/services/{id}")
                            .route(get().to(services::read))
                            .route(put().to(services::replace))
                            .route(patch().to(services::update))
                            .route(delete().to(services::delete)),
                    ),
            )
            .default_service(web::to(unknown));
    }
}

async fn unknown() -> HttpResponse {
    Problem::from(Error::not_found("resource")).error_response()
}
