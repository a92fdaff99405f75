//! What the members of a tenant ask for: a line for each operation, with the queries or bodies it is sent with.
//!
//! In angle brackets stands what only the moment knows: `<side>` (the tenant's name), `<id>` (what the request aims at),
//! `<cursor>` (of the last page of this list), `<username>`, `<password>`, `<next-password>` and `<refresh-token>` (the
//! caller's), `<invitation>` (the token of one). Both tenants send the same texts, so the same names, searches and
//! filters meet; what has to be unique in the whole product (usernames, addresses, domains) begins with the tenant's name.

use reqwest::Method;

/// An operation, and what it is sent with.
#[derive(Debug)]
pub struct Operation {
    /// As `isolation/operations.rs` calls it.
    pub name: &'static str,
    /// How often it is asked for, compared with the others.
    pub weight: u32,
    /// Queries of a GET, bodies of everything else.
    pub variants: &'static [&'static str],
}

/// Operations of a tenant's members that are in no history, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("GET /livez", "is about the server"),
    ("GET /readyz", "is about the server"),
    ("GET /health", "is about the server"),
    ("POST /auth/register", "makes another tenant"),
    (
        "GET /services/{id}/metrics",
        "answers with what a running container uses at that moment",
    ),
];

const NOTHING: &[&str] = &[""];

