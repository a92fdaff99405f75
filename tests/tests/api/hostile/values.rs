//! Values that have broken other servers, and requests made of them.

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Map, Value, json};

/// Becomes half a surrogate pair, which serde_json can't write.
const LONE_SURROGATE: &str = "@lone@";

/// Somewhat more than a body may have, in bytes.
const LONGEST: usize = 600 * 1024;

/// Fields that a client has no say in.
const PRIVILEGED: [&str; 16] = [
    "id",
    "tenant_id",
    "created_by",
    "deployed_by",
    "created_at",
    "updated_at",
    "role",
    "is_active",
    "is_admin",
    "status",
    "password_hash",
    "nomad_job_id",
    "max_services",
    "plan",
    "$enc",
    "__proto__",
];

/// A text that somebody might send who means no good. None holds a word by which a leak is recognised.
pub fn text(random: &mut StdRng) -> String {
    const TEXTS: [&str; 40] = [
        "",
        " ",
        "\0",
        "a\0b",
        "\n",
        "a\r\nset-cookie: x=1",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{202e}gnp.exe",
        "\u{200b}",
        "\u{feff}",
        "\u{fffd}",
        "\u{10ffff}",
        "e\u{301}\u{301}\u{301}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "İıſK",
        LONE_SURROGATE,
        "'",
        "\"",
        "\\",
        "%",
        "_%\\",
        "' or '1'='1",
        "'; drop table users; --",
        "1); select pg_sleep(30); --",
        "$1",
        "${jndi:ldap://x}",
        "${NOMAD_TASK_DIR}",
        "{{ env \"x\" }}",
        "%{ if true }x%{ endif }",
        "<script>alert(1)</script>",
        "../../../../etc/passwd",
        "/etc/passwd",
        "file:///etc/passwd",
        "null",
        "true",
        "-1",
        "1e999",
        "18446744073709551616",
        "2147483648",
    ];
    match random.random_range(0..12) {
        0 => "x".repeat(*[255, 256, 4_097, 65_536, 65_537].choose(random).unwrap()),
        1 => (0..random.random_range(1..40))
            .map(|_| random.random::<char>())
            .collect(),
        2 => "\u{1f600}".repeat(random.random_range(1..300)),
        _ => (*TEXTS.choose(random).unwrap()).to_owned(),
    }
}

/// What may stand in a path where an id is expected; `known` is an id of the caller's own.
pub fn segment(random: &mut StdRng, known: &str) -> String {
    let simple = known.replace('-', "");
    match random.random_range(0..20) {
        14.. | 0..3 => known.to_owned(),
        3 => known.to_uppercase(),
        4 => format!("%7B{known}%7D"),
        5 => simple,
        6 => format!("urn:uuid:{known}"),
        7 => format!("{known}%00"),
        8 => format!("{known}%2Fstart"),
        9 => "00000000-0000-0000-0000-000000000000".to_owned(),
        10 => (*[
            "%FF%FE",
            "%C0%AF",
            "%00",
            "%2E%2E%2F%2E%2E",
            "%25%30%30",
            "%zz",
            "%",
            "1",
            "-1",
        ]
        .choose(random)
        .unwrap())
        .to_owned(),
        11 => "x".repeat(random.random_range(1..3_000)),
        _ => match escaped(text(random).as_bytes()) {
            empty if empty.is_empty() => "x".to_owned(),
            text => text.chars().take(3_000).collect(),
        },
    }
}

/// Bytes as they may stand in a query.
pub fn query_value(random: &mut StdRng) -> String {
    match random.random_range(0..6) {
        0 => (0..random.random_range(0..30))
            .map(|_| format!("%{:02X}", random.random::<u8>()))
            .collect(),
        1 => (*[
            "0",
            "1",
            "50",
            "200",
            "201",
            "-1",
            "1.5",
            "1e3",
            "9223372036854775807",
        ]
        .choose(random)
        .unwrap())
        .to_owned(),
        2 => cursor(random),
        _ => escaped(text(random).as_bytes())
            .chars()
            .take(4_000)
            .collect(),
    }
}

