//! People: their roles, and what their names, addresses and passwords may be.

mod account;
pub mod ports;

use serde_json::{Map, Value};

pub use account::{NewUser, User};

use crate::{FieldError, Violation, fields::Fields, password::Password, text_enum::text_enum};

/// The longest address, in bytes.
pub const MAX_EMAIL: usize = 254;
/// The longest given or family name, in characters.
pub const MAX_NAME: usize = 255;
/// How many characters a username has.
pub const USERNAME: std::ops::RangeInclusive<usize> = 2..=64;

/// The form of a username as a regular expression.
pub const USERNAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

/// The form of an email address as a regular expression.
pub const EMAIL_PATTERN: &str =
    r"^[^@\s\x00-\x1f\x7f-\x9f]{1,64}@[^@.\s\x00-\x1f\x7f-\x9f]+(?:\.[^@.\s\x00-\x1f\x7f-\x9f]+)+$";

/// The form of a given or family name as a regular expression; white space around it goes.
pub const PERSON_NAME_PATTERN: &str = r"^[\s\x85]*[^\x00-\x1f\x7f-\x9f]*[\s\x85]*$";

text_enum! {
    /// What a user may do; see [`crate::policy`].
    Role {
        /// Runs the platform, and belongs to no tenant.
        Admin => "admin",
        /// Operates a tenant's services.
        User => "user",
        /// Administers a tenant.
        TenantAdmin => "tenant_admin",
    }
}

/// Somebody who wants to use the product: a user, and the tenant made for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registration {
    /// In lower case.
    pub username: String,
    /// In lower case.
    pub email: String,
    /// None that is easily guessed; see [`Password::parse_new`].
    pub password: Password,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// What the tenant is to be called.
    pub tenant_name: Option<String>,
}

impl Registration {
    /// Reads a registration, checking every field.
    ///
    /// ```
    /// use nomad_services_domain::user::Registration;
    /// use serde_json::json;
    ///
    /// let errors = Registration::parse(&json!({
    ///     "username": "Ada", "email": "nobody", "password": "short"
    /// })).unwrap_err();
    /// let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    /// assert_eq!(pointers, ["/email", "/password"]);
    /// ```
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        let username = fields.required("username", parse_username);
        let email = fields.required("email", parse_email);
        let password = fields.required("password", Password::parse_new);
        let first_name = fields.optional("first_name", parse_person_name);
        let last_name = fields.optional("last_name", parse_person_name);
        let tenant_name = fields.optional("tenant_name", crate::tenant::parse_name);
        let names = [
            username.as_deref(),
            email.as_deref(),
            tenant_name.as_deref(),
        ];
        let names: Vec<_> = names.into_iter().flatten().collect();
        if let Some(Err(refused)) = password
            .as_ref()
            .map(|chosen| chosen.ensure_none_of(&names))
        {
            fields.refuse("password", refused);
        }
        fields.finish(move || {
            Some(Self {
                username: username?,
                email: email?,
                password: password?,
                first_name,
                last_name,
                tenant_name,
            })
        })
    }

    /// What the tenant is called where no name was given.
    pub fn derived_tenant_name(&self) -> String {
        self.tenant_name
            .clone()
            .unwrap_or_else(|| self.username.clone())
    }
}

/// Somebody who says who they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignIn {
    /// Username or email address, in lower case.
    pub login: String,
    /// Older passwords may be shorter than new ones have to be.
    pub password: Password,
}

impl SignIn {
    /// Reads `username` or `email`, and `password`.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        let lower = |value| crate::fields::text(value).map(str::to_lowercase);
        let username = fields.optional("username", lower);
        let email = fields.optional("email", lower);
        let password = fields.required("password", Password::parse);
        if fields.is_absent("username") && fields.is_absent("email") {
            let detail = "is required where there is no email";
            fields.refuse("username", Violation::new("required", detail));
        }
        fields.finish(move || {
            let login = username.filter(|name| !name.is_empty()).or(email);
            Some(Self {
                login: login.unwrap_or_default(),
                password: password?,
            })
        })
    }
}

/// Reads the `refresh_token` of a session to keep or to end.
///
/// # Errors
/// Every bad field at once.
pub fn parse_refresh_token(input: &Value) -> Result<Password, Vec<FieldError>> {
    let mut fields = Fields::of(input, "")?;
    let token = fields.required("refresh_token", Password::parse);
    fields.finish(|| token)
}

/// Reads the `role` a user is to have.
///
/// # Errors
/// Every bad field at once; names the roles there are.
pub fn parse_role_change(input: &Value) -> Result<Role, Vec<FieldError>> {
    let mut fields = Fields::of(input, "")?;
    let role = fields.required("role", |value| crate::fields::text(value)?.parse());
    fields.finish(|| role)
}

/// What a user changes of itself. Absent fields stay as they are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProfileChange {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// In lower case.
    pub email: Option<String>,
}

impl ProfileChange {
    /// The fields of a user that an answer holds and a change may repeat.
    const READ_ONLY: [&str; 7] = [
        "id",
        "username",
        "role",
        "is_active",
        "tenant_id",
        "created_at",
        "updated_at",
    ];

    /// Reads a change of one's own profile. Read-only fields may stand in it as `current` has them.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value, current: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        fields.unchanged(&Self::READ_ONLY, current);
        let first_name = fields.optional("first_name", parse_person_name);
        let last_name = fields.optional("last_name", parse_person_name);
        let email = fields.optional("email", parse_email);
        fields.finish(move || {
            Some(Self {
                first_name,
                last_name,
                email,
            })
        })
    }
}

