//! A server does not serve from a database that would not keep tenants apart.

use nomad_services::{process, server::StartError};
use nomad_sim::Simulator;
use secrecy::ExposeSecret;

use crate::app::{database, settings};

#[actix_web::test]
async fn the_start_stops_and_names_the_table_and_what_to_do() {
    let (database, simulator) = (database().await, simulator());
    let url = database.url();
    let connected = tokio_postgres::connect(url.expose_secret(), tokio_postgres::NoTls).await;
    let (owner, connection) = connected.expect("a connection");
    actix_web::rt::spawn(connection);
    let broken = "ALTER TABLE services DISABLE ROW LEVEL SECURITY";
    owner.batch_execute(broken).await.expect("a hole");
    let settings = settings(&database, &simulator.url(), &[]);
    let application = process::build(&settings).await.expect("a server");
    let refused = application.run(std::future::pending()).await;
    let refused = refused.expect_err("it does not serve");
    assert!(matches!(refused, StartError::Isolation(_)), "{refused}");
    assert_eq!(
        refused.to_string(),
        "the database does not keep tenants apart, so nothing is served from it:\n  \
         table services: row-level security is not enabled; \
         ALTER TABLE services ENABLE ROW LEVEL SECURITY; ALTER TABLE services FORCE ROW LEVEL SECURITY"
    );
}

fn simulator() -> Simulator {
    Simulator::start(nomad_sim::Settings::default()).expect("a simulator")
}
