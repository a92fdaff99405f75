//! Files of lines `NAME=value`, as templates with `env = true` make them.

use std::collections::BTreeMap;

/// Reads a file.
///
/// # Errors
/// Names the line and what is wrong with it.
pub(super) fn read(content: &str) -> Result<BTreeMap<String, String>, String> {
    let mut environment = BTreeMap::new();
    for (index, line) in content.split('\n').enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |reason: &str| format!("error on line {}: {reason}", index + 1);
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, raw) = line.split_once('=').ok_or_else(|| at("missing ="))?;
        let value = value(raw.trim()).map_err(|reason| at(&reason))?;
        environment.insert(name.trim().to_owned(), value);
    }
    Ok(environment)
}

fn value(raw: &str) -> Result<String, String> {
    if let Some(rest) = raw.strip_prefix('"') {
        // What `toJSON` and `printf "%q"` write is JSON or close to it.
        let mut values = serde_json::Deserializer::from_str(raw).into_iter::<String>();
        let parsed = values.next().and_then(Result::ok);
        let after = raw.get(values.byte_offset()..).unwrap_or_default().trim();
        return match parsed {
            Some(value) if after.is_empty() || after.starts_with('#') => Ok(value),
            Some(_) => Err("unexpected characters after quoted value".into()),
            None if rest.contains('"') => Err("invalid escape".into()),
            None => Err("unmatched \"".into()),
        };
    }
    if let Some(rest) = raw.strip_prefix('\'') {
        let (value, _) = rest.split_once('\'').ok_or("unmatched '")?;
        return Ok(value.to_owned());
    }
    let plain = raw.split(" #").next().unwrap_or(raw).trim_end();
    match plain
        .chars()
        .find(|character| matches!(character, '"' | '\''))
    {
        Some(quote) => Err(format!("unmatched {quote}")),
        None => Ok(plain.to_owned()),
    }
}
