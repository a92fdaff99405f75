//! The operator's job files: HCL that decides what runs, with variables through which a service has its say.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::{
    Error, FieldError, ServiceConfig, Violation,
    deployment::JobRequest,
    service_config::{JOB_FILE_VARIABLES, check_job_file},
};
use hcl::Body;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{CONFIG, outline::outline, refused};

const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// How long the disk may take for a file. A change of a service has its transaction open meanwhile.
const DEADLINE: Duration = Duration::from_secs(2);

const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Those of [`JOB_FILE_VARIABLES`] that no configuration tells.
pub(super) const KNOWN_WHEN_DEPLOYED: [&str; 3] = ["service_id", "service_name", "tenant_id"];

/// A folder of job files.
#[derive(Clone, Debug)]
pub struct JobFiles {
    folder: Arc<Path>,
}

/// A job file.
#[derive(Clone, Debug)]
pub struct JobFile {
    /// Its text.
    pub source: String,
    body: Body,
    /// The variables, and whether each has a default.
    declared: BTreeMap<String, bool>,
}

impl JobFiles {
    /// The files in this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The file of this name.
    ///
    /// # Errors
    /// Invalid where there is none, naming those there are, or where it is no HCL of one job; `job_files_unavailable` where the
    /// disk hangs.
    pub async fn read(&self, name: &str) -> Result<JobFile, Error> {
        in_time(self.read_all(name)).await
    }

    async fn read_all(&self, name: &str) -> Result<JobFile, Error> {
        let invalid = |code, detail| refused(format!("{CONFIG}/nomad_job_file"), code, detail);
        check_job_file(name).map_err(|violation| invalid(violation.code, violation.detail))?;
        let path = self.folder.join(name);
        let length = match tokio::fs::metadata(&path).await {
            Ok(file) if file.is_file() => file.len(),
            Ok(_) => return Err(invalid("unknown_job_file", self.those_there_are().await)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(invalid("unknown_job_file", self.those_there_are().await));
            }
            Err(error) => return Err(Error::internal(error)),
        };
        if length > MAX_FILE_BYTES {
            let detail = format!("the file has {length} bytes, at most {MAX_FILE_BYTES} are read");
            return Err(invalid("job_file_refused", detail));
        }
        let source = tokio::fs::read_to_string(&path)
            .await
            .map_err(Error::internal)?;
        JobFile::parse(source).map_err(|detail| invalid("job_file_refused", detail))
    }

    async fn those_there_are(&self) -> String {
        let folder = self.folder.clone();
        let list = tokio::task::spawn_blocking(move || names(&folder)).await;
        match list.unwrap_or_default().as_slice() {
            [] => "there is no such file, and no other".to_owned(),
            names => format!("there is no such file; there are {}", names.join(", ")),
        }
    }
}

