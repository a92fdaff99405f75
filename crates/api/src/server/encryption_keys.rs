//! The key-encryption keys, where the settings name them.

use std::fs;

use persistence::encryption::KeyEncryptionKey;
use secrecy::SecretString;

use crate::settings::Settings;

impl Settings {
    /// Reads the key-encryption keys, the newest first.
    ///
    /// # Errors
    /// Why there are none, for the operator.
    pub fn encryption_keys(&self) -> Result<Vec<KeyEncryptionKey>, String> {
        if let Some(key) = &self.encryption.key {
            let key = KeyEncryptionKey::parse(key);
            return Ok(vec![
                key.map_err(|allowed| format!("ENCRYPTION_KEY {allowed}"))?,
            ]);
        }
        let Some(path) = self.encryption_key_file() else {
            let missing =
                "there is no key-encryption key: set ENCRYPTION_KEY_FILE or ENCRYPTION_KEY";
            return Err(missing.to_owned());
        };
        let shown = path.display();
        let text = fs::read_to_string(&path).map_err(|error| format!("{shown}: {error}"))?;
        let text = SecretString::from(text);
        keys(&text).map_err(|reason| format!("{shown}: {reason}"))
    }
}

fn keys(text: &SecretString) -> Result<Vec<KeyEncryptionKey>, String> {
    use secrecy::ExposeSecret;
    let lines = text.expose_secret().lines().map(str::trim).enumerate();
    let keys = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let key = KeyEncryptionKey::parse(&SecretString::from(line));
            key.map_err(|allowed| format!("line {} {allowed}", number + 1))
        });
    let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err("there is no key in it".to_owned());
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OTHER: &str = "_______________________________________-Hw";

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variables = variables.iter();
        let variables: BTreeMap<_, _> = variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Settings::from_sources(Path::new("/nonexistent"), &variables).unwrap()
    }

    #[test]
    fn a_file_holds_a_key_a_line_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, format!("# of November\n{OTHER}8\n\n {KEY}\n")).unwrap();
        let settings = settings(&[("ENCRYPTION_KEY_FILE", path.to_str().unwrap())]);
        let keys = settings.encryption_keys().unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[1].id(), single(KEY).encryption_keys().unwrap()[0].id());
    }

    fn single(key: &str) -> Settings {
        settings(&[("ENCRYPTION_KEY", key)])
    }

    #[test]
    fn what_is_no_key_is_named_and_never_shown() {
        let refused = single("short-and-secret").encryption_keys().unwrap_err();
        assert!(
            refused.contains("ENCRYPTION_KEY") && refused.contains("32 bytes"),
            "{refused}"
        );
        assert!(!refused.contains("short-and-secret"), "{refused}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let file = || settings(&[("ENCRYPTION_KEY_FILE", path.to_str().unwrap())]);
        assert!(file().encryption_keys().unwrap_err().contains("keys: "));
        fs::write(&path, format!("{KEY}\nshort-and-secret\n")).unwrap();
        let refused = file().encryption_keys().unwrap_err();
        assert!(
            refused.contains("line 2") && !refused.contains("secret"),
            "{refused}"
        );
        fs::write(&path, "\n").unwrap();
        assert!(
            file()
                .encryption_keys()
                .unwrap_err()
                .contains("no key in it")
        );
    }

    #[test]
    fn production_has_no_key_of_its_own_and_development_keeps_one_with_its_data() {
        let production = settings(&[
            ("ENVIRONMENT", "production"),
            ("DATABASE_URL", "postgres://app@db/app"),
            ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
            ("NOMAD_ADDR", "http://127.0.0.1:4646"),
        ]);
        let refused = production.encryption_keys().unwrap_err();
        assert!(refused.contains("ENCRYPTION_KEY_FILE"), "{refused}");
        let own = settings(&[]).encryption_key_file().unwrap();
        assert_eq!(own, Path::new(".data/encryption-key"));
    }
}
