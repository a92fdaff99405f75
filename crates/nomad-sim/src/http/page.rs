//! Pages of a list: `per_page`, `next_token`, and the header that tells the next one.

use serde::Serialize;

use super::answer::{Answer, ApiError};
use super::call::Call;

pub struct Page {
    size: usize,
    from: Option<String>,
}

impl Page {
    pub fn of(call: &Call) -> Result<Self, ApiError> {
        let size = match call.query("per_page") {
            None | Some("") => 0,
            Some(size) => size.parse().map_err(|_| {
                ApiError::Bad("Expect a number for `per_page` query string parameter".to_owned())
            })?,
        };
        Ok(Self {
            size,
            from: call
                .query("next_token")
                .filter(|token| !token.is_empty())
                .map(str::to_owned),
        })
    }

    /// The rows of this page, and the token of the next. Rows come ordered by token.
    pub fn cut<T>(
        &self,
        rows: impl Iterator<Item = T>,
        token: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let mut rows =
            rows.skip_while(|row| self.from.as_ref().is_some_and(|from| token(row) < *from));
        if self.size == 0 {
            return (rows.collect(), None);
        }
        let page = rows.by_ref().take(self.size).collect();
        let next = rows.next().map(|row| token(&row));
        (page, next)
    }

    pub fn answer(&self, index: u64, rows: &impl Serialize, next: Option<String>) -> Answer {
        let answer = Answer::read(index, rows);
        match next {
            Some(next) => answer.header("X-Nomad-NextToken", next),
            None => answer,
        }
    }
}
