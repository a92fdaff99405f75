//! Reading a JSON object field by field, so that every bad field is reported at once, where serde would stop at the first.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{FieldError, Violation, pointer::child};

/// An object being read: what has been asked for is known, the rest is refused in the end.
#[derive(Debug)]
pub(crate) struct Fields<'input> {
    object: &'input Map<String, Value>,
    pointer: String,
    known: BTreeSet<&'static str>,
    errors: Vec<FieldError>,
}

impl<'input> Fields<'input> {
    /// The fields of `input`, which stands at `pointer`.
    pub(crate) fn of(input: &'input Value, pointer: &str) -> Result<Self, Vec<FieldError>> {
        match input {
            Value::Object(object) => Ok(Self {
                object,
                pointer: pointer.to_owned(),
                known: BTreeSet::new(),
                errors: Vec::new(),
            }),
            _ => Err(vec![
                Violation::new("wrong_type", "must be an object").at(pointer),
            ]),
        }
    }

    /// A field that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'input Value) -> Result<T, Violation>,
    ) -> Option<T> {
        if self.is_absent(name) {
            self.known.insert(name);
            self.refuse(name, Violation::new("required", "is required"));
            return None;
        }
        self.optional(name, parse)
    }

    /// A field that may be absent, or null.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'input Value) -> Result<T, Violation>,
    ) -> Option<T> {
        self.nested(name, |value, pointer| {
            parse(value).map_err(|refused| vec![refused.at(pointer)])
        })
    }

    /// A field that may be absent, or null, and in which several things may be wrong.
    pub(crate) fn nested<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'input Value, &str) -> Result<T, Vec<FieldError>>,
    ) -> Option<T> {
        self.known.insert(name);
        let value = self.object.get(name).filter(|value| !value.is_null())?;
        match parse(value, &format!("{}/{name}", self.pointer)) {
            Ok(value) => Some(value),
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    /// Whether the field is there, even as null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Whether the field is not there, or null.
    pub(crate) fn is_absent(&self, name: &str) -> bool {
        self.object.get(name).is_none_or(Value::is_null)
    }

    /// Fields that may stand here as long as they are what they are in `current`.
    pub(crate) fn unchanged(&mut self, names: &[&'static str], current: &Map<String, Value>) {
        for name in names {
            self.known.insert(name);
            if self
                .object
                .get(*name)
                .is_some_and(|value| current.get(*name) != Some(value))
            {
                self.refuse(name, Violation::new("read_only", "can't be changed"));
            }
        }
    }

    /// Adds what is wrong with a field.
    pub(crate) fn refuse(&mut self, name: &str, violation: Violation) {
        self.errors
            .push(violation.at(format!("{}/{name}", self.pointer)));
    }

    /// What `value` makes of the fields, or all that is wrong with them, in a stable order.
    pub(crate) fn finish<T>(
        mut self,
        value: impl FnOnce() -> Option<T>,
    ) -> Result<T, Vec<FieldError>> {
        for name in self
            .object
            .keys()
            .filter(|name| !self.known.contains(name.as_str()))
        {
            let allowed: Vec<_> = self.known.iter().copied().collect();
            let detail = format!("is not a field; these are: {}", allowed.join(", "));
            let pointer = child(&self.pointer, name);
            self.errors
                .push(Violation::new("unknown_field", detail).at(pointer));
        }
        match value() {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }
}

/// A text without NUL, which PostgreSQL can't store.
pub(crate) fn text(value: &Value) -> Result<&str, Violation> {
    let text = value
        .as_str()
        .ok_or_else(|| Violation::new("wrong_type", "must be a string"))?;
    if text.contains('\0') {
        return Err(Violation::new("nul", "must not contain the character NUL"));
    }
    Ok(text)
}

/// A whole number within bounds. JSON has one kind of number, and some programs write every one of theirs as `80.0`.
pub(crate) fn number(
    value: &Value,
    allowed: std::ops::RangeInclusive<u32>,
) -> Result<u32, Violation> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .or_else(|| value.as_f64().and_then(whole))
        .filter(|number| allowed.contains(number))
        .ok_or_else(|| {
            let (min, max) = (allowed.start(), allowed.end());
            let code = if value.is_number() {
                "out_of_range"
            } else {
                "wrong_type"
            };
            Violation::new(code, format!("must be a whole number from {min} to {max}"))
        })
}

fn whole(number: f64) -> Option<u32> {
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    fits.then_some(number as u32)
}
