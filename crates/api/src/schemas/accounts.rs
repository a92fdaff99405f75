//! Bodies about people, their API keys and their tenant, described for those who send them.

use domain::{Role, Scope};
use utoipa::{
    ToSchema,
    openapi::{
        Array, Object,
        schema::{ArrayBuilder, SchemaType, Type},
    },
};
use uuid::Uuid;

use super::one_of;

/// Another password.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"current_password": "the one so far", "new_password": "battery staple correct"}))]
pub struct PasswordChange {
    /// The one that is to be replaced.
    #[schema(format = Password)]
    pub current_password: String,
    /// Any characters, but enough of them, and none of the most common passwords.
    #[schema(min_length = 15, max_length = 256, format = Password)]
    pub new_password: String,
}

/// What an administrator changes of a member. What is absent stays; what can't be changed may stand here as it is.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"role": "user"}))]
pub struct MemberChange {
    /// `user` or `tenant_admin`.
    #[schema(schema_with = member_role)]
    pub role: Option<String>,
    /// Whether the member may sign in; if not, their sessions and API keys end.
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub id: Option<Uuid>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub email: Option<String>,
    /// Unchanged.
    pub first_name: Option<String>,
    /// Unchanged.
    pub last_name: Option<String>,
    /// Unchanged.
    pub tenant_id: Option<Uuid>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub created_at: Option<String>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub updated_at: Option<String>,
}

/// An API key to be made.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "name": "continuous integration", "scopes": ["deploy"], "expires_at": "2027-11-24T12:00:00Z", "allowed_networks": ["192.0.2.0/24"]
}))]
pub struct NewApiKey {
    /// What people call it.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// What it may be used for, as far as its owner may at that moment.
    #[schema(schema_with = scopes)]
    pub scopes: Vec<String>,
    /// When it stops working; never, unless said otherwise.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Where it may be used from, in CIDR notation; anywhere, if there is none.
    #[schema(max_items = 32)]
    pub allowed_networks: Option<Vec<String>>,
}

/// What is changed of an API key. What is absent stays; what can't be changed may stand here as it is.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"name": "deployments", "scopes": ["read"]}))]
pub struct ApiKeyChange {
    /// What people call it.
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub name: Option<String>,
    /// What it may be used for.
    #[schema(schema_with = scopes)]
    pub scopes: Option<Vec<String>>,
    /// When it stops working; null: never.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Where it may be used from; anywhere, if there is none.
    #[schema(max_items = 32, nullable = false)]
    pub allowed_networks: Option<Vec<String>>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub id: Option<Uuid>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub public_id: Option<String>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub user_id: Option<Uuid>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
    /// Unchanged.
    #[schema(format = DateTime)]
    pub last_used: Option<String>,
    /// Unchanged.
    #[schema(format = DateTime)]
    pub previous_valid_until: Option<String>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub created_at: Option<String>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub updated_at: Option<String>,
}

/// Somebody to be invited.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"email": "grace@example.com", "role": "user"}))]
pub struct NewInvitation {
    /// Becomes the address of whoever accepts.
    #[schema(max_length = 254)]
    pub email: String,
    /// `user` or `tenant_admin`; nobody invites somebody who may do more than they.
    #[schema(schema_with = member_role)]
    pub role: String,
}

/// Somebody who accepts an invitation.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "token": "kZ0tQm3cX0Lw8cJt5vM0n2pQ4rS6uV8xY1zA3bC5dE7", "username": "grace", "password": "battery staple correct",
    "first_name": "Grace", "last_name": "Hopper"
}))]
pub struct Acceptance {
    /// As the invitation was answered with.
    pub token: String,
    /// Compared and kept in lower case.
    #[schema(
        min_length = 2,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )]
    pub username: String,
    /// Any characters, but enough of them, and none of the most common passwords.
    #[schema(min_length = 15, max_length = 256, format = Password)]
    pub password: String,
    /// Given name.
    #[schema(max_length = 255)]
    pub first_name: Option<String>,
    /// Family name.
    #[schema(max_length = 255)]
    pub last_name: Option<String>,
}

/// What is changed of a tenant. What is absent stays; what can't be changed may stand here as it is.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"name": "Analytical Engines", "description": "We weave algebraical patterns."}))]
pub struct TenantChange {
    /// What people call it.
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub name: Option<String>,
    /// For people; null takes it away.
    #[schema(max_length = 4096)]
    pub description: Option<String>,
    /// A host name that is its own; null takes it away.
    #[schema(max_length = 253)]
    pub domain: Option<String>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub id: Option<Uuid>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub slug: Option<String>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub plan: Option<String>,
    /// Unchanged.
    #[schema(nullable = false)]
    pub max_services: Option<u32>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub created_at: Option<String>,
    /// Unchanged.
    #[schema(format = DateTime, nullable = false)]
    pub updated_at: Option<String>,
}

/// The roles there are within a tenant.
pub(crate) fn member_role() -> Object {
    let roles = Role::ALL.iter().filter(|role| **role != Role::Admin);
    one_of(roles.map(|role| role.as_str()))
}

/// A list of scopes.
pub(crate) fn scopes() -> Array {
    ArrayBuilder::new()
        .schema_type(SchemaType::Type(Type::Array))
        .items(one_of(Scope::ALL.iter().map(|scope| scope.as_str())))
        .min_items(Some(1))
        .unique_items(true)
        .build()
}
