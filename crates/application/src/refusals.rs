//! When a refused sign-in is answered: at a time that says nothing about why. Verifying takes as long as the stored hash
//! wants, bcrypt ten times as long as Argon2, so the work alone would tell which accounts exist and how old they are.

use std::{future::Future, time::Duration};

use domain::{Error, ErrorKind};
use tokio::time::{Instant, sleep_until};

/// What `attempt` answers; a refusal waits until `time` has passed since this call or, where the attempt took longer, until
/// the next whole multiple of it. The attempt is over by then, so nothing it held is held meanwhile.
///
/// # Errors
/// Those of `attempt`.
pub(crate) async fn answered_alike<T>(
    time: Duration,
    attempt: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let arrived = Instant::now();
    let result = attempt.await;
    if matches!(&result, Err(error) if error.kind() == ErrorKind::Unauthenticated) {
        let mut release = arrived + time;
        while release < Instant::now() {
            release += time;
        }
        sleep_until(release).await;
    }
    result
}

#[cfg(test)]
mod tests {
    use credentials::{PasswordParameters, Passwords};
    use domain::{password::Password, session::ports::PasswordHasher as _};

    use super::*;

    const TIME: Duration = Duration::from_secs(1);

    fn refused() -> Error {
        Error::new(ErrorKind::Unauthenticated, "invalid_credentials", "no")
    }

    fn typed(text: &str) -> Password {
        Password::parse(&text.into()).unwrap()
    }

    /// One password at once, and nobody waits.
    fn hasher() -> Passwords {
        let parameters = PasswordParameters {
            memory_kib: 8,
            iterations: 1,
            lanes: 1,
            concurrency: 1,
            queue: 0,
        };
        Passwords::new(parameters).unwrap()
    }

    async fn refuse(hasher: &Passwords, password: &str, stored: Option<String>) {
        let attempt = async {
            let verdict = hasher.verify(&typed(password), stored).await;
            verdict.and(Err::<(), _>(refused()))
        };
        let error = answered_alike(TIME, attempt).await.unwrap_err();
        assert_eq!(error.code(), "invalid_credentials");
    }

    // The clock stands still while a password is hashed, and leaps to the next timer once nothing else is to be done.
    #[tokio::test(start_paused = true)]
    async fn every_kind_of_refusal_is_released_at_the_same_moment() {
        let hasher = hasher();
        let argon2 = hasher.hash(&typed("right")).await.unwrap();
        let bcrypt = bcrypt::hash("right", 4).unwrap();
        let too_long_for_bcrypt = "x".repeat(73);
        for (password, stored) in [
            ("nobody", None),
            ("wrong", Some(argon2.clone())),
            ("wrong", Some(bcrypt.clone())),
            (&too_long_for_bcrypt, Some(bcrypt.clone())),
            ("wrong", Some("no hash".to_owned())),
            // Whose account is not active.
            ("right", Some(argon2)),
            ("right", Some(bcrypt)),
        ] {
            let arrived = Instant::now();
            refuse(&hasher, password, stored).await;
            assert_eq!(arrived.elapsed(), TIME, "{password}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_refusals_wait_and_late_ones_for_the_next_multiple() {
        let answered = async |work: u64, result: Result<(), Error>| {
            let arrived = Instant::now();
            let attempt = async {
                tokio::time::sleep(Duration::from_millis(work)).await;
                result
            };
            let _ = answered_alike(TIME, attempt).await;
            arrived.elapsed().as_millis()
        };
        let busy = Error::unavailable("busy", "come back", TIME);
        assert_eq!(answered(300, Ok(())).await, 300);
        assert_eq!(answered(300, Err(busy)).await, 300);
        assert_eq!(answered(300, Err(refused())).await, 1_000);
        assert_eq!(answered(1_000, Err(refused())).await, 1_000);
        assert_eq!(answered(1_001, Err(refused())).await, 2_000);
        assert_eq!(answered(2_900, Err(refused())).await, 3_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_waits_keeps_nobody_else_from_signing_in() {
        let hasher = hasher();
        let stored = hasher.hash(&typed("right")).await.unwrap();
        let waiting = refuse(&hasher, "wrong", Some(stored.clone()));
        let meanwhile = async {
            tokio::time::sleep(TIME / 2).await;
            // Refused as `busy` where the hasher's only place is taken.
            hasher.verify(&typed("right"), Some(stored)).await.unwrap();
        };
        tokio::join!(waiting, meanwhile);
    }
}
