//! Invitations: who may join a tenant, and what somebody says who does.

pub mod ports;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    FieldError, Role, TenantId, UserId,
    fields::Fields,
    password::Password,
    policy::Actor,
    user::{parse_email, parse_member_role, parse_person_name, parse_username},
};

/// An invitation, without its token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invitation {
    /// Its identifier.
    pub id: Uuid,
    /// Becomes the address of whoever accepts.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Who made it.
    pub invited_by: UserId,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// An invitation that can be accepted, as far as the database knows.
#[derive(Clone, Debug)]
pub struct OpenInvitation {
    /// Its identifier.
    pub id: Uuid,
    /// The tenant to join.
    pub tenant: TenantId,
    /// What the tenant is called.
    pub tenant_name: String,
    /// The address of whoever accepts.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Who made it, as they are now.
    pub inviter: Actor,
}

/// Somebody to be invited.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewInvitation {
    /// In lower case; becomes the address of whoever accepts.
    pub email: String,
    /// What they may do.
    pub role: Role,
}

impl NewInvitation {
    /// Reads an invitation to be made.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        let email = fields.required("email", parse_email);
        let role = fields.required("role", parse_member_role);
        fields.finish(move || {
            Some(Self {
                email: email?,
                role: role?,
            })
        })
    }
}

/// Somebody who accepts an invitation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Acceptance {
    /// What the invitation was answered with, once; secret like a password.
    pub token: Password,
    /// In lower case.
    pub username: String,
    /// None that is easily guessed; see [`Password::parse_new`].
    pub password: Password,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
}

impl Acceptance {
    /// Reads an acceptance.
    ///
    /// ```
    /// use nomad_services_domain::invitation::Acceptance;
    /// use serde_json::json;
    ///
    /// let body = json!({"token": "x", "username": "grace", "password": "battery staple", "role": "tenant_admin"});
    /// let errors = Acceptance::parse(&body).unwrap_err();
    /// let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    /// assert_eq!(pointers, ["/password", "/role"]);
    /// ```
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        let token = fields.required("token", Password::parse);
        let username = fields.required("username", parse_username);
        let password = fields.required("password", Password::parse_new);
        let first_name = fields.optional("first_name", parse_person_name);
        let last_name = fields.optional("last_name", parse_person_name);
        fields.finish(move || {
            Some(Self {
                token: token?,
                username: username?,
                password: password?,
                first_name,
                last_name,
            })
        })
    }
}
