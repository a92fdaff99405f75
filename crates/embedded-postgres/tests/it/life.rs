//! A cluster that nobody disturbs.

use std::fs;

use embedded_postgres::{Binaries, Cluster, ClusterError, Durability};

use crate::{connect, folder, processes, start};

#[tokio::test]
async fn its_data_is_found_again_and_it_stops_with_its_owner() {
    let folder = folder();
    let cluster = start(folder.path()).await.unwrap();
    let client = connect(&cluster.url()).await;
    let make = "CREATE TABLE kept AS SELECT 42 AS answer";
    client.batch_execute(make).await.unwrap();
    let server = processes::server(folder.path()).unwrap();
    drop(cluster);
    assert!(!processes::runs(server));

    let cluster = start(folder.path()).await.unwrap();
    let client = connect(&cluster.url()).await;
    let row = client.query_one("TABLE kept", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
}

#[tokio::test]
async fn it_listens_on_loopback_alone_and_its_login_is_no_superuser() {
    let folder = folder();
    let cluster = start(folder.path()).await.unwrap();
    // After process, data, time and port, PostgreSQL records the folder of its socket and the address it listens on.
    let recorded = fs::read_to_string(folder.path().join("data/postmaster.pid")).unwrap();
    let places: Vec<_> = recorded.lines().skip(4).take(2).collect();
    assert_eq!(places, ["", "127.0.0.1"]);
    let client = connect(&cluster.url()).await;
    let question = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    let row = client.query_one(question, &[]).await.unwrap();
    assert!(!row.get::<_, bool>(0));
}

#[tokio::test]
async fn data_of_another_major_version_is_refused_and_left_alone() {
    let folder = folder();
    drop(start(folder.path()).await.unwrap());
    let version = folder.path().join("data/PG_VERSION");
    fs::write(&version, "9\n").unwrap();
    let refused = start(folder.path()).await.unwrap_err();
    assert!(matches!(refused, ClusterError::OtherVersion { .. }));
    let word = refused.to_string();
    assert!(
        word.contains("PostgreSQL 9") && word.contains("POSTGRES_BIN_DIR"),
        "{word}"
    );
    assert_eq!(fs::read_to_string(&version).unwrap(), "9\n");
}

#[tokio::test]
async fn a_cluster_in_use_is_not_taken_from_its_owner() {
    let folder = folder();
    let cluster = start(folder.path()).await.unwrap();
    let refused = start(folder.path()).await.unwrap_err();
    assert!(matches!(refused, ClusterError::InUse { .. }), "{refused}");
    let client = connect(&cluster.url()).await;
    client.batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_folder_without_the_programs_is_named() {
    let folder = folder();
    let refused = Binaries::find_or_fetch(Some(folder.path()))
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains(&folder.path().display().to_string())
    );
}

#[tokio::test]
async fn a_start_that_fails_ends_with_what_postgresql_said() {
    let folder = folder();
    drop(start(folder.path()).await.unwrap());
    let settings = folder.path().join("data/postgresql.conf");
    let broken = fs::read_to_string(&settings).unwrap() + "\nno_such_setting = 1\n";
    fs::write(&settings, broken).unwrap();
    let binaries = Binaries::find_or_fetch(None).await.unwrap();
    let failed = Cluster::start(binaries, folder.path(), Durability::Throwaway).await;
    let word = failed.unwrap_err().to_string();
    assert!(word.contains("no_such_setting"), "{word}");
}
