//! The environment of a task: what Nomad tells it, what its job says, and what its templates add.

use std::{
    collections::BTreeMap,
    env,
    net::{IpAddr, SocketAddr},
};

use super::{TaskSpec, directory::Directories, interpolation};

/// What a process inherits from the simulator. A real raw_exec task gets nearly all of its agent's environment; a simulator
/// shares its process with what a developer has in the shell, so it hands on only what programs need to be found and to speak.
const INHERITED: [&str; 4] = ["PATH", "LANG", "LC_ALL", "TZ"];

/// Everything a task finds in its environment, its job's part interpolated.
pub(crate) fn of(spec: &TaskSpec, directories: &Directories) -> BTreeMap<String, String> {
    let mut environment = inherited(directories);
    let own = nomad(spec, directories);
    let known = |name: &str| {
        own.get(name)
            .or_else(|| spec.node.get(name))
            .or_else(|| environment.get(name))
            .cloned()
    };
    let meta = spec.meta.iter().flat_map(|(key, value)| {
        let value = interpolation::plain(value, &known);
        [key.to_owned(), key.to_uppercase()].map(|key| (format!("NOMAD_META_{key}"), value.clone()))
    });
    let meta: BTreeMap<_, _> = meta.collect();
    let known = |name: &str| meta.get(name).cloned().or_else(|| known(name));
    let job: BTreeMap<_, _> = spec
        .env
        .iter()
        .map(|(key, value)| (key.clone(), interpolation::plain(value, &known)))
        .collect();
    environment.extend(own);
    environment.extend(meta);
    environment.extend(job);
    // Names an environment can't hold: a real task does not find them either.
    environment.retain(|key, value| {
        !key.is_empty() && !key.contains(['=', '\0']) && !value.contains('\0')
    });
    environment
}

fn inherited(directories: &Directories) -> BTreeMap<String, String> {
    let mut inherited: BTreeMap<_, _> = INHERITED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)))
        .collect();
    inherited
        .entry("PATH".into())
        .or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".into());
    // The account tasks run as has no home.
    inherited.insert("HOME".into(), directories.task.display().to_string());
    inherited
}

/// What Nomad itself tells a task.
fn nomad(spec: &TaskSpec, directories: &Directories) -> BTreeMap<String, String> {
    let name = if spec.allocation_name.is_empty() {
        format!("{}.{}[0]", spec.job_id, spec.group)
    } else {
        spec.allocation_name.clone()
    };
    let index = name
        .rsplit_once('[')
        .map_or("0", |(_, index)| index.trim_end_matches(']'));
    let node = |name: &str, default: &str| {
        spec.node
            .get(name)
            .map_or_else(|| default.to_owned(), Clone::clone)
    };
    let short = spec.allocation_id.get(..8).unwrap_or(&spec.allocation_id);
    let mut environment: BTreeMap<String, String> = [
        ("NOMAD_ALLOC_ID", spec.allocation_id.clone()),
        ("NOMAD_SHORT_ALLOC_ID", short.to_owned()),
        ("NOMAD_ALLOC_INDEX", index.to_owned()),
        ("NOMAD_ALLOC_NAME", name.clone()),
        ("NOMAD_JOB_ID", spec.job_id.clone()),
        ("NOMAD_JOB_NAME", spec.job_id.clone()),
        ("NOMAD_GROUP_NAME", spec.group.clone()),
        ("NOMAD_TASK_NAME", spec.task.clone()),
        ("NOMAD_NAMESPACE", spec.namespace.clone()),
        ("NOMAD_REGION", node("node.region", "global")),
        ("NOMAD_DC", node("node.datacenter", "dc1")),
        ("NOMAD_CPU_LIMIT", spec.cpu.to_string()),
        ("NOMAD_MEMORY_LIMIT", spec.memory.to_string()),
        ("NOMAD_ALLOC_DIR", directories.alloc.display().to_string()),
        ("NOMAD_TASK_DIR", directories.local.display().to_string()),
        (
            "NOMAD_SECRETS_DIR",
            directories.secrets.display().to_string(),
        ),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    for (label, port) in &spec.ports {
        environment.extend(port_entries(label, spec.ip, *port));
    }
    environment
}

fn port_entries(label: &str, ip: IpAddr, port: u16) -> impl Iterator<Item = (String, String)> {
    let label: String = label
        .chars()
        .map(|character| if character == '-' { '_' } else { character })
        .collect();
    let values = [
        ("IP", ip.to_string()),
        ("PORT", port.to_string()),
        ("ADDR", SocketAddr::new(ip, port).to_string()),
        ("HOST_IP", ip.to_string()),
        ("HOST_PORT", port.to_string()),
        ("HOST_ADDR", SocketAddr::new(ip, port).to_string()),
        ("ALLOC_PORT", port.to_string()),
    ];
    values
        .into_iter()
        .map(move |(kind, value)| (format!("NOMAD_{kind}_{label}"), value))
}
