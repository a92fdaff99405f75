//! `/audit-logs/export`: the sealed rows of the trail, page by page, so that its length costs time and no memory.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Bytes, Data, Query},
};
use chrono::SecondsFormat;
use domain::Error;
use futures::stream;
use serde::{Deserialize, Serialize};
use transparency_log::{Leaf, export::Line};
use utoipa::{IntoParams, ToSchema};

use super::audit_logs::{AuditLogView, filter};
use crate::{extract::Member, problem::Problem, server::App};

const LINES: &str = "application/x-ndjson";
const TABLE: &str = "text/csv; charset=utf-8";

/// What a spreadsheet takes for the beginning of a formula.
const FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A row of the trail and how it was sealed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportLine<'row> {
    row: AuditLogView<'row>,
    /// How many rows stand before it in the log.
    index: u64,
    /// What was hashed for it, in base64.
    leaf: String,
}

/// Which rows to export.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Done by this user.
    #[param(value_type = Option<Uuid>, nullable = false)]
    user_id: Option<String>,
    /// Of this action.
    #[param(nullable = false, example = "service.update")]
    action: Option<String>,
    /// Done to this.
    #[param(nullable = false)]
    resource: Option<String>,
    /// Not before this time.
    #[param(value_type = Option<DateTime<Utc>>, nullable = false)]
    from: Option<String>,
    /// Before this time.
    #[param(value_type = Option<DateTime<Utc>>, nullable = false)]
    to: Option<String>,
}

/// What an export is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Lines,
    Table,
}

impl Format {
    /// What the client would rather have; lines, where it does not say.
    fn wanted(request: &HttpRequest) -> Result<Self, Problem> {
        let values = request.headers().get_all(header::ACCEPT);
        let accepted: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        let accepted = accepted.join(",");
        let mut best = (0.0, None);
        for range in accepted
            .split(',')
            .map(str::trim)
            .filter(|range| !range.is_empty())
        {
            let (media, weight) = weighted(range);
            let format = match media.as_str() {
                "*/*" | "application/*" | LINES | "application/jsonl" => Self::Lines,
                "text/*" | "text/csv" => Self::Table,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, Some(format));
            }
        }
        match best {
            _ if accepted.is_empty() => Ok(Self::Lines),
            (_, Some(format)) => Ok(format),
            (_, None) => {
                let detail = format!("an export is {LINES} or text/csv");
                Err(Problem::of_protocol(
                    StatusCode::NOT_ACCEPTABLE,
                    "not_acceptable",
                    detail,
                ))
            }
        }
    }
}

/// A media range in lower case, and how much it is wanted.
fn weighted(range: &str) -> (String, f32) {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
    (media, weight.unwrap_or(1.0))
}

/// Export the audit trail
///
/// The sealed rows in the order of the log, as `application/x-ndjson` or, by `Accept`, as `text/csv`. What was written in
/// the last seconds is not sealed yet and not in it. Read the checkpoint first: what is sealed between the two is then in
/// the export, and `nomad-services audit verify` says so. An export with a filter is not whole; a row of it is checked by
/// its proof.
#[utoipa::path(get, path = "/api/v1/audit-logs/export", tag = "audit", params(ExportQuery), responses(
    (status = 200, description = "The rows.", content(
        (ExportLine = "application/x-ndjson"), (String = "text/csv; charset=utf-8"))),
    (status = 406, description = "It is not to be had in a form that `Accept` names."),
))]
pub async fn export(
    request: HttpRequest,
    app: Data<App>,
    Member(scope): Member,
    query: Query<ExportQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let format = Format::wanted(&request)?;
    let (from, to) = (query.from.as_deref(), query.to.as_deref());
    let user_id = query.user_id.as_deref();
    let filter = filter(user_id, query.action, query.resource, from, to)?;
    let export = app.audit_logs.export(scope, filter).await?;
    let (content_type, begin) = match format {
        Format::Lines => (LINES, None),
        Format::Table => (TABLE, Some(head()?)),
    };
    let rows = stream::try_unfold(export, move |mut export| async move {
        let page = export.next_page().await.inspect_err(broken_off)?;
        if page.is_empty() {
            return Ok(None);
        }
        let text = match format {
            Format::Lines => lines(&page),
            Format::Table => table(&page),
        };
        Ok::<_, Error>(Some((text.inspect_err(broken_off)?, export)))
    });
    let whole = stream::StreamExt::chain(stream::iter(begin.map(Ok)), rows);
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .streaming(whole))
}

