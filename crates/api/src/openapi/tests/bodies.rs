//! What the schemas of bodies allow is what the rules take, at each bound and beyond it: both are asked about the same bodies,
//! made from a whole one by putting one field wrong, or nearly wrong, at a time.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    api_key::{ApiKeyChange, NewApiKey},
    invitation::{Acceptance, NewInvitation},
    password::PasswordChange,
    secret::{MARKER, NoValues},
    service::{NewService, ServicePatch, parse_reveal},
    tenant::TenantChange,
    user::{
        MemberChange, ProfileChange, Registration, SignIn, parse_refresh_token, parse_role_change,
    },
};
use serde_json::{Map, Value, json};

use super::document;

/// A schema, a whole body of it, and whether the rules take a body.
struct Body {
    schema: &'static str,
    whole: Value,
    taken: fn(&Value) -> bool,
}

/// Why a schema and the rules may differ about a value at this place, where they may.
fn unsayable(place: &str, value: &Value, allowed: bool) -> Option<&'static str> {
    let text = value.as_str().unwrap_or_default();
    let is_at = |end: &str| place.ends_with(end);
    if is_at("/expires_at") {
        return (!allowed).then_some("more forms of a time are read than RFC 3339 has");
    }
    if !allowed {
        let zero = place.contains("/allowed_networks/") && text.contains(".02.");
        return zero.then_some("zeros in front of a number are read over");
    }
    if text == MARKER || text.contains("{{") {
        Some("it stands for another value, which may not be there")
    } else if is_at("/interval") || is_at("/timeout") {
        Some("the two are compared")
    } else if place.contains("/sensitive/") {
        Some("it says where another value is")
    } else if is_at("/custom_variables") && value.get("C").is_none() {
        Some("another value names what is missing")
    } else if is_at("/image") && text.len() > 255 {
        Some("the name is bounded, and what follows it is not")
    } else if place.contains("/allowed_networks/") && text.contains("/32") {
        Some("there are bits behind the length")
    } else if is_at("/volumes") {
        Some("two are the same but for what follows the target, or both are shown as secrets")
    } else {
        None
    }
}

