//! Answers that are kept so that they can be given again.

use persistence::{Acting, SystemPurpose};

use crate::database::Fixture;

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
