//! Keys are read again while requests are answered, from a disk that may hang. Whoever needs them waits for a moment and goes
//! on with those that were read last: a thread that waited for the disk would answer nobody, and no probe either.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError, SendError},
    },
    thread,
    time::Duration,
};

/// How long a disk that hangs is waited for, once. Load balancers wait at least a second for a probe.
const PATIENCE: Duration = Duration::from_millis(500);

/// How the reading stands that was asked for last.
enum Reading<T> {
    /// Whoever asked for it has it, or waits for it.
    Awaited,
    /// It takes longer than anybody waits.
    Overdue,
    /// It came when nobody waited any more.
    Late(Result<T, String>),
}

/// `read` in a thread of its own, so that nobody waits for more than a moment, and for one that hangs only once.
pub fn bounded_read<T: Send + 'static>(
    read: impl Fn() -> Result<T, String> + Send + Sync + 'static,
) -> impl Fn() -> Result<T, String> + Send + Sync + 'static {
    let (read, reading) = (Arc::new(read), Arc::new(Mutex::new(Reading::Awaited)));
    move || {
        let overdue = || Err(format!("the disk did not answer within {PATIENCE:?}"));
        let late = {
            let mut reading = lock(&reading);
            match mem::replace(&mut *reading, Reading::Awaited) {
                Reading::Awaited => None,
                Reading::Late(result) => Some(result),
                Reading::Overdue => {
                    *reading = Reading::Overdue;
                    return overdue();
                }
            }
        };
        // Without room in between, so that what nobody waits for any more comes back to whoever sends it.
        let (tell, told) = mpsc::sync_channel(0);
        let (read, kept) = (read.clone(), reading.clone());
        let reader = thread::Builder::new().spawn(move || {
            if let Err(SendError(result)) = tell.send(read()) {
                *lock(&kept) = Reading::Late(result);
            }
        });
        reader.map_err(|error| format!("no thread to read in: {error}"))?;
        match told.recv_timeout(PATIENCE) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                // Before `told` is dropped, which is what makes it late.
                *lock(&reading) = Reading::Overdue;
                late.unwrap_or_else(overdue)
            }
            Err(RecvTimeoutError::Disconnected) => Err("the reading broke off".to_owned()),
        }
    }
}

fn lock<T>(reading: &Mutex<Reading<T>>) -> MutexGuard<'_, Reading<T>> {
    reading.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_an_error_until_it_has_been_read_after_all() {
        let (disk, answers) = mpsc::channel();
        let answers = Mutex::new(answers);
        let read = bounded_read(move || answers.lock().unwrap().recv().map_err(|_| String::new()));
        disk.send("first").unwrap();
        assert_eq!(read(), Ok("first"));
        for _ in 0..100 {
            let refused = read().unwrap_err();
            assert!(refused.contains("did not answer"), "{refused}");
        }
        let answer = || {
            loop {
                match read() {
                    Ok(text) => return text,
                    Err(_) => thread::yield_now(),
                }
            }
        };
        // The disk hangs again: better what came late than nothing.
        disk.send("late").unwrap();
        assert_eq!(answer(), "late");
        disk.send("second").unwrap();
        disk.send("third").unwrap();
        assert_eq!(answer(), "third");
    }
}