fn bodies() -> Vec<Body> {
    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }
    let config = json!({
        "image": "registry.example.com:5000/team/app:1.2", "ports": [80, 443],
        "environment": {"discovery.type": "single-node", "B": "{{C}}"},
        "volumes": ["data:/var/lib/data:ro", "/logs:/logs"],
        "resources": {"cpu": 500, "memory": 512, "disk": 600},
        "health_check": {"enabled": true, "path": "/up", "interval": "1m30s", "timeout": "5s", "retries": 3},
        "custom_variables": {"C": "d"}, "sensitive": ["/config/custom_variables/C"],
    });
    let file = json!({"nomad_job_file": "web.nomad.hcl", "custom_variables": {"replicas": "2"}});
    let service =
        json!({"name": "orders", "type": "database", "description": "kept", "config": config});
    let of_file = json!({"name": "orders", "type": "custom", "config": file});
    let change = json!({"name": "orders", "description": "kept", "config": {"image": "nginx:1"}});
    let person = json!({
        "username": "ada", "email": "ada@example.com", "password": "correct horse battery",
        "first_name": "Ada", "last_name": "Lovelace", "tenant_name": "Analytical Engines"
    });
    let key = json!({
        "name": "a key", "scopes": ["read", "deploy"], "expires_at": "2029-01-31T12:00:00Z",
        "allowed_networks": ["192.0.2.0/24", "2001:db8::/32", "192.0.2.7"]
    });
    let body = |schema, whole: Value, taken| Body {
        schema,
        whole,
        taken,
    };
    vec![
        body("NewService", service, |body| {
            NewService::parse(body).is_ok()
        }),
        body("NewService", of_file, |body| {
            NewService::parse(body).is_ok()
        }),
        body("ServiceReplacement", change.clone(), |body| {
            ServicePatch::parse_replacement(body, &Map::new(), &NoValues).is_ok()
        }),
        body("ServiceChange", change, |body| {
            ServicePatch::parse(body, &Map::new(), &NoValues).is_ok()
        }),
        body(
            "Reveal",
            json!({"pointers": ["/config/image", "/a"]}),
            |body| parse_reveal(body).is_ok(),
        ),
        body("Registration", person, |body| {
            Registration::parse(body).is_ok()
        }),
        body(
            "SignIn",
            json!({"username": "ada", "password": "x"}),
            |body| SignIn::parse(body).is_ok(),
        ),
        body(
            "SignIn",
            json!({"email": "ada@example.com", "password": "x"}),
            |body| SignIn::parse(body).is_ok(),
        ),
        body("RefreshToken", json!({"refresh_token": "x"}), |body| {
            parse_refresh_token(body).is_ok()
        }),
        body("RoleChange", json!({"role": "user"}), |body| {
            parse_role_change(body).is_ok()
        }),
        body(
            "ProfileChange",
            json!({"first_name": "Ada", "last_name": "King", "email": "ada@example.com"}),
            |body| ProfileChange::parse(body, &Map::new()).is_ok(),
        ),
        body(
            "MemberChange",
            json!({"role": "user", "is_active": true}),
            |body| MemberChange::parse(body, &Map::new()).is_ok(),
        ),
        body(
            "PasswordChange",
            json!({"current_password": "x", "new_password": "battery staple correct"}),
            |body| PasswordChange::parse(body).is_ok(),
        ),
        body(
            "NewInvitation",
            json!({"email": "a@b.example", "role": "user"}),
            |body| NewInvitation::parse(body).is_ok(),
        ),
        body(
            "Acceptance",
            json!({"token": "t", "username": "grace", "password": "battery staple correct", "first_name": "Grace", "last_name": "Hopper"}),
            |body| Acceptance::parse(body).is_ok(),
        ),
        body(
            "TenantChange",
            json!({"name": "Engines", "description": "kept", "domain": "engines.example.com"}),
            |body| TenantChange::parse(body, &Map::new()).is_ok(),
        ),
        body("NewApiKey", key.clone(), |body| {
            NewApiKey::parse(body, now()).is_ok()
        }),
        body("ApiKeyChange", key, |body| {
            ApiKeyChange::parse(body, &Map::new(), now()).is_ok()
        }),
    ]
}

