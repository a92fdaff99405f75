//! From the API's description to requests: what stands in the path, the query and the body of each operation.

use std::{fmt, sync::Arc};

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::victim::Rows;
use crate::app::{Person, Request, TestApp};

const BASE: &str = "/api/v1";

/// Names that a body may carry an id under, whether its schema has them or not.
const PRIVILEGED: [&str; 5] = ["id", "tenant_id", "user_id", "created_by", "service_id"];

/// One operation of the description.
pub struct Operation {
    method: Method,
    pub path: String,
    described: Value,
    document: Arc<Value>,
}

/// What is put into a request: ids in the path, in order of its parameters, and one more parameter or field.
#[derive(Clone, Debug, Default)]
pub struct Values {
    pub path: Vec<String>,
    pub query: Option<(String, String)>,
    pub field: Option<(String, Value)>,
}

/// Every operation of the description that the server hands out.
pub async fn operations(app: &TestApp) -> Vec<Operation> {
    let answer = app.request(Method::GET, "/openapi.json").send().await;
    assert_eq!(answer.status, StatusCode::OK);
    let document = Arc::new(answer.json());
    let paths = document["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("operations");
        let document = &document;
        item.iter().filter_map(move |(method, described)| {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).ok()?;
            described.is_object().then(|| Operation {
                method,
                path: path.clone(),
                described: described.clone(),
                document: document.clone(),
            })
        })
    });
    all.collect()
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name())
    }
}

impl Operation {
    /// As the table calls it.
    pub fn name(&self) -> String {
        let path = self.path.strip_prefix(BASE).unwrap_or(&self.path);
        format!("{} {path}", self.method)
    }

    /// What takes away is more, what reads is nothing.
    pub fn harm(&self) -> (u8, String) {
        let takes_away = ["/deactivate", "/logout", "/cancel"];
        let harm = match self.method {
            Method::GET => 0,
            Method::DELETE => 3,
            // Whoever's tenant or password it is can't sign in again.
            _ if self.path.ends_with("/suspend") || self.path.ends_with("/password") => 4,
            _ if takes_away.iter().any(|end| self.path.ends_with(end)) => 2,
            _ => 1,
        };
        (harm, self.name())
    }

    /// Whether an id stands in the path.
    pub fn takes_id(&self) -> bool {
        self.ids_in_path() > 0
    }

    /// Whether it is reached through a tenant that is named.
    fn names_tenant(&self) -> bool {
        self.parameters("path")
            .any(|parameter| name(parameter) == "tenant_id")
    }

    pub fn ids_in_path(&self) -> usize {
        self.parameters("path")
            .filter(|parameter| is_id(parameter))
            .count()
    }

    /// The parameters of the query that take a text or an id.
    pub fn texts_in_query(&self) -> Vec<String> {
        let parameters = self.parameters("query");
        let texts = parameters.filter(|parameter| parameter["schema"]["enum"].is_null());
        texts.map(name).collect()
    }

    /// The fields of the body that take an id, and those that a client has no say in.
    pub fn ids_in_body(&self) -> Vec<String> {
        let Some(schema) = self.body_schema() else {
            return Vec::new();
        };
        let properties = schema["properties"].as_object();
        let ids = properties.into_iter().flatten();
        let ids = ids.filter(|(_, property)| property["format"] == "uuid");
        let mut names: Vec<_> = ids.map(|(name, _)| name.clone()).collect();
        for name in PRIVILEGED {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// The request of somebody who is not signed in.
    pub fn request(&self, app: &TestApp, values: &Values) -> Request {
        self.complete(app.at_root(self.method.clone(), &self.url(values)), values)
    }

    /// The request of somebody who is.
    pub fn request_of(&self, person: &Person<'_>, values: &Values) -> Request {
        let request = person.at_root(self.method.clone(), &self.url(values));
        self.complete(request, values)
    }

    fn url(&self, values: &Values) -> String {
        let mut ids = values.path.iter();
        let mut url = self.path.clone();
        for parameter in self.parameters("path") {
            let value = match (is_id(parameter), parameter["example"].as_str()) {
                (true, _) => ids.next().expect("an id for each parameter").clone(),
                (false, Some(example)) => example.to_owned(),
                (false, None) => "1".to_owned(),
            };
            url = url.replace(&format!("{{{}}}", name(parameter)), &value);
        }
        let given = values.query.as_ref();
        let needed = self.parameters("query").filter(|parameter| {
            let is_given = given.is_some_and(|(given, _)| *given == name(parameter));
            parameter["required"] == true && !is_given
        });
        let mut pairs: Vec<_> = needed
            .map(|parameter| format!("{}=1", name(parameter)))
            .collect();
        pairs.extend(given.map(|(name, value)| format!("{name}={value}")));
        if !pairs.is_empty() {
            url = format!("{url}?{}", pairs.join("&"));
        }
        url
    }

    fn complete(&self, mut request: Request, values: &Values) -> Request {
        for parameter in self.parameters("header") {
            let name = name(parameter);
            match name.as_str() {
                "If-Match" => request = request.header("if-match", "*"),
                _ if parameter["required"] == true => {
                    request = request.header(&name, "the isolation suite");
                }
                _ => {}
            }
        }
        let Some(mut body) = self.body() else {
            return request;
        };
        if let Some((name, value)) = &values.field {
            body.insert(name.clone(), value.clone());
        }
        request.json(&body.into())
    }

    /// The example of the body's schema.
    fn body(&self) -> Option<Map<String, Value>> {
        let schema = self.body_schema()?;
        let example = schema["example"].as_object();
        Some(
            example
                .unwrap_or_else(|| panic!("the body of {self} has no example"))
                .clone(),
        )
    }

    fn body_schema(&self) -> Option<&Value> {
        let schema = &self.described["requestBody"]["content"]["application/json"]["schema"];
        match schema["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')),
            None => schema.is_object().then_some(schema),
        }
    }

    fn parameters(&self, place: &str) -> impl Iterator<Item = &Value> {
        let parameters = self.described["parameters"]
            .as_array()
            .into_iter()
            .flatten();
        parameters.filter(move |parameter| parameter["in"] == place)
    }
}

impl Values {
    /// Ids that nothing has.
    pub fn unknown() -> Self {
        Self {
            path: vec![Uuid::new_v4().to_string(); 4],
            ..Self::default()
        }
    }

    /// A tenant's own ids in the path, one of them after the other: which one fits, the answers say.
    pub fn own(operation: &Operation, rows: &Rows) -> Vec<Self> {
        let path = |id: &String| match operation.ids_in_path() {
            0 => Vec::new(),
            1 if operation.names_tenant() => vec![rows.tenant.clone()],
            // What is reached through a tenant names it first.
            count => {
                let mut path = vec![rows.tenant.clone(); count - 1];
                path.push(id.clone());
                path
            }
        };
        let mut all: Vec<_> = rows.ids().iter().map(path).collect();
        all.dedup();
        all.into_iter()
            .map(|path| Self {
                path,
                ..Self::default()
            })
            .collect()
    }
}

fn is_id(parameter: &Value) -> bool {
    parameter["schema"]["format"] == "uuid"
}

fn name(parameter: &Value) -> String {
    parameter["name"].as_str().expect("a name").to_owned()
}
