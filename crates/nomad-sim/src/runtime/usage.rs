//! What a task uses: read from `/proc` for processes, made up within what is reserved for played tasks.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use nix::unistd::{SysconfVar, sysconf};
use serde_json::{Value, json};

/// What a task uses at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// When, in nanoseconds since 1970; 0 where the task does not run.
    pub timestamp: u64,
    /// Each of its processes; none where the task does not run.
    pub processes: BTreeMap<u32, ProcessUsage>,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUsage {
    /// Percent of one core since the last look, in user mode.
    pub user: f64,
    /// Percent of one core since the last look, in the kernel.
    pub system: f64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Swapped memory in bytes.
    pub swap: u64,
}

impl Usage {
    /// All processes together.
    pub fn total(&self) -> ProcessUsage {
        let mut total = ProcessUsage::default();
        for process in self.processes.values() {
            total.user += process.user;
            total.system += process.system;
            total.rss += process.rss;
            total.swap += process.swap;
        }
        total
    }

    /// The answer of `/v1/client/allocation/:id/stats` for the tasks of an allocation.
    pub fn stats(tasks: &BTreeMap<String, Self>) -> Value {
        let running: BTreeMap<_, _> = tasks
            .iter()
            .filter(|(_, usage)| usage.timestamp > 0)
            .collect();
        let mut total = ProcessUsage::default();
        for usage in running.values().map(|usage| usage.total()) {
            total.user += usage.user;
            total.system += usage.system;
            total.rss += usage.rss;
            total.swap += usage.swap;
        }
        let timestamp = running.values().map(|usage| usage.timestamp).max();
        let tasks: serde_json::Map<_, _> = running
            .iter()
            .map(|(name, usage)| {
                let processes: serde_json::Map<_, _> = usage
                    .processes
                    .iter()
                    .map(|(id, process)| (id.to_string(), process.to_json(true, Value::Null)))
                    .collect();
                let task = json!({
                    "Pids": processes,
                    "ResourceUsage": usage.total().to_json(true, Value::Null),
                    "Timestamp": usage.timestamp,
                });
                ((*name).clone(), task)
            })
            .collect();
        json!({
            "ResourceUsage": total.to_json(!running.is_empty(), json!([])),
            "Tasks": tasks,
            "Timestamp": timestamp.unwrap_or(0),
        })
    }
}

impl ProcessUsage {
    fn to_json(self, measured: bool, devices: Value) -> Value {
        let names = |names: Value| if measured { names } else { Value::Null };
        json!({
            "CpuStats": {
                "Measured": names(json!(["System Mode", "User Mode", "Percent"])),
                "Percent": self.user + self.system,
                "SystemMode": self.system,
                "ThrottledPeriods": 0,
                "ThrottledTime": 0,
                "TotalTicks": 0.0,
                "UserMode": self.user,
            },
            "DeviceStats": devices,
            "MemoryStats": {
                "Cache": 0,
                "KernelMaxUsage": 0,
                "KernelUsage": 0,
                "MappedFile": 0,
                "MaxUsage": 0,
                "Measured": names(json!(["RSS", "Swap"])),
                "RSS": self.rss,
                "Swap": self.swap,
                "Usage": 0,
            },
        })
    }
}

/// Measures the processes of one task, and remembers the last look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sampler(Arc<Mutex<Sampled>>);

#[derive(Debug, Default)]
struct Sampled {
    group: Option<i32>,
    at: Option<Instant>,
    ticks: BTreeMap<u32, (u64, u64)>,
}

impl Sampler {
    pub(crate) fn started(&self, group: i32) {
        *self.state() = Sampled {
            group: Some(group),
            ..Sampled::default()
        };
    }

    pub(crate) fn ended(&self) {
        *self.state() = Sampled::default();
    }

    pub(crate) fn sample(&self) -> Usage {
        let mut state = self.state();
        let Some(group) = state.group else {
            return Usage::default();
        };
        let now = Instant::now();
        let since = state.at.map(|at| now.duration_since(at).as_secs_f64());
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
        let page = sysconf(SysconfVar::PAGE_SIZE)
            .ok()
            .flatten()
            .unwrap_or(4096);
        let page = u64::try_from(page).unwrap_or(4096);
        let mut ticks = BTreeMap::new();
        let processes = processes_of(group).map(|(id, measured)| {
            let before = state.ticks.get(&id).copied();
            ticks.insert(id, (measured.user, measured.system));
            let percent = |now: u64, before: Option<u64>| match (before, since) {
                (Some(before), Some(since)) if since > 0.0 => {
                    now.saturating_sub(before) as f64 / per_second / since * 100.0
                }
                _ => 0.0,
            };
            let usage = ProcessUsage {
                user: percent(measured.user, before.map(|(user, _)| user)),
                system: percent(measured.system, before.map(|(_, system)| system)),
                rss: measured.pages * page,
                swap: 0,
            };
            (id, usage)
        });
        let processes = processes.collect();
        state.at = Some(now);
        state.ticks = ticks;
        Usage {
            timestamp: timestamp(),
            processes,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Sampled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Measured {
    user: u64,
    system: u64,
    pages: u64,
}

/// The processes of a group, without the watchdog that leads it.
fn processes_of(group: i32) -> impl Iterator<Item = (u32, Measured)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        if i32::try_from(id) == Ok(group) {
            return None;
        }
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The second field is the program's name in parentheses, which may hold anything.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        (field(5)?.parse() == Ok(group)).then_some(())?;
        Some((
            id,
            Measured {
                user: field(14)?.parse().ok()?,
                system: field(15)?.parse().ok()?,
                pages: field(24)?.parse().ok()?,
            },
        ))
    })
}

/// What a played task would use: a part of what is reserved for it.
#[derive(Clone, Debug)]
pub(crate) struct Reserved {
    cpu: u64,
    memory: u64,
    running: Arc<AtomicBool>,
}

impl Reserved {
    pub(crate) fn new(cpu: u64, memory: u64) -> Self {
        Self {
            cpu,
            memory,
            running: Arc::default(),
        }
    }

    pub(crate) fn running(&self, running: bool) {
        self.running.store(running, Ordering::Relaxed);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    pub(crate) fn sample(&self) -> Usage {
        if !self.is_running() {
            return Usage::default();
        }
        let usage = ProcessUsage {
            // A twentieth of the reserved MHz, on a core of 2 GHz.
            user: self.cpu as f64 / 20.0 / 2000.0 * 100.0,
            system: 0.0,
            rss: self.memory * 1024 * 1024 / 4,
            swap: 0,
        };
        Usage {
            timestamp: timestamp(),
            processes: [(1, usage)].into(),
        }
    }
}

fn timestamp() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
