//! Signed tree heads: a C2SP `tlog-checkpoint` without extension lines in a C2SP `signed-note`, under an Ed25519 key whose
//! name is the log's origin. Whoever has the verifier key needs nothing of ours to check one.

use std::{fmt, str::FromStr};

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use domain::TenantId;
use ed25519_dalek::{Signer as _, SigningKey};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use signed_note::{
    Note, NoteError, Signature, Signer, StandardVerifier, Verifier, VerifierList,
    new_ed25519_verifier_key,
};
use tlog_tiles::Hash;

/// What stands in an origin in place of a tenant, for the log of the platform itself.
const PLATFORM: &str = "platform";

/// As `openssl rand -base64 32` writes a key, or with the URL's alphabet, with or without padding.
const ALPHABETS: [GeneralPurpose; 2] = {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [
        GeneralPurpose::new(&base64::alphabet::STANDARD, config),
        GeneralPurpose::new(&base64::alphabet::URL_SAFE, config),
    ]
};

/// The name of one log, and of the keys that sign its heads: `<host>/<tenant id>`, or `<host>/platform`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin(String);

impl Origin {
    /// What a host has to be, as a phrase that follows "allowed:".
    pub const HOST: &str =
        "a host name or a path below one, without spaces, \"+\" and a slash at its end";

    /// The log of a tenant, or of the platform, in the installation that `host` names.
    pub fn new(host: &str, tenant: Option<TenantId>) -> Self {
        match tenant {
            Some(tenant) => Self(format!("{host}/{tenant}")),
            None => Self(format!("{host}/{PLATFORM}")),
        }
    }

    /// Whether an origin can begin with `host`.
    pub fn is_host(host: &str) -> bool {
        signed_note::is_key_name_valid(host)
            && !host.chars().any(char::is_control)
            && !host.ends_with('/')
    }

    /// As it stands in a checkpoint.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the log of the rows of `tenant`, whatever the host.
    pub fn is_of(&self, tenant: Option<TenantId>) -> bool {
        let log = self.0.rsplit('/').next();
        log == Some(
            tenant
                .map_or(PLATFORM.to_owned(), |tenant| tenant.to_string())
                .as_str(),
        )
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How far a log has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// How many leaves it has.
    pub size: u64,
    /// The hash of its tree.
    pub root: Hash,
}

/// Why a checkpoint is not believed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is no signed note, or none of the keys has signed it, or a signature is not that of its key.
    #[error("{0}")]
    Note(#[from] NoteError),
    /// What is signed is no checkpoint as our logs have it.
    #[error("the text is no checkpoint: an origin, a size and a hash, and nothing else")]
    Malformed,
    /// The key belongs to another log.
    #[error("it is of the log {0}, and none of the keys of that log has signed it")]
    ForeignKey(Origin),
}

/// A key that is none.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is not even one.
    #[error("there is no key")]
    None,
    /// It is not what it should be.
    #[error("line {0} is not the base64 of 32 bytes, as from: openssl rand -base64 32")]
    Signing(usize),
    /// It is no verifier key.
    #[error("\"{0}\" is not a verifier key (<name>+<id>+<key>): {1}")]
    Verifier(String, signed_note::VerifierError),
}

/// The keys that an installation signs its logs' heads with. The first one signs; those after it were used before, and
/// what they have signed is still believed.
#[derive(Clone, Eq, PartialEq)]
pub struct LogKeys {
    current: SigningKey,
    previous: Vec<SigningKey>,
}

impl fmt::Debug for LogKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LogKeys").finish_non_exhaustive()
    }
}

/// A key under the name of one log.
struct Named<'key>(&'key Origin, &'key SigningKey);

impl Signer for Named<'_> {
    fn name(&self) -> &str {
        self.0.as_str()
    }

    fn key_id(&self) -> u32 {
        let public = self.1.verifying_key().to_bytes();
        signed_note::key_id(self.0.as_str(), &[&[ED25519], &public[..]].concat())
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.1.try_sign(text)?.to_vec())
    }
}

/// What the signed-note format calls Ed25519.
const ED25519: u8 = 1;

