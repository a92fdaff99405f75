//! The running simulator: one cluster behind a lock, and the task that moves it on as time passes and tasks report.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::Settings;
use crate::faults::Faults;
use crate::node::Message;
use crate::runtime::TaskReport;
use crate::state::{Cluster, Senders};
use crate::timers::Timer;

/// How many timers are fired before others get the lock.
const BATCH: usize = 64;

#[derive(Debug)]
pub struct Agent {
    pub settings: Settings,
    pub faults: Mutex<Faults>,
    cluster: Mutex<Cluster>,
    changes: watch::Sender<u64>,
    restarts: watch::Sender<()>,
    senders: Senders,
}

impl Agent {
    pub fn new(settings: Settings, senders: Senders) -> Arc<Self> {
        let cluster = Cluster::new(settings.speed, senders.clone());
        Arc::new(Self {
            settings,
            faults: Mutex::default(),
            changes: watch::Sender::new(cluster.index),
            restarts: watch::Sender::new(()),
            cluster: Mutex::new(cluster),
            senders,
        })
    }

    /// Looks at the cluster.
    pub fn read<T>(&self, look: impl FnOnce(&Cluster) -> T) -> T {
        look(&self.cluster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the cluster, then tells whoever waits for its index.
    pub fn write<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = cluster.timers.next();
        let result = change(&mut cluster);
        let sooner = match (earliest, cluster.timers.next()) {
            (Some(before), Some(now)) => now < before,
            (before, now) => before.is_none() && now.is_some(),
        };
        if sooner {
            // The driver may have ended.
            let _ = self.senders.messages.send(Message::Wake);
        }
        let index = cluster.index;
        drop(cluster);
        self.changes
            .send_if_modified(|seen| std::mem::replace(seen, index) != index);
        result
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Resolves when the agent is restarted: every open call and stream ends then.
    pub fn restarts(&self) -> watch::Receiver<()> {
        self.restarts.subscribe()
    }

    /// Restarts: one that keeps its data only cuts its connections, any other forgets everything and ends its tasks.
    pub fn restart(&self, keeps_data: bool) {
        if !keeps_data {
            let fresh = Cluster::new(self.settings.speed, self.senders.clone());
            self.write(|cluster| *cluster = fresh);
        }
        self.restarts.send_replace(());
    }

    /// Ends every task, and lets no more time pass.
    pub fn halt(&self) {
        self.write(|cluster| {
            cluster.timers.clear();
            cluster.runners.clear();
        });
    }

    /// Moves the cluster on until nobody can send messages any more.
    pub async fn drive(
        self: Arc<Self>,
        mut messages: UnboundedReceiver<Message>,
        mut reports: UnboundedReceiver<TaskReport>,
    ) {
        loop {
            let next = self.read(|cluster| cluster.timers.next());
            let alarm = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            let (mut message, mut report) = (None, None);
            tokio::select! {
                received = messages.recv() => match received {
                    Some(received) => message = Some(received),
                    None => return,
                },
                received = reports.recv() => match received {
                    Some(received) => report = Some(received),
                    None => return,
                },
                () = alarm => {}
            }
            self.write(|cluster| {
                for _ in 0..BATCH {
                    match report.take().or_else(|| reports.try_recv().ok()) {
                        Some(report) => cluster.task_report(report),
                        None => break,
                    }
                }
                for _ in 0..BATCH {
                    match message.take().or_else(|| messages.try_recv().ok()) {
                        Some(Message::Checked {
                            allocation,
                            check,
                            result,
                        }) => cluster.checked(allocation, check, result),
                        Some(Message::Wake) => {}
                        None => break,
                    }
                }
                let now = Instant::now();
                for _ in 0..BATCH {
                    let Some(timer) = cluster.timers.due(now) else {
                        break;
                    };
                    fire(cluster, timer);
                }
            });
            tokio::task::yield_now().await;
        }
    }
}

fn fire(cluster: &mut Cluster, timer: Timer) {
    match timer {
        Timer::Evaluate(id) => cluster.evaluate(id),
        Timer::Begin(id) => cluster.begin(id),
        Timer::End(id) => cluster.end(id),
        Timer::Watch(id) => cluster.watch_health(id),
        Timer::Publish(id) => cluster.publish(id),
        Timer::RestartTask { allocation, task } => cluster.restart_task(allocation, &task),
        Timer::Healthy {
            allocation,
            watch,
            restarts,
        } => cluster.healthy(allocation, watch, restarts),
        Timer::HealthyDeadline { allocation, watch } => cluster.healthy_deadline(allocation, watch),
        Timer::Check { allocation, check } => cluster.probe(allocation, check),
        Timer::WatchDeployment(id) => cluster.watch_deployment(id),
        Timer::JudgeDeployment(id) => cluster.judge_deployment(id),
        Timer::ProgressDeadline(id) => cluster.progress_deadline(id),
    }
}
