//! Parts of a list. A page begins after the last row of the one before, so its cost does not grow with its depth.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Up to how many rows of a list are counted, unless a request asks for more: what a page costs does not grow with how
/// many there are.
pub const COUNTED: u64 = 1_000;

/// The place of a row in a list that is ordered by its creation, newest first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// Decides between rows of the same moment.
    pub id: Uuid,
}

/// Which rows of a list to answer with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageRequest {
    /// How many at most.
    pub limit: u64,
    /// The last row of the page before.
    pub after: Option<Position>,
    /// Rows to pass over, for older clients.
    pub offset: u64,
    /// Count all there are, however many.
    pub counts_all: bool,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many there are on all pages; above [`COUNTED`] an estimate, unless all were to be counted.
    pub total: u64,
    /// Whether it is no estimate.
    pub total_is_exact: bool,
    /// Where the next page begins, if there is one.
    pub next: Option<Position>,
}
