//! Reading JSON from outside: within bounds that keep the memory flat, and without the ambiguities on which two readers
//! of the same text could disagree.

use std::{cell::RefCell, fmt};

use domain::{FieldError, Violation, pointer::child};
use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// What a document may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonLimits {
    /// How deep objects and lists may be nested.
    pub depth: usize,
    /// How many fields all objects may have together.
    pub keys: usize,
    /// How many items all lists may have together.
    pub items: usize,
    /// How many bytes a text, or the name of a field, may have.
    pub string: usize,
}

/// Why a document is refused.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is not JSON.
    Malformed(String),
    /// It is JSON, and not within the bounds.
    Invalid(FieldError),
}

/// The document that `bytes` are.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn read(bytes: &[u8], limits: JsonLimits) -> Result<Value, Refused> {
    let reading = Reading {
        limits,
        progress: RefCell::default(),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = (&reading)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| match reading.progress.into_inner().violation {
        Some(violation) => Refused::Invalid(violation),
        None => Refused::Malformed(error.to_string()),
    })
}

/// Where in the document the reader is, and what it has seen.
struct Reading {
    limits: JsonLimits,
    progress: RefCell<Progress>,
}

#[derive(Default)]
struct Progress {
    path: Vec<String>,
    keys: usize,
    items: usize,
    violation: Option<FieldError>,
}

impl Reading {
    fn refuse<E: serde::de::Error>(&self, violation: Violation) -> E {
        let mut progress = self.progress.borrow_mut();
        let pointer = progress
            .path
            .iter()
            .fold(String::new(), |pointer, segment| child(&pointer, segment));
        let message = violation.detail.clone();
        progress.violation.get_or_insert(violation.at(pointer));
        E::custom(message)
    }

    fn check<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        let most = self.limits.string;
        if text.len() > most {
            let detail = format!("must have at most {most} bytes");
            return Err(self.refuse(Violation::new("too_long", detail)));
        }
        if text.contains('\0') {
            let detail = "must not contain the character NUL";
            return Err(self.refuse(Violation::new("nul", detail)));
        }
        Ok(())
    }

    /// Goes one level down to what is called `segment`.
    fn within<T, E: serde::de::Error>(
        &self,
        segment: impl FnOnce() -> String,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.progress.borrow_mut().path.push(segment());
        let value = read()?;
        self.progress.borrow_mut().path.pop();
        Ok(value)
    }

    fn check_depth<E: serde::de::Error>(&self) -> Result<(), E> {
        let most = self.limits.depth;
        if self.progress.borrow().path.len() < most {
            return Ok(());
        }
        let detail = format!("is nested too deep: at most {most} levels are allowed");
        Err(self.refuse(Violation::new("too_deep", detail)))
    }

    fn count_key<E: serde::de::Error>(&self) -> Result<(), E> {
        let most = self.limits.keys;
        self.progress.borrow_mut().keys += 1;
        if self.progress.borrow().keys <= most {
            return Ok(());
        }
        let detail = format!("a document may have at most {most} fields in all");
        Err(self.refuse(Violation::new("too_many_fields", detail)))
    }

    fn count_item<E: serde::de::Error>(&self) -> Result<(), E> {
        let most = self.limits.items;
        self.progress.borrow_mut().items += 1;
        if self.progress.borrow().items <= most {
            return Ok(());
        }
        let detail = format!("a document may have at most {most} items of lists in all");
        Err(self.refuse(Violation::new("too_many_items", detail)))
    }
}

