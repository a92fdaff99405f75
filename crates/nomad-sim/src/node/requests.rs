//! What can be asked of the tasks of an allocation: to restart, and to take a signal.

use tokio::sync::oneshot;
use uuid::Uuid;

use super::Ending;
use crate::state::Cluster;
use crate::state::task::TaskEventRecord;

/// Why a task or an allocation could not be restarted or signalled; the agent's own words.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error("Unknown allocation \"{0}\"")]
    UnknownAllocation(Uuid),
    #[error("Could not find task runner for task: {0}")]
    NoTaskRunner(String),
    #[error("restart of an alloc that should not run")]
    ShouldNotRun,
    #[error("Task not running")]
    NotRunning,
    #[error("Task not found")]
    TaskNotFound,
}

impl Cluster {
    /// Restarts one task, or all that run. Each receiver resolves when its task has been killed.
    pub fn restart_allocation(
        &mut self,
        id: Uuid,
        only: Option<&str>,
    ) -> Result<Vec<oneshot::Receiver<()>>, TaskError> {
        let runner = self
            .runners
            .get_mut(&id)
            .filter(|_| self.allocations.contains_key(&id))
            .ok_or(TaskError::UnknownAllocation(id))?;
        if let Some(name) = only.filter(|name| !runner.tasks.contains_key(*name)) {
            return Err(TaskError::NoTaskRunner(name.to_owned()));
        }
        if runner.stopping || runner.status().is_terminal() {
            return Err(TaskError::ShouldNotRun);
        }
        let mut killed = Vec::new();
        for (_, task) in runner
            .tasks
            .iter_mut()
            .filter(|(name, _)| only.is_none_or(|only| only == name.as_str()))
        {
            let Some(handle) = task.handle.as_ref().filter(|_| task.ending == Ending::No) else {
                if only.is_some() {
                    return Err(TaskError::NotRunning);
                }
                continue;
            };
            let (sender, receiver) = oneshot::channel();
            task.ending = Ending::Restart;
            task.waiting.push(sender);
            task.state.record(TaskEventRecord::restart_signaled(
                "User requested task to restart",
            ));
            handle.kill();
            killed.push(receiver);
        }
        Ok(killed)
    }

    /// Sends a signal to one task, or to all where none is named. Unknown signal names are accepted, as `raw_exec` does.
    pub fn signal_allocation(
        &mut self,
        id: Uuid,
        only: &str,
        signal: &str,
    ) -> Result<(), TaskError> {
        let runner = self
            .runners
            .get_mut(&id)
            .filter(|_| self.allocations.contains_key(&id))
            .ok_or(TaskError::UnknownAllocation(id))?;
        if !only.is_empty() && !runner.tasks.contains_key(only) {
            return Err(TaskError::TaskNotFound);
        }
        for (_, task) in runner
            .tasks
            .iter_mut()
            .filter(|(name, _)| only.is_empty() || only == name.as_str())
        {
            let handle = task.handle.as_ref().ok_or(TaskError::NotRunning)?;
            handle.signal(signal);
            task.state.record(TaskEventRecord::signaling(signal));
        }
        self.news(id);
        Ok(())
    }
}
