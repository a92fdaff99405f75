//! Services of Nomad's own provider, whose checks decide about health.

use nomad::client::{
    allocations::ClientStatus, deployments::DeploymentStatus, services::CheckStatus,
};
use serde_json::{Value, json};

use crate::{
    scenarios,
    stage::{SECOND, Stage, eventually, group, id, update},
};

scenarios![
    a_service_is_registered_with_its_port_and_goes_with_its_job,
    a_failing_check_fails_the_deployment_and_leaves_the_task_running,
    a_check_that_fails_has_failed_when_asked_for,
];

/// Nothing listens on its port, so its check fails.
fn unreachable(stage: &Stage) -> Value {
    let mut job = stage.sleeper();
    let name = id(&job).to_owned();
    group(&mut job)["Networks"] = json!([{"DynamicPorts": [{"Label": "http"}]}]);
    group(&mut job)["Services"] = json!([{
        "Name": name,
        "Provider": "nomad",
        "PortLabel": "http",
        "Tags": ["contract"],
        "Checks": [{
            "Name": "up", "Type": "http", "Path": "/", "Interval": SECOND, "Timeout": SECOND,
        }],
    }]);
    update(&mut job)["HealthCheck"] = json!("checks");
    job
}

async fn a_service_is_registered_with_its_port_and_goes_with_its_job(stage: &Stage) {
    let job = unreachable(stage);
    stage.register(&job).await;
    let service = eventually("a registered service", async || {
        let services = stage.nomad.job_services(id(&job)).await.unwrap();
        services.value.into_iter().next()
    })
    .await;
    let allocation = stage.allocations(&job).await.remove(0);
    let whole = stage.nomad.allocation(&allocation.id).await.unwrap().value;
    let [port] = &whole.allocated_resources.shared.ports[..] else {
        panic!("one port, not {:?}", whole.allocated_resources);
    };
    assert_eq!(port.label, "http");
    assert_eq!(service.port, port.value);
    assert_eq!(service.allocation_id, allocation.id);
    assert_eq!(service.service_name, id(&job));
    assert_eq!(service.tags, ["contract"]);
    assert_eq!(
        stage.nomad.service(id(&job)).await.unwrap().value,
        [service]
    );

    stage.nomad.stop(id(&job), false).await.unwrap();
    eventually("no service", async || {
        let services = stage.nomad.service(id(&job)).await.unwrap();
        services.is_empty().then_some(())
    })
    .await;
}

async fn a_failing_check_fails_the_deployment_and_leaves_the_task_running(stage: &Stage) {
    let mut job = unreachable(stage);
    let policy = update(&mut job);
    policy["HealthyDeadline"] = json!(3 * SECOND);
    policy["ProgressDeadline"] = json!(0);
    stage.register(&job).await;
    let deployment = stage.deployed(&job, 0, DeploymentStatus::Failed).await;
    assert_eq!(
        deployment.status_description,
        "Failed due to unhealthy allocations"
    );
    let allocation = stage.allocations(&job).await.remove(0);
    assert_eq!(allocation.client_status, ClientStatus::Running);
    let health = allocation.deployment_status.unwrap();
    assert_eq!(health.healthy, Some(false));
    let events = &allocation.task_states["app"].events;
    let unhealthy = events.iter().any(|event| event.kind == "Alloc Unhealthy");
    assert!(unhealthy, "{events:?}");
}

async fn a_check_that_fails_has_failed_when_asked_for(stage: &Stage) {
    let job = unreachable(stage);
    stage.register(&job).await;
    // Before that its node may not know it yet.
    let allocation = stage
        .allocation(&job, "a running allocation", |allocation| {
            allocation.client_status == ClientStatus::Running
        })
        .await;
    let check = eventually("a failed check", async || {
        let checks = stage.nomad.checks(&allocation.id).await.unwrap();
        let mut failed = checks.into_values();
        failed.find(|check| check.status == CheckStatus::Failure)
    })
    .await;
    assert_eq!((&*check.check, &*check.service), ("up", id(&job)));
}