/// Where each value of a document stands.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, below) in fields {
                pointers(below, &domain::pointer::child(at, name), found);
            }
        }
        Value::Array(items) => {
            for (index, below) in items.iter().enumerate() {
                pointers(below, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// What stands in for a value: others of its type at every bound there is, and some of other types.
fn others(value: &Value) -> Vec<Value> {
    const ODD: [&str; 24] = [
        "\0", "\n", "\t", "\u{7f}", "\u{85}", " ", "é", "日", "A", "0", "-", "_", ".", "..", ":",
        "/", "//", "\\", "@", "{{", "${", "%{", "$", "💥",
    ];
    const LENGTHS: [usize; 26] = [
        0, 1, 2, 14, 15, 16, 63, 64, 65, 127, 128, 129, 253, 254, 255, 256, 257, 322, 323, 324,
        638, 639, 1024, 1025, 4096, 4097,
    ];
    const NUMBERS: [f64; 22] = [
        -1.0,
        0.0,
        0.5,
        1.0,
        2.0,
        9.0,
        10.0,
        11.0,
        80.0,
        80.5,
        99.0,
        100.0,
        101.0,
        65_535.0,
        65_536.0,
        128_000.0,
        128_001.0,
        262_144.0,
        262_145.0,
        1_048_576.0,
        1_048_577.0,
        4.3e9,
    ];
    let mut others = vec![
        json!(1),
        json!(true),
        json!([]),
        json!({}),
        json!("x"),
        json!([1]),
    ];
    match value {
        Value::String(text) => {
            for odd in ODD {
                let middle = text.len() / 2;
                others.push(json!(format!("{odd}{text}")));
                others.push(json!(format!("{text}{odd}")));
                others.push(json!(format!(
                    "{}{odd}{}",
                    &text[..middle],
                    &text[middle..]
                )));
                others.push(json!(odd));
            }
            for length in LENGTHS {
                others.push(json!("x".repeat(length)));
                others.push(json!("ä".repeat(length)));
                others.push(json!(format!("{text}{}", "y".repeat(length))));
            }
            others.push(json!(text.to_uppercase()));
            for written in [
                "1s",
                "999ms",
                "1000ms",
                "24h",
                "25h",
                "0s",
                "1m30s",
                "30s1m",
                "1.5s",
                "5",
                "data:/x:rw",
                "data:/x:z",
                "/data:/a/../b",
                "data:/a/.../b",
                "x.nomad",
                ".nomad",
                "a@b",
                "a@b.c",
                "a@b@c.d",
                "a-.b",
                "a.b-",
                "192.0.2.0/33",
                "300.0.2.1",
                "::1/129",
                "::1",
                "/image",
                "/config/volumes/0",
                "**********",
                "x:y@sha256:0123456789abcdef0123456789abcdef",
            ] {
                others.push(json!(written));
            }
        }
        Value::Number(_) => {
            others.extend(NUMBERS.map(|number| json!(number)));
            others.extend([json!(0), json!(65_535), json!(65_536), json!(-1)]);
        }
        Value::Array(items) => {
            let first = items.first().cloned().unwrap_or_default();
            others.push(json!([first, first]));
            others.push(json!([null]));
            for length in [31, 32, 33, 64, 65, 100, 101, 256, 257] {
                let different = (0..length).map(|number| match &first {
                    Value::Number(_) => json!(number + 1),
                    _ => json!(format!("/v{number}")),
                });
                others.push(different.collect());
                others.push(vec![first.clone(); length].into());
                let volumes = (0..length).map(|number| json!(format!("v:/v{number}")));
                others.push(volumes.collect());
                let networks = (0..length).map(|number| json!(format!("10.0.0.{number}")));
                others.push(networks.collect());
            }
        }
        Value::Object(_) => {
            for length in [127, 128, 129, 256, 257] {
                let many = (0..length).map(|number| (format!("v{number}"), json!("x")));
                others.push(many.collect::<Map<_, _>>().into());
            }
            for name in [
                "a.b",
                "a-b",
                "1a",
                "_",
                "",
                "é",
                "surprise",
                &"n".repeat(128),
                &"n".repeat(129),
            ] {
                let mut more = value.clone();
                more[name] = json!("x");
                others.push(more);
            }
        }
        _ => {}
    }
    others
}

#[test]
fn the_schemas_of_bodies_allow_what_the_rules_take_and_nothing_else() {
    let document = serde_json::to_value(document()).unwrap();
    let mut different = BTreeSet::new();
    let mut asked = 0;
    for Body {
        schema,
        whole,
        taken,
    } in bodies()
    {
        let root = json!({"$ref": format!("#/components/schemas/{schema}"), "components": document["components"]});
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&root)
            .unwrap();
        assert!(taken(&whole), "{schema}");
        assert!(validator.is_valid(&whole), "{schema}");
        let mut places = Vec::new();
        pointers(&whole, "", &mut places);
        for place in places {
            let before = whole.pointer(&place).unwrap();
            for other in others(before) {
                let mut body = whole.clone();
                *body.pointer_mut(&place).unwrap() = other.clone();
                let (allowed, taken) = (validator.is_valid(&body), taken(&body));
                asked += 1;
                let shown: String = other.to_string().chars().take(60).collect();
                if allowed != taken && unsayable(&place, &other, allowed).is_none() {
                    different.insert(format!(
                        "{schema}{place}: allowed {allowed}, taken {taken}: {shown}"
                    ));
                }
            }
        }
    }
    assert!(asked > 10_000, "{asked}");
    assert!(different.is_empty(), "{}: {different:#?}", different.len());
}
