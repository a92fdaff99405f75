//! What the product relies on in Nomad: the same scenarios on the simulator, always, and on a real agent where `NOMAD_ADDR`
//! names one or `nomad` is on PATH, so that the simulator can't drift into a kinder Nomad.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]

mod checks;
mod events;
mod failing;
mod health;
mod logs;
mod namespaces;
mod orchestrator;
mod parse;
mod placement;
mod queries;
mod register;
mod stage;
mod stop;
mod target;
mod variables;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use stage::Scenario;
use target::Target;

/// Scenarios wait far more than they work.
const AT_ONCE: usize = 16;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let runtime = tokio::runtime::Runtime::new().unwrap();

    let mut targets = vec![runtime.block_on(async { Target::simulator() })];
    match runtime.block_on(Target::real_agent()) {
        Some(agent) => targets.push(agent),
        None => eprintln!(
            "NOT TESTED ON A REAL NOMAD AGENT: NOMAD_ADDR is not set and no nomad is on PATH"
        ),
    }

    let scenarios: Vec<Scenario> = [
        checks::scenarios(),
        events::scenarios(),
        failing::scenarios(),
        health::scenarios(),
        logs::scenarios(),
        namespaces::scenarios(),
        orchestrator::scenarios(),
        parse::scenarios(),
        placement::scenarios(),
        queries::scenarios(),
        register::scenarios(),
        stop::scenarios(),
        variables::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let trials = targets.iter().flat_map(|target| {
        let handle = runtime.handle();
        scenarios.iter().map(move |scenario| {
            let (handle, client, scenario) = (handle.clone(), target.client(), *scenario);
            let name = format!("{}::{}", target.name(), scenario.name());
            Trial::test(name, move || {
                handle.block_on(scenario.run(client));
                Ok(())
            })
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
