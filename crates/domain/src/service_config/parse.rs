//! Reading a configuration from outside: every rule applied to every field, everything that is wrong reported at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

use serde_json::Value;

use super::{
    HealthCheck, Resources, SecretValues, ServiceConfig, VolumeMount,
    bounds::{
        CPU_MHZ, DISK_MB, MAX_CONFIG_BYTES, MAX_CUSTOM_VARIABLES, MAX_ENVIRONMENT, MAX_PORTS,
        MAX_RETRIES, MAX_SENSITIVE, MAX_VALUE_BYTES, MAX_VOLUMES, MEMORY_MB,
    },
    check_environment_name, check_image, check_job_file, check_variable_name, health_path,
};
use crate::{
    FieldError, PositiveDuration, Violation,
    fields::{Fields, number, text},
    pointer::child,
    secret::{in_config, may_be_secret, refuse_sealed},
};

/// Nomad checks no more often, and counts in nanoseconds that the longest durations of ours don't fit in.
const CHECK_DURATION: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

/// The form of the durations of a health check as a regular expression: [`PositiveDuration::PATTERN`] with at least a second,
/// and without what a single number puts above the longest. A sum of several may still be too long.
pub const CHECK_DURATION_PATTERN: &str = "^((?:[1-9]|1[0-9]|2[0-4])h([0-9]+m)?([0-9]+s)?([0-9]+ms)?|[1-9][0-9]{0,3}m([0-9]+s)?([0-9]+ms)?|[1-9][0-9]{0,4}s([0-9]+ms)?|[1-9][0-9]{3,7}ms)$";

impl ServiceConfig {
    /// Reads a configuration that stands at `pointer` in a document.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value, pointer: &str) -> Result<Self, Vec<FieldError>> {
        // Serialising a value cannot fail, so an absent size is no way around the limit.
        let size = serde_json::to_vec(input).map_or(usize::MAX, |bytes| bytes.len());
        if size > MAX_CONFIG_BYTES {
            let detail = format!("must have at most {MAX_CONFIG_BYTES} bytes as JSON, has {size}");
            return Err(vec![Violation::new("too_large", detail).at(pointer)]);
        }
        let mut sealed = Vec::new();
        refuse_sealed(input, pointer, &mut sealed);
        if !sealed.is_empty() {
            return Err(sealed);
        }
        let mut fields = Fields::of(input, pointer)?;
        let config = Self {
            image: fields.optional("image", |value| checked(value, check_written_image)),
            ports: fields.nested("ports", ports),
            environment: fields.nested("environment", |value, pointer| {
                named_values(value, pointer, MAX_ENVIRONMENT, check_environment_name)
            }),
            volumes: fields.nested("volumes", volumes),
            resources: fields.nested("resources", Resources::parse),
            health_check: fields.nested("health_check", HealthCheck::parse),
            nomad_job_file: fields
                .optional("nomad_job_file", |value| checked(value, check_job_file)),
            custom_variables: fields.nested("custom_variables", |value, pointer| {
                named_values(value, pointer, MAX_CUSTOM_VARIABLES, check_variable_name)
            }),
            sensitive: fields.nested("sensitive", |value, pointer| {
                sensitive(value, pointer, input)
            }),
        };
        if fields.is_absent("image") && fields.is_absent("nomad_job_file") {
            let detail = "is required where there is no nomad_job_file";
            fields.refuse("image", Violation::new("required", detail));
        }
        fields.finish(|| Some(config))
    }
}

impl Resources {
    fn parse(input: &Value, pointer: &str) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, pointer)?;
        let resources = Self {
            cpu: fields.optional("cpu", |value| number(value, CPU_MHZ)),
            memory: fields.optional("memory", |value| number(value, MEMORY_MB)),
            disk: fields.optional("disk", |value| number(value, DISK_MB)),
        };
        fields.finish(|| Some(resources))
    }
}

impl HealthCheck {
    fn parse(input: &Value, pointer: &str) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, pointer)?;
        let check = Self {
            enabled: fields.optional("enabled", |value| {
                value
                    .as_bool()
                    .ok_or_else(|| Violation::new("wrong_type", "must be true or false"))
            }),
            path: fields.optional("path", |value| checked(value, health_path::check)),
            interval: fields.optional("interval", duration),
            timeout: fields.optional("timeout", duration),
            retries: fields.optional("retries", |value| number(value, 1..=MAX_RETRIES)),
        };
        if check
            .timeout
            .is_some_and(|timeout| timeout.get() > check.interval())
        {
            let detail = format!("must be at most the interval, {:?}", check.interval());
            fields.refuse("timeout", Violation::new("out_of_range", detail));
        }
        fields.finish(|| Some(check))
    }
}

