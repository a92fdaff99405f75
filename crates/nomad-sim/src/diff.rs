//! The difference between two versions of a job, as a plan and the list of versions tell it: what changed by name, and
//! inside an object that changed also what did not.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::scheduler::reconcile::same_essence;
use crate::spec::{list, text};

/// Maps of text whose entries count as fields of what holds them.
const FLAT_MAPS: [&str; 2] = ["Env", "Meta"];
/// Parts that are told under a name of their own, or not at all.
const ELSEWHERE: [&str; 4] = ["ID", "TaskGroups", "Tasks", "Identity"];

/// The difference between two jobs; without an old one everything is added. `stopped` says which of them are.
pub fn jobs(old: Option<&Value>, new: &Value, stopped: (bool, bool)) -> Value {
    let absent = Value::Null;
    let before = old.unwrap_or(&absent);
    let (mut fields, objects) = parts(before, new, false);
    if old.is_none() || stopped.0 != stopped.1 {
        let was = old.map_or_else(String::new, |_| stopped.0.to_string());
        fields.extend(field("Stop", &was, &stopped.1.to_string(), false));
    }
    let groups: Vec<Value> = matched(list(before, "TaskGroups"), list(new, "TaskGroups"))
        .into_iter()
        .map(|(old_group, new_group)| {
            let name = text(
                if new_group.is_null() {
                    old_group
                } else {
                    new_group
                },
                "Name",
            );
            group(old_group, new_group, name, !same_essence(before, new, name))
        })
        .collect();
    let changed = !fields.is_empty()
        || !objects.is_empty()
        || groups.iter().any(|group| group["Type"] != "None");
    let kind = match (old, changed) {
        (None, _) => "Added",
        (_, true) => "Edited",
        _ => "None",
    };
    json!({"Fields": or_null(fields), "ID": text(new, "ID"), "Objects": or_null(objects), "TaskGroups": or_null(groups), "Type": kind})
}

fn group(old: &Value, new: &Value, name: &str, destructive: bool) -> Value {
    let (mut fields, objects) = parts(old, new, false);
    for count in fields.iter_mut().filter(|field| field["Name"] == "Count") {
        let number = |side: &str| {
            count[side]
                .as_str()
                .and_then(|text| text.parse::<i64>().ok())
                .unwrap_or_default()
        };
        let forces = if number("New") > number("Old") {
            "forces create"
        } else {
            "forces destroy"
        };
        count["Annotations"] = json!([forces]);
    }
    let tasks: Vec<Value> = matched(list(old, "Tasks"), list(new, "Tasks"))
        .into_iter()
        .map(|(old_task, new_task)| {
            let (fields, objects) = parts(old_task, new_task, false);
            let kind = kind(old_task, new_task, !fields.is_empty() || !objects.is_empty());
            let annotation = match (kind, destructive) {
                ("None", _) => Value::Null,
                (_, true) if !old_task.is_null() && !new_task.is_null() => json!(["forces create/destroy update"]),
                ("Edited", false) => json!(["forces in-place update"]),
                _ => json!(["forces create"]),
            };
            let name = text(if new_task.is_null() { old_task } else { new_task }, "Name");
            json!({"Annotations": annotation, "Fields": or_null(fields), "Name": name, "Objects": or_null(objects), "Type": kind})
        })
        .collect();
    let changed = !fields.is_empty()
        || !objects.is_empty()
        || tasks.iter().any(|task| task["Type"] != "None");
    json!({
        "Fields": or_null(fields), "Name": name, "Objects": or_null(objects), "Tasks": or_null(tasks), "Type": kind(old, new, changed), "Updates": null,
    })
}

fn kind(old: &Value, new: &Value, changed: bool) -> &'static str {
    match (old.is_null(), new.is_null(), changed) {
        (true, false, _) => "Added",
        (false, true, _) => "Deleted",
        (_, _, true) => "Edited",
        _ => "None",
    }
}

fn or_null(items: Vec<Value>) -> Value {
    if items.is_empty() {
        Value::Null
    } else {
        Value::Array(items)
    }
}

