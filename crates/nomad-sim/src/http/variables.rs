//! `/v1/vars` and `/v1/var/…`.

use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError};
use super::blocking;
use super::call::Call;
use crate::state::Cluster;
use crate::state::variable::Variable;

/// What the names and values of one variable may come to.
const SIZE_LIMIT: usize = 64 * 1024;

fn refused(text: impl std::fmt::Display) -> ApiError {
    ApiError::Bad(format!("RPC Error:: 400,{text}"))
}

pub async fn list(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["GET"])?;
    let page = super::page::Page::of(call)?;
    let prefix = call.query("prefix").unwrap_or_default();
    let (index, seen) = blocking::wait_for(call, |cluster| {
        let found = cluster.variables.values().filter(|variable| {
            call.covers(&variable.namespace) && variable.path.starts_with(prefix)
        });
        let (rows, next) = page.cut(found, |variable| {
            format!("{}.{}", variable.namespace, variable.path)
        });
        (
            cluster.tables.variables,
            Ok((
                rows.into_iter()
                    .map(|variable| Variable {
                        items: None,
                        ..variable.clone()
                    })
                    .collect::<Vec<_>>(),
                next,
            )),
        )
    })
    .await?;
    let (rows, next) = seen.map_err(ApiError::NotFound)?;
    Ok(page.answer(index, &rows, next))
}

pub async fn route(call: &Call, path: &str) -> Result<Answer, ApiError> {
    match call.method.as_str() {
        "GET" => {
            let key = (call.namespace().to_owned(), path.to_owned());
            blocking::read(call, |cluster| match cluster.variables.get(&key) {
                Some(variable) => (variable.modify_index, Ok(variable.clone())),
                None => (
                    cluster.tables.variables,
                    Err("variable not found".to_owned()),
                ),
            })
            .await
        }
        "PUT" | "POST" => put(call, path),
        "DELETE" => delete(call, path),
        _ => Err(ApiError::Bad("Invalid method".to_owned())),
    }
}

fn check_path(path: &str) -> Result<(), ApiError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_~/".contains(letter);
    if path.is_empty() || path.len() > 128 || !path.chars().all(allowed) {
        return Err(refused(format!("invalid path {path:?}")));
    }
    let kept = path == "nomad"
        || path.strip_prefix("nomad/").is_some_and(|rest| {
            !["jobs", "job-templates"].contains(&rest.split('/').next().unwrap_or_default())
        });
    if kept {
        return Err(refused(
            "only paths at \"nomad/jobs\" or \"nomad/job-templates\" and below are valid paths under the top-level \"nomad\" directory",
        ));
    }
    Ok(())
}

fn put(call: &Call, path: &str) -> Result<Answer, ApiError> {
    let body = call.json()?;
    let items = body
        .get("Items")
        .and_then(Value::as_object)
        .filter(|items| !items.is_empty());
    let items =
        items.ok_or_else(|| ApiError::Bad("variable missing required Items object".to_owned()))?;
    let mut texts = BTreeMap::new();
    for (name, value) in items {
        let kind = match value {
            Value::String(text) => {
                texts.insert(name.clone(), text.clone());
                continue;
            }
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => {
                texts.insert(name.clone(), String::new());
                continue;
            }
        };
        return Err(ApiError::Bad(format!(
            "json: cannot unmarshal {kind} into Go struct field Variable.Items of type string"
        )));
    }
    check_path(path)?;
    if texts
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum::<usize>()
        > SIZE_LIMIT
    {
        return Err(refused("variables are limited to 64KiB in total size"));
    }
    let asked = call
        .query("namespace")
        .or_else(|| body.get("Namespace").and_then(Value::as_str))
        .filter(|namespace| !namespace.is_empty());
    let key = (asked.unwrap_or("default").to_owned(), path.to_owned());
    let cas = cas(call)?;
    let variable = call.agent.write(|cluster| {
        check_cas(cluster, &key, cas)?;
        let index = cluster.advance();
        cluster.tables.variables = index;
        let now = Utc::now();
        let existing = cluster.variables.get(&key);
        let variable = Variable {
            create_index: existing.map_or(index, |existing| existing.create_index),
            create_time: existing.map_or(Some(now), |existing| existing.create_time),
            items: Some(texts),
            modify_index: index,
            modify_time: Some(now),
            namespace: key.0.clone(),
            path: key.1.clone(),
        };
        cluster.variables.insert(key, variable.clone());
        cluster.wake_waiting();
        Ok(variable)
    })?;
    Ok(Answer::written(variable.modify_index, &variable))
}

fn cas(call: &Call) -> Result<Option<u64>, ApiError> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            ApiError::Bad(format!(
                "can not parse cas: strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        })
    };
    call.query("cas").map(parse).transpose()
}

fn check_cas(cluster: &Cluster, key: &(String, String), cas: Option<u64>) -> Result<(), ApiError> {
    let Some(cas) = cas else { return Ok(()) };
    match cluster.variables.get(key) {
        Some(variable) if variable.modify_index != cas => Err(ApiError::Conflict(json!(variable))),
        None if cas != 0 => {
            let absent = json!({"CreateIndex": 0, "CreateTime": 0, "ModifyIndex": 0, "ModifyTime": 0, "Namespace": key.0, "Path": key.1});
            Err(ApiError::Conflict(absent))
        }
        _ => Ok(()),
    }
}

fn delete(call: &Call, path: &str) -> Result<Answer, ApiError> {
    let key = (call.namespace().to_owned(), path.to_owned());
    let cas = cas(call)?;
    let index = call.agent.write(|cluster| {
        check_cas(cluster, &key, cas)?;
        let index = cluster.advance();
        if cluster.variables.remove(&key).is_some() {
            cluster.tables.variables = index;
        }
        Ok(index)
    })?;
    Ok(Answer::no_content(index))
}
