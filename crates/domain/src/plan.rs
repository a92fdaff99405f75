//! What a tenant may use: the plans, and what each of them allows.

use crate::text_enum::text_enum;

text_enum! {
    /// What a tenant has subscribed to.
    ///
    /// ```
    /// use nomad_services_domain::Plan;
    ///
    /// let limits = Plan::Free.limits();
    /// assert_eq!((limits.services, limits.memory), (5, 8_192));
    /// ```
    Plan {
        /// For a first look.
        Free => "free",
        /// For small teams.
        Starter => "starter",
        /// For production.
        Pro => "pro",
        /// The largest.
        Enterprise => "enterprise",
    }
}

/// What a tenant may use in total, over all its services, running or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Number of services.
    pub services: u32,
    /// Processor, in MHz.
    pub cpu: u32,
    /// Memory, in MB.
    pub memory: u32,
    /// Disk, in MB.
    pub disk: u32,
}

impl Plan {
    /// What the plan allows.
    pub const fn limits(self) -> Limits {
        let (services, cpu, memory, disk) = match self {
            Self::Free => (5, 4_000, 8_192, 20_480),
            Self::Starter => (10, 8_000, 16_384, 51_200),
            Self::Pro => (25, 32_000, 65_536, 204_800),
            Self::Enterprise => (100, 128_000, 262_144, 1_048_576),
        };
        Limits {
            services,
            cpu,
            memory,
            disk,
        }
    }

    /// What a tenant's `max_services` becomes when it gets this plan: the operator's `SAAS_MAX_SERVICES_PER_TENANT` where
    /// that is set, else the plan's own number.
    ///
    /// ```
    /// use nomad_services_domain::Plan;
    ///
    /// assert_eq!(Plan::Pro.max_services(None), 25);
    /// assert_eq!(Plan::Pro.max_services(Some(3)), 3);
    /// ```
    pub const fn max_services(self, operators_choice: Option<u32>) -> u32 {
        match operators_choice {
            Some(choice) => choice,
            None => self.limits().services,
        }
    }
}

impl Limits {
    /// What counts for one tenant: the totals of its plan, and the number of services recorded for it.
    pub const fn of_tenant(plan: Plan, max_services: u32) -> Self {
        Self {
            services: max_services,
            ..plan.limits()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_allows_more_than_the_one_before() {
        for pair in Plan::ALL.windows(2) {
            let (lower, higher) = (pair[0].limits(), pair[1].limits());
            assert!(lower.services < higher.services);
            assert!(lower.cpu < higher.cpu);
            assert!(lower.memory < higher.memory);
            assert!(lower.disk < higher.disk);
        }
    }

    #[test]
    fn the_number_recorded_for_a_tenant_counts_instead_of_the_plans() {
        let limits = Limits::of_tenant(Plan::Starter, 2);
        assert_eq!(limits.services, 2);
        assert_eq!(limits.cpu, Plan::Starter.limits().cpu);
    }
}
