//! What may stand in a service and its checks.

use super::{
    Kind::{Any, Duration, Map, Number, Text, Texts, Truth},
    Place, Shape, flat, nested, nullable, zero,
};

pub(in crate::parse) static SERVICE: Shape = Shape {
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

pub(in crate::parse) static CHECK: Shape = Shape {
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

pub(in crate::parse) static CHECK_RESTART: Shape = flat(&[
    zero("limit", "Limit", Number),
    nullable("grace", "Grace", Duration),
    zero("ignore_warnings", "IgnoreWarnings", Truth),
]);
