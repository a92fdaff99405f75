//! A tenant's subscription: which states it can be in, and which follows which.

use crate::text_enum::text_enum;

text_enum! {
    /// The state of a subscription.
    SubscriptionStatus {
        /// Paid for, or free.
        Active => "active",
        /// Ended by the tenant.
        Canceled => "canceled",
        /// Ended because its period is over.
        Expired => "expired",
        /// Ordered, not yet in force.
        Pending => "pending",
    }
}

text_enum! {
    /// How often a subscription is billed.
    BillingCycle {
        /// Every month.
        Monthly => "monthly",
        /// Every year.
        Yearly => "yearly",
    }
}

impl SubscriptionStatus {
    /// Whether a subscription in this state may go over to `next`. What has been in force never waits again; what has
    /// ended comes back only by becoming active.
    ///
    /// ```
    /// use nomad_services_domain::SubscriptionStatus::{Active, Canceled, Pending};
    ///
    /// assert!(Canceled.can_become(Active));
    /// assert!(!Active.can_become(Pending));
    /// ```
    pub const fn can_become(self, next: Self) -> bool {
        use SubscriptionStatus::{Active, Canceled, Expired, Pending};
        matches!(
            (self, next),
            (Pending, Active | Canceled | Expired)
                | (Active, Canceled | Expired)
                | (Canceled, Active | Expired)
                | (Expired, Active)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::SubscriptionStatus::{self, Active, Canceled, Expired, Pending};

    #[test]
    fn these_transitions_are_legal_and_no_others() {
        let legal: Vec<_> = SubscriptionStatus::ALL
            .iter()
            .flat_map(|from| SubscriptionStatus::ALL.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| from.can_become(*to))
            .collect();
        assert_eq!(
            legal,
            [
                (Active, Canceled),
                (Active, Expired),
                (Canceled, Active),
                (Canceled, Expired),
                (Expired, Active),
                (Pending, Active),
                (Pending, Canceled),
                (Pending, Expired),
            ]
        );
    }
}
