//! Argon2id in memory that is used again: each hash fills megabytes, which would otherwise be asked for and given back with
//! every sign-in. There are never more such pieces than passwords that are hashed at once.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, PasswordHash, Salt},
};
use domain::Error;

/// Argon2id with one set of parameters.
#[derive(Clone)]
pub(crate) struct Argon {
    params: Params,
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl std::fmt::Debug for Argon {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Argon({:?})", self.params)
    }
}

impl Argon {
    pub(crate) fn new(params: Params) -> Self {
        Self {
            params,
            memory: Arc::default(),
        }
    }

    /// A hash of `password`, in the PHC string format.
    ///
    /// # Errors
    /// The password is longer than Argon2 takes.
    pub(crate) fn hash(&self, password: &[u8]) -> Result<String, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::internal(error.to_string());
        let salt = Salt::generate();
        let length = self.params.output_len();
        let mut output = vec![0; length.unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
        self.fill(
            Algorithm::Argon2id,
            Version::V0x13,
            &self.params,
            password,
            &salt,
            &mut output,
        )
        .map_err(|error| failed(&error))?;
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: (&self.params).try_into().map_err(|error| failed(&error))?,
            salt: Some(salt),
            hash: Some(Output::new(&output).map_err(|error| failed(&error))?),
        };
        Ok(hash.to_string())
    }

    /// Whether `password` fits `stored`, whatever parameters that names; `None` where it is no hash of Argon2.
    pub(crate) fn fits(&self, password: &[u8], stored: &PasswordHash) -> Option<bool> {
        let (salt, expected) = (stored.salt.as_ref()?, stored.hash.as_ref()?);
        let algorithm = Algorithm::new(stored.algorithm.as_str()).ok()?;
        let version = stored
            .version
            .map_or(Ok(Version::default()), Version::try_from);
        let params = Params::try_from(stored).ok()?;
        let mut output = vec![0; expected.len()];
        self.fill(
            algorithm,
            version.ok()?,
            &params,
            password,
            salt,
            &mut output,
        )
        .ok()?;
        // In constant time.
        Some(Output::new(&output).ok()? == *expected)
    }

    /// Whether `stored` was made with these parameters.
    pub(crate) fn is_current(&self, stored: &PasswordHash) -> bool {
        stored.algorithm == ARGON2ID_IDENT
            && Params::try_from(stored).is_ok_and(|params| {
                (params.m_cost(), params.t_cost(), params.p_cost())
                    == (
                        self.params.m_cost(),
                        self.params.t_cost(),
                        self.params.p_cost(),
                    )
            })
    }

    fn fill(
        &self,
        algorithm: Algorithm,
        version: Version,
        params: &Params,
        password: &[u8],
        salt: &Salt,
        output: &mut [u8],
    ) -> Result<(), argon2::Error> {
        let argon2 = Argon2::new(algorithm, version, params.clone());
        let mut blocks = self.pieces().pop().unwrap_or_default();
        if blocks.len() < params.block_count() {
            blocks.resize(params.block_count(), Block::new());
        }
        let filled = argon2.hash_password_into_with_memory(password, salt, output, &mut blocks);
        // A hash from elsewhere may have needed more than ours do.
        blocks.truncate(self.params.block_count());
        blocks.shrink_to_fit();
        self.pieces().push(blocks);
        filled
    }

    fn pieces(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
