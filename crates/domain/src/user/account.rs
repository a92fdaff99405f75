//! A user as the product keeps it, without the password.

use chrono::{DateTime, Utc};

use crate::{Role, TenantId, UserId};

/// A user, without the password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// Its identifier.
    pub id: UserId,
    /// In lower case, unique in the whole product.
    pub email: String,
    /// In lower case, unique in the whole product.
    pub username: String,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// What the user may do.
    pub role: Role,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// The user's tenant; a platform administrator has none.
    pub tenant: Option<TenantId>,
    /// When the user was made.
    pub created_at: DateTime<Utc>,
    /// When the user was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its identifier, known before it is made so that the audit can name who registers.
    pub id: UserId,
    /// In lower case.
    pub email: String,
    /// In lower case.
    pub username: String,
    /// In PHC form.
    pub password_hash: String,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// What the user may do.
    pub role: Role,
}
