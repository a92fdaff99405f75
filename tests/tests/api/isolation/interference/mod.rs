//! Non-interference: whatever two tenants do, each is answered as if the other were not there.
//!
//! A random history of requests by two tenants is played three times, each time by a server with a new database: by both, and by
//! each alone. A tenant's answers are compared as they are, headers included, but for names in place of ids, times and
//! secrets. Histories follow from a seed: `INTERFERENCE_SEED` and `INTERFERENCE_HISTORIES` make other or more of them. One
//! that shows a difference is shortened as far as it still shows one, and printed.
//!
//! Not compared is what the product says is shared: usernames, addresses of people, slugs and domains are unique in the
//! whole product, so the tenants have different ones. Requests of both come one after the other.

mod history;
mod memory;
mod names;
mod operations;
mod player;
mod proof;

use std::{fmt, panic::AssertUnwindSafe};

use futures::FutureExt;
use tokio_postgres::Client;

use self::{
    history::{Side, Step},
    memory::Things,
    player::{Exchange, Player},
};
use crate::app::TestApp;

const HISTORIES: u64 = 6;

/// A tenant's answers, alone and beside the other, the first that differ.
struct Difference {
    side: Side,
    alone: Option<Exchange>,
    beside: Option<Exchange>,
}

/// What a database has before the tenants come: a template for everybody.
const PUBLIC_TEMPLATE: &str = "INSERT INTO service_templates (name, type, tags, config, is_public, created_by)
    SELECT 'of the house', 'database', '{fast}', '{\"image\": \"postgres:17\"}', true, id FROM users";

/// One of the tenant's own.
const PRIVATE_TEMPLATE: &str = "INSERT INTO service_templates (name, type, tags, config, is_public, created_by)
    SELECT 'house of our own', 'custom', '{fast}', '{\"image\": \"nginx:1\"}', false, id FROM users WHERE username = $1";

/// What the sides are answered who play their part of a history in a world of their own, with a hole in it.
async fn play(history: &[Step], sides: &[Side], hole: &str) -> Vec<Vec<Exchange>> {
    let mut app = TestApp::hasty_with(&[
        ("NOMAD_SERVICES__SERVER__TRUSTED_NETWORKS", "127.0.0.0/8"),
        ("NOMAD_SERVICES__AUDIT__SEAL_INTERVAL", "200ms"),
        ("NOMAD_SERVICES__DEPLOYMENTS__POLL_INTERVAL", "20ms"),
        // Whatever is put off stays so for as long as the history takes.
        ("NOMAD_SERVICES__AUTH__THROTTLE__FIRST_DELAY", "15m"),
    ])
    .await;
    let database = app.owner_client().await;
    let prepare = format!("{hole}; SET ROLE nomad_services_system; {PUBLIC_TEMPLATE}");
    database
        .batch_execute(&prepare)
        .await
        .expect("a world that is prepared");
    let played = AssertUnwindSafe(play_in(&app, &database, history, sides))
        .catch_unwind()
        .await;
    app.stop().await;
    match played {
        Ok(exchanges) => exchanges,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

async fn play_in(
    app: &TestApp,
    database: &Client,
    history: &[Step],
    sides: &[Side],
) -> Vec<Vec<Exchange>> {
    let mut players = Vec::new();
    for side in sides {
        players.push(Player::new(app, database, *side).await);
        let made = database.execute(PRIVATE_TEMPLATE, &[&side.name()]).await;
        made.expect("a template");
    }
    for step in history {
        let Some(index) = sides.iter().position(|side| *side == step.side) else {
            continue;
        };
        let other = players.len() - 1 - index;
        let others = match other == index {
            true => Things::new(),
            false => players[other].things(),
        };
        players[index].play(step, &others).await;
    }
    players.into_iter().map(Player::into_exchanges).collect()
}

/// The first answer of either tenant that is another one because of the other tenant.
async fn difference(history: &[Step], hole: &str) -> Option<Difference> {
    let beside = play(history, &Side::BOTH, hole).await;
    let mut alone = play(history, &[Side::Ada], hole).await;
    alone.extend(play(history, &[Side::Bob], hole).await);
    let mut sides = Side::BOTH.into_iter().zip(alone.into_iter().zip(beside));
    sides.find_map(|(side, (alone, beside))| first_difference(side, &alone, &beside))
}

fn first_difference(side: Side, alone: &[Exchange], beside: &[Exchange]) -> Option<Difference> {
    let longest = alone.len().max(beside.len());
    let index = (0..longest).find(|index| alone.get(*index) != beside.get(*index))?;
    Some(Difference {
        side,
        alone: alone.get(index).cloned(),
        beside: beside.get(index).cloned(),
    })
}

/// The shortest part of a history that still shows a difference, as far as leaving out ever smaller pieces finds it.
async fn shorten<Step: Clone, Found>(
    mut history: Vec<Step>,
    mut found: Found,
    shows: impl AsyncFn(&[Step]) -> Option<Found>,
) -> (Vec<Step>, Found) {
    let mut piece = history.len().div_ceil(2);
    while piece > 0 {
        let (mut start, mut was_shortened) = (0, false);
        while start < history.len() {
            let end = (start + piece).min(history.len());
            let shorter = [&history[..start], &history[end..]].concat();
            match shows(&shorter).await {
                Some(still) => {
                    (history, found, was_shortened) = (shorter, still, true);
                }
                None => start = end,
            }
        }
        if !was_shortened || piece > 1 {
            piece /= 2;
        }
    }
    (history, found)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[actix_web::test]
async fn each_tenant_is_answered_as_if_the_other_were_not_there() {
    let first = setting("INTERFERENCE_SEED").unwrap_or(1);
    let count = setting("INTERFERENCE_HISTORIES").unwrap_or(HISTORIES);
    for seed in first..first + count {
        let history = history::random(seed);
        let Some(found) = difference(&history, "").await else {
            continue;
        };
        println!(
            "INTERFERENCE_SEED={seed} shows a difference; its history is being shortened\n{found}"
        );
        let shows = async |history: &[Step]| difference(history, "").await;
        let (history, found) = shorten(history, found, shows).await;
        let steps: Vec<_> = history.iter().map(|step| format!("  {step}")).collect();
        panic!("INTERFERENCE_SEED={seed}\n{}\n{found}", steps.join("\n"));
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = self.side.name();
        for (when, exchange) in [("alone", &self.alone), ("beside the other", &self.beside)] {
            writeln!(formatter, "\n{side}, {when}:")?;
            match exchange {
                Some(Exchange { asked, answered }) => writeln!(formatter, "{asked}\n{answered}")?,
                None => writeln!(formatter, "nothing more")?,
            }
        }
        Ok(())
    }
}
