//! Passwords: hashed with Argon2id, never more at once than the machine has cores for, with a bounded queue before it. The
//! older service's bcrypt hashes still verify, and are to be replaced.

use std::{sync::Arc, time::Duration};

use argon2::{Params, password_hash::phc::PasswordHash};
use domain::{
    Error,
    password::{Password, normalised},
    session::ports::{PasswordHasher, Verdict},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::argon::Argon;

const RETRY_AFTER: Duration = Duration::from_secs(2);
const QUEUE_DEADLINE: Duration = Duration::from_secs(15);

/// The longest password bcrypt takes into account, in bytes; it ignores what follows, and we refuse instead.
const BCRYPT_LIMIT: usize = 72;

/// Argon2id's parameters, and how much of it happens at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PasswordParameters {
    /// Memory for one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Argon2's degree of parallelism within one hash.
    pub lanes: u32,
    /// Passwords hashed at once.
    pub concurrency: usize,
    /// How many more may wait.
    pub queue: usize,
}

/// How busy the hasher is at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Load {
    /// Passwords being hashed.
    pub running: usize,
    /// Passwords waiting for a place.
    pub waiting: usize,
}

/// Hashes and verifies passwords off the request's thread.
#[derive(Clone, Debug)]
pub struct Passwords {
    argon: Argon,
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    concurrency: usize,
    places: usize,
    /// Verified where there is no user, so that the answer takes as long.
    nobody: Arc<str>,
}

impl Passwords {
    /// A hasher with these parameters and bounds.
    ///
    /// # Errors
    /// Fails for parameters that Argon2 refuses.
    pub fn new(parameters: PasswordParameters) -> Result<Self, Error> {
        let params = Params::new(
            parameters.memory_kib,
            parameters.iterations,
            parameters.lanes,
            None,
        )
        .map_err(|error| Error::internal(error.to_string()))?;
        let argon = Argon::new(params);
        let nobody = argon.hash(uuid::Uuid::new_v4().as_bytes())?;
        let concurrency = parameters.concurrency;
        let places = concurrency + parameters.queue;
        Ok(Self {
            argon,
            slots: Arc::new(Semaphore::new(concurrency)),
            queue: Arc::new(Semaphore::new(places)),
            concurrency,
            places,
            nobody: nobody.into(),
        })
    }

    /// How busy it is at this moment.
    pub fn load(&self) -> Load {
        let running = self.concurrency - self.slots.available_permits();
        let taken = self.places - self.queue.available_permits();
        Load {
            running,
            waiting: taken.saturating_sub(running),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let busy = || Error::unavailable("busy", "too many sign in at this moment", RETRY_AFTER);
        let place = self.queue.clone().try_acquire_owned().map_err(|_| busy())?;
        let slot = tokio::time::timeout(QUEUE_DEADLINE, self.slots.clone().acquire_owned());
        let slot = slot.await.map_err(|_| busy())?.map_err(Error::internal)?;
        // A request that is given up does not end the work, so the work itself holds its place.
        let permits: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, slot);
        let work = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permits);
            result
        });
        work.await.map_err(Error::internal)?
    }
}

impl PasswordHasher for Passwords {
    async fn hash(&self, password: &Password) -> Result<String, Error> {
        let (argon, password) = (self.argon.clone(), secret(password));
        self.run(move || argon.hash(normalised(password.expose_secret()).as_bytes()))
            .await
    }

    async fn verify(&self, password: &Password, stored: Option<String>) -> Result<Verdict, Error> {
        let (argon, password) = (self.argon.clone(), secret(password));
        let nobody = self.nobody.clone();
        self.run(move || judge(&argon, password.expose_secret(), stored.as_deref(), &nobody))
            .await
    }
}

/// A copy for the thread that hashes, wiped once it is done.
fn secret(password: &Password) -> SecretString {
    password.expose().into()
}

/// What is to be said about `password`, after one verification: against `nobody`'s hash where `stored` is none.
fn judge(
    argon: &Argon,
    password: &str,
    stored: Option<&str>,
    nobody: &str,
) -> Result<Verdict, Error> {
    let normal = normalised(password);
    let compared = stored.and_then(|stored| Some((verify(argon, &normal, stored)?, stored)));
    if let (Some((false, stored)), true) = (compared, normal != password) {
        // Hashed before passwords were normalised. Whoever types such a password waits for two verifications, whether or
        // not there is anybody by that name.
        return match verify(argon, password, stored) {
            Some(true) => argon.hash(normal.as_bytes()).map(Verdict::Outdated),
            _ => Ok(Verdict::Wrong),
        };
    }
    match compared {
        None => {
            verify(argon, &normal, nobody);
            if normal != password {
                verify(argon, password, nobody);
            }
            Ok(Verdict::Wrong)
        }
        Some((false, _)) => Ok(Verdict::Wrong),
        Some((true, stored)) if is_current(argon, stored) => Ok(Verdict::Right),
        Some((true, _)) => argon.hash(normal.as_bytes()).map(Verdict::Outdated),
    }
}

/// Whether `password` fits `stored`; `None` where that is no hash, so that there was nothing to compute.
fn verify(argon: &Argon, password: &str, stored: &str) -> Option<bool> {
    let fits = if stored.starts_with("$2") {
        // Computed for a longer password as well, so that refusing it takes the same work.
        bcrypt::verify(password, stored).ok()? && password.len() <= BCRYPT_LIMIT
    } else {
        argon.fits(password.as_bytes(), &PasswordHash::new(stored).ok()?)?
    };
    metrics::counter!("nomad_services_password_verifications_total").increment(1);
    Some(fits)
}

