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

/// The longest name, in characters.
pub const MAX_NAME: usize = 128;

/// The form of an environment variable's name as a regular expression.
pub const ENVIRONMENT_NAME_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_.]*$";

/// The form of a custom variable's name as a regular expression; [`JOB_FILE_VARIABLES`] have it, too.
pub const VARIABLE_NAME_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_-]*$";

/// The form of a job file's name as a regular expression.
pub const JOB_FILE_PATTERN: &str = r"^[A-Za-z0-9][A-Za-z0-9_.-]*\.nomad(?:\.hcl)?$";

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        name.len() <= MAX_NAME && regex_lite::Regex::new(pattern).unwrap().is_match(name)
    }

    proptest! {
        #[test]
        fn the_patterns_are_what_is_taken(name in r"[aZ0_.\- /é]{0,5}(\.nomad)?(\.hcl)?\n?") {
            let environment = check_environment_name(&name).is_ok();
            prop_assert_eq!(matches(ENVIRONMENT_NAME_PATTERN, &name), environment, "{:?}", name);
            let variable = check_variable_name(&name).is_ok();
            prop_assert_eq!(matches(VARIABLE_NAME_PATTERN, &name), variable, "{:?}", name);
            let job_file = check_job_file(&name).is_ok();
            prop_assert_eq!(matches(JOB_FILE_PATTERN, &name), job_file, "{:?}", name);
        }
    }
}
