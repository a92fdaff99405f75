//! Templates of services: configurations that somebody prepared, with `{{VARIABLES}}` left to fill.

pub mod ports;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::{ServiceType, UserId};

/// A configuration to make services from.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceTemplate {
    /// Its identifier.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// What kind of service it makes.
    pub service_type: ServiceType,
    /// For people.
    pub description: Option<String>,
    /// The name of a picture, for people.
    pub icon: Option<String>,
    /// What it is filed under.
    pub category: Option<String>,
    /// What else it is found by.
    pub tags: Vec<String>,
    /// A service's configuration, with templates in it, and the [marker](crate::secret::MARKER) in place of secret values.
    pub config: Option<Value>,
    /// Whether every tenant sees it, or its maker's alone.
    pub is_public: bool,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Which templates to list.
#[derive(Clone, Debug, Default)]
pub struct TemplateFilter {
    /// Filed under this.
    pub category: Option<String>,
    /// For services of this type.
    pub service_type: Option<ServiceType>,
    /// With this tag.
    pub tag: Option<String>,
    /// With this text in the name or the description, in any case.
    pub text: Option<String>,
}
