//! What the audit trail is sealed with, where the settings name it.

use std::fs;

use persistence::audit_seal::Seal;
use secrecy::{ExposeSecret, SecretString};
use transparency_log::LogKeys;

use crate::settings::{Environment, Settings, kept_secret};

impl Settings {
    /// What the audit trail is sealed with. Where no key is set, development makes one and keeps it, and production derives
    /// one from each key-encryption key.
    ///
    /// # Errors
    /// Why there is none, for the operator.
    pub fn seal(&self) -> Result<Seal, String> {
        let audit = &self.audit;
        let (text, name) = match (&audit.signing_key, &audit.signing_key_file) {
            (Some(key), _) => (key.clone(), "AUDIT_SIGNING_KEY".to_owned()),
            (None, Some(path)) => {
                let shown = path.display().to_string();
                let text = fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
                (text.into(), shown)
            }
            (None, None) if self.environment == Environment::Development => {
                let path = self.data.audit_signing_key();
                let key = kept_secret(&path).map_err(|error| error.to_string())?;
                (key, path.display().to_string())
            }
            (None, None) => (self.derived_keys()?, "the encryption keys".to_owned()),
        };
        let keys = LogKeys::parse(&text).map_err(|error| format!("{name}: {error}"))?;
        Ok(Seal {
            host: audit.origin.clone(),
            keys,
        })
    }

    fn derived_keys(&self) -> Result<SecretString, String> {
        let keys = self.encryption_keys()?;
        let lines = keys
            .iter()
            .map(|key| key.audit_signing_seed().expose_secret());
        Ok(lines.collect::<Vec<_>>().join("\n").into())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OTHER: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variables: BTreeMap<_, _> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Settings::from_sources(Path::new("/nonexistent"), &variables).unwrap()
    }

    fn production(variables: &[(&str, &str)]) -> Settings {
        let required = [
            ("ENVIRONMENT", "production"),
            ("DATABASE_URL", "postgres://app@db/app"),
            ("JWT_SECRET", "a secret of a test, with thirty-two bytes"),
            ("NOMAD_ADDR", "http://127.0.0.1:4646"),
        ];
        settings(&[&required[..], variables].concat())
    }

    fn verifiers(settings: &Settings) -> Vec<String> {
        let seal = settings.seal().unwrap();
        seal.keys.verifiers(&seal.origin(None))
    }

    #[test]
    fn development_makes_a_key_and_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().to_str().unwrap();
        let settings = || settings(&[("NOMAD_SERVICES__DATA__DIRECTORY", directory)]);
        let made = verifiers(&settings());
        assert_eq!(verifiers(&settings()), made);
        assert!(made[0].starts_with("nomad-services/platform+"), "{made:?}");
    }

    #[test]
    fn production_derives_a_key_from_each_encryption_key_and_prefers_one_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        fs::write(&file, format!("{OTHER}\n{KEY}\n")).unwrap();
        let path = file.to_str().unwrap();
        let derived = verifiers(&production(&[("ENCRYPTION_KEY_FILE", path)]));
        let alone = verifiers(&production(&[("ENCRYPTION_KEY", KEY)]));
        assert_eq!(derived[1..], alone);

        let own = verifiers(&production(&[
            ("ENCRYPTION_KEY", KEY),
            ("AUDIT_SIGNING_KEY", KEY),
        ]));
        assert_ne!(own, alone, "the derived key is another one");
        let rotated = verifiers(&production(&[("AUDIT_SIGNING_KEY_FILE", path)]));
        assert_eq!(rotated[1..], own);
        assert!(
            production(&[])
                .seal()
                .unwrap_err()
                .contains("ENCRYPTION_KEY")
        );
    }

    #[test]
    fn a_key_that_is_none_is_named_and_not_shown() {
        let settings = production(&[("AUDIT_SIGNING_KEY", "hunter2")]);
        let refused = settings.seal().unwrap_err();
        assert!(
            refused.contains("AUDIT_SIGNING_KEY") && refused.contains("32 bytes"),
            "{refused}"
        );
        assert!(!format!("{refused}{settings:?}").contains("hunter2"));
        let missing = production(&[("AUDIT_SIGNING_KEY_FILE", "/nonexistent/keys")]).seal();
        assert!(missing.unwrap_err().contains("/nonexistent/keys"));
    }
}
