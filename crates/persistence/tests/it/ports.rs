//! The ports that the tests call the database through.

pub use domain::{
    api_key::ports::ApiKeyChanges as _,
    audit_log::ports::{AuditLogReads as _, AuditSealing as _},
    deployment::ports::DeploymentChanges as _,
    ports::{
        Retention as _, SystemStore as _, TenantStore as _, TenantTransaction as _,
        Transaction as _,
    },
    service::ports::{ServiceChanges as _, ServiceReads as _, StoredConfig as _},
    session::ports::{OwnAccount as _, SignIns as _},
    user::ports::{MemberReads as _, Registering as _, UserAdministration as _},
};