/// The answer has begun, so it can only end before its time: whoever reads it sees that it is not whole.
fn broken_off(error: &Error) {
    tracing::warn!(cause = ?error, "an export of the audit trail broke off");
}

fn lines(page: &[Leaf]) -> Result<Bytes, Error> {
    let mut text = Vec::new();
    for leaf in page {
        let line = Line::of(leaf).map_err(Error::internal)?;
        serde_json::to_writer(&mut text, &line).map_err(Error::internal)?;
        text.push(b'\n');
    }
    Ok(text.into())
}

const COLUMNS: [&str; 11] = [
    "index",
    "id",
    "created_at",
    "user_id",
    "tenant_id",
    "action",
    "resource",
    "details",
    "ip_address",
    "user_agent",
    "leaf",
];

fn head() -> Result<Bytes, Error> {
    written(|writer| writer.write_record(COLUMNS))
}

fn table(page: &[Leaf]) -> Result<Bytes, Error> {
    let lines = page.iter().map(Line::of);
    let lines = lines
        .collect::<Result<Vec<_>, _>>()
        .map_err(Error::internal)?;
    written(|writer| {
        for Line { row, index, leaf } in lines {
            writer.write_record([
                index.to_string(),
                row.id.to_string(),
                row.created_at.to_rfc3339_opts(SecondsFormat::Micros, true),
                row.user_id.to_string(),
                row.tenant_id
                    .map(|tenant| tenant.to_string())
                    .unwrap_or_default(),
                harmless(row.action),
                harmless(row.resource),
                harmless(row.details.unwrap_or_default()),
                harmless(row.ip_address.unwrap_or_default()),
                harmless(row.user_agent.unwrap_or_default()),
                leaf,
            ])?;
        }
        Ok(())
    })
}

fn written(
    write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>,
) -> Result<Bytes, Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    write(&mut writer).map_err(Error::internal)?;
    let text = writer
        .into_inner()
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(text.into())
}

/// A text that a spreadsheet does not run. What clients call themselves is theirs to choose.
fn harmless(text: String) -> String {
    if text.starts_with(FORMULAS) {
        return format!("'{text}");
    }
    text
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_form_that_is_wanted_most_is_chosen() {
        let wanted = |accept: &str| {
            let request = TestRequest::default().insert_header((header::ACCEPT, accept));
            Format::wanted(&request.to_http_request()).ok()
        };
        for accept in [
            "",
            "*/*",
            "application/x-ndjson",
            "text/csv;q=0.5, */*",
            "text/html, application/*;q=0.1",
        ] {
            assert_eq!(wanted(accept), Some(Format::Lines), "{accept}");
        }
        for accept in [
            "text/csv",
            "TEXT/CSV; charset=utf-8",
            "text/*",
            "application/x-ndjson;q=0.2, text/csv;q=0.9",
        ] {
            assert_eq!(wanted(accept), Some(Format::Table), "{accept}");
        }
        for accept in ["text/html", "text/csv;q=0", "application/json"] {
            assert_eq!(wanted(accept), None, "{accept}");
        }
        let none = TestRequest::default().to_http_request();
        assert_eq!(Format::wanted(&none).ok(), Some(Format::Lines));
    }

    #[test]
    fn a_spreadsheet_runs_nothing_of_what_a_client_sends() {
        for text in ["=1+1", "+1", "-1", "@A1", "\t=1"] {
            assert_eq!(harmless(text.to_owned()), format!("'{text}"));
        }
        assert_eq!(harmless("curl/8".to_owned()), "curl/8");
    }
}
