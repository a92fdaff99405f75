//! From a service's configuration to the job Nomad is sent: built for the docker driver, or read from a job file of the
//! operator's; then checked, and marked as ours.

mod check;
mod docker;
mod files;
mod interpolation;
mod outline;

use domain::{
    Error, FieldError, ServiceConfig,
    deployment::{JobPlace, JobRequest},
};
use serde_json::{Map, Value, json};

pub use check::check;
pub use files::{JobFile, JobFiles};

use crate::{Client, errors};

/// The key of a job's meta that says who manages it, and what it says there.
pub const MANAGED_BY: (&str, &str) = ("managed_by", "nomad-services");
/// The keys of a job's meta that say whose it is.
pub const TENANT_ID: &str = "tenant_id";
/// See [`TENANT_ID`].
pub const SERVICE_ID: &str = "service_id";
/// See [`TENANT_ID`]. It also makes a repeated deployment differ from the one before, which Nomad would ignore otherwise.
pub const DEPLOYMENT_ID: &str = "deployment_id";

const CONFIG: &str = "/config";
const HIGHEST_PRIORITY: u64 = 50;

/// Builds jobs.
#[derive(Clone, Debug)]
pub struct JobBuilder {
    client: Client,
    files: JobFiles,
    drivers: Vec<&'static str>,
}

impl JobBuilder {
    /// Builds jobs with these files, for these task drivers.
    pub fn new(client: Client, files: JobFiles, drivers: Vec<&'static str>) -> Self {
        Self {
            client,
            files,
            drivers,
        }
    }

    /// What can be said about a configuration without Nomad.
    ///
    /// # Errors
    /// Every bad field.
    pub async fn check_config(&self, config: &ServiceConfig) -> Result<(), Error> {
        if let Some(name) = &config.nomad_job_file {
            let file = self.files.read(name).await?;
            file.check_variables(config).map_err(Error::invalid)?;
            if let Some(mut outline) = file.outline(config, &self.drivers) {
                check(&mut outline, &self.drivers, &config.reservation())
                    .map_err(Error::invalid)?;
            }
        } else if !self.drivers.contains(&docker::DRIVER) {
            let detail = format!(
                "needs the docker driver; this installation allows {}",
                self.drivers.join(", ")
            );
            let pointer = format!("{CONFIG}/image");
            return Err(refused(pointer, "driver_not_allowed", detail));
        }
        Ok(())
    }

    /// The text of the job file that a configuration names: it decides what runs as much as the configuration.
    ///
    /// # Errors
    /// The file can't be read.
    pub async fn source(&self, config: &ServiceConfig) -> Result<Option<String>, Error> {
        match &config.nomad_job_file {
            Some(name) => Ok(Some(self.files.read(name).await?.source)),
            None => Ok(None),
        }
    }

    /// The job, checked and marked as ours.
    ///
    /// # Errors
    /// Invalid where it may not be sent; unavailable where Nomad can't be asked.
    pub async fn build(&self, request: &JobRequest) -> Result<Value, Error> {
        self.check_config(&request.config).await?;
        let filled = request.config.filled(CONFIG).map_err(Error::invalid)?;
        let mut job = match &filled.nomad_job_file {
            Some(name) => self.read_job_file(name, &filled, request).await?,
            None => docker::job(&filled, &request.place.job_id).map_err(Error::invalid)?,
        };
        check(&mut job, &self.drivers, &filled.reservation()).map_err(Error::invalid)?;
        mark(&mut job, request);
        Ok(job)
    }

    /// Parsed twice: once more with values that hold nothing to interpret, so that whatever Nomad would interpret is
    /// known to be the file's own.
    async fn read_job_file(
        &self,
        name: &str,
        config: &ServiceConfig,
        request: &JobRequest,
    ) -> Result<Value, Error> {
        let file = self.files.read(name).await?;
        let variables = file.variables(config, request);
        let nomad = self.client.in_namespace(&request.place.namespace);
        let parse = async |variables: &Map<String, Value>| {
            let parsed = nomad.parse(&file.source, variables, false).await;
            parsed.map_err(|error| match error.kind() {
                crate::ErrorKind::Invalid | crate::ErrorKind::TooLarge => {
                    let pointer = format!("{CONFIG}/nomad_job_file");
                    refused(pointer, "job_file_refused", error.text().to_owned())
                }
                _ => errors::of(error),
            })
        };
        let job = parse(&variables).await?;
        let plain = parse(&interpolation::harmless(&variables)).await?;
        interpolation::check(&job, &plain).map_err(Error::invalid)?;
        Ok(job)
    }
}

/// Whatever a file says, these are ours to say.
fn mark(job: &mut Value, request: &JobRequest) {
    let JobPlace { namespace, job_id } = &request.place;
    job["ID"] = json!(job_id);
    job["Name"] = json!(job_id);
    job["Namespace"] = json!(namespace);
    // The client names the region with every call.
    job["Region"] = Value::Null;
    if job["Priority"]
        .as_u64()
        .is_none_or(|priority| priority > HIGHEST_PRIORITY)
    {
        job["Priority"] = json!(HIGHEST_PRIORITY);
    }
    if !job["Meta"].is_object() {
        job["Meta"] = json!({});
    }
    job["Meta"][MANAGED_BY.0] = json!(MANAGED_BY.1);
    job["Meta"][TENANT_ID] = json!(request.tenant_id);
    job["Meta"][SERVICE_ID] = json!(request.service_id);
    job["Meta"][DEPLOYMENT_ID] = json!(request.deployment_id);
}

fn refused(pointer: String, code: &'static str, detail: String) -> Error {
    Error::invalid(vec![FieldError {
        pointer,
        code,
        detail,
    }])
}