fn checked(value: &Value, check: fn(&str) -> Result<(), Violation>) -> Result<String, Violation> {
    let text = text(value)?;
    check(text).map(|()| text.to_owned())
}

/// A template is checked once it is filled.
fn check_written_image(image: &str) -> Result<(), Violation> {
    if image.contains("{{") {
        Ok(())
    } else {
        check_image(image)
    }
}

fn duration(value: &Value) -> Result<PositiveDuration, Violation> {
    let duration: PositiveDuration = text(value)?.parse()?;
    if !CHECK_DURATION.contains(&duration.get()) {
        return Err(Violation::new("out_of_range", "must be from 1s to 24h"));
    }
    Ok(duration)
}

fn ports(value: &Value, pointer: &str) -> Result<Vec<u16>, Vec<FieldError>> {
    let mut seen = BTreeSet::new();
    list(value, pointer, MAX_PORTS, |value| {
        let port = number(value, 1..=u32::from(u16::MAX))?;
        if !seen.insert(port) {
            return Err(Violation::new(
                "repeated",
                format!("{port} stands here twice"),
            ));
        }
        u16::try_from(port).map_err(|error| Violation::new("out_of_range", error.to_string()))
    })
}

fn volumes(value: &Value, pointer: &str) -> Result<Vec<String>, Vec<FieldError>> {
    let mut targets = BTreeSet::new();
    list(value, pointer, MAX_VOLUMES, |value| {
        let written = text(value)?;
        let mount: VolumeMount = written.parse()?;
        if !targets.insert(mount.target) {
            return Err(Violation::new("repeated", "this target stands here twice"));
        }
        Ok(written.to_owned())
    })
}

/// A pointer that leads nowhere would leave the secret that was meant in the clear.
fn sensitive(value: &Value, pointer: &str, config: &Value) -> Result<Vec<String>, Vec<FieldError>> {
    let mut seen = BTreeSet::new();
    list(value, pointer, MAX_SENSITIVE, |value| {
        let written = text(value)?;
        let place = in_config(written);
        let names_a_text = config.pointer(place).is_some_and(Value::is_string);
        if !may_be_secret(place) || !names_a_text {
            return Err(Violation::new(
                "no_such_value",
                "must be the JSON pointer of a text in image, environment, volumes, health_check/path or custom_variables, such as /custom_variables/PASSWORD",
            ));
        }
        if !seen.insert(place.to_owned()) {
            return Err(Violation::new("repeated", "this place stands here twice"));
        }
        Ok(written.to_owned())
    })
}

fn list<T>(
    value: &Value,
    pointer: &str,
    longest: usize,
    mut parse: impl FnMut(&Value) -> Result<T, Violation>,
) -> Result<Vec<T>, Vec<FieldError>> {
    let Some(items) = value.as_array().filter(|items| items.len() <= longest) else {
        let detail = format!("must be a list of at most {longest}");
        return Err(vec![Violation::new("wrong_type", detail).at(pointer)]);
    };
    let parsed = items.iter().enumerate().map(|(index, item)| {
        parse(item).map_err(|refused| refused.at(format!("{pointer}/{index}")))
    });
    collect(parsed)
}

fn named_values(
    value: &Value,
    pointer: &str,
    most: usize,
    check_name: fn(&str) -> Result<(), Violation>,
) -> Result<SecretValues, Vec<FieldError>> {
    let Some(object) = value.as_object().filter(|object| object.len() <= most) else {
        let detail = format!("must be an object of at most {most} texts");
        return Err(vec![Violation::new("wrong_type", detail).at(pointer)]);
    };
    let parsed = object.iter().map(|(name, value)| {
        let parse = || {
            check_name(name)?;
            let text = text(value)?;
            if text.len() > MAX_VALUE_BYTES {
                let detail = format!("must have at most {MAX_VALUE_BYTES} bytes");
                return Err(Violation::new("too_large", detail));
            }
            Ok((name.clone(), text.to_owned()))
        };
        parse().map_err(|refused| refused.at(child(pointer, name)))
    });
    Ok(SecretValues(
        collect(parsed)?.into_iter().collect::<BTreeMap<_, _>>(),
    ))
}

fn collect<T>(
    parsed: impl Iterator<Item = Result<T, FieldError>>,
) -> Result<Vec<T>, Vec<FieldError>> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for result in parsed {
        match result {
            Ok(value) => values.push(value),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(values)
    } else {
        Err(errors)
    }
}
