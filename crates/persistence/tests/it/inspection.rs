//! Looking into a tenant: what a platform administrator reads there, and what is written down of it.

use domain::{
    Error, Inspection, ServiceType, TenantId, TenantScope, page::PageRequest,
    service::ServiceFilter, user::User,
};
use sea_orm::prelude::Uuid;

use crate::database::{Fixture, scope};
use crate::ports::*;

const PAGE: PageRequest = PageRequest {
    limit: 50,
    after: None,
    offset: 0,
    counts_all: false,
};

#[tokio::test]
async fn a_look_into_a_tenant_is_recorded_once_and_costs_no_round_trip_more() {
    let fixture = Fixture::new(1).await;
    let (ada, root) = (fixture.user("ada").await, fixture.user("root").await);
    let eve = fixture.user("eve").await;
    for owner in [&ada, &eve] {
        fixture.create(owner, ServiceType::Database).await;
    }
    let client = fixture.across_tenants().await;
    let promote = "UPDATE users SET role = 'admin', tenant_id = NULL WHERE username = 'root'";
    assert_eq!(client.execute(promote, &[]).await.unwrap(), 1);
    let recorded = async || {
        let count = "SELECT COUNT(*) FROM audit_logs WHERE action = 'service.read' AND tenant_id::text = $1 \
             AND user_id::text = $2 AND details::jsonb ->> 'reason' = 'a ticket'";
        let (tenant, user) = (ada.tenant.unwrap().to_string(), root.id.to_string());
        let row = client.query_one(count, &[&tenant, &user]).await.unwrap();
        row.get::<_, i64>(0)
    };
    let look = |user: &User| {
        let [reason, action, resource] =
            ["a ticket", "service.read", "services"].map(str::to_owned);
        TenantScope {
            tenant: ada.tenant.unwrap(),
            inspection: Some(Inspection::new(reason, action, resource.clone(), resource)),
            ..scope(user)
        }
    };
    let read = async |scope: TenantScope| {
        let read = fixture.database.read(scope);
        let (actor, page) = read.list_services(&ServiceFilter::default(), PAGE).await?;
        Ok::<_, Error>((actor.tenant, page.total))
    };
    read(look(&root)).await.unwrap();
    let before = fixture.proxy.round_trips();
    let request = look(&root);
    assert_eq!(read(request.clone()).await.unwrap(), (ada.tenant, 1));
    assert_eq!(fixture.proxy.round_trips() - before, 1);
    assert_eq!(recorded().await, 2);
    // What follows of the same request is no event of its own.
    read(request).await.unwrap();
    assert_eq!(recorded().await, 2);
    for (user, code) in [(&ada, "forbidden"), (&eve, "forbidden")] {
        assert_eq!(read(look(user)).await.unwrap_err().code(), code);
    }
    let nowhere = TenantScope {
        tenant: TenantId(Uuid::new_v4()),
        ..look(&root)
    };
    assert_eq!(read(nowhere).await.unwrap_err().code(), "not_found");
    // Nothing is written inside but the event.
    let mut transaction = fixture.database.tenant(look(&root)).await.unwrap();
    let refused = transaction.enter([]).await.unwrap_err();
    assert_eq!(refused.code(), "unauthenticated");
    drop(transaction);
    // The connection that looked belongs to the next tenant alone.
    assert_eq!(fixture.names(&eve).await.unwrap().len(), 1);
}
