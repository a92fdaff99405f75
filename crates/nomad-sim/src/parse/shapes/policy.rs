//! What may stand in the blocks that say where tasks run, and what happens when they change or fail.

use super::{
    Kind::{Duration, Number, Text, Truth},
    Shape, flat, nullable, zero,
};

pub(in crate::parse) static UPDATE: Shape = flat(&[
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

pub(in crate::parse) static RESTART: Shape = flat(&[
    nullable("interval", "Interval", Duration),
    nullable("attempts", "Attempts", Number),
    nullable("delay", "Delay", Duration),
    nullable("mode", "Mode", Text),
    nullable("render_templates", "RenderTemplates", Truth),
]);

pub(in crate::parse) static RESCHEDULE: Shape = flat(&[
    nullable("attempts", "Attempts", Number),
    nullable("interval", "Interval", Duration),
    nullable("delay", "Delay", Duration),
    nullable("delay_function", "DelayFunction", Text),
    nullable("max_delay", "MaxDelay", Duration),
    nullable("unlimited", "Unlimited", Truth),
]);

pub(in crate::parse) static MIGRATE: Shape = flat(&[
    nullable("max_parallel", "MaxParallel", Number),
    nullable("health_check", "HealthCheck", Text),
    nullable("min_healthy_time", "MinHealthyTime", Duration),
    nullable("healthy_deadline", "HealthyDeadline", Duration),
]);

/// Arguments of constraints and affinities that stand for an operator, with its right side as their value.
pub(in crate::parse) const SHORTHANDS: [&str; 7] = [
    "version",
    "semver",
    "regexp",
    "set_contains",
    "set_contains_any",
    "distinct_hosts",
    "distinct_property",
];

pub(in crate::parse) static CONSTRAINT: Shape = flat(&[
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

pub(in crate::parse) static AFFINITY: Shape = flat(&[
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

pub(in crate::parse) static SPREAD: Shape = Shape {
    fields: &[
        zero("attribute", "Attribute", Text),
        nullable("weight", "Weight", Number),
    ],
    nested: &[],
    other: &["SpreadTarget"],
};