fn is_current(argon: &Argon, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|stored| argon.is_current(&stored))
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn typed(text: &str) -> Password {
        Password::parse(&text.into()).unwrap()
    }

    fn hasher(iterations: u32, queue: usize) -> Passwords {
        let parameters = PasswordParameters {
            memory_kib: 8,
            iterations,
            lanes: 1,
            concurrency: 1,
            queue,
        };
        Passwords::new(parameters).unwrap()
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_alone() {
        let hasher = hasher(1, 1);
        let stored = hasher.hash(&typed("correct horse")).await.unwrap();
        let right = hasher
            .verify(&typed("correct horse"), Some(stored.clone()))
            .await
            .unwrap();
        assert!(matches!(right, Verdict::Right));
        let wrong = hasher
            .verify(&typed("battery staple"), Some(stored))
            .await
            .unwrap();
        assert!(matches!(wrong, Verdict::Wrong));
        let nobody = hasher.verify(&typed("correct horse"), None).await.unwrap();
        assert!(matches!(nobody, Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_bcrypt_hash_verifies_and_is_replaced() {
        let stored = bcrypt::hash("correct horse", 4).unwrap();
        let verdict = hasher(1, 1)
            .verify(&typed("correct horse"), Some(stored))
            .await
            .unwrap();
        let Verdict::Outdated(replacement) = verdict else {
            panic!("{verdict:?}")
        };
        assert!(replacement.starts_with("$argon2id$"));
    }

    #[tokio::test]
    async fn a_password_longer_than_bcrypt_reads_is_wrong_even_where_its_beginning_is_right() {
        let known = "x".repeat(BCRYPT_LIMIT);
        let stored = bcrypt::hash(&known, 4).unwrap();
        let longer = typed(&format!("{known}y"));
        let verdict = hasher(1, 1).verify(&longer, Some(stored)).await.unwrap();
        assert!(matches!(verdict, Verdict::Wrong));
    }

    #[test]
    fn whatever_is_stored_a_sign_in_takes_one_verification() {
        let hasher = hasher(1, 1);
        let argon2 = hasher.argon.hash(b"correct horse").unwrap();
        let bcrypt = bcrypt::hash("correct horse", 4).unwrap();
        let too_long = "x".repeat(BCRYPT_LIMIT + 1);
        for (password, stored) in [
            ("correct horse", None),
            ("correct horse", Some(argon2.as_str())),
            ("battery staple", Some(&argon2)),
            ("correct horse", Some(&bcrypt)),
            ("battery staple", Some(&bcrypt)),
            (&too_long, Some(&bcrypt)),
            ("correct horse", Some("")),
            ("correct horse", Some("$2b$")),
            ("correct horse", Some("$argon2id$v=19$m=8,t=1,p=1")),
            (
                "correct horse",
                Some("$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$aGFzaA"),
            ),
        ] {
            let recorder = PrometheusBuilder::new().build_recorder();
            metrics::with_local_recorder(&recorder, || {
                judge(&hasher.argon, password, stored, &hasher.nobody).unwrap()
            });
            let counted = recorder.handle().render();
            let one = "\nnomad_services_password_verifications_total 1\n";
            assert!(counted.contains(one), "{stored:?}: {counted}");
        }
    }

    #[tokio::test]
    async fn a_password_is_the_same_typed_in_another_form_of_unicode() {
        let (composed, decomposed) = ("gr\u{fc}n", "gru\u{308}n");
        let hasher = hasher(1, 1);
        for stored in [
            hasher.hash(&typed(composed)).await.unwrap(),
            hasher.hash(&typed(decomposed)).await.unwrap(),
        ] {
            for text in [composed, decomposed] {
                let verdict = hasher.verify(&typed(text), Some(stored.clone())).await;
                assert!(matches!(verdict, Ok(Verdict::Right)), "{text:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_hash_from_before_passwords_were_normalised_verifies_and_is_replaced() {
        let decomposed = "gru\u{308}n";
        let hasher = hasher(1, 1);
        let stored = hasher.argon.hash(decomposed.as_bytes()).unwrap();
        let verdict = hasher.verify(&typed(decomposed), Some(stored)).await;
        let Ok(Verdict::Outdated(replacement)) = verdict else {
            panic!("{verdict:?}")
        };
        let composed = hasher.verify(&typed("gr\u{fc}n"), Some(replacement)).await;
        assert!(matches!(composed, Ok(Verdict::Right)));
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_replaced() {
        let stored = hasher(2, 1).hash(&typed("correct horse")).await.unwrap();
        let verdict = hasher(1, 1)
            .verify(&typed("correct horse"), Some(stored))
            .await
            .unwrap();
        assert!(matches!(verdict, Verdict::Outdated(_)));
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_are_told_to_come_back() {
        let hasher = hasher(1, 0);
        let slot = hasher.queue.clone().try_acquire_owned().unwrap();
        let error = hasher.hash(&typed("correct horse")).await.unwrap_err();
        assert_eq!(
            (error.code(), error.retry_after()),
            ("busy", Some(RETRY_AFTER))
        );
        drop(slot);
        assert!(hasher.hash(&typed("correct horse")).await.is_ok());
    }
}