impl<'de> DeserializeSeed<'de> for &Reading {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Reading {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.check(value)?;
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut values = Vec::new();
        loop {
            let index = values.len();
            let next = self.within(|| index.to_string(), || items.next_element_seed(self))?;
            match next {
                Some(value) => {
                    self.count_item()?;
                    values.push(value);
                }
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            self.count_key()?;
            self.check(&name)?;
            let value = self.within(
                || name.clone(),
                || {
                    if object.contains_key(&name) {
                        let detail = "stands in its object more than once";
                        return Err(self.refuse(Violation::new("duplicate_field", detail)));
                    }
                    fields.next_value_seed(self)
                },
            )?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MAX_DEPTH: usize = 32;
    const MAX_KEYS: usize = 1_000;
    const MAX_ITEMS: usize = 1_000;
    const MAX_STRING: usize = 64 * 1024;

    fn read(bytes: &[u8]) -> Result<Value, Refused> {
        let limits = JsonLimits {
            depth: MAX_DEPTH,
            keys: MAX_KEYS,
            items: MAX_ITEMS,
            string: MAX_STRING,
        };
        super::read(bytes, limits)
    }

    fn refused(text: &str) -> (String, &'static str) {
        match read(text.as_bytes()) {
            Err(Refused::Invalid(field)) => (field.pointer, field.code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_document_is_read_as_it_is() {
        let document = json!({"a": [1, -2, 1.5, null, true, {"b": "\u{e9}\n"}], "c": {}, "d": []});
        assert_eq!(read(document.to_string().as_bytes()).unwrap(), document);
    }

    #[test]
    fn a_field_that_stands_twice_is_refused_where_it_stands() {
        assert_eq!(
            refused(r#"{"a": [{}, {"x/y": 1, "x/y": 2}]}"#),
            ("/a/1/x~1y".to_owned(), "duplicate_field")
        );
        assert_eq!(
            refused("{\"a\": 1, \"\\u0061\": 1}"),
            ("/a".to_owned(), "duplicate_field")
        );
    }

    #[test]
    fn depth_number_of_fields_and_items_and_length_are_bounded_at_exactly_their_limits() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(refused(&nested(MAX_DEPTH + 1)).1, "too_deep");
        assert_eq!(refused(&"[".repeat(100_000)).1, "too_deep");

        let fields = |count: usize| {
            let fields: Vec<_> = (0..count).map(|n| format!("\"{n}\":[]")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert!(read(fields(MAX_KEYS).as_bytes()).is_ok());
        assert_eq!(refused(&fields(MAX_KEYS + 1)).1, "too_many_fields");

        let items = |count: usize| format!("[{}[]]", "1,".repeat(count - 1));
        assert!(read(items(MAX_ITEMS).as_bytes()).is_ok());
        assert_eq!(refused(&items(MAX_ITEMS + 1)).1, "too_many_items");
        let spread = format!("[{}[]]", "[1],".repeat(MAX_ITEMS / 2));
        assert_eq!(refused(&spread).1, "too_many_items");

        let text = |length: usize| format!("[\"{}\"]", "x".repeat(length));
        assert!(read(text(MAX_STRING).as_bytes()).is_ok());
        assert_eq!(
            refused(&text(MAX_STRING + 1)),
            ("/0".to_owned(), "too_long")
        );
        let name = |length: usize| format!("{{\"{}\": 1}}", "x".repeat(length));
        assert!(read(name(MAX_STRING).as_bytes()).is_ok());
        assert_eq!(refused(&name(MAX_STRING + 1)), (String::new(), "too_long"));
    }

    #[test]
    fn nul_is_refused_in_texts_and_names() {
        assert_eq!(refused("{\"a\": \"x\\u0000\"}"), ("/a".to_owned(), "nul"));
        assert_eq!(refused("{\"a\\u0000\": 1}").1, "nul");
    }

    #[test]
    fn what_is_not_json_is_called_malformed() {
        for text in [
            "",
            "{",
            "{\"a\": 1} x",
            "[1,]",
            "nul",
            "\"\\ud800\"",
            "[1e999]",
            "\u{feff}{}",
        ] {
            assert!(
                matches!(read(text.as_bytes()), Err(Refused::Malformed(_))),
                "{text}"
            );
        }
        assert!(matches!(read(b"\"\xff\""), Err(Refused::Malformed(_))));
    }
}
