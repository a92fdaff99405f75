//! What may stand in each block of a job file, and under which name it stands in the job.

use Kind::{Any, Duration, Map, Number, Text, Texts, Truth};

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

pub(super) static TASK: Shape = Shape {
    fields: &[
        zero("driver", "Driver", Text),
        zero("user", "User", Text),
        nullable("env", "Env", Map),
        nullable("meta", "Meta", Map),
        nullable("kill_timeout", "KillTimeout", Duration),
        zero("kill_signal", "KillSignal", Text),
        zero("kind", "Kind", Text),
        zero("leader", "Leader", Truth),
        zero("shutdown_delay", "ShutdownDelay", Duration),
    ],
    nested: &[
        nested("constraint", "Constraints", Place::Many, &CONSTRAINT),
        nested("affinity", "Affinities", Place::Many, &AFFINITY),
        nested("resources", "Resources", Place::One, &RESOURCES),
        nested("restart", "RestartPolicy", Place::One, &RESTART),
        nested("service", "Services", Place::Many, &SERVICE),
        nested("template", "Templates", Place::Many, &TEMPLATE),
        nested("artifact", "Artifacts", Place::Many, &ARTIFACT),
        nested("volume_mount", "VolumeMounts", Place::Many, &VOLUME_MOUNT),
        nested("logs", "LogConfig", Place::One, &LOGS),
        nested("lifecycle", "Lifecycle", Place::One, &LIFECYCLE),
    ],
    other: &[
        "Actions",
        "Config",
        "Consul",
        "DispatchPayload",
        "Identities",
        "Identity",
        "ScalingPolicies",
        "Schedule",
        "Secrets",
        "Vault",
    ],
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

pub(super) static SERVICE: Shape = Shape {
    fields: &[
        zero("name", "Name", Text),
        zero("port", "PortLabel", Text),
        zero("provider", "Provider", Text),
        zero("address", "Address", Text),
        zero("address_mode", "AddressMode", Text),
        zero("cluster", "Cluster", Text),
        zero("kind", "Kind", Text),
        zero("on_update", "OnUpdate", Text),
        zero("task", "TaskName", Text),
        zero("enable_tag_override", "EnableTagOverride", Truth),
        nullable("tags", "Tags", Texts),
        nullable("canary_tags", "CanaryTags", Texts),
        nullable("meta", "Meta", Map),
        nullable("canary_meta", "CanaryMeta", Map),
        nullable("tagged_addresses", "TaggedAddresses", Map),
    ],
    nested: &[
        nested("check", "Checks", Place::Many, &CHECK),
        nested("check_restart", "CheckRestart", Place::One, &CHECK_RESTART),
    ],
    other: &["Connect", "Identity", "Weights"],
};

pub(super) static CHECK: Shape = Shape {
    fields: &[
        zero("name", "Name", Text),
        zero("type", "Type", Text),
        zero("path", "Path", Text),
        zero("port", "PortLabel", Text),
        zero("method", "Method", Text),
        zero("protocol", "Protocol", Text),
        zero("interval", "Interval", Duration),
        zero("timeout", "Timeout", Duration),
        zero("address_mode", "AddressMode", Text),
        zero("advertise", "Advertise", Text),
        zero("body", "Body", Text),
        zero("command", "Command", Text),
        nullable("args", "Args", Texts),
        zero("expose", "Expose", Truth),
        zero("failures_before_critical", "FailuresBeforeCritical", Number),
        zero("failures_before_warning", "FailuresBeforeWarning", Number),
        zero("grpc_service", "GRPCService", Text),
        zero("grpc_use_tls", "GRPCUseTLS", Truth),
        nullable("header", "Header", Any),
        zero("initial_status", "InitialStatus", Text),
        zero("notes", "Notes", Text),
        zero("on_update", "OnUpdate", Text),
        zero("success_before_passing", "SuccessBeforePassing", Number),
        zero("task", "TaskName", Text),
        zero("tls_server_name", "TLSServerName", Text),
        zero("tls_skip_verify", "TLSSkipVerify", Truth),
    ],
    nested: &[nested(
        "check_restart",
        "CheckRestart",
        Place::One,
        &CHECK_RESTART,
    )],
    other: &[],
};

pub(super) static CHECK_RESTART: Shape = flat(&[
    zero("limit", "Limit", Number),
    nullable("grace", "Grace", Duration),
    zero("ignore_warnings", "IgnoreWarnings", Truth),
]);

pub(super) static UPDATE: Shape = flat(&[
    nullable("stagger", "Stagger", Duration),
    nullable("max_parallel", "MaxParallel", Number),
    nullable("health_check", "HealthCheck", Text),
    nullable("min_healthy_time", "MinHealthyTime", Duration),
    nullable("healthy_deadline", "HealthyDeadline", Duration),
    nullable("progress_deadline", "ProgressDeadline", Duration),
    nullable("canary", "Canary", Number),
    nullable("auto_revert", "AutoRevert", Truth),
    nullable("auto_promote", "AutoPromote", Truth),
]);

pub(super) static RESTART: Shape = flat(&[
    nullable("interval", "Interval", Duration),
    nullable("attempts", "Attempts", Number),
    nullable("delay", "Delay", Duration),
    nullable("mode", "Mode", Text),
    nullable("render_templates", "RenderTemplates", Truth),
]);

pub(super) static RESCHEDULE: Shape = flat(&[
    nullable("attempts", "Attempts", Number),
    nullable("interval", "Interval", Duration),
    nullable("delay", "Delay", Duration),
    nullable("delay_function", "DelayFunction", Text),
    nullable("max_delay", "MaxDelay", Duration),
    nullable("unlimited", "Unlimited", Truth),
]);

pub(super) static MIGRATE: Shape = flat(&[
    nullable("max_parallel", "MaxParallel", Number),
    nullable("health_check", "HealthCheck", Text),
    nullable("min_healthy_time", "MinHealthyTime", Duration),
    nullable("healthy_deadline", "HealthyDeadline", Duration),
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

pub(super) static VOLUME_MOUNT: Shape = flat(&[
    nullable("volume", "Volume", Text),
    nullable("destination", "Destination", Text),
    nullable("read_only", "ReadOnly", Truth),
    nullable("propagation_mode", "PropagationMode", Text),
    nullable("selinux_label", "SELinuxLabel", Text),
]);

pub(super) static RESOURCES: Shape = Shape {
    fields: &[
        nullable("cpu", "CPU", Number),
        nullable("cores", "Cores", Number),
        nullable("memory", "MemoryMB", Number),
        nullable("memory_max", "MemoryMaxMB", Number),
        nullable("disk", "DiskMB", Number),
        nullable("iops", "IOPS", Number),
        nullable("secrets", "SecretsMB", Number),
    ],
    nested: &[],
    other: &["Devices", "NUMA", "Networks"],
};

pub(super) static TEMPLATE: Shape = Shape {
    fields: &[
        nullable("source", "SourcePath", Text),
        nullable("destination", "DestPath", Text),
        nullable("data", "EmbeddedTmpl", Text),
        nullable("change_mode", "ChangeMode", Text),
        nullable("change_signal", "ChangeSignal", Text),
        nullable("splay", "Splay", Duration),
        nullable("perms", "Perms", Text),
        nullable("uid", "Uid", Number),
        nullable("gid", "Gid", Number),
        nullable("left_delimiter", "LeftDelim", Text),
        nullable("right_delimiter", "RightDelim", Text),
        nullable("env", "Envvars", Truth),
        nullable("vault_grace", "VaultGrace", Duration),
        nullable("error_on_missing_key", "ErrMissingKey", Truth),
        nullable("once", "Once", Truth),
    ],
    nested: &[],
    other: &["ChangeScript", "Wait"],
};

pub(super) static ARTIFACT: Shape = flat(&[
    nullable("source", "GetterSource", Text),
    nullable("options", "GetterOptions", Map),
    nullable("headers", "GetterHeaders", Map),
    nullable("mode", "GetterMode", Text),
    nullable("insecure", "GetterInsecure", Truth),
    nullable("destination", "RelativeDest", Text),
    zero("chown", "Chown", Truth),
]);

pub(super) static LOGS: Shape = Shape {
    fields: &[
        nullable("max_files", "MaxFiles", Number),
        nullable("max_file_size", "MaxFileSizeMB", Number),
        nullable("disabled", "Disabled", Truth),
    ],
    nested: &[],
    other: &["Enabled"],
};

static LIFECYCLE: Shape = flat(&[
    zero("hook", "Hook", Text),
    zero("sidecar", "Sidecar", Truth),
]);

/// Arguments of constraints and affinities that stand for an operator, with its right side as their value.
pub(super) const SHORTHANDS: [&str; 7] = [
    "version",
    "semver",
    "regexp",
    "set_contains",
    "set_contains_any",
    "distinct_hosts",
    "distinct_property",
];

pub(super) static CONSTRAINT: Shape = flat(&[
    zero("attribute", "LTarget", Text),
    zero("value", "RTarget", Text),
    zero("operator", "Operand", Text),
    nullable("version", "version", Text),
    nullable("semver", "semver", Text),
    nullable("regexp", "regexp", Text),
    nullable("set_contains", "set_contains", Text),
    nullable("set_contains_any", "set_contains_any", Text),
    nullable("distinct_hosts", "distinct_hosts", Truth),
    nullable("distinct_property", "distinct_property", Text),
]);

pub(super) static AFFINITY: Shape = flat(&[
    zero("attribute", "LTarget", Text),
    zero("value", "RTarget", Text),
    zero("operator", "Operand", Text),
    nullable("version", "version", Text),
    nullable("semver", "semver", Text),
    nullable("regexp", "regexp", Text),
    nullable("set_contains", "set_contains", Text),
    nullable("set_contains_any", "set_contains_any", Text),
    nullable("weight", "Weight", Number),
]);

static SPREAD: Shape = Shape {
    fields: &[
        zero("attribute", "Attribute", Text),
        nullable("weight", "Weight", Number),
    ],
    nested: &[],
    other: &["SpreadTarget"],
};