/// What an administrator changes of a member of their tenant. Absent fields stay as they are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MemberChange {
    /// What the member may do.
    pub role: Option<Role>,
    /// Whether the member may sign in.
    pub is_active: Option<bool>,
}

impl MemberChange {
    /// The fields of a user that an answer holds and a change may repeat.
    const READ_ONLY: [&str; 8] = [
        "id",
        "username",
        "email",
        "first_name",
        "last_name",
        "tenant_id",
        "created_at",
        "updated_at",
    ];

    /// Reads a change of a member. Read-only fields may stand in it as `current` has them.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value, current: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        fields.unchanged(&Self::READ_ONLY, current);
        let role = fields.optional("role", parse_member_role);
        let is_active = fields.optional("is_active", |value| {
            let refused = || Violation::new("wrong_type", "must be true or false");
            value.as_bool().ok_or_else(refused)
        });
        fields.finish(move || Some(Self { role, is_active }))
    }
}

/// Reads a role that somebody within a tenant can have.
///
/// # Errors
/// Names them.
pub(crate) fn parse_member_role(value: &Value) -> Result<Role, Violation> {
    match crate::fields::text(value)?.parse() {
        Ok(role @ (Role::User | Role::TenantAdmin)) => Ok(role),
        _ => Err(Violation::new(
            "not_allowed",
            "must be one of user, tenant_admin",
        )),
    }
}

/// Reads a username, in lower case: letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
///
/// # Errors
/// Says what is allowed.
pub fn parse_username(value: &Value) -> Result<String, Violation> {
    let username = crate::fields::text(value)?.to_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = USERNAME.contains(&username.len())
        && username.chars().all(allowed)
        && username.starts_with(|c: char| c.is_ascii_alphanumeric());
    if good {
        return Ok(username);
    }
    let (min, max) = (USERNAME.start(), USERNAME.end());
    Err(Violation::new(
        "invalid_username",
        format!(
            "must have {min} to {max} characters of a-z, 0-9, '.', '_' and '-', the first a letter or digit"
        ),
    ))
}

/// Reads an email address, in lower case. Whether it exists is for a message to find out.
///
/// # Errors
/// Says what is allowed.
pub fn parse_email(value: &Value) -> Result<String, Violation> {
    let email = crate::fields::text(value)?.to_lowercase();
    let well_formed = email.split_once('@').is_some_and(|(local, domain)| {
        (1..=64).contains(&local.len())
            && domain.contains('.')
            && !domain.contains('@')
            && domain.split('.').all(|label| !label.is_empty())
    });
    let visible = email.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if well_formed && visible && email.len() <= MAX_EMAIL {
        return Ok(email);
    }
    Err(Violation::new(
        "invalid_email",
        format!("must be an email address such as ada@example.com, of at most {MAX_EMAIL} bytes"),
    ))
}

pub(crate) fn parse_person_name(value: &Value) -> Result<String, Violation> {
    let name = crate::fields::text(value)?.trim();
    if name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(Violation::new(
        "invalid_name",
        format!("must have at most {MAX_NAME} characters, none of them a control character"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn email_and_username_are_kept_in_lower_case() {
        let registration = Registration::parse(&json!({
            "username": "Ada", "email": "Ada@Example.COM", "password": "correct horse battery"
        }))
        .unwrap();
        assert_eq!(registration.username, "ada");
        assert_eq!(registration.email, "ada@example.com");
        assert_eq!(registration.derived_tenant_name(), "ada");
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for email in [
            "", "a", "a@", "@b.c", "a@b", "a@b.", "a@b@c.d", "a b@c.d", "a\n@b.c",
        ] {
            assert!(parse_email(&json!(email)).is_err(), "{email:?}");
        }
    }

    #[test]
    fn signing_in_takes_a_username_or_an_address_and_nothing_else() {
        let login = |input| SignIn::parse(&input).map(|sign_in| sign_in.login);
        let by_name = json!({"username": "Ada", "password": "x"});
        assert_eq!(login(by_name).unwrap(), "ada");
        let by_address = json!({"email": "Ada@Example.com", "password": "x"});
        assert_eq!(login(by_address).unwrap(), "ada@example.com");
        let errors = login(json!({"user": "ada", "password": 1})).unwrap_err();
        let found: Vec<_> = errors
            .iter()
            .map(|error| (error.pointer.as_str(), error.code))
            .collect();
        assert_eq!(
            found,
            [
                ("/password", "wrong_type"),
                ("/username", "required"),
                ("/user", "unknown_field"),
            ]
        );
    }

    #[test]
    fn a_privileged_field_is_refused() {
        let errors = Registration::parse(&json!({
            "username": "ada", "email": "ada@example.com", "password": "correct horse battery", "role": "admin"
        }))
        .unwrap_err();
        assert_eq!(
            (errors[0].pointer.as_str(), errors[0].code),
            ("/role", "unknown_field")
        );
    }

    #[test]
    fn a_profile_may_repeat_what_it_cannot_change() {
        let current = json!({"id": 1, "role": "user"});
        let current = current.as_object().unwrap();
        let same = json!({"id": 1, "role": "user", "first_name": "Ada"});
        assert!(ProfileChange::parse(&same, current).is_ok());
        let other = json!({"id": 1, "role": "admin"});
        let errors = ProfileChange::parse(&other, current).unwrap_err();
        assert_eq!(
            (errors[0].pointer.as_str(), errors[0].code),
            ("/role", "read_only")
        );
    }
}
