//! What a tenant's people were told and go on with: ids, where a list goes on, and versions.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::{
    history::{Aim, Version},
    operations::Operation,
};
use crate::app::Answer;

/// Ids by what they are of, as a segment of a path calls that, in the order in which they were told.
pub type Things = BTreeMap<String, Vec<String>>;

#[derive(Default)]
pub struct Memory {
    pub things: Things,
    /// Ids that are none of the tenant's, by what they are of and a number.
    elsewhere: BTreeMap<(&'static str, usize), String>,
    /// By path.
    cursors: BTreeMap<String, String>,
    /// By id, or path where there is only one.
    versions: BTreeMap<String, String>,
}

impl Memory {
    /// The id that is aimed at, and whether it is the tenant's own.
    pub fn resolve(&mut self, kind: &'static str, aim: Aim, others: &Things) -> (String, bool) {
        let own = self.things.get(kind).filter(|things| !things.is_empty());
        match (aim, own) {
            (Aim::Own(index), Some(things)) => {
                let index = things.len() - 1 - index % things.len();
                (things[index].clone(), true)
            }
            (Aim::Own(index), None) => (self.elsewhere(kind, index, &Things::new()), false),
            (Aim::Other(index), _) => (self.elsewhere(kind, index, others), false),
        }
    }

    /// The same each time, whether the other tenant is there or not.
    fn elsewhere(&mut self, kind: &'static str, index: usize, others: &Things) -> String {
        let id = self.elsewhere.entry((kind, index)).or_insert_with(|| {
            let other = others.get(kind).and_then(|things| things.get(index));
            other.cloned().unwrap_or_else(|| Uuid::new_v4().to_string())
        });
        id.clone()
    }

    pub fn cursor(&self, path: &str) -> Option<&str> {
        self.cursors.get(path).map(String::as_str)
    }

    /// What a request says about the version of `subject`.
    pub fn version(&self, version: Version, subject: &str) -> Option<String> {
        match version {
            Version::Unsaid => None,
            Version::Any => Some("*".to_owned()),
            Version::Stale => Some("\"stale\"".to_owned()),
            Version::Seen => {
                let seen = self.versions.get(subject).cloned();
                seen.or_else(|| Some("*".to_owned()))
            }
        }
    }

    pub fn learn(&mut self, operation: &Operation, path: &str, answer: &Answer, body: &Value) {
        if !answer.status.is_success() {
            return;
        }
        if let Some(id) = body["id"].as_str() {
            self.learn_id(operation.answers_with(), id);
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            let kind = match name.as_str() {
                "deployment" => "deployments".to_owned(),
                "user" => "users".to_owned(),
                _ => name.replace('_', "-"),
            };
            let items = value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            for group in items.chunk_by(|one, next| one["created_at"] == next["created_at"]) {
                // What one transaction wrote has no order to aim by.
                if let ([item], Some(id)) = (group, group[0]["id"].as_str())
                    && item.is_object()
                {
                    self.learn_id(&kind, id);
                }
            }
        }
        match body["next_cursor"].as_str() {
            Some(cursor) => self.cursors.insert(path.to_owned(), cursor.to_owned()),
            None => self.cursors.remove(path),
        };
        if let Some(version) = answer.header("etag") {
            let last = path.rsplit('/').next();
            let subject = match (operation.aims_at(""), body["id"].as_str()) {
                (None, Some(id)) if operation.method() == Method::POST => id,
                _ => last
                    .filter(|id| Uuid::try_parse(id).is_ok())
                    .unwrap_or(path),
            };
            self.versions.insert(subject.to_owned(), version.to_owned());
        }
    }

    fn learn_id(&mut self, kind: &str, id: &str) {
        let known = self.things.entry(kind.to_owned()).or_default();
        if !known.iter().any(|known| known == id) {
            known.push(id.to_owned());
        }
    }
}
