//! The URL map: every route of the API on one screen. A line names a path, and a handler for each of its methods; what the
//! handler takes and answers stands in its `#[utoipa::path]`, from which the API's description is made. What is `in tenant` is
//! served twice: to the tenant's members, and to platform administrators who look into it.

mod accounts;
mod admin;
mod api_keys;
mod audit_export;
mod audit_logs;
mod auth;
mod deployments;
mod entity_tag;
mod health;
mod inspection;
mod invitations;
mod log_events;
mod members;
mod paging;
mod services;
mod templates;
mod tenants;
mod users;

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route, guard,
    http::{
        Method,
        header::{ALLOW, ContentType},
    },
    middleware::from_fn,
    web::{self, Bytes, ServiceConfig, resource, scope},
};
use domain::Error;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    client_address::TrustedNetworks,
    edge,
    extract::body::BodyLimits,
    json::JsonLimits,
    paths::{self, inside_tenant},
    problem::{self, Problem},
    settings::ServerSettings,
};

macro_rules! routes {
    ($($path:literal $(in $tenant:ident)? => $($method:ident $module:ident::$handler:ident),+;)+) => {
        /// Every handler, described.
        #[derive(Debug, utoipa::OpenApi)]
        #[openapi(
            paths($($($module::$handler),+),+),
            components(schemas(problem::ProblemBody))
        )]
        pub(crate) struct Routes;

        /// Every path with its methods.
        pub const URL_MAP: &[(&str, &[&str])] = &[$(($path, &[$(stringify!($method)),+])),+];

        /// The paths of what is in a tenant: what GET answers there, platform administrators read below [`INSIDE_TENANT`](crate::paths::INSIDE_TENANT).
        pub(crate) const IN_TENANT: &[&str] = &[$($(in_tenant!($tenant, $path),)?)+];

        fn resources() -> Vec<Resource> {
            let mut resources = Vec::new();
            $(
                resources.push(allowing(
                    &[$(stringify!($method)),+],
                    resource($path)$(.route($method().to($module::$handler)))+,
                ));
                if IN_TENANT.contains(&$path) {
                    $(
                        // By the same handler.
                        if stringify!($method) == "get" {
                            let inside = resource(inside_tenant($path));
                            resources.push(allowing(&["get"], inside.route(get().to($module::$handler))));
                        }
                    )+
                }
            )+
            resources
        }
    };
}

macro_rules! in_tenant {
    (tenant, $path:literal) => {
        $path
    };
}

routes! {
    "/livez" => get health::live;
    "/readyz" => get health::ready;
    "/health" => get health::health;
    "/api/v1/auth/register" => post auth::register;
    "/api/v1/auth/login" => post auth::login;
    "/api/v1/auth/refresh" => post auth::refresh;
    "/api/v1/auth/logout" => post auth::logout;
    "/api/v1/users/me" => get users::read_me, put users::update_me;
    "/api/v1/users/me/password" => post accounts::change_password;
    "/api/v1/users/me/sessions" => get accounts::list_sessions;
    "/api/v1/users/me/sessions/{id}" => delete accounts::end_session;
    "/api/v1/users" in tenant => get members::list;
    "/api/v1/users/{id}" in tenant => get members::read, patch members::update, delete members::remove;
    "/api/v1/api-keys" in tenant => get api_keys::list, post api_keys::create;
    "/api/v1/api-keys/{id}" in tenant => get api_keys::read, patch api_keys::update, delete api_keys::revoke;
    "/api/v1/api-keys/{id}/rotate" => post api_keys::rotate;
    "/api/v1/invitations" in tenant => get invitations::list, post invitations::create;
    "/api/v1/invitations/accept" => post invitations::accept;
    "/api/v1/invitations/{id}" in tenant => get invitations::read, delete invitations::delete;
    "/api/v1/tenant" in tenant => get tenants::read_own, patch tenants::update_own;
    "/api/v1/services" in tenant => get services::list, post services::create;
    "/api/v1/services/{id}" in tenant => get services::read, put services::replace, patch services::update, delete services::delete;
    "/api/v1/services/{id}/reveal" => post services::reveal;
    "/api/v1/services/{id}/start" => post deployments::start;
    "/api/v1/services/{id}/stop" => post deployments::stop;
    "/api/v1/services/{id}/restart" => post deployments::restart;
    "/api/v1/services/{id}/deployments" in tenant => get deployments::list;
    "/api/v1/services/{id}/logs" in tenant => get inspection::logs;
    "/api/v1/services/{id}/metrics" in tenant => get inspection::metrics;
    "/api/v1/deployments/{id}" in tenant => get deployments::read;
    "/api/v1/templates" in tenant => get templates::list;
    "/api/v1/templates/{id}" in tenant => get templates::read;
    "/api/v1/audit-logs" in tenant => get audit_logs::list;
    "/api/v1/audit-logs/export" in tenant => get audit_export::export;
    "/api/v1/audit-logs/checkpoint" in tenant => get audit_logs::checkpoint;
    "/api/v1/audit-logs/consistency" in tenant => get audit_logs::consistency;
    "/api/v1/audit-logs/verifier-key" in tenant => get audit_logs::verifier_key;
    "/api/v1/audit-logs/{id}" in tenant => get audit_logs::read;
    "/api/v1/audit-logs/{id}/proof" in tenant => get audit_logs::proof;
    "/api/v1/admin/tenants" => get tenants::list;
    "/api/v1/admin/tenants/{id}" => get tenants::read;
    "/api/v1/admin/tenants/{id}/suspend" => post tenants::suspend;
    "/api/v1/admin/tenants/{id}/resume" => post tenants::resume;
    "/api/v1/admin/users" => get admin::list_users;
    "/api/v1/admin/users/{id}/role" => put admin::set_role;
    "/api/v1/admin/users/{id}/activate" => put admin::activate;
    "/api/v1/admin/users/{id}/deactivate" => put admin::deactivate;
}

