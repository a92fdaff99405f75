//! What is not understood is named, and no part of a password ever is.

use postgres_connection::{Address, AddressError};
use proptest::{collection::vec, prelude::*, sample::select};

fn refused(text: &str) -> AddressError {
    match text.parse::<Address>() {
        Ok(address) => panic!("{text:?} was read as {address:?}"),
        Err(error) => error,
    }
}

#[test]
fn a_parameter_is_named_with_what_is_allowed() {
    for (text, told) in [
        (
            "postgres://owner@db/app?sslmod=require",
            "sslrootcert, target_session_attrs, user, but not sslmod",
        ),
        (
            "postgres://owner:x@db/app?pgbouncer=true",
            "but not pgbouncer",
        ),
        ("host=db sslcert=/etc/client.pem", "but not sslcert"),
        (
            "postgres://owner@db/app?sslmode=maybe",
            "sslmode as disable, prefer, require, verify-ca or verify-full",
        ),
        (
            "postgres://owner@db/app?target_session_attrs=standby",
            "target_session_attrs as any, read-write or read-only",
        ),
        (
            "postgres://owner@db/app?connect_timeout=3s",
            "connect_timeout as a whole number of seconds",
        ),
        (
            "postgres://owner@db/app?sslrootcert=",
            "sslrootcert as the path of a file",
        ),
        (
            "postgres://owner@db:five/app",
            "port as whole numbers from 1 to 65535",
        ),
        ("postgres://owner@db:0/app", "port as whole numbers"),
        ("postgres://owner@db:65536/app", "port as whole numbers"),
        ("host=a,b,c port=1,2", "one for all hosts, or one for each"),
        ("host=a,b hostaddr=10.0.0.1", "hostaddr as IP addresses"),
        ("postgres://owner@d+b/app", "host as names, IP addresses"),
        ("postgres://owner@a,,b/app", "host as names, IP addresses"),
        ("postgres://owner@/app", "host as names, IP addresses"),
        ("user=owner dbname=app", "host as names, IP addresses"),
        ("postgres://owner@db/app?host=other", "host once"),
        ("host=db user=a user=b", "user once"),
        ("", "postgres://user:password@host:port/name, or host=…"),
        (" \n", "postgres://user:password@host:port/name, or host=…"),
        (
            "db.example",
            "postgres://user:password@host:port/name, or host=…",
        ),
        (
            "mysql://owner@db/app?sslmode=disable",
            "postgres://user:password@host:port/name, or host=…",
        ),
        (
            "postgres://owner@[::1/app",
            "postgres://user:password@host:port/name, or host=…",
        ),
        (
            "postgres://owner@[::1]5432/app",
            "postgres://user:password@host:port/name, or host=…",
        ),
    ] {
        let refused = refused(text).to_string();
        assert!(refused.contains(told), "{text:?}: {refused}");
    }
}

#[test]
fn no_broken_address_is_read() {
    for address in include_str!("../broken_addresses.txt").lines() {
        refused(address);
    }
}

#[test]
fn what_is_not_percent_encoded_is_said_to_be_so() {
    for text in [
        "postgres://owner:p@ss:w/rd%1@host/db",
        "postgres://owner:SECRET@PW/x@host",
        "postgres://owner:p@ss@host/db",
        "postgres://owner:p/ss@host/db",
        "postgres://owner:p?ss@host/db",
        "postgres://owner:p#ss@host/db",
        "postgres://owner:p[s]s@host/db",
        "postgres://owner:p ss@host/db",
        "postgres://owner:p\nss@host/db",
        "postgres://owner:p%ss@host/db",
        "postgres://owner:ps%f@host/db",
        "postgres://owner:%ff@host/db",
        "postgres://a@b:pass@host/db",
        "postgres://owner:pass@host/d/b",
        "postgres://host/db?user=a@b&password=pass",
        "postgres://owner@host/db?password=a&b",
        "postgres://owner@host/db?password=a&b=c",
    ] {
        assert_eq!(refused(text), AddressError::Encoding, "{text}");
    }
    for text in [
        "host=db password=p ss",
        "host=db password=p ss=word",
        "host=db password='p'ss dbname=app",
        "host=db password='pass",
        r"host=db password=pass\",
        "host=db password=",
    ] {
        assert_eq!(refused(text), AddressError::Quoting, "{text}");
    }
    assert!(
        AddressError::Encoding
            .to_string()
            .contains("percent-encoded")
    );
}

/// What a password is made of: words that stand in no message, and all that an address could end with.
const PIECES: [&str; 16] = [
    "kqz", "zkq", "qqz", "7q9", "@", ":", "/", "?", "#", "%", "&", "=", " ", "'", "\\", "[",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever characters a password has that nobody has encoded, what is shown holds no two of them in a row.
    #[test]
    fn nothing_of_a_password_is_shown(pieces in vec(select(PIECES.as_slice()), 1..8), form in 0..5_usize) {
        let password = pieces.concat();
        let text = match form {
            0 => format!("postgres://owner:{password}@db.example:6432/app"),
            1 => format!("postgres://owner@db.example:6432/app?password={password}&sslmode=disable"),
            2 => format!("postgres://db.example:6432/app?sslmode=disable&password={password}"),
            3 => format!("host=db.example port=6432 password={password} dbname=app"),
            _ => format!("host=db.example port=6432 password='{password}' dbname=app"),
        };
        match text.parse::<Address>() {
            Ok(address) => {
                prop_assert_eq!(address.to_string(), "db.example:6432");
                prop_assert_eq!(format!("{address:?}"), "Address(db.example:6432)");
            }
            Err(error) => {
                let shown = format!("{error} {error:?}");
                for part in password.split(|character: char| !character.is_ascii_alphanumeric()) {
                    prop_assert!(part.len() < 2 || !shown.contains(part), "{}", shown);
                }
            }
        }
    }
}
