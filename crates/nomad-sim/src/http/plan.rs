//! `/v1/job/…/plan`: what registering would do, and what differs.

use serde_json::{Value, json};

use super::answer::{Answer, ApiError};
use super::call::Call;
use crate::state::job::Job;

pub fn plan(_call: &Call, _id: &str) -> Result<Answer, ApiError> {
    Err(ApiError::Failed("plan is not simulated".to_owned()))
}

/// The differences between each version of a job and the one before it.
pub fn version_diffs(_job: &Job) -> Value {
    json!([])
}
