//! What may stand in a task.

use super::{
    Kind::{Duration, Map, Number, Text, Truth},
    Place, Shape, flat, nested, nullable,
    policy::{AFFINITY, CONSTRAINT, RESTART},
    service::SERVICE,
    zero,
};

pub(in crate::parse) static TASK: Shape = Shape {
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

pub(in crate::parse) static VOLUME_MOUNT: Shape = flat(&[
    nullable("volume", "Volume", Text),
    nullable("destination", "Destination", Text),
    nullable("read_only", "ReadOnly", Truth),
    nullable("propagation_mode", "PropagationMode", Text),
    nullable("selinux_label", "SELinuxLabel", Text),
]);

pub(in crate::parse) static RESOURCES: Shape = Shape {
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

pub(in crate::parse) static TEMPLATE: Shape = Shape {
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

pub(in crate::parse) static ARTIFACT: Shape = flat(&[
    nullable("source", "GetterSource", Text),
    nullable("options", "GetterOptions", Map),
    nullable("headers", "GetterHeaders", Map),
    nullable("mode", "GetterMode", Text),
    nullable("insecure", "GetterInsecure", Truth),
    nullable("destination", "RelativeDest", Text),
    zero("chown", "Chown", Truth),
]);

pub(in crate::parse) static LOGS: Shape = Shape {
    fields: &[
        nullable("max_files", "MaxFiles", Number),
        nullable("max_file_size", "MaxFileSizeMB", Number),
        nullable("disabled", "Disabled", Truth),
    ],
    nested: &[],
    other: &["Enabled"],
};

pub(in crate::parse) static LIFECYCLE: Shape = flat(&[
    zero("hook", "Hook", Text),
    zero("sidecar", "Sidecar", Truth),
]);
