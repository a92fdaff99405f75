//! Somebody who registers and signs in, and what they create.

use serde_json::{Value, json};

use crate::{Result, client::Client};

pub const PASSWORD: &str = "correct horse battery";

/// One of each a tenant can have.
pub const TYPES: [&str; 6] = [
    "database",
    "web_server",
    "message_queue",
    "monitoring",
    "devops",
    "custom",
];

/// Somebody with a tenant of their own.
pub struct Member {
    pub tenant: String,
    pub token: String,
}

impl Member {
    pub async fn register(client: &mut Client, name: String) -> Result<Self> {
        let email = format!("{name}@example.com");
        let body = json!({"username": name, "email": email, "password": PASSWORD});
        client.post("/auth/register", None, &body).await?;
        let session = sign_in(client, &name).await?;
        let text = |value: &Value| {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or("an answer lacks a text")
        };
        Ok(Self {
            tenant: text(&session["user"]["tenant_id"])?,
            token: text(&session["token"])?,
        })
    }
}

pub async fn sign_in(client: &mut Client, name: &str) -> Result<Value> {
    let body = json!({"username": name, "password": PASSWORD});
    client.post("/auth/login", None, &body).await
}

/// A service as it is created.
pub fn service(service_type: &str) -> Value {
    json!({
        "name": format!("bench-{}", service_type.replace('_', "-")),
        "type": service_type,
        "description": "made by the bench",
        "config": {
            "image": "registry.example/orders:1.4.2",
            "ports": [5432],
            "environment": {"APP_MODE": "production", "APP_USER": "orders", "APP_REGION": "eu"},
            "volumes": ["data:/var/lib/orders/data"],
            "resources": {"cpu": 500, "memory": 512, "disk": 2048},
            "health_check": {
                "enabled": true, "path": "/health", "interval": "30s", "timeout": "5s", "retries": 3
            },
            "custom_variables": {"DB_NAME": "orders", "DB_USER": "orders"}
        }
    })
}