/// What a simple value reads as; nothing for null and what is not simple.
fn simple(value: &Value) -> Option<String> {
    match value {
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// One field, if it changed or the unchanged ones are wanted as well.
fn field(name: &str, old: &str, new: &str, all: bool) -> Option<Value> {
    let kind = match (old, new) {
        (old, new) if old == new => "None",
        ("", _) => "Added",
        (_, "") => "Deleted",
        _ => "Edited",
    };
    (all || kind != "None")
        .then(|| json!({"Annotations": null, "Name": name, "New": new, "Old": old, "Type": kind}))
}

/// The fields and objects of two values that differ; of the fields all, where asked.
fn parts(old: &Value, new: &Value, all: bool) -> (Vec<Value>, Vec<Value>) {
    let absent = Value::Null;
    let keys = |value: &Value| {
        value
            .as_object()
            .map(|map| map.keys().cloned().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    let names: BTreeSet<String> = keys(old)
        .into_iter()
        .chain(keys(new))
        .filter(|name| !ELSEWHERE.contains(&name.as_str()))
        .collect();
    let (mut fields, mut objects) = (Vec::new(), Vec::new());
    for name in names {
        let (before, after) = (
            old.get(&name).unwrap_or(&absent),
            new.get(&name).unwrap_or(&absent),
        );
        if before.is_object() || after.is_object() {
            if FLAT_MAPS.contains(&name.as_str()) {
                let (entries, _) = parts(before, after, all);
                fields.extend(entries.into_iter().map(|mut entry| {
                    entry["Name"] = json!(format!("{name}[{}]", text(&entry, "Name")));
                    entry
                }));
            } else {
                objects.extend(object(&name, before, after));
            }
        } else if before.is_array() || after.is_array() {
            array(&name, before, after, all, &mut fields, &mut objects);
        } else if !before.is_null() || !after.is_null() {
            fields.extend(field(
                &name,
                &simple(before).unwrap_or_default(),
                &simple(after).unwrap_or_default(),
                all,
            ));
        }
    }
    (fields, objects)
}

/// An object that differs.
fn object(name: &str, old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (fields, objects) = parts(old, new, true);
    Some(
        json!({"Fields": or_null(fields), "Name": name, "Objects": or_null(objects), "Type": kind(old, new, true)}),
    )
}

fn array(
    name: &str,
    old: &Value,
    new: &Value,
    all: bool,
    fields: &mut Vec<Value>,
    objects: &mut Vec<Value>,
) {
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (before, after) = (items(old), items(new));
    if before.iter().chain(&after).any(Value::is_object) {
        let singular = name
            .strip_suffix("ies")
            .map(|stem| format!("{stem}y"))
            .unwrap_or_else(|| name.trim_end_matches('s').to_owned());
        objects.extend(
            matched(&before, &after)
                .into_iter()
                .filter_map(|(old, new)| object(&singular, old, new)),
        );
        return;
    }
    let absent = Value::Null;
    let entries: Vec<Value> = (0..before.len().max(after.len()))
        .filter_map(|index| {
            let side =
                |items: &[Value]| simple(items.get(index).unwrap_or(&absent)).unwrap_or_default();
            // A set of a job, such as its datacenters, is an object of its own; a list inside an object is numbered.
            let label = if name == "Datacenters" {
                name.to_owned()
            } else {
                format!("{name}[{index}]")
            };
            field(&label, &side(&before), &side(&after), all)
        })
        .collect();
    if name == "Datacenters" && !entries.is_empty() {
        objects.push(
            json!({"Fields": entries, "Name": name, "Objects": null, "Type": kind(old, new, true)}),
        );
    } else {
        fields.extend(entries);
    }
}

/// Pairs the elements of two lists by name, label or, where they have neither, place; what is on one side only is null on
/// the other.
fn matched<'a>(old: &'a [Value], new: &'a [Value]) -> Vec<(&'a Value, &'a Value)> {
    static ABSENT: Value = Value::Null;
    let identity = |position: usize, item: &Value| {
        let named = ["Name", "Label", "DestPath"]
            .into_iter()
            .map(|key| text(item, key))
            .find(|name| !name.is_empty());
        named.map_or_else(|| position.to_string(), str::to_owned)
    };
    let find = |items: &'a [Value], wanted: &str| {
        items
            .iter()
            .enumerate()
            .find(|(position, item)| identity(*position, item) == wanted)
            .map_or(&ABSENT, |(_, item)| item)
    };
    let mut pairs: Vec<_> = new
        .iter()
        .enumerate()
        .map(|(position, item)| (find(old, &identity(position, item)), item))
        .collect();
    pairs.extend(
        old.iter()
            .enumerate()
            .filter(|(position, item)| find(new, &identity(*position, item)).is_null())
            .map(|(_, item)| (item, &ABSENT)),
    );
    pairs
}
