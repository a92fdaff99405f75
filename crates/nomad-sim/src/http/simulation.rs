//! `/sim`: what no real agent has. It tells what can be asked of the simulator, and takes faults and restarts.

use std::sync::PoisonError;

use actix_web::HttpRequest;
use actix_web::web::Bytes;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError};
use crate::agent::Agent;
use crate::faults::{Fault, Faults};
use crate::runtime::STORIES;

pub fn meet(agent: &Agent, request: &HttpRequest) -> Option<Fault> {
    agent
        .faults
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .meet(request.method().as_str(), request.path())
}

pub fn route(agent: &Agent, request: &HttpRequest, body: &Bytes) -> Result<Answer, ApiError> {
    match (request.method().as_str(), request.path()) {
        ("GET", "/sim" | "/sim/") => Ok(Answer::json(&description(agent))),
        ("GET", "/sim/faults") => Ok(Answer::json(
            &*agent.faults.lock().unwrap_or_else(PoisonError::into_inner),
        )),
        ("PUT" | "POST", "/sim/faults") => {
            let faults: Faults =
                serde_json::from_slice(body).map_err(|error| ApiError::Bad(error.to_string()))?;
            faults.check().map_err(ApiError::Bad)?;
            let answer = Answer::json(&faults);
            *agent.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
            Ok(answer)
        }
        ("DELETE", "/sim/faults") => {
            *agent.faults.lock().unwrap_or_else(PoisonError::into_inner) = Faults::default();
            Ok(Answer::json(&json!({"faults": []})))
        }
        ("PUT" | "POST", "/sim/restart") => {
            let request: Value = if body.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(body).map_err(|error| ApiError::Bad(error.to_string()))?
            };
            agent.restart(crate::spec::flag(&request, "keep"));
            Ok(Answer::json(
                &json!({"index": agent.read(|cluster| cluster.index)}),
            ))
        }
        (_, "/sim" | "/sim/" | "/sim/faults" | "/sim/restart") => Err(ApiError::InvalidMethod),
        _ => Err(ApiError::UnknownPath),
    }
}

fn description(agent: &Agent) -> Value {
    let stories: Vec<Value> = STORIES
        .iter()
        .map(|story| json!({"image": story.image, "story": story.description}))
        .collect();
    json!({
        "about": "A simulated Nomad agent: raw_exec tasks really run, docker tasks are played, any other driver can't be placed.",
        "speed": agent.settings.speed,
        "calls": {
            "GET /sim": "this description",
            "GET /sim/faults": "the faults that are switched on",
            "PUT /sim/faults": "switches exactly these on: {\"faults\": [{\"method\": \"POST\", \"path\": \"/v1/jobs\", \"kind\": \"lose_answer\", \"count\": 1}]}; \
                                the first that fits a call meets it; method, path (a prefix) and count may be left out",
            "DELETE /sim/faults": "switches all off",
            "POST /sim/restart": "forgets everything and ends all tasks, as a dev agent does; with {\"keep\": true} only the connections end",
        },
        "faults": {
            "refuse": "the connection is closed and nothing is done",
            "delay": "the call is done after \"delay\", such as 2s",
            "lose_answer": "the call is done, then the connection is closed without an answer",
            "error": "nothing is done; the answer is \"status\" (500) with \"text\" (No cluster leader)",
        },
        "stories": stories,
    })
}