async fn in_time<T>(reading: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(DEADLINE, reading).await.unwrap_or_else(|_| {
        let detail = "the folder of job files does not answer at the moment";
        Err(Error::unavailable(
            "job_files_unavailable",
            detail,
            RETRY_AFTER,
        ))
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| check_job_file(name).is_ok()).collect();
    names.sort();
    names.truncate(100);
    names
}

impl JobFile {
    fn parse(source: String) -> Result<Self, String> {
        let body = hcl::parse(&source).map_err(|error| format!("the file is no HCL: {error}"))?;
        let blocks = |kind| {
            body.blocks()
                .filter(move |block| block.identifier() == kind)
        };
        let jobs = blocks("job").count();
        if jobs != 1 {
            return Err(format!(
                "the file must hold exactly one job, and holds {jobs}"
            ));
        }
        let variables = blocks("variable").filter_map(|variable| {
            let name = variable.labels().first()?.as_str().to_owned();
            let mut attributes = variable.body().attributes();
            Some((
                name,
                attributes.any(|attribute| attribute.key() == "default"),
            ))
        });
        let declared = variables.collect();
        Ok(Self {
            source,
            body,
            declared,
        })
    }

    /// Refuses custom variables that the file does not declare, which Nomad would ignore without a word, and the lack of
    /// those that have no default.
    ///
    /// # Errors
    /// Every one of them.
    pub fn check_variables(&self, config: &ServiceConfig) -> Result<(), Vec<FieldError>> {
        let custom = config.custom_variables.iter().flat_map(|values| &values.0);
        let unknown = custom
            .filter(|(name, _)| !self.declared.contains_key(*name))
            .map(|(name, _)| {
                let own = |name: &&String| !JOB_FILE_VARIABLES.contains(&name.as_str());
                let allowed: Vec<_> = self.declared.keys().filter(own).cloned().collect();
                let detail = format!(
                    "the job file does not declare this variable; it declares {}",
                    if allowed.is_empty() {
                        "none".to_owned()
                    } else {
                        allowed.join(", ")
                    }
                );
                Violation::new("unknown_variable", detail)
                    .at(format!("{CONFIG}/custom_variables/{name}"))
            });
        let values = self.values(config);
        let missing = self.declared.iter().filter(|(name, has_default)| {
            !**has_default
                && !values.contains_key(*name)
                && !KNOWN_WHEN_DEPLOYED.contains(&name.as_str())
        });
        let missing = missing.map(|(name, _)| {
            let pointer = if JOB_FILE_VARIABLES.contains(&name.as_str()) {
                format!("{CONFIG}/{name}")
            } else {
                format!("{CONFIG}/custom_variables/{name}")
            };
            let detail = "is required by the job file, which has no default for it";
            Violation::new("required", detail).at(pointer)
        });
        let errors: Vec<_> = unknown.chain(missing).collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// The file's job as far as it can be told without Nomad; `None` where not even its shape can.
    pub fn outline(&self, config: &ServiceConfig, drivers: &[&str]) -> Option<Value> {
        outline(&self.body, &self.values(config), drivers)
    }

    /// The values of the variables it declares.
    pub fn variables(&self, config: &ServiceConfig, request: &JobRequest) -> Map<String, Value> {
        let of_deployment = [
            ("service_id", json!(request.service_id)),
            ("service_name", json!(request.service_name)),
            ("tenant_id", json!(request.tenant_id)),
        ];
        let mut values = self.values(config);
        for (name, value) in of_deployment {
            if self.declared.contains_key(name) {
                values.insert(name.to_owned(), value);
            }
        }
        values
    }

    /// Those that the configuration tells. What a service does not say is left to the file's default, except resources:
    /// those are what the service was admitted with.
    fn values(&self, config: &ServiceConfig) -> Map<String, Value> {
        let reservation = config.reservation();
        let known = [
            ("image", config.image.as_ref().map(|image| json!(image))),
            ("ports", config.ports.as_ref().map(|ports| json!(ports))),
            (
                "environment",
                config.environment.as_ref().map(|values| json!(values)),
            ),
            (
                "volumes",
                config.volumes.as_ref().map(|volumes| json!(volumes)),
            ),
            ("cpu", Some(json!(reservation.cpu))),
            ("memory", Some(json!(reservation.memory))),
            ("disk", Some(json!(reservation.disk))),
        ];
        let custom = config.custom_variables.iter().flat_map(|values| &values.0);
        let custom = custom.map(|(name, value)| (name.as_str(), Some(json!(value))));
        known
            .into_iter()
            .chain(custom)
            .filter(|(name, _)| self.declared.contains_key(*name))
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::{DeploymentId, ServiceId, TenantId, deployment::JobPlace};

    use super::*;

    const SOURCE: &str = r#"
        variable "service_id" { type = string }
        variable "memory" { type = number }
        variable "environment" { type = map(string) }
        variable "DB_NAME" {
          type    = string
          default = "db"
        }
        job "x" {
          group "g" {
            task "t" { driver = "raw_exec" }
          }
        }
    "#;

    fn file() -> JobFile {
        JobFile::parse(SOURCE.to_owned()).unwrap()
    }

    fn config(document: Value) -> ServiceConfig {
        ServiceConfig::parse(&document, "").unwrap()
    }

    #[test]
    fn a_variable_the_file_does_not_declare_is_named_with_those_it_does() {
        let config =
            config(json!({"nomad_job_file": "a.nomad", "custom_variables": {"DB_USER": "x"}}));
        let errors = file().check_variables(&config).unwrap_err();
        assert_eq!(errors[0].pointer, "/config/custom_variables/DB_USER");
        assert!(errors[0].detail.ends_with("it declares DB_NAME"));
    }

    #[test]
    fn a_variable_without_a_default_must_have_a_value() {
        let source = SOURCE.replace("default = \"db\"", "");
        let file = JobFile::parse(source).unwrap();
        let missing = |document: Value| match file.check_variables(&config(document)) {
            Ok(()) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| error.pointer).collect(),
        };
        assert_eq!(
            missing(json!({"nomad_job_file": "a.nomad"})),
            ["/config/custom_variables/DB_NAME", "/config/environment"]
        );
        let whole = json!({
            "nomad_job_file": "a.nomad", "environment": {}, "custom_variables": {"DB_NAME": "x"}
        });
        assert_eq!(missing(whole), Vec::<String>::new());
    }

    #[test]
    fn a_file_holds_one_job() {
        let another = format!("{SOURCE}\njob \"y\" {{}}");
        for (source, count) in [("", "0"), (another.as_str(), "2")] {
            let refused = JobFile::parse(source.to_owned()).unwrap_err();
            assert!(refused.ends_with(&format!("holds {count}")), "{refused}");
        }
    }

    #[test]
    fn only_declared_variables_are_passed_and_resources_always() {
        let document = json!({
            "nomad_job_file": "a.nomad", "image": "unused", "environment": {"A": "1"},
            "custom_variables": {"DB_NAME": "mine"}
        });
        let request = JobRequest {
            tenant_id: TenantId(uuid::Uuid::nil()),
            service_id: ServiceId(uuid::Uuid::nil()),
            service_name: "db".to_owned(),
            deployment_id: DeploymentId(uuid::Uuid::nil()),
            place: JobPlace::of("default", ServiceId(uuid::Uuid::nil())),
            config: config(document),
        };
        let variables = file().variables(&request.config, &request);
        let expected = json!({
            "service_id": uuid::Uuid::nil(), "memory": 300, "environment": {"A": "1"}, "DB_NAME": "mine"
        });
        assert_eq!(Value::Object(variables), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_is_given_up() {
        let hanging = in_time(std::future::pending::<Result<(), Error>>());
        let error = hanging.await.unwrap_err();
        assert_eq!(error.code(), "job_files_unavailable");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_answered_with_those_that_are() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("redis.nomad"), SOURCE).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        let files = JobFiles::new(folder.path().to_owned());
        let error = files.read("mysql.nomad").await.unwrap_err();
        assert_eq!(error.fields()[0].pointer, "/config/nomad_job_file");
        assert!(error.detail().ends_with("there are redis.nomad"));
        assert!(files.read("../redis.nomad").await.is_err());
        assert!(files.read("redis.nomad").await.is_ok());
    }
}
