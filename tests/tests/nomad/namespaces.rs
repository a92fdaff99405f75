//! Namespaces: written whole, deleted only when empty.

use nomad::{ErrorKind, client::namespaces::Namespace};
use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    scenarios,
    stage::{Stage, id, refusal},
};

scenarios![
    a_write_replaces_the_whole_namespace,
    a_bad_name_is_refused,
    a_namespace_in_use_is_not_deleted,
    the_same_id_in_another_namespace_is_another_job,
];

fn namespace() -> Namespace {
    Namespace {
        name: format!("contract-{}", Uuid::new_v4()),
        description: "a test".to_owned(),
        meta: [("tenant".to_owned(), "a".to_owned())].into(),
        ..Namespace::default()
    }
}

async fn a_write_replaces_the_whole_namespace(stage: &Stage) {
    let mut wanted = namespace();
    let name = wanted.name.clone();
    let read = async || stage.client.namespace(&name).await;
    let absent = (ErrorKind::NotFound, 404, "Namespace not found".to_owned());
    assert_eq!(refusal(read().await), absent);

    stage.client.write_namespace(&wanted).await.unwrap();
    let first = read().await.unwrap().value;
    assert_eq!(
        (&first.description, &first.meta),
        (&wanted.description, &wanted.meta)
    );
    assert!(first.capabilities.is_none());

    wanted.meta.clear();
    stage.client.write_namespace(&wanted).await.unwrap();
    let second = read().await.unwrap().value;
    assert_eq!(second.meta, [].into(), "there is no merging");
    let all = stage.client.namespaces().await.unwrap().value;
    assert!(all.contains(&second));
    assert!(all.iter().any(|namespace| namespace.name == "default"));

    stage.client.delete_namespace(&name).await.unwrap();
    assert_eq!(refusal(read().await), absent);
    let again = stage.client.delete_namespace(&name).await;
    let (kind, _, text) = refusal(again);
    assert_eq!((kind, &*text), (ErrorKind::NotFound, "namespace not found"));
}

async fn a_bad_name_is_refused(stage: &Stage) {
    for name in ["a_b", "a b"] {
        let bad = Namespace {
            name: name.to_owned(),
            ..Namespace::default()
        };
        let (kind, status, text) = refusal(stage.client.write_namespace(&bad).await);
        assert_eq!((kind, status), (ErrorKind::Invalid, 500), "{text}");
        let words = format!(
            "Invalid namespace \"{name}\": 1 error occurred:\n\t* invalid name \"{name}\". Must match regex ^[a-zA-Z0-9-]{{1,128}}$"
        );
        assert_eq!(text, words);
    }
    let default = stage.client.delete_namespace("default").await;
    assert_eq!(
        refusal(default),
        (
            ErrorKind::Invalid,
            500,
            "can not delete default namespace".to_owned()
        )
    );
}

async fn a_namespace_in_use_is_not_deleted(stage: &Stage) {
    let namespace = namespace();
    let name = &namespace.name;
    stage.client.write_namespace(&namespace).await.unwrap();
    let inside = stage.client.in_namespace(name);
    let refused = async || {
        let (kind, status, text) = refusal(stage.client.delete_namespace(name).await);
        assert_eq!((kind, status), (ErrorKind::NamespaceInUse, 500), "{text}");
        text
    };

    let items = [("key".to_owned(), SecretString::from("value"))].into();
    inside
        .write_variable("contract/x", &items, None)
        .await
        .unwrap();
    let text = refused().await;
    let variables = format!("namespace \"{name}\" has variables associated with it in regions: [");
    assert!(text.contains(&variables), "{text}");
    inside.delete_variable("contract/x", None).await.unwrap();

    let job = stage.sleeper();
    inside.register(&job, None).await.unwrap();
    let text = refused().await;
    let jobs = format!("namespace \"{name}\" has non-terminal jobs in regions: [");
    assert!(text.contains(&jobs), "{text}");
    inside.stop(id(&job), true).await.unwrap();
    stage.client.delete_namespace(name).await.unwrap();
}

async fn the_same_id_in_another_namespace_is_another_job(stage: &Stage) {
    let namespace = namespace();
    stage.client.write_namespace(&namespace).await.unwrap();
    let inside = stage.client.in_namespace(&namespace.name);
    let mut job = stage.sleeper();
    job["TaskGroups"][0]["Count"] = 0.into();
    // The document's own namespace does not count.
    job["Namespace"] = "default".into();
    inside.register(&job, Some(0)).await.unwrap();
    let found = inside.job(id(&job)).await.unwrap().value.view;
    assert_eq!(found.namespace, namespace.name);
    assert_eq!(
        refusal(stage.nomad.job(id(&job)).await).0,
        ErrorKind::NotFound
    );
    assert!(!stage.nomad.stop(id(&job), true).await.unwrap().found());
    inside.stop(id(&job), true).await.unwrap();
    stage
        .client
        .delete_namespace(&namespace.name)
        .await
        .unwrap();
}
