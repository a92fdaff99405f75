//! Who runs PostgreSQL: an ordinary user itself; root through another account.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    process::Command,
};

use nix::unistd::{Uid, User};

use crate::{connect, folder, processes, start};

fn is_root(test: &str) -> bool {
    let root = Uid::effective().is_root();
    if !root {
        println!(
            "{test}: not run, because it takes root; every other test runs as an ordinary user"
        );
    }
    root
}

#[tokio::test]
async fn root_runs_it_as_another_account() {
    if !is_root("root_runs_it_as_another_account") {
        return;
    }
    let folder = folder();
    let _cluster = start(folder.path()).await.unwrap();
    let server = processes::server(folder.path()).unwrap();
    assert_ne!(fs::metadata(format!("/proc/{server}")).unwrap().uid(), 0);
}

#[test]
fn an_ordinary_user_runs_it_itself() {
    if !is_root("an_ordinary_user_runs_it_itself") {
        return;
    }
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let folder = folder();
    let (program, temporary) = (
        folder.path().join("with-postgres"),
        folder.path().join("tmp"),
    );
    fs::copy(env!("CARGO_BIN_EXE_with-postgres"), &program).unwrap();
    fs::create_dir(&temporary).unwrap();
    fs::set_permissions(&temporary, Permissions::from_mode(0o777)).unwrap();
    let owned = "test \"$(stat -c %U \"$TMPDIR\"/nomad-services-test-*/data)\" = nobody && exit 7";
    let status = Command::new(program)
        .args(["sh", "-c", owned])
        .env("TMPDIR", &temporary)
        .env("HOME", &temporary)
        .current_dir("/")
        .uid(nobody.uid.as_raw())
        .gid(nobody.gid.as_raw())
        .status();
    assert_eq!(status.unwrap().code(), Some(7));
}

#[tokio::test]
async fn a_folder_closed_to_that_account_leads_to_one_that_is_not() {
    if !is_root("a_folder_closed_to_that_account_leads_to_one_that_is_not") {
        return;
    }
    let closed = tempfile::tempdir().unwrap();
    let folder = closed.path().join("postgres");
    let cluster = start(&folder).await.unwrap();
    let client = connect(&cluster.url()).await;
    client.batch_execute("CREATE TABLE kept ()").await.unwrap();
    drop(cluster);
    let cluster = start(&folder).await.unwrap();
    let client = connect(&cluster.url()).await;
    client.batch_execute("TABLE kept").await.unwrap();
    drop(cluster);
    fs::remove_dir_all(fs::canonicalize(&folder).unwrap()).unwrap();
}