pub const OPERATIONS: &[Operation] = &[
    of(
        "POST /services",
        14,
        &[
            r#"{"name": "db", "type": "database", "config": {"image": "postgres:17"}}"#,
            r#"{"name": "web", "type": "web_server", "config": {"image": "nginx:1", "ports": [8080], "resources": {"cpu": 100}}}"#,
            r#"{"name": "web", "type": "custom", "config": {"image": "nginx:1", "environment": {"PASSWORD": "of <side>"}}}"#,
            r#"{"name": "queue", "type": "message_queue", "config": {"image": "sim/unpullable", "resources": {"memory": 64}}}"#,
            r#"{"name": "large", "type": "devops", "config": {"image": "nginx:1", "resources": {"cpu": 3900}}}"#,
            r#"{"name": "", "type": "database", "config": {}}"#,
        ],
    ),
    of(
        "GET /services",
        8,
        &[
            "",
            "?type=database",
            "?status=stopped",
            "?status=running",
            "?q=WEB",
            "?limit=1",
            "?limit=1&cursor=<cursor>",
        ],
    ),
    of("GET /services/{id}", 4, NOTHING),
    of(
        "PUT /services/{id}",
        3,
        &[
            r#"{"name": "web", "description": null, "config": {"image": "nginx:2"}}"#,
            r#"{"name": "db", "description": "kept", "config": {"image": "postgres:17", "environment": {"PASSWORD": "**********"}}}"#,
        ],
    ),
    of(
        "PATCH /services/{id}",
        5,
        &[
            r#"{"description": "of <side>"}"#,
            r#"{"name": "db"}"#,
            r#"{"config": {"image": "nginx:1", "environment": {"PASSWORD": "another"}}}"#,
        ],
    ),
    of("DELETE /services/{id}", 2, NOTHING),
    of("POST /services/{id}/start", 3, NOTHING),
    of("POST /services/{id}/stop", 1, NOTHING),
    of("POST /services/{id}/restart", 1, NOTHING),
    of(
        "POST /services/{id}/reveal",
        2,
        &[r#"{"pointers": ["/config/environment/PASSWORD"]}"#],
    ),
    of(
        "GET /services/{id}/deployments",
        3,
        &["", "?limit=1", "?limit=1&cursor=<cursor>"],
    ),
    of("GET /services/{id}/logs", 1, &["?tail=5"]),
    of("GET /deployments/{id}", 3, NOTHING),
    of(
        "GET /templates",
        3,
        &[
            "",
            "?q=house",
            "?tag=fast",
            "?limit=1",
            "?limit=1&cursor=<cursor>",
        ],
    ),
    of("GET /templates/{id}", 2, NOTHING),
    of(
        "GET /users",
        4,
        &["", "?limit=1", "?limit=1&cursor=<cursor>"],
    ),
    of("GET /users/{id}", 2, NOTHING),
    of(
        "PATCH /users/{id}",
        3,
        &[
            r#"{"role": "tenant_admin"}"#,
            r#"{"role": "user"}"#,
            r#"{"is_active": false}"#,
            r#"{"is_active": true}"#,
        ],
    ),
    of("DELETE /users/{id}", 1, NOTHING),
    of("GET /users/me", 2, NOTHING),
    of(
        "PUT /users/me",
        2,
        &[
            r#"{"first_name": "Alex"}"#,
            r#"{"email": "<side>-9@example.com", "last_name": "King"}"#,
        ],
    ),
    of(
        "POST /users/me/password",
        1,
        &[
            r#"{"current_password": "<password>", "new_password": "<next-password>"}"#,
            r#"{"current_password": "not the right password", "new_password": "<next-password>"}"#,
        ],
    ),
    of("GET /users/me/sessions", 3, &["", "?limit=1"]),
    of("DELETE /users/me/sessions/{id}", 1, NOTHING),
    of(
        "POST /invitations",
        6,
        &[
            r#"{"email": "<side>-1@example.com", "role": "user"}"#,
            r#"{"email": "<side>-2@example.com", "role": "tenant_admin"}"#,
            r#"{"email": "ada@example.com", "role": "user"}"#,
            r#"{"email": "bob@example.com", "role": "user"}"#,
        ],
    ),
    of(
        "GET /invitations",
        3,
        &["", "?limit=1", "?limit=1&cursor=<cursor>"],
    ),
    of("GET /invitations/{id}", 2, NOTHING),
    of("DELETE /invitations/{id}", 1, NOTHING),
    of(
        "POST /invitations/accept",
        5,
        &[
            r#"{"token": "<invitation>", "username": "<side>-1", "password": "correct horse battery"}"#,
            r#"{"token": "<invitation>", "username": "<side>-2", "password": "correct horse battery", "first_name": "Alex"}"#,
        ],
    ),
    of(
        "POST /api-keys",
        6,
        &[
            r#"{"name": "CI", "scopes": ["write", "deploy"]}"#,
            r#"{"name": "CI", "scopes": ["admin"], "expires_at": "2999-01-01T00:00:00Z"}"#,
            r#"{"name": "reader", "scopes": ["read"], "allowed_networks": ["198.51.100.0/24"]}"#,
        ],
    ),
    of(
        "GET /api-keys",
        3,
        &["", "?limit=1", "?limit=1&cursor=<cursor>"],
    ),
    of("GET /api-keys/{id}", 2, NOTHING),
    of(
        "PATCH /api-keys/{id}",
        2,
        &[r#"{"name": "CI"}"#, r#"{"scopes": ["read"]}"#],
    ),
    of("DELETE /api-keys/{id}", 1, NOTHING),
    of("POST /api-keys/{id}/rotate", 2, NOTHING),
    of("GET /tenant", 2, NOTHING),
    of(
        "PATCH /tenant",
        2,
        &[
            r#"{"name": "Analytical Engines"}"#,
            r#"{"description": "of <side>", "domain": "<side>.example.com"}"#,
        ],
    ),
    of(
        "GET /audit-logs",
        6,
        &[
            "?limit=200",
            "?action=service.create",
            "?action=service.create&limit=1",
            "?action=service.create&limit=1&cursor=<cursor>",
            "?action=api_key.create",
            "?user_id=<id>",
            "?resource=services/<id>",
        ],
    ),
    of("GET /audit-logs/{id}", 2, NOTHING),
    of("GET /audit-logs/{id}/proof", 1, NOTHING),
    of("GET /audit-logs/export", 1, NOTHING),
    of("GET /audit-logs/checkpoint", 1, NOTHING),
    of("GET /audit-logs/consistency", 1, &["?from=1&to=3"]),
    of("GET /audit-logs/verifier-key", 1, NOTHING),
    of(
        "POST /auth/login",
        3,
        &[
            r#"{"username": "<username>", "password": "<password>"}"#,
            r#"{"username": "<username>", "password": "not the right password"}"#,
        ],
    ),
    of(
        "POST /auth/refresh",
        2,
        &[r#"{"refresh_token": "<refresh-token>"}"#],
    ),
    of(
        "POST /auth/logout",
        1,
        &[r#"{"refresh_token": "<refresh-token>"}"#],
    ),
];

const fn of(name: &'static str, weight: u32, variants: &'static [&'static str]) -> Operation {
    Operation {
        name,
        weight,
        variants,
    }
}

impl Operation {
    pub fn method(&self) -> Method {
        let (method, _) = self.name.split_once(' ').expect("a method and a path");
        method.parse().expect("a method")
    }

    pub fn path(&self) -> &'static str {
        let (_, path) = self.name.split_once(' ').expect("a method and a path");
        path
    }

    /// Whether it is for whoever is not signed in.
    pub fn is_public(&self) -> bool {
        self.path().starts_with("/auth/") || self.path().ends_with("/accept")
    }

    /// Of what it answers with an object, as a segment of a path calls them.
    pub fn answers_with(&self) -> &'static str {
        let path = self.path();
        match path.ends_with("/accept") {
            true => "users",
            false => path.split('/').nth(1).unwrap_or_default(),
        }
    }

    /// What its id is one of, as a segment of a path calls them, if it takes one.
    pub fn aims_at(&self, variant: &str) -> Option<&'static str> {
        if variant.contains("user_id=<id>") {
            return Some("users");
        }
        if variant.contains("services/<id>") {
            return Some("services");
        }
        let (before, _) = self.path().split_once("/{id}")?;
        before.rsplit('/').next()
    }

    /// Whether the answer depends on how much of the trail is sealed.
    pub fn reads_seals(&self) -> bool {
        let ends = ["/proof", "/export", "/checkpoint", "/consistency"];
        ends.iter().any(|end| self.path().ends_with(end))
    }
}
