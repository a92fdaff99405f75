//! The agent we speak to, its region, and who we are to it.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;

use super::{Client, Error, ErrorKind, Result, nullable::null_as_default, transport::decode};

/// Whether an agent works. It says nothing about the part it does not play.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct AgentHealth {
    /// As a client node.
    pub client: Option<PartHealth>,
    /// As a server.
    pub server: Option<PartHealth>,
}

impl AgentHealth {
    /// Whether every part it plays works.
    pub fn is_ok(&self) -> bool {
        let parts = [&self.client, &self.server];
        let mut present = parts.into_iter().flatten().peekable();
        present.peek().is_some() && present.all(|part| part.ok)
    }
}

/// Whether one part of an agent works.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct PartHealth {
    /// Whether it works.
    pub ok: bool,
    /// Why not.
    pub message: String,
}

/// What an agent says of itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Agent {
    /// Its configuration.
    pub config: AgentConfig,
    /// The servers' and its own statistics, all as text.
    #[serde(deserialize_with = "null_as_default")]
    pub stats: BTreeMap<String, BTreeMap<String, String>>,
}

/// The part of an agent's configuration that the product reads.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct AgentConfig {
    /// Its region.
    pub region: String,
    /// Its datacenter.
    pub datacenter: String,
    /// Whether it keeps its state in memory only.
    pub dev_mode: bool,
    /// Its version.
    pub version: AgentVersion,
    /// Access control; none where the agent does not say.
    #[serde(rename = "ACL")]
    pub acl: Option<AgentAccessControl>,
}

/// An agent's version.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct AgentVersion {
    /// `2.0.6`.
    pub version: String,
    /// `dev`, `beta.1`; empty for a release.
    pub version_prerelease: String,
}

/// An agent's access control.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct AgentAccessControl {
    /// Whether tokens are checked. Without, Nomad isolates nothing by namespace.
    pub enabled: bool,
}

/// An ACL token without its secret.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Token {
    /// Names it in logs; no secret. `anonymous` without a token.
    #[serde(rename = "AccessorID")]
    pub accessor_id: String,
    /// For people.
    pub name: String,
    /// `client` or `management`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What it may do.
    #[serde(deserialize_with = "null_as_default")]
    pub policies: Vec<String>,
    /// When it ends (RFC 3339); never if none.
    pub expiration_time: Option<String>,
}

impl Client {
    /// Whether the agent works; no token is needed. An ailing agent is an answer and no error.
    ///
    /// # Errors
    /// Any kind, if the agent can't be asked.
    pub async fn health(&self) -> Result<AgentHealth> {
        let call = self.call(Method::GET, &["agent", "health"]).of_the_agent();
        match call.json().await {
            Ok(health) => Ok(health.value),
            // An ailing agent says so with 500 and the same document.
            Err(error) => decode(error.text().as_bytes()).map_err(|_| error),
        }
    }

    /// The address of the region's leader; no token is needed.
    ///
    /// # Errors
    /// [`NoLeader`](ErrorKind::NoLeader), or another kind.
    pub async fn leader(&self) -> Result<String> {
        let call = self.call(Method::GET, &["status", "leader"]);
        let leader = call.json::<String>().await?.value;
        if leader.is_empty() {
            return Err(Error::new(ErrorKind::NoLeader, "the region has no leader"));
        }
        Ok(leader)
    }

    /// The regions the agent knows; no token is needed.
    ///
    /// # Errors
    /// Any kind.
    pub async fn regions(&self) -> Result<Vec<String>> {
        let call = self.call(Method::GET, &["regions"]).of_the_agent();
        Ok(call.json().await?.value)
    }

    /// What the agent says of itself; the token needs `agent:read`.
    ///
    /// # Errors
    /// [`PermissionDenied`](ErrorKind::PermissionDenied), or another kind.
    pub async fn agent(&self) -> Result<Agent> {
        let call = self.call(Method::GET, &["agent", "self"]).of_the_agent();
        Ok(call.json().await?.value)
    }

    /// Who we are. It tells a missing right (this succeeds) from an unknown token
    /// ([`PermissionDenied`](ErrorKind::PermissionDenied)).
    ///
    /// # Errors
    /// [`PermissionDenied`](ErrorKind::PermissionDenied), or another kind.
    pub async fn token(&self) -> Result<Token> {
        let call = self.call(Method::GET, &["acl", "token", "self"]);
        Ok(call.json().await?.value)
    }

    /// The region every call names: the configured one, or else the agent's own, which is asked for once. The list of
    /// regions needs no token and settles it where there is one region; only in a federation must the token be allowed
    /// to read the agent's configuration.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if the region must be configured, or another kind.
    pub async fn region(&self) -> Result<&str> {
        let shared = &self.shared;
        if let Some(region) = &shared.configured_region {
            return Ok(region);
        }
        // Boxed, because these calls are themselves made of what asks for the region.
        let learn = || Box::pin(self.learn_region());
        Ok(shared.learned_region.get_or_try_init(learn).await?)
    }

    async fn learn_region(&self) -> Result<String> {
        let mut regions = self.regions().await?;
        if regions.len() == 1 {
            return Ok(regions.remove(0));
        }
        match self.agent().await {
            Ok(agent) if !agent.config.region.is_empty() => Ok(agent.config.region),
            Err(error) if error.is_transient() => Err(error),
            _ => Err(Error::refused(format!(
                "the agent knows {} regions and does not tell its own: the region must be configured",
                regions.len()
            ))),
        }
    }
}