/// Adds every route, the `description` of them all, and a page to try them.
pub fn configure(
    settings: &ServerSettings,
    description: Bytes,
) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let limits = BodyLimits {
        size: settings.max_body,
        time: settings.receive_timeout.get(),
        json: JsonLimits {
            depth: settings.max_json_depth,
            keys: settings.max_json_keys,
            items: settings.max_json_items,
            string: settings.max_json_string,
        },
    };
    let trusted = TrustedNetworks(settings.trusted_networks.clone());
    move |config| {
        let mut api = scope("")
            .wrap(from_fn(edge::admit))
            .app_data(
                web::PathConfig::default()
                    .error_handler(|error, _| problem::path_error(error).into()),
            )
            .default_service(web::to(unknown));
        for resource in resources() {
            api = api.service(resource);
        }
        let page = Config::from(paths::DESCRIPTION).validator_url("none");
        config
            .app_data(trusted.clone())
            .app_data(limits)
            .service(SwaggerUi::new("/docs/{_:.*}").config(page))
            .service(described(description.clone()))
            .service(web::redirect("/docs", "/docs/"))
            .service(api);
    }
}

/// The description, as text, which all threads share.
fn described(description: Bytes) -> Resource {
    let answer = move || {
        let description = description.clone();
        async move {
            HttpResponse::Ok()
                .content_type(ContentType::json())
                .body(description)
        }
    };
    allowing(
        &["get"],
        resource(paths::DESCRIPTION).route(get().to(answer)),
    )
}

/// HEAD is GET without the body, which the server leaves out.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn post() -> Route {
    web::post()
}

fn put() -> Route {
    web::put()
}

fn patch() -> Route {
    web::patch()
}

fn delete() -> Route {
    web::delete()
}

/// A path that says which methods it has, when it is asked, or asked for another.
fn allowing(methods: &[&str], resource: Resource) -> Resource {
    let mut allowed = vec!["OPTIONS".to_owned()];
    for method in methods {
        if *method == "get" {
            allowed.push("HEAD".to_owned());
        }
        allowed.push(method.to_uppercase());
    }
    allowed.sort();
    let allowed = allowed.join(", ");
    resource.default_service(web::to(move |request: HttpRequest| {
        let allowed = allowed.clone();
        async move {
            if request.method() == Method::OPTIONS {
                return Ok(HttpResponse::NoContent()
                    .insert_header((ALLOW, allowed))
                    .finish());
            }
            Err(Problem::method_not_allowed(&allowed))
        }
    }))
}

async fn unknown() -> Result<HttpResponse, Problem> {
    Err(Error::not_found("resource").into())
}