/// A text that looks like one of our cursors.
fn cursor(random: &mut StdRng) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    let extremes = [
        i64::MIN,
        i64::MIN / 2,
        -8_000_000_000_000_000_000,
        -1,
        0,
        i64::MAX / 2,
        i64::MAX,
    ];
    let place = format!(
        "{}.{}",
        extremes.choose(random).unwrap(),
        uuid::Uuid::nil().simple()
    );
    URL_SAFE_NO_PAD.encode(place)
}

/// What may stand in a header's value.
pub fn header_value(random: &mut StdRng) -> Vec<u8> {
    const VALUES: [&str; 12] = [
        "",
        "*",
        "\"\"",
        "W/\"1\"",
        "\"a\", *",
        ",,,",
        "Bearer",
        "Bearer x.y.z",
        "Basic OjpB",
        "bearer eyJhbGciOiJub25lIn0.e30.",
        "127.0.0.1, unknown",
        "gzip",
    ];
    match random.random_range(0..4) {
        // HTTP allows these, and most servers take them for text.
        0 => (0..random.random_range(1..60))
            .map(|_| random.random_range(0x80..=0xff))
            .collect(),
        1 => "x".repeat(random.random_range(200..9_000)).into(),
        2 => text(random)
            .bytes()
            .filter(|byte| byte.is_ascii_graphic())
            .take(8_000)
            .collect(),
        _ => (*VALUES.choose(random).unwrap()).into(),
    }
}

/// A body: mostly a good one with something wrong in it, else anything.
pub fn body(random: &mut StdRng, good: &Value) -> Vec<u8> {
    let mut document = good.clone();
    match random.random_range(0..10) {
        0 => {
            return (0..random.random_range(0..200))
                .map(|_| random.random())
                .collect();
        }
        1 => document = value(random, 0),
        2 => document = Value::String(text(random)),
        3 => {
            let name = (*PRIVILEGED.choose(random).unwrap()).to_owned();
            let value = value(random, 2);
            if let Value::Object(fields) = &mut document {
                fields.insert(name, value);
            }
        }
        4 => {}
        _ => {
            for _ in 0..random.random_range(1..3) {
                spoil(random, &mut document);
            }
        }
    }
    let mut text = document
        .to_string()
        .replace(LONE_SURROGATE, "\\ud800")
        .into_bytes();
    text.truncate(LONGEST);
    if random.random_range(0..12) == 0 {
        text.truncate(random.random_range(0..=text.len()));
    }
    text
}

/// Puts something else in the place of a part.
fn spoil(random: &mut StdRng, part: &mut Value) {
    let deeper = random.random_range(0..3) > 0;
    match part {
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let names: Vec<_> = fields.keys().cloned().collect();
            let name = names.choose(random).unwrap();
            match random.random_range(0..8) {
                0 => {
                    fields.remove(name);
                }
                1 => {
                    fields.insert(text(random), value(random, 2));
                }
                _ => spoil(random, &mut fields[name]),
            }
        }
        Value::Array(items) if deeper && !items.is_empty() => {
            let index = random.random_range(0..items.len());
            spoil(random, &mut items[index]);
        }
        other => *other = value(random, 2),
    }
}

fn value(random: &mut StdRng, depth: usize) -> Value {
    match random.random_range(0..if depth > 3 { 7 } else { 10 }) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => json!(random.random::<i64>()),
        3 => json!([0.1, -0.0, 1e308, 5e-324][random.random_range(0..4)]),
        4 => json!([0, 1, 65_536, u64::MAX, 1_u64 << 53][random.random_range(0..5)]),
        5 | 6 => Value::String(text(random)),
        7 => (0..random.random_range(0..4))
            .map(|_| value(random, depth + 1))
            .collect(),
        8 => Value::Array(vec![json!(1); random.random_range(0..1_100)]),
        _ => {
            let fields =
                (0..random.random_range(0..4)).map(|_| (text(random), value(random, depth + 1)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

/// Every byte that may not stand in a query or a segment, as its number.
fn escaped(bytes: &[u8]) -> String {
    let as_is = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    bytes
        .iter()
        .map(|byte| {
            if as_is(*byte) {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
