//! Names that will stand in a job: of environment variables, of HCL variables, and of the operator's job files.

use crate::Violation;

/// The variables a job file gets from the service itself; a custom variable can't have one of these names.
pub const JOB_FILE_VARIABLES: [&str; 10] = [
    "service_id",
    "service_name",
    "tenant_id",
    "image",
    "ports",
    "environment",
    "volumes",
    "cpu",
    "memory",
    "disk",
];

const MAX_NAME: usize = 128;

/// Checks the name of an environment variable: POSIX's form, and dots behind the first character, as Nomad takes them and
/// some images want them.
///
/// ```
/// use nomad_services_domain::service_config::check_environment_name;
///
/// assert!(check_environment_name("POSTGRES_DB").is_ok());
/// assert!(check_environment_name("discovery.type").is_ok());
/// assert!(check_environment_name("POSTGRES-DB").is_err());
/// ```
///
/// # Errors
/// Says what is allowed.
pub fn check_environment_name(name: &str) -> Result<(), Violation> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.len() <= MAX_NAME && name.starts_with(begins) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(Violation::new(
        "invalid_name",
        format!(
            "the name must have 1 to {MAX_NAME} letters, digits, '_' and '.', the first a letter or '_'"
        ),
    ))
}

/// Checks the name of a custom variable (an HCL identifier).
///
/// ```
/// use nomad_services_domain::service_config::check_variable_name;
///
/// assert!(check_variable_name("db-name").is_ok());
/// assert_eq!(check_variable_name("tenant_id").unwrap_err().code, "reserved_name");
/// ```
///
/// # Errors
/// Says what is allowed.
pub fn check_variable_name(name: &str) -> Result<(), Violation> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.len() > MAX_NAME || !name.starts_with(begins) || !name.chars().all(allowed) {
        return Err(Violation::new(
            "invalid_name",
            format!(
                "the name must have 1 to {MAX_NAME} letters, digits, '_' and '-', the first a letter or '_'"
            ),
        ));
    }
    if JOB_FILE_VARIABLES.contains(&name) {
        return Err(Violation::new(
            "reserved_name",
            "the service itself sets this variable",
        ));
    }
    Ok(())
}

/// Checks the name of a job file: a plain file name that ends in `.nomad` or `.nomad.hcl`.
///
/// ```
/// use nomad_services_domain::service_config::check_job_file;
///
/// assert!(check_job_file("postgresql.nomad").is_ok());
/// assert!(check_job_file("../postgresql.nomad").is_err());
/// ```
///
/// # Errors
/// Says what is allowed.
pub fn check_job_file(name: &str) -> Result<(), Violation> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let stem = name
        .strip_suffix(".nomad")
        .or_else(|| name.strip_suffix(".nomad.hcl"));
    let good = stem.is_some_and(|stem| {
        stem.starts_with(|c: char| c.is_ascii_alphanumeric()) && stem.chars().all(allowed)
    });
    if good && name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(Violation::new(
        "invalid_job_file",
        "must be a plain file name such as postgresql.nomad, ending in .nomad or .nomad.hcl",
    ))
}
