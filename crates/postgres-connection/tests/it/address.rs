//! What an address may say, in either form.

use std::time::Duration;

use postgres_connection::{Address, AddressParts, SslMode};
use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};

fn parse(text: &str) -> Address {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Who signs in, with what, and where.
fn login(address: &Address) -> (&str, &[u8], &str) {
    let session = address.session();
    (
        session.get_user().unwrap(),
        session.get_password().unwrap_or_default(),
        session.get_dbname().unwrap(),
    )
}

#[test]
fn both_forms_name_the_same_database() {
    for text in [
        "postgres://owner:p%40ss%2Fw%25@db.example:6432/app",
        "postgresql://owner:p%40ss%2Fw%25@db.example:6432/app",
        "postgres://owner@db.example:6432/app?password=p%40ss%2Fw%25",
        "postgres:///app?host=db.example&port=6432&user=owner&password=p%40ss%2Fw%25",
        "host=db.example port=6432 user=owner password=p@ss/w% dbname=app",
        r"host = 'db.example' port=6432  user='owner' password='p@ss/w%' dbname=app",
    ] {
        let address = parse(text);
        assert_eq!(
            login(&address),
            ("owner", b"p@ss/w%".as_slice(), "app"),
            "{text}"
        );
        assert_eq!(address.to_string(), "db.example:6432", "{text}");
    }
}

#[test]
fn white_space_around_it_is_no_part_of_it() {
    for text in [
        "postgres://owner@db/app\n",
        "  \tpostgres://owner@db/app\r\n\r\n",
        " host=db user=owner dbname=app\n",
    ] {
        let address = parse(text);
        assert_eq!(
            login(&address),
            ("owner", b"".as_slice(), "app"),
            "{text:?}"
        );
        assert_eq!(address.to_string(), "db:5432", "{text:?}");
    }
}

#[test]
fn a_server_is_a_name_an_address_of_either_kind_or_a_socket() {
    for (text, shown) in [
        ("postgres://owner@db/app", "db:5432"),
        ("postgres://owner@127.0.0.1:1/app", "127.0.0.1:1"),
        ("postgres://owner@[::1]/app", "[::1]:5432"),
        (
            "postgres://owner@[2001:db8::7]:6432/app",
            "[2001:db8::7]:6432",
        ),
        (
            "postgres://owner@[fe80::1%25eth0]/app",
            "[fe80::1%eth0]:5432",
        ),
        ("host=::1 dbname=app", "[::1]:5432"),
        ("hostaddr=10.0.0.7 dbname=app", "10.0.0.7:5432"),
        ("host=db hostaddr=10.0.0.7 dbname=app", "db:5432"),
        (
            "postgres:///app?host=/run/postgresql",
            "/run/postgresql/.s.PGSQL.5432",
        ),
        (
            "postgres://owner@/app?host=/run/postgresql&port=5433",
            "/run/postgresql/.s.PGSQL.5433",
        ),
        (
            "postgres://owner@%2Frun%2Fpostgresql/app",
            "/run/postgresql/.s.PGSQL.5432",
        ),
        (
            "postgres://owner@%2Frun%2Fpostgresql:5433/app",
            "/run/postgresql/.s.PGSQL.5433",
        ),
        (
            "host=/run/postgresql dbname=app",
            "/run/postgresql/.s.PGSQL.5432",
        ),
        (
            "postgres://owner@a,b:6432,[::1]:7432/app",
            "a:5432, b:6432, [::1]:7432",
        ),
        ("postgres://owner@a,b/app?port=6432", "a:6432, b:6432"),
        ("host=a,b port=5432,6432 dbname=app", "a:5432, b:6432"),
    ] {
        assert_eq!(parse(text).to_string(), shown, "{text}");
    }
}

#[test]
fn parameters_say_what_a_session_is_to_be() {
    let parameters = "target_session_attrs=read-write&application_name=billing%20job&connect_timeout=3\
         &options=-c%20statement_timeout%3D5000&channel_binding=require&sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem";
    let words = "target_session_attrs=read-write application_name='billing job' connect_timeout=3 \
         options='-c statement_timeout=5000' channel_binding=require sslmode=verify-full sslrootcert=/etc/ca.pem";
    for text in [
        format!("postgres://owner@db/app?{parameters}"),
        format!("host=db {words}"),
    ] {
        let address = parse(&text).with_options("-c timezone=UTC");
        let session = address.session();
        assert_eq!(
            session.get_target_session_attrs(),
            TargetSessionAttrs::ReadWrite
        );
        assert_eq!(session.get_application_name(), Some("billing job"));
        assert_eq!(session.get_connect_timeout().unwrap().as_secs(), 3);
        assert_eq!(
            session.get_options(),
            Some("-c statement_timeout=5000 -c timezone=UTC")
        );
        assert_eq!(session.get_channel_binding(), ChannelBinding::Require);
        assert_eq!(address.ssl_mode(), SslMode::VerifyFull);
        assert_eq!(address.ssl_root_certificate().unwrap(), "/etc/ca.pem");
    }
}

#[test]
fn what_an_address_says_itself_wins_over_the_settings() {
    let silent = parse("postgres://owner@db/app")
        .or_protected(SslMode::VerifyCa, Some("/etc/ca.pem".as_ref()));
    assert_eq!(silent.ssl_mode(), SslMode::VerifyCa);
    assert_eq!(silent.ssl_root_certificate().unwrap(), "/etc/ca.pem");
    let says =
        parse("postgres://owner@db/app?sslmode=disable&application_name=own&connect_timeout=3")
            .or_protected(SslMode::VerifyCa, None)
            .or_named("other")
            .within(Duration::from_secs(9));
    assert_eq!(says.ssl_mode(), SslMode::Disable);
    assert_eq!(says.session().get_application_name(), Some("own"));
    assert_eq!(says.session().get_connect_timeout().unwrap().as_secs(), 3);
    assert_eq!(parse("postgres://owner@db/app").ssl_mode(), SslMode::Prefer);
    let options = parse("host=db options='-c work_mem=2MB'")
        .or_options("-c work_mem=1MB")
        .with_options("-c work_mem=3MB");
    let options = options.session().get_options().unwrap();
    // Of several the last one wins.
    assert_eq!(options, "-c work_mem=1MB -c work_mem=2MB -c work_mem=3MB");
}

#[test]
fn every_server_gets_its_share_of_the_time() {
    for (text, share) in [
        ("postgres://owner@db/app", 12),
        ("postgres://owner@a,b,c/app", 4),
        ("postgres://owner@a,b,c/app?connect_timeout=2", 2),
        ("postgres://owner@a,b,c/app?connect_timeout=60", 4),
    ] {
        let address = parse(text).within(Duration::from_secs(12));
        let timeout = address.session().get_connect_timeout().unwrap();
        assert_eq!(timeout.as_secs(), share, "{text}");
    }
}

#[test]
fn parts_are_taken_as_they_are() {
    let of = |host| {
        let password = r"p@ss/ 'w' \ %".into();
        let parts = AddressParts {
            host,
            port: 6432,
            user: "a b",
            password: Some(&password),
            name: "app/1",
        };
        Address::of_parts(parts)
    };
    let address = of("db").unwrap();
    assert_eq!(
        login(&address),
        ("a b", br"p@ss/ 'w' \ %".as_slice(), "app/1")
    );
    for (host, shown) in [
        ("db", "db:6432"),
        ("::1", "[::1]:6432"),
        ("[::1]", "[::1]:6432"),
        ("/run/postgresql", "/run/postgresql/.s.PGSQL.6432"),
    ] {
        assert_eq!(of(host).unwrap().to_string(), shown);
    }
    let refused = of("db:5432").unwrap_err().to_string();
    assert!(
        refused.starts_with("host as names, IP addresses"),
        "{refused}"
    );
}
