//! Names of prepared statements, no two alike in all sessions of all servers. A pooler that knows nothing of them hands a session
//! on with its statements: under one name for two, what one client prepared would be carried out for another.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Tells this process from others.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));

static SESSIONS: AtomicU64 = AtomicU64::new(0);

/// The names that one session gives.
pub(super) struct Names {
    session: u64,
    given: u64,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            session: SESSIONS.fetch_add(1, Ordering::Relaxed),
            given: 0,
        }
    }

    pub(super) fn next(&mut self) -> Arc<str> {
        self.given += 1;
        Arc::from(format!("s{:x}_{}_{}", *PROCESS, self.session, self.given))
    }
}
