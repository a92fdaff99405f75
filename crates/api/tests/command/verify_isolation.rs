//! `verify-isolation` on a database that keeps tenants apart, and on one that does not.

use embedded_postgres::test_database::TestDatabase;
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::process::{run, text};

#[tokio::test]
async fn every_attempt_is_a_line_and_a_way_from_one_tenant_to_another_fails_the_command() {
    let database = TestDatabase::empty().await;
    let folder = tempfile::tempdir().unwrap();
    let url = database.url();
    let variables = [("DATABASE_URL", url.expose_secret())];
    let verify = |more: &[&str]| {
        let arguments = [&["verify-isolation"], more].concat();
        run(folder.path(), &arguments, &variables)
    };
    let unmigrated = verify(&[]);
    assert_eq!(unmigrated.status.code(), Some(1));
    assert!(
        text(&unmigrated.stderr).contains("migrate status"),
        "{unmigrated:?}"
    );
    run(folder.path(), &["migrate", "up"], &variables);

    let good = verify(&[]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let told = text(&good.stdout);
    let read = "ok      services: read another tenant's rows: 0 rows";
    assert!(told.lines().any(|line| line == read), "{told}");

    let connected = tokio_postgres::connect(url.expose_secret(), tokio_postgres::NoTls).await;
    let (owner, connection) = connected.unwrap();
    tokio::spawn(connection);
    let hole = "CREATE POLICY hole ON services FOR SELECT TO nomad_services_app USING (true)";
    owner.batch_execute(hole).await.unwrap();
    let bad = verify(&["--json"]);
    assert_eq!(bad.status.code(), Some(1));
    assert_eq!(
        text(&bad.stderr),
        "nomad-services: tenants are not kept apart: policy hole on services, services\n"
    );
    let document: Value = serde_json::from_slice(&bad.stdout).unwrap();
    let attempts = document["attempts"].as_array().unwrap();
    let found = attempts
        .iter()
        .filter(|attempt| attempt["verdict"] == "found");
    assert_eq!(document["findings"], found.count());
    let way = attempts.iter().find(|attempt| {
        attempt["object"] == "services" && attempt["attempt"] == "read another tenant's rows"
    });
    assert_eq!(way.unwrap()["outcome"], "1 row");
}
