//! What is to be placed, updated, stopped and put off: decided before anything is changed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::spec::Update;
use crate::state::allocation::Reschedule;
use crate::state::evaluation::DesiredUpdates;

/// One allocation to be made.
#[derive(Clone, Debug)]
pub struct Placement {
    pub group: String,
    pub index: usize,
    /// The allocation it takes the place of, and what that one is told.
    pub replaces: Option<(Uuid, &'static str)>,
    pub canary: bool,
    pub reschedules: Vec<Reschedule>,
    /// Not part of the deployment: a moved allocation is not deployed again.
    pub outside_deployment: bool,
}

/// A failed allocation whose replacement has to wait.
#[derive(Clone, Debug)]
pub struct Later {
    pub allocation: Uuid,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Default)]
pub struct Plan {
    pub placements: Vec<Placement>,
    pub stops: Vec<(Uuid, &'static str)>,
    pub in_place: Vec<Uuid>,
    pub later: Vec<Later>,
    pub desired: BTreeMap<String, DesiredUpdates>,
    pub failed: BTreeMap<String, Value>,
    pub queued: BTreeMap<String, usize>,
    /// The groups of the deployment this plan starts: their total and how many canaries.
    pub deploys: BTreeMap<String, (Update, usize, usize)>,
    /// Every group of the active deployment has all it wanted.
    pub completes_deployment: bool,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.placements.is_empty()
            && self.stops.is_empty()
            && self.in_place.is_empty()
            && self.later.is_empty()
            && self.deploys.is_empty()
    }
}