impl LogKeys {
    /// Keys as a file has them: a line each, the base64 of 32 random bytes, the newest first.
    ///
    /// # Errors
    /// Names the line that is no key.
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        let lines = text.expose_secret().lines().enumerate();
        let keys = lines
            .map(|(number, line)| (number + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(number, line)| {
                let bytes = ALPHABETS.iter().find_map(|base64| base64.decode(line).ok());
                let bytes = Zeroizing::new(bytes.ok_or(KeyError::Signing(number))?);
                SigningKey::try_from(bytes.as_slice()).map_err(|_| KeyError::Signing(number))
            });
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?.into_iter();
        Ok(Self {
            current: keys.next().ok_or(KeyError::None)?,
            previous: keys.collect(),
        })
    }

    /// The signed form of `checkpoint`.
    ///
    /// # Errors
    /// Its origin is not one that a note can have.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<String, CheckpointError> {
        let Checkpoint { origin, size, root } = checkpoint;
        let text = tlog_tiles::Checkpoint::new(origin.as_str(), *size, *root, "")
            .map_err(|_| CheckpointError::Malformed)?;
        let mut note = Note::new(&text.to_bytes(), &[])?;
        note.add_sigs(&[&Named(origin, &self.current)])?;
        String::from_utf8(note.to_bytes()).map_err(|_| CheckpointError::Malformed)
    }

    /// The id under which the first key signs for the log `origin`.
    pub fn id(&self, origin: &Origin) -> u32 {
        Named(origin, &self.current).key_id()
    }

    /// The public halves, under the name of the log `origin`, the newest first.
    pub fn verifiers(&self, origin: &Origin) -> Vec<String> {
        let keys = std::iter::once(&self.current).chain(&self.previous);
        keys.map(|key| new_ed25519_verifier_key(origin.as_str(), &key.verifying_key()))
            .collect()
    }

    /// The checkpoint in a note that one of these keys has signed, whichever log it is of.
    ///
    /// # Errors
    /// Says why it is not believed.
    pub fn open(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        let origin = note.lines().next().ok_or(CheckpointError::Malformed)?;
        let verifiers = self.verifiers(&Origin(origin.to_owned())).join("\n");
        let verifiers: VerifierKeys = verifiers.parse().map_err(|_| CheckpointError::Malformed)?;
        Ok(verifiers.open(note)?.checkpoint)
    }
}

/// Keys to check notes with.
#[derive(Clone)]
pub struct VerifierKeys(Vec<StandardVerifier>);

impl fmt::Debug for VerifierKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.0.iter().map(|key| (key.name(), key.key_id()));
        formatter.debug_list().entries(ids).finish()
    }
}

impl FromStr for VerifierKeys {
    type Err = KeyError;

    /// Verifier keys as the signed-note format has them, a line each.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut keys: Vec<StandardVerifier> = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let key = StandardVerifier::new(line)
                .map_err(|error| KeyError::Verifier(line.to_owned(), error))?;
            let known = |other: &StandardVerifier| {
                (other.name(), other.key_id()) == (key.name(), key.key_id())
            };
            if !keys.iter().any(known) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(KeyError::None);
        }
        Ok(Self(keys))
    }
}

/// A checkpoint that is believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The id of the log's key that has signed it.
    pub key_id: u32,
}

impl VerifierKeys {
    /// The checkpoint in `note`, which a key of its own log has signed.
    ///
    /// # Errors
    /// Says why it is not believed.
    pub fn open(&self, note: &str) -> Result<Opened, CheckpointError> {
        let note = Note::from_bytes(note.as_bytes())?;
        let known = self
            .0
            .iter()
            .map(|key| Box::new(key.clone()) as Box<dyn Verifier>);
        let (signatures, _) = note.verify(&VerifierList::new(known.collect()))?;
        let text = tlog_tiles::Checkpoint::from_bytes(note.text())
            .map_err(|_| CheckpointError::Malformed)?;
        if !text.extension().is_empty() {
            return Err(CheckpointError::Malformed);
        }
        let origin = Origin(text.origin().to_owned());
        let own = signatures
            .iter()
            .find(|signature| signature.name() == origin.as_str());
        let Some(key_id) = own.map(Signature::id) else {
            return Err(CheckpointError::ForeignKey(origin));
        };
        Ok(Opened {
            checkpoint: Checkpoint {
                origin,
                size: text.size(),
                root: *text.hash(),
            },
            key_id,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
