//! Bare Argon2: what signing in can't be faster than.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use argon2::{
    Argon2,
    password_hash::{PasswordVerifier as _, phc::PasswordHash},
};

use crate::Result;

/// Verifications of `password` against `stored`, with its parameters, per second on this many threads.
pub fn rate(password: &str, stored: &str, threads: usize, time: Duration) -> Result<f64> {
    let stored = PasswordHash::new(stored).map_err(|error| error.to_string())?;
    let argon2 = Argon2::default();
    let (done, started) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while started.elapsed() < time {
                    if argon2.verify_password(password.as_bytes(), &stored).is_ok() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let done = u32::try_from(done.into_inner())?;
    if done == 0 {
        return Err("Argon2 verified nothing".into());
    }
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}
