//! Registering: a tenant with its first user.

use domain::{
    Acting, Error, Limits, Origin, Plan, Role, SystemPurpose, UserId,
    idempotency::{Answer, Once},
    ports::{SystemStore, Transaction as _},
    session::ports::PasswordHasher,
    tenant,
    user::{NewUser, Registration, User, ports::Registering},
};
use uuid::Uuid;

/// How often another slug is tried where one is taken.
const SLUGS: usize = 5;

/// What somebody does who is not known yet.
#[derive(Clone, Debug)]
pub struct Registrations<S, H> {
    store: S,
    passwords: H,
    max_services: Option<u32>,
}

impl<S, H> Registrations<S, H> {
    /// `max_services` is how many services a tenant may have, where the operator decides it instead of the plan.
    pub fn new(store: S, passwords: H, max_services: Option<u32>) -> Self {
        Self {
            store,
            passwords,
            max_services,
        }
    }

    fn limits(&self, plan: Plan) -> Limits {
        Limits::of_tenant(plan, plan.max_services(self.max_services))
    }
}

impl<S, H> Registrations<S, H>
where
    S: SystemStore<Transaction: Registering>,
    H: PasswordHasher,
{
    /// Makes a tenant with its first user, who administers it; `answer` is what the user is told, kept where the request is to
    /// take effect once.
    ///
    /// # Errors
    /// `email_taken`, `username_taken`, and those of [`Transaction::once`](domain::ports::Transaction::once).
    pub async fn register(
        &self,
        origin: Origin,
        once: Option<&Once>,
        registration: Registration,
        answer: impl Fn(&User) -> Answer + Send + Sync,
    ) -> Result<User, Error> {
        let password_hash = self.passwords.hash(&registration.password).await?;
        let tenant_name = registration.derived_tenant_name();
        let new = NewUser {
            id: UserId(Uuid::new_v4()),
            email: registration.email,
            username: registration.username,
            password_hash,
            first_name: registration.first_name,
            last_name: registration.last_name,
            role: Role::TenantAdmin,
        };
        let acting = Acting::user(new.id, None, origin);
        let limits = (Plan::Free, self.limits(Plan::Free));
        let mut slug = tenant::slug(&tenant_name);
        for _ in 0..SLUGS {
            let mut transaction = self
                .store
                .system(SystemPurpose::Registration, &acting)
                .await?;
            transaction.once(once).await?;
            match transaction
                .register(&tenant_name, &slug, limits, new.clone(), &answer)
                .await
            {
                Err(error) if error.code() == "slug_taken" => {
                    let suffix: String = Uuid::new_v4()
                        .simple()
                        .to_string()
                        .chars()
                        .take(6)
                        .collect();
                    slug = tenant::slug_with_suffix(&tenant_name, &suffix);
                }
                result => return result,
            }
        }
        Err(Error::conflict(
            "slug_taken",
            "no free slug was found for this tenant name",
        ))
    }
}
