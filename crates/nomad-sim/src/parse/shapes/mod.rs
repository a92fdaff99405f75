//! What may stand in each block of a job file, and under which name it stands in the job.

mod policy;
mod service;
mod task;

use Kind::{Duration, Map, Number, Text, Texts, Truth};
use policy::SPREAD;
pub(super) use policy::{AFFINITY, CONSTRAINT, MIGRATE, RESCHEDULE, RESTART, SHORTHANDS, UPDATE};
pub(super) use service::{CHECK, CHECK_RESTART, SERVICE};
pub(super) use task::{ARTIFACT, LOGS, RESOURCES, TASK, TEMPLATE, VOLUME_MOUNT};

/// What an argument's value must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Text,
    Number,
    Truth,
    /// A text such as `30s`; nanoseconds in the job.
    Duration,
    Texts,
    /// Texts by name, written as an argument or as a block.
    Map,
    /// Whatever it is.
    Any,
}

/// An argument.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    /// Whether the job has `""`, 0 or false for it where it is not written, and not null.
    pub(super) zero: bool,
}

/// How blocks of a kind stand in the job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// An object; written more than once, the last counts.
    One,
    /// A list.
    Many,
    /// A list of objects that carry the block's label as `Name`.
    Named,
    /// An object by label.
    ByLabel,
}

/// A block within a block.
pub(super) struct Nested {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    pub(super) place: Place,
    pub(super) shape: &'static Shape,
}

/// What may stand in a block.
pub(super) struct Shape {
    pub(super) fields: &'static [Field],
    pub(super) nested: &'static [Nested],
    /// What the job has besides, always null where it comes from a file.
    pub(super) other: &'static [&'static str],
}

const fn nullable(name: &'static str, key: &'static str, kind: Kind) -> Field {
    Field {
        name,
        key,
        kind,
        zero: false,
    }
}

const fn zero(name: &'static str, key: &'static str, kind: Kind) -> Field {
    Field {
        name,
        key,
        kind,
        zero: true,
    }
}

const fn nested(
    name: &'static str,
    key: &'static str,
    place: Place,
    shape: &'static Shape,
) -> Nested {
    Nested {
        name,
        key,
        place,
        shape,
    }
}

const fn flat(fields: &'static [Field]) -> Shape {
    Shape {
        fields,
        nested: &[],
        other: &[],
    }
}

pub(super) static JOB: Shape = Shape {
    fields: &[
        nullable("id", "ID", Text),
        nullable("name", "Name", Text),
        nullable("region", "Region", Text),
        nullable("namespace", "Namespace", Text),
        nullable("type", "Type", Text),
        nullable("priority", "Priority", Number),
        nullable("all_at_once", "AllAtOnce", Truth),
        nullable("datacenters", "Datacenters", Texts),
        nullable("node_pool", "NodePool", Text),
        nullable("meta", "Meta", Map),
    ],
    nested: &[
        nested("constraint", "Constraints", Place::Many, &CONSTRAINT),
        nested("affinity", "Affinities", Place::Many, &AFFINITY),
        nested("spread", "Spreads", Place::Many, &SPREAD),
        nested("update", "Update", Place::One, &UPDATE),
        nested("reschedule", "Reschedule", Place::One, &RESCHEDULE),
        nested("migrate", "Migrate", Place::One, &MIGRATE),
        nested("group", "TaskGroups", Place::Named, &GROUP),
    ],
    other: &[
        "ConsulNamespace",
        "CreateIndex",
        "DispatchIdempotencyToken",
        "JobModifyIndex",
        "ModifyIndex",
        "Multiregion",
        "NomadTokenID",
        "ParameterizedJob",
        "ParentID",
        "Payload",
        "Periodic",
        "Stable",
        "Status",
        "StatusDescription",
        "Stop",
        "SubmitTime",
        "UI",
        "VaultNamespace",
        "Version",
        "VersionTag",
    ],
};

pub(super) static GROUP: Shape = Shape {
    fields: &[
        nullable("count", "Count", Number),
        nullable("meta", "Meta", Map),
        nullable("shutdown_delay", "ShutdownDelay", Duration),
        nullable("max_client_disconnect", "MaxClientDisconnect", Duration),
        nullable(
            "stop_after_client_disconnect",
            "StopAfterClientDisconnect",
            Duration,
        ),
        nullable(
            "prevent_reschedule_on_lost",
            "PreventRescheduleOnLost",
            Truth,
        ),
    ],
    nested: &[
        nested("constraint", "Constraints", Place::Many, &CONSTRAINT),
        nested("affinity", "Affinities", Place::Many, &AFFINITY),
        nested("spread", "Spreads", Place::Many, &SPREAD),
        nested("network", "Networks", Place::Many, &NETWORK),
        nested("service", "Services", Place::Many, &SERVICE),
        nested("update", "Update", Place::One, &UPDATE),
        nested("restart", "RestartPolicy", Place::One, &RESTART),
        nested("reschedule", "ReschedulePolicy", Place::One, &RESCHEDULE),
        nested("migrate", "Migrate", Place::One, &MIGRATE),
        nested(
            "ephemeral_disk",
            "EphemeralDisk",
            Place::One,
            &EPHEMERAL_DISK,
        ),
        nested("volume", "Volumes", Place::ByLabel, &VOLUME),
        nested("task", "Tasks", Place::Named, &TASK),
    ],
    other: &["Consul", "Disconnect", "MaxRunDuration", "Scaling"],
};

pub(super) static NETWORK: Shape = Shape {
    fields: &[
        zero("mode", "Mode", Text),
        zero("device", "Device", Text),
        zero("cidr", "CIDR", Text),
        zero("ip", "IP", Text),
        zero("hostname", "Hostname", Text),
        nullable("mbits", "MBits", Number),
    ],
    nested: &[nested("dns", "DNS", Place::One, &DNS)],
    other: &["CNI", "DynamicPorts", "ReservedPorts"],
};

static DNS: Shape = flat(&[
    nullable("servers", "Servers", Texts),
    nullable("searches", "Searches", Texts),
    nullable("options", "Options", Texts),
]);

pub(super) static PORT: Shape = flat(&[
    zero("static", "Value", Number),
    zero("to", "To", Number),
    zero("host_network", "HostNetwork", Text),
    zero("ignore_collision", "IgnoreCollision", Truth),
]);

pub(super) static EPHEMERAL_DISK: Shape = flat(&[
    nullable("sticky", "Sticky", Truth),
    nullable("migrate", "Migrate", Truth),
    nullable("size", "SizeMB", Number),
]);

static VOLUME: Shape = Shape {
    fields: &[
        zero("type", "Type", Text),
        zero("source", "Source", Text),
        zero("read_only", "ReadOnly", Truth),
        zero("sticky", "Sticky", Truth),
        zero("access_mode", "AccessMode", Text),
        zero("attachment_mode", "AttachmentMode", Text),
        zero("per_alloc", "PerAlloc", Truth),
    ],
    nested: &[],
    other: &["MountOptions"],
};
