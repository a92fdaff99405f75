//! Enumerations that are text in the database and on the wire.

/// Declares an enum whose values have one text each: for serde, `Display`, `FromStr` and the database alike.
macro_rules! text_enum {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident => $text:literal),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, serde::Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of the schema's check.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The text that stands for it in the database and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Violation;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.as_str() == text)
                    .ok_or_else(|| {
                        $crate::Violation::new(
                            "not_allowed",
                            concat!("must be one of ", $($text, ", "),+).trim_end_matches(", "),
                        )
                    })
            }
        }
    };
}

pub(crate) use text_enum;

#[cfg(test)]
mod tests {
    use std::{fmt, str::FromStr};

    use crate::{BillingCycle, Plan, Role, ServiceStatus, ServiceType, SubscriptionStatus};

    fn texts<T>(all: &[T]) -> Vec<String>
    where
        T: Copy + fmt::Debug + fmt::Display + FromStr + PartialEq + serde::Serialize,
        T: for<'de> serde::Deserialize<'de>,
        T::Err: fmt::Debug,
    {
        all.iter()
            .map(|value| {
                let text = value.to_string();
                assert_eq!(text.parse::<T>().unwrap(), *value);
                let json = serde_json::to_value(value).unwrap();
                assert_eq!(json, serde_json::json!(text));
                assert_eq!(serde_json::from_value::<T>(json).unwrap(), *value);
                text
            })
            .collect()
    }

    #[test]
    fn texts_are_those_of_the_schema_and_read_back() {
        assert_eq!(
            texts(ServiceType::ALL),
            [
                "database",
                "web_server",
                "message_queue",
                "monitoring",
                "devops",
                "custom"
            ]
        );
        assert_eq!(
            texts(ServiceStatus::ALL),
            ["running", "stopped", "error", "pending"]
        );
        assert_eq!(texts(Plan::ALL), ["free", "starter", "pro", "enterprise"]);
        assert_eq!(texts(Role::ALL), ["admin", "user", "tenant_admin"]);
        assert_eq!(
            texts(SubscriptionStatus::ALL),
            ["active", "canceled", "expired", "pending"]
        );
        assert_eq!(texts(BillingCycle::ALL), ["monthly", "yearly"]);
    }

    #[test]
    fn an_unknown_text_is_answered_with_those_allowed() {
        let violation = "root".parse::<Role>().unwrap_err();
        assert_eq!(
            violation.to_string(),
            "must be one of admin, user, tenant_admin"
        );
    }
}
