//! Owners and servers that are killed, and what they leave.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command},
};

use nix::unistd::Pid;

use crate::{
    connect, folder,
    processes::{ends, eventually, murder, runs, server, watchdog_of},
    start,
};

/// `with-postgres` around a command that takes its time, and the folder of its cluster.
struct Run {
    owner: Child,
    cluster: PathBuf,
    server: Pid,
}

impl Run {
    fn new(temporary: &Path) -> Self {
        let owner = Command::new(env!("CARGO_BIN_EXE_with-postgres"))
            .args(["sleep", "600"])
            .env("TMPDIR", temporary)
            // The version that this program itself starts.
            .env_remove("POSTGRES_VERSION")
            .spawn()
            .unwrap();
        let cluster = temporary.join(format!("nomad-services-test-{}", owner.id()));
        let (server, _) = eventually("the start", || {
            let owner = Pid::from_raw(i32::try_from(owner.id()).unwrap());
            Some((server(&cluster)?, watchdog_of(owner)?))
        });
        Self {
            owner,
            cluster,
            server,
        }
    }

    fn owner(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.owner.id()).unwrap())
    }

    fn murder(mut self) -> (PathBuf, Pid) {
        murder(self.owner());
        self.owner.wait().unwrap();
        (self.cluster, self.server)
    }
}

#[test]
fn the_server_ends_when_its_owner_is_killed() {
    let temporary = folder();
    let (_, server) = Run::new(temporary.path()).murder();
    ends(server);
}

#[test]
fn what_a_killed_run_left_is_swept_by_the_next() {
    let temporary = folder();
    let (cluster, server) = Run::new(temporary.path()).murder();
    ends(server);
    assert!(cluster.exists());
    let next = Command::new(env!("CARGO_BIN_EXE_with-postgres"))
        .arg("true")
        .env("TMPDIR", temporary.path())
        .status();
    assert!(next.unwrap().success());
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_server_that_outlived_its_owner_is_ended_and_its_data_kept() {
    let temporary = folder();
    let run = Run::new(temporary.path());
    murder(watchdog_of(run.owner()).unwrap());
    let (cluster, orphan) = run.murder();
    assert!(runs(orphan));
    let started = start(&cluster).await.unwrap();
    assert!(!runs(orphan));
    connect(&started.url()).await;
}

#[tokio::test]
async fn a_cluster_whose_server_was_killed_starts_again_with_what_was_committed() {
    let folder = folder();
    let cluster = start(folder.path()).await.unwrap();
    let client = connect(&cluster.url()).await;
    let make = "CREATE TABLE kept AS SELECT 42 AS answer";
    client.batch_execute(make).await.unwrap();
    murder(server(folder.path()).unwrap());
    drop(cluster);
    let cluster = start(folder.path()).await.unwrap();
    let client = connect(&cluster.url()).await;
    let row = client.query_one("TABLE kept", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
}

#[tokio::test]
async fn a_process_that_has_the_servers_old_number_is_left_alone() {
    let folder = folder();
    drop(start(folder.path()).await.unwrap());
    let data = folder.path().join("data");
    // Of the account that runs PostgreSQL, which is the case in which PostgreSQL itself gives up.
    let account = fs::metadata(&data).unwrap();
    let mut stranger = Command::new("sleep");
    stranger.arg("600").uid(account.uid()).gid(account.gid());
    let mut stranger = stranger.spawn().unwrap();
    let left = format!("{}\n{}\n", stranger.id(), data.display());
    fs::write(data.join("postmaster.pid"), left).unwrap();

    let cluster = start(folder.path()).await.unwrap();
    connect(&cluster.url()).await;
    drop(cluster);
    assert_eq!(stranger.try_wait().unwrap(), None);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
