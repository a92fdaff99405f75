use domain::{Acting, SystemPurpose, UserId, session::Credentials};

use crate::database::Fixture;
use crate::ports::*;

impl Fixture {
    async fn credentials(&self, name: &str) -> Credentials {
        let transaction = self
            .database
            .system(SystemPurpose::SignIn, &Acting::product())
            .await
            .unwrap();
        let applicant = transaction.find_applicant(name, None).await.unwrap();
        applicant.credentials.unwrap()
    }

    async fn replace(&self, user: UserId, outdated: &str, current: &str) {
        let transaction = self
            .database
            .system(SystemPurpose::SignIn, &Acting::product())
            .await
            .unwrap();
        let replaced = transaction.replace_password_hash(user, outdated, current.to_owned());
        replaced.await.unwrap();
        transaction.commit().await.unwrap();
    }
}

/// A sign-in that rehashes takes long, and its user may change the password in the meantime.
#[tokio::test]
async fn a_new_hash_of_the_old_password_does_not_undo_a_change() {
    let fixture = Fixture::new(1).await;
    let ada = fixture.user("ada").await;
    let before = fixture.credentials("ada").await.password_hash;
    fixture.replace(ada.id, &before, "changed meanwhile").await;
    fixture
        .replace(ada.id, &before, "the old one, rehashed")
        .await;
    let after = fixture.credentials("ada").await.password_hash;
    assert_eq!(after, "changed meanwhile");
}
