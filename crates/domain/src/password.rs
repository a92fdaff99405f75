//! Passwords: what one may be, after NIST SP 800-63B-4. Any characters, enough of them, none of the passwords that guessing
//! begins with, and not a name that everybody knows.

use std::{collections::HashSet, fmt, sync::LazyLock};

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::{FieldError, Violation, fields::Fields};

/// The fewest characters a new password may have: what NIST SP 800-63B-4 asks of a password used alone.
pub const MIN_PASSWORD: usize = 15;
/// The most characters a password may have.
pub const MAX_PASSWORD: usize = 256;

static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("common_passwords.txt").lines();
    lines.skip_while(|line| line.starts_with('#')).collect()
});

/// A password as somebody typed it. `Debug` does not show it.
#[derive(Clone, Eq, PartialEq)]
pub struct Password(String);

impl Password {
    /// Reads a password that is to be compared with a stored one, whatever the rules were when that was chosen.
    ///
    /// # Errors
    /// Anything but a text.
    pub fn parse(value: &Value) -> Result<Self, Violation> {
        crate::fields::text(value).map(|text| Self(text.to_owned()))
    }

    /// Reads a password somebody chooses, in Unicode's form NFC: the same text typed on another keyboard is the same password.
    ///
    /// ```
    /// use nomad_services_domain::password::Password;
    /// use serde_json::json;
    ///
    /// assert!(Password::parse_new(&json!("correct horse battery")).is_ok());
    /// assert_eq!(Password::parse_new(&json!("Password12345678")).unwrap_err().code, "common_password");
    /// ```
    ///
    /// # Errors
    /// `invalid_password` names the limits, `common_password` is for what guessing begins with.
    pub fn parse_new(value: &Value) -> Result<Self, Violation> {
        let password = normalised(crate::fields::text(value)?);
        if !(MIN_PASSWORD..=MAX_PASSWORD).contains(&password.chars().count()) {
            let detail = format!("must have {MIN_PASSWORD} to {MAX_PASSWORD} characters");
            return Err(Violation::new("invalid_password", detail));
        }
        if is_common(&password.to_lowercase()) {
            let detail = "must not be one of the most common passwords, or two of them joined";
            return Err(Violation::new("common_password", detail));
        }
        Ok(Self(password))
    }

    /// Refuses a password that is one of its owner's `names`, or the part of an address before the `@`, in any case.
    ///
    /// # Errors
    /// `password_is_a_name`.
    pub fn ensure_none_of(&self, names: &[&str]) -> Result<(), Violation> {
        let password = self.0.to_lowercase();
        let is_named = names.iter().any(|name| {
            let name = normalised(name).to_lowercase();
            let local = name.split_once('@').map(|(local, _)| local);
            password == name || local == Some(&password)
        });
        if is_named {
            let detail = "must not be the username, the email address or the name of the tenant";
            return Err(Violation::new("password_is_a_name", detail));
        }
        Ok(())
    }

    /// The text itself, for hashing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(**********)")
    }
}

/// Somebody who changes their password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PasswordChange {
    /// The one that is to be replaced.
    pub current: Password,
    /// Another.
    pub new: Password,
}

impl PasswordChange {
    /// Reads `current_password` and `new_password`.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        let current = fields.required("current_password", Password::parse);
        let new = fields.required("new_password", Password::parse_new);
        if current.is_some() && current == new {
            let detail = "must be another than the current one";
            fields.refuse("new_password", Violation::new("unchanged", detail));
        }
        fields.finish(move || {
            Some(Self {
                current: current?,
                new: new?,
            })
        })
    }
}

/// A text in Unicode's form NFC, in which new passwords are hashed.
pub fn normalised(text: &str) -> String {
    text.nfc().collect()
}

fn is_common(password: &str) -> bool {
    let joined = |(place, _)| {
        let (first, second) = password.split_at(place);
        COMMON.contains(first) && COMMON.contains(second)
    };
    COMMON.contains(password) || password.char_indices().any(joined)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(password: &str) -> Option<&'static str> {
        let refused = Password::parse_new(&json!(password)).err();
        refused.map(|violation| violation.code)
    }

    #[test]
    fn a_password_counts_characters_not_bytes() {
        assert_eq!(refusal(&"ü".repeat(MIN_PASSWORD)), None);
        assert_eq!(
            refusal(&"ü".repeat(MIN_PASSWORD - 1)),
            Some("invalid_password")
        );
        assert_eq!(
            refusal(&"x".repeat(MAX_PASSWORD + 1)),
            Some("invalid_password")
        );
    }

    #[test]
    fn the_characters_are_counted_in_the_form_that_is_hashed() {
        // A letter and its combining mark are one character in NFC.
        assert_eq!(
            refusal(&"u\u{308}".repeat(MIN_PASSWORD - 1)),
            Some("invalid_password")
        );
        let typed = Password::parse_new(&json!("u\u{308}".repeat(MIN_PASSWORD))).unwrap();
        assert_eq!(typed.expose(), "ü".repeat(MIN_PASSWORD));
    }

    #[test]
    fn long_ones_spaces_and_any_script_are_welcome() {
        for password in [
            "x".repeat(64).as_str(),
            &"a ".repeat(128),
            "correct horse battery staple",
            "пятнадцать знаков и больше",
            "これは十五文字以上のパスワードです",
            "\u{1f98a} \u{e9}\n\t'\";--%$\\ x",
        ] {
            assert_eq!(refusal(password), None, "{password}");
        }
    }

    #[test]
    fn common_ones_are_refused_in_any_case_and_joined() {
        for password in [
            "1q2w3e4r5t6y7u8i",
            "ManchesterUnited",
            "passwordpassword",
            "Qwertyuiop12345",
            "123456789012345",
            "ILoveYou12345678",
        ] {
            assert_eq!(refusal(password), Some("common_password"), "{password}");
        }
    }

    #[test]
    fn the_list_is_in_the_form_it_is_compared_in() {
        assert!(COMMON.len() > 2000);
        for entry in COMMON.iter() {
            assert_eq!(normalised(entry).to_lowercase(), **entry);
            assert!(entry.len() >= 4, "{entry}");
        }
    }

    #[test]
    fn a_name_everybody_knows_is_refused() {
        let refused = |password: &str| {
            let password = Password::parse_new(&json!(password)).unwrap();
            let names = [
                "ada.lovelace.1815",
                "countess-of-lovelace@example.com",
                "Analytical Engines Ltd",
            ];
            password
                .ensure_none_of(&names)
                .err()
                .map(|refused| refused.code)
        };
        for name in [
            "Ada.Lovelace.1815",
            "countess-of-lovelace",
            "countess-of-lovelace@example.com",
            "analytical engines ltd",
        ] {
            assert_eq!(refused(name), Some("password_is_a_name"), "{name}");
        }
        assert_eq!(refused("analytical engines"), None);
    }

    #[test]
    fn a_password_is_not_shown() {
        let password = Password::parse_new(&json!("correct horse battery")).unwrap();
        assert!(!format!("{password:?}").contains("horse"));
    }
}
