//! What every list takes, and its cursors: opaque to a client, a row's place in its list to us.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike};
use domain::{
    Error, Violation,
    page::{PageRequest, Position},
};
use serde::Deserialize;
use utoipa::{IntoParams, openapi::Object};
use uuid::Uuid;

use crate::schemas;

const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 200;

/// The cost of an offset grows with it.
const MAX_OFFSET: u64 = 100_000;

/// The text a client sends back to get the page after `position`.
pub fn cursor(position: Position) -> String {
    let microseconds = position.created_at.timestamp_micros();
    URL_SAFE_NO_PAD.encode(format!("{microseconds}.{}", position.id.simple()))
}

/// Which part of a list to answer with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many at most; 50 unless said otherwise.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 200, nullable = false)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<String>,
    /// `exact` counts all there are, which takes the longer the more there are. Without it `total` is an estimate above 1,000.
    #[param(schema_with = counting)]
    total: Option<String>,
}

/// What is to be counted exactly.
const EXACT: &str = "exact";

fn counting() -> Object {
    schemas::one_of([EXACT].into_iter())
}

impl PageQuery {
    /// The page a client asks for.
    ///
    /// # Errors
    /// Names the parameter and what is allowed.
    pub fn request(&self) -> Result<PageRequest, Error> {
        let request = request(self.limit.as_deref(), self.cursor.as_deref())?;
        let counts_all = counts_all(self.total.as_deref())?;
        Ok(PageRequest {
            counts_all,
            ..request
        })
    }

    /// The same, with as many rows passed over as an older client says.
    ///
    /// # Errors
    /// Names what is allowed, and refuses an offset that comes with a cursor.
    pub fn request_at(&self, offset: Option<&str>) -> Result<PageRequest, Error> {
        let offset = self::offset(offset, self.cursor.as_deref())?;
        let request = self.request()?;
        Ok(PageRequest { offset, ..request })
    }
}

fn request(limit: Option<&str>, after: Option<&str>) -> Result<PageRequest, Error> {
    let limit = match limit {
        None => DEFAULT_LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| {
                let detail = format!("must be a whole number from 1 to {MAX_LIMIT}");
                refused("limit", detail)
            })?,
    };
    let after = after
        .map(|cursor| position(cursor).ok_or("must be the next_cursor of an answer".to_owned()))
        .transpose()
        .map_err(|detail| refused("cursor", detail))?;
    Ok(PageRequest {
        limit,
        after,
        offset: 0,
        counts_all: false,
    })
}

fn counts_all(total: Option<&str>) -> Result<bool, Error> {
    match total {
        None => Ok(false),
        Some(EXACT) => Ok(true),
        Some(_) => Err(refused(
            "total",
            format!("must be {EXACT:?} where it is there"),
        )),
    }
}

fn offset(offset: Option<&str>, after: Option<&str>) -> Result<u64, Error> {
    let Some(text) = offset else { return Ok(0) };
    if after.is_some() {
        let detail = "can't be combined with a cursor".to_owned();
        return Err(refused("offset", detail));
    }
    let parsed = text.parse().ok().filter(|offset| *offset <= MAX_OFFSET);
    parsed.ok_or_else(|| {
        let detail = format!("must be a whole number from 0 to {MAX_OFFSET}; use a cursor");
        refused("offset", detail)
    })
}

fn refused(name: &str, detail: String) -> Error {
    Error::invalid(vec![
        Violation::new("invalid_parameter", detail).at(format!("/{name}")),
    ])
}

fn position(cursor: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (microseconds, id) = std::str::from_utf8(&bytes).ok()?.split_once('.')?;
    let created_at = DateTime::from_timestamp_micros(microseconds.parse().ok()?)?;
    // PostgreSQL knows fewer years than chrono.
    if !(1..=9999).contains(&created_at.year()) {
        return None;
    }
    let id = Uuid::try_parse(id).ok()?;
    Some(Position { created_at, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_row() {
        let created_at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let row = Position {
            created_at,
            id: Uuid::from_u128(7),
        };
        assert_eq!(request(None, Some(&cursor(row))).unwrap().after, Some(row));
    }

    #[test]
    fn a_cursor_or_limit_we_never_gave_is_refused_by_name() {
        let before_all_time = URL_SAFE_NO_PAD.encode(format!("{}.{}", -8e18 as i64, Uuid::nil()));
        for (limit, cursor, pointer) in [
            (None, Some("x"), "/cursor"),
            (None, Some(&before_all_time), "/cursor"),
            (Some("0"), None, "/limit"),
            (Some("201"), None, "/limit"),
            (Some("-1"), None, "/limit"),
            (Some("many"), None, "/limit"),
        ] {
            let error = request(limit, cursor).unwrap_err();
            assert_eq!(error.fields()[0].pointer, pointer);
        }
    }
}
