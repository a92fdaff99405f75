//! Histories: who asks for what, in which order. What a request aims at is an index into what the tenant has by then, so a
//! history from which requests are removed is still one.

use std::fmt;

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::operations::{OPERATIONS, Operation};

/// Requests of both tenants together.
const LENGTH: usize = 80;

/// Both tenants name their requests with these.
const KEYS: [&str; 2] = ["one", "two"];

/// One of the two tenants, by the name of its first administrator.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Side {
    Ada,
    Bob,
}

/// With whose credentials a request is sent.
#[derive(Clone, Copy, Debug)]
pub enum Caller {
    /// Who registered the tenant.
    Owner,
    /// Somebody who accepted an invitation; the owner where nobody has.
    Member(usize),
    /// One of the tenant's API keys; the owner where there is none.
    Key(usize),
}

/// What an id in a request stands for.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// Something of the tenant's own, what it was told of last first.
    Own(usize),
    /// Something of the other tenant's, by the order in which that was told of it; where there is none, what nobody has.
    Other(usize),
}

/// What a change says about the version it is based on.
#[derive(Clone, Copy, Debug)]
pub enum Version {
    Unsaid,
    Any,
    /// The one that was seen last.
    Seen,
    Stale,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Step {
    pub side: Side,
    pub caller: Caller,
    pub operation: &'static Operation,
    /// The query or body, one of the operation's.
    pub variant: &'static str,
    pub aim: Aim,
    pub version: Version,
    /// What the request is called, so that it takes effect once.
    pub key: Option<&'static str>,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Ada, Self::Bob];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ada => "ada",
            Self::Bob => "bob",
        }
    }

    /// Where its people are; attempts to sign in are counted by network, across tenants.
    pub fn address(self) -> &'static str {
        match self {
            Self::Ada => "198.51.100.1",
            Self::Bob => "203.0.113.2",
        }
    }
}

/// The history that follows from a seed.
pub fn random(seed: u64) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..LENGTH).map(|_| step(&mut random)).collect()
}

fn step(random: &mut StdRng) -> Step {
    let operation = OPERATIONS
        .choose_weighted(random, |operation| operation.weight)
        .expect("a weight");
    let mut one_in = |count: u32| random.random_range(0..count) == 0;
    let (is_named, is_foreign) = (one_in(4), one_in(6));
    let index = random.random_range(0..4);
    let is_post = operation.name.starts_with("POST");
    Step {
        side: *Side::BOTH.choose(random).expect("a side"),
        caller: match random.random_range(0..10) {
            0 | 1 => Caller::Member(index),
            2 | 3 => Caller::Key(index),
            _ => Caller::Owner,
        },
        operation,
        variant: operation.variants.choose(random).expect("a variant"),
        aim: match is_foreign {
            true => Aim::Other(index),
            false => Aim::Own(index),
        },
        version: match random.random_range(0..10) {
            0 => Version::Unsaid,
            1 => Version::Stale,
            2..5 => Version::Any,
            _ => Version::Seen,
        },
        key: KEYS.choose(random).copied().filter(|_| is_post && is_named),
    }
}

impl Step {
    /// A request of the owner's, about what the tenant was told of last.
    pub fn plain(side: Side, name: &str, variant: usize) -> Self {
        let named = |operation: &&Operation| operation.name == name;
        let operation = OPERATIONS.iter().find(named).expect("an operation");
        Self {
            side,
            caller: Caller::Owner,
            operation,
            variant: operation.variants[variant],
            aim: Aim::Own(0),
            version: Version::Any,
            key: None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, operation) = (self.side.name(), self.operation);
        write!(formatter, "{side} {:?}: {}", self.caller, operation.name)?;
        if !self.variant.is_empty() {
            write!(formatter, " {}", self.variant)?;
        }
        if operation.aims_at(self.variant).is_some() {
            write!(formatter, ", id: {:?}", self.aim)?;
        }
        if ["PUT", "PATCH", "DELETE"].contains(&operation.method().as_str()) {
            write!(formatter, ", version: {:?}", self.version)?;
        }
        match self.key {
            Some(key) => write!(formatter, ", Idempotency-Key: {key}"),
            None => Ok(()),
        }
    }
}
