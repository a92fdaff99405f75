//! Tasks that are only played, as those of the docker driver: their image's name says what becomes of them. A played task
//! costs one waiting future, so that ten thousand fit one process.

use std::{future::pending, time::Duration};

use serde_json::Value;
use tokio::{sync::mpsc, time::sleep};

use super::{Command, Reporter, TaskEvent, TaskSpec, usage::Reserved};
use crate::{checks::CheckResult, logs::LogType};

/// What becomes of a played task.
#[derive(Debug)]
pub struct Story {
    /// The image's name, without registry and tag; the tag may be a parameter.
    pub image: &'static str,
    /// What it does, for whoever looks for a story.
    pub description: &'static str,
    plot: Plot,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plot {
    Healthy,
    Exits,
    Unpullable,
    Unhealthy,
    Slow,
    CrashLoop,
    Deaf,
}

/// Every story, with the image that plays it. Every image that is not listed plays the last one.
pub const STORIES: [Story; 7] = [
    Story {
        image: "sim/exits",
        description: "starts and ends at once; the tag is the exit code (sim/exits:3), 1 without one",
        plot: Plot::Exits,
    },
    Story {
        image: "sim/unpullable",
        description: "can't be pulled: a driver failure",
        plot: Plot::Unpullable,
    },
    Story {
        image: "sim/unhealthy",
        description: "runs, and its checks fail",
        plot: Plot::Unhealthy,
    },
    Story {
        image: "sim/slow",
        description: "takes its tag in seconds to start (sim/slow:10), 5 without one; healthy then",
        plot: Plot::Slow,
    },
    Story {
        image: "sim/crash-loop",
        description: "runs for its tag in seconds (sim/crash-loop:3), 1 without one, and exits with 1",
        plot: Plot::CrashLoop,
    },
    Story {
        image: "sim/deaf",
        description: "runs healthy, and ignores every signal but SIGKILL, so that its kill timeout passes",
        plot: Plot::Deaf,
    },
    HEALTHY,
];

const HEALTHY: Story = Story {
    image: "*",
    description: "starts, runs, and passes its checks until it is killed",
    plot: Plot::Healthy,
};

static HEALTHY_STORY: Story = HEALTHY;
static TABLE: [Story; 7] = STORIES;

const PULL: Duration = Duration::from_millis(50);

/// Longer than this no story waits for anything.
const LONGEST: u64 = 3600;

impl Story {
    /// The story of a task's configuration, and its parameter.
    pub(crate) fn of(config: &Value) -> (&'static Self, Option<u64>) {
        let image = config["image"].as_str().unwrap_or_default();
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, ""));
        let story = TABLE.iter().find(|story| story.image == name);
        (story.unwrap_or(&HEALTHY_STORY), tag.parse().ok())
    }

    /// What a check of the task finds.
    pub(crate) fn check(&self, check: &Value, running: bool) -> CheckResult {
        let success = running && self.plot != Plot::Unhealthy;
        let http = check["Type"] != "tcp";
        let (output, status_code) = match (success, http) {
            (true, true) => ("nomad: http ok", Some(200)),
            (true, false) => ("nomad: tcp ok", None),
            (false, true) if running => ("played: out of order", Some(503)),
            (false, _) => ("played: connection refused", None),
        };
        CheckResult {
            success,
            output: output.to_owned(),
            status_code,
        }
    }
}

/// Plays a task to its end.
pub(crate) async fn run(
    spec: TaskSpec,
    (story, parameter): (&'static Story, Option<u64>),
    reporter: Reporter,
    mut commands: mpsc::UnboundedReceiver<Command>,
    reserved: Reserved,
) {
    let seconds = |default: u64| Duration::from_secs(parameter.unwrap_or(default).min(LONGEST));
    let pull = if story.plot == Plot::Slow {
        seconds(5)
    } else {
        PULL
    };
    tokio::select! {
        () = sleep(pull) => {}
        () = until_killed(&mut commands) => return reporter.tell(ended(0, 0)),
    }
    let image = spec.config["image"].as_str().unwrap_or_default();
    if story.plot == Plot::Unpullable {
        return reporter.tell(TaskEvent::DriverFailure(format!(
            "Failed to pull `{image}`: Error response from daemon: pull access denied for {image}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
        )));
    }
    spec.logs.open();
    reserved.running(true);
    reporter.tell(TaskEvent::Started);
    let greeting = format!("played task {} of image {image:?} started\n", spec.task);
    spec.logs.write(LogType::Stdout, greeting.as_bytes());
    let life = async {
        match story.plot {
            Plot::Exits => i32::try_from(parameter.unwrap_or(1)).unwrap_or(1),
            Plot::CrashLoop => {
                sleep(seconds(1)).await;
                1
            }
            _ => pending().await,
        }
    };
    let end = tokio::select! {
        exit_code = life => {
            let last = format!("played task {} ends with exit code {exit_code}\n", spec.task);
            spec.logs.write(LogType::Stderr, last.as_bytes());
            ended(exit_code, 0)
        }
        () = until_killed(&mut commands) => {
            if story.plot == Plot::Deaf {
                sleep(spec.kill_timeout).await;
                ended(137, 9)
            } else {
                ended(0, 0)
            }
        }
    };
    reserved.running(false);
    reporter.tell(end);
}

fn ended(exit_code: i32, signal: i32) -> TaskEvent {
    TaskEvent::Terminated { exit_code, signal }
}

/// Completes when the task is to be killed, or nobody holds it any more. Signals are heard and not obeyed.
async fn until_killed(commands: &mut mpsc::UnboundedReceiver<Command>) {
    while let Some(Command::Signal(_)) = commands.recv().await {}
}
