//! How large a configuration and its parts may be.

use std::ops::RangeInclusive;

use crate::Plan;

/// The size of a whole configuration as compact JSON, in bytes.
pub const MAX_CONFIG_BYTES: usize = 256 * 1024;
/// How many ports a service may have.
pub const MAX_PORTS: usize = 64;
/// What a service may reserve of the processor, in MHz; above the largest plan's total nothing could ever be admitted.
pub const CPU_MHZ: RangeInclusive<u32> = 1..=Plan::Enterprise.limits().cpu;
/// What a service may reserve of memory, in MB; Nomad places nothing below 10.
pub const MEMORY_MB: RangeInclusive<u32> = 10..=Plan::Enterprise.limits().memory;
/// What a service may reserve of disk, in MB.
pub const DISK_MB: RangeInclusive<u32> = 10..=Plan::Enterprise.limits().disk;
/// How often a health check may fail in a row before the service counts as broken.
pub const MAX_RETRIES: u32 = 100;

/// How many volumes a service may have.
pub const MAX_VOLUMES: usize = 32;
/// How many environment variables a service may have.
pub const MAX_ENVIRONMENT: usize = 256;
/// How many custom variables a service may have.
pub const MAX_CUSTOM_VARIABLES: usize = 128;
/// How many places `sensitive` may list.
pub const MAX_SENSITIVE: usize = 256;
/// The size of the value of a variable, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
