//! Answers that are kept so that they can be given again.

use domain::{
    Acting, SystemPurpose,
    idempotency::{Answer, Once, replayed},
};

use crate::database::{Fixture, scope};
use crate::ports::*;

#[tokio::test]
async fn only_answers_older_than_a_day_are_removed() {
    let fixture = Fixture::new(1).await;
    let client = fixture.across_tenants().await;
    client
        .batch_execute(
            "INSERT INTO idempotency_keys (user_id, key, fingerprint, status, response, created_at)
             SELECT gen_random_uuid(), age, '', 201, '{}', CURRENT_TIMESTAMP - age::interval
             FROM unnest(ARRAY['0 hours', '23 hours 55 minutes', '24 hours', '30 days']) AS age",
        )
        .await
        .unwrap();
    let remove = async || {
        let transaction = fixture
            .database
            .system(SystemPurpose::Retention, &Acting::product())
            .await;
        transaction.unwrap().remove_expired_answers().await.unwrap()
    };
    assert_eq!(remove().await, 2);
    let left = "SELECT string_agg(key, ', ' ORDER BY created_at) FROM idempotency_keys";
    let left: String = client.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(left, "23 hours 55 minutes, 0 hours");
    assert_eq!(remove().await, 0);
}

#[tokio::test]
async fn a_refusal_is_kept_while_what_was_refused_is_still_being_rolled_back() {
    let fixture = Fixture::new(2).await;
    let ada = fixture.user("ada").await;
    let transaction = async || fixture.database.tenant(scope(&ada)).await.unwrap();
    let once = Once {
        owner: ada.id.0,
        key: "one".to_owned(),
        fingerprint: vec![1],
    };
    let refusal = Answer {
        status: 404,
        body: serde_json::json!({}),
        location: None,
        etag: None,
    };
    let mut refused = transaction().await;
    refused.once(Some(&once)).await.unwrap();

    let keeper = transaction().await;
    let keep = tokio::spawn({
        let (once, refusal) = (once.clone(), refusal.clone());
        async move { keeper.keep_refusal(&once, &refusal).await }
    });
    let client = fixture.across_tenants().await;
    let waiting =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)";
    while !keep.is_finished()
        && !client
            .query_one(waiting, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    {
        tokio::task::yield_now().await;
    }
    drop(refused);
    keep.await.unwrap().unwrap();

    let again = transaction().await.once(Some(&once)).await.unwrap_err();
    assert_eq!(replayed(&again), Some(&refusal));
}
