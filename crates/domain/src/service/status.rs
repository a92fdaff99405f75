//! The states of a service, and which follows which.

use crate::{Error, Result, text_enum::text_enum};

text_enum! {
    /// Where a service is in its life.
    ServiceStatus {
        /// Works.
        Running => "running",
        /// Was never started, or was stopped.
        Stopped => "stopped",
        /// Should run and does not.
        Error => "error",
        /// A deployment is under way.
        Pending => "pending",
    }
}

impl ServiceStatus {
    /// Whether a service in this state may go over to `next`. Nothing runs or fails without having been pending first,
    /// except what breaks while it runs and what Nomad revives after that. A restart that fails to begin leaves a
    /// running service running.
    ///
    /// ```
    /// use nomad_services_domain::ServiceStatus::{Pending, Running, Stopped};
    ///
    /// assert!(Stopped.can_become(Pending));
    /// assert!(!Stopped.can_become(Running));
    /// ```
    pub const fn can_become(self, next: Self) -> bool {
        use ServiceStatus::{Error, Pending, Running, Stopped};
        matches!(
            (self, next),
            (Stopped, Pending)
                | (Pending, Running | Error | Stopped)
                | (Running, Pending | Error | Stopped)
                | (Error, Pending | Running | Stopped)
        )
    }

    /// Refuses to restart, measure or otherwise touch what does not run.
    ///
    /// # Errors
    /// `not_running`, a conflict.
    pub fn ensure_running(self) -> Result<()> {
        if self == Self::Running {
            return Ok(());
        }
        let detail = format!("the service is {self}, not running");
        Err(Error::conflict("not_running", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::ServiceStatus::{self, Error, Pending, Running, Stopped};

    #[test]
    fn a_stopped_service_is_started_through_pending_only() {
        let next: Vec<_> = ServiceStatus::ALL
            .iter()
            .filter(|next| Stopped.can_become(**next))
            .collect();
        assert_eq!(next, [&Pending]);
    }

    #[test]
    fn every_other_state_leads_to_each_state_but_itself() {
        for from in [Running, Error, Pending] {
            for to in ServiceStatus::ALL {
                assert_eq!(from.can_become(*to), from != *to, "{from} to {to}");
            }
        }
    }
}
