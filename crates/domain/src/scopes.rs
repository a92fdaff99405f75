//! What an API key may be used for. A key never has a right of its own: it passes its owner's on, as far as its scopes reach.

use std::fmt;

use serde_json::Value;

use crate::{Violation, text_enum::text_enum};

text_enum! {
    /// A part of its owner's rights that a key may use.
    #[non_exhaustive]
    Scope {
        /// Looks at what is there.
        Read => "read",
        /// Makes, changes and removes; and reads.
        Write => "write",
        /// Starts, stops and restarts; and reads.
        Deploy => "deploy",
        /// Everything its owner may do, people, keys, secrets and the audit trail included.
        Admin => "admin",
    }
}

/// The scopes of a key.
///
/// ```
/// use nomad_services_domain::{Scope, Scopes};
///
/// let scopes: Scopes = [Scope::Deploy].into_iter().collect();
/// assert!(scopes.allow(Scope::Read) && scopes.allow(Scope::Deploy));
/// assert!(!scopes.allow(Scope::Write) && !scopes.allow(Scope::Admin));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether something that needs `scope` may be done: each scope includes `read`, and `admin` includes all.
    pub fn allow(self, scope: Scope) -> bool {
        match scope {
            Scope::Read => self.0 != 0,
            Scope::Write | Scope::Deploy | Scope::Admin => {
                self.has(scope) || self.has(Scope::Admin)
            }
        }
    }

    /// Whether a key with these scopes may make one with `other`.
    pub fn include(self, other: Self) -> bool {
        other.iter().all(|scope| self.allow(scope))
    }

    /// The scopes, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .iter()
            .copied()
            .filter(move |scope| self.has(*scope))
    }

    /// Reads a list of scopes: at least one, none twice.
    ///
    /// # Errors
    /// Names the scopes there are.
    pub fn parse(value: &Value) -> Result<Self, Violation> {
        let list = value
            .as_array()
            .ok_or_else(|| Violation::new("wrong_type", "must be a list of scopes"))?;
        let mut scopes = Self::default();
        for scope in list {
            let scope: Scope = crate::fields::text(scope)?.parse()?;
            if scopes.has(scope) {
                let detail = format!("must name each scope once; {scope} stands in it twice");
                return Err(Violation::new("duplicate", detail));
            }
            scopes.0 |= bit(scope);
        }
        if list.is_empty() {
            let all: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
            let detail = format!("must name at least one of {}", all.join(", "));
            return Err(Violation::new("required", detail));
        }
        Ok(scopes)
    }

    fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }
}

const fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::as_str).collect();
        formatter.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scopes(list: &[Scope]) -> Scopes {
        list.iter().copied().collect()
    }

    #[test]
    fn write_and_deploy_do_not_include_each_other_and_admin_includes_both() {
        let (write, deploy) = (scopes(&[Scope::Write]), scopes(&[Scope::Deploy]));
        assert!(!write.include(deploy) && !deploy.include(write));
        assert!(write.include(scopes(&[Scope::Read])));
        assert!(scopes(&[Scope::Admin]).include(scopes(Scope::ALL)));
        assert!(!scopes(&[Scope::Write, Scope::Deploy]).include(scopes(&[Scope::Admin])));
    }

    #[test]
    fn no_scope_allows_nothing() {
        assert!(!Scopes::default().allow(Scope::Read));
    }

    #[test]
    fn a_list_reads_back_and_anything_else_is_refused() {
        let parsed = Scopes::parse(&json!(["deploy", "read"])).unwrap();
        assert_eq!(parsed.to_string(), "read, deploy");
        let refused = |value| Scopes::parse(&value).unwrap_err().code;
        assert_eq!(refused(json!([])), "required");
        assert_eq!(refused(json!("read")), "wrong_type");
        assert_eq!(refused(json!(["root"])), "not_allowed");
        assert_eq!(refused(json!(["read", "read"])), "duplicate");
    }
}
