//! Tasks from outside: real processes that are captured, signalled, killed and guarded, and played ones.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod ending;
mod output;
mod played;
mod support;
mod templates;
