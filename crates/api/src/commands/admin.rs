//! `admin`: platform administrators, made by whoever runs the platform.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use domain::{
    password::Password as Chosen,
    user::{parse_email, parse_username},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Failure, print};
use crate::{
    server::{self, database::ChosenDatabase},
    settings::{Purpose, Settings},
};

/// Far more than the longest password.
const MAX_INPUT: u64 = 64 * 1024;

#[derive(Args, Debug)]
pub struct Admin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a platform administrator, who has no tenant.
    Create(Create),
}

#[derive(Args, Debug)]
struct Create {
    /// What the administrator signs in with: 2 to 64 characters of a-z, 0-9, '.', '_' and '-'.
    #[arg(long)]
    username: String,
    /// The administrator's email address.
    #[arg(long)]
    email: String,
    #[command(flatten)]
    password: Password,
}

/// A password never stands in an argument: other users of the machine could read it there.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Password {
    /// Read the password from standard input: its first line, of 15 to 256 characters.
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from a file: its first line, of 15 to 256 characters.
    #[arg(long, value_name = "PATH")]
    password_file: Option<PathBuf>,
}

impl Admin {
    pub async fn run(self, directory: &Path, as_json: bool) -> Result<(), Failure> {
        let Self {
            command: Command::Create(create),
        } = self;
        create.run(directory, as_json).await
    }
}

impl Create {
    async fn run(self, directory: &Path, as_json: bool) -> Result<(), Failure> {
        let settings = Settings::load(directory, Purpose::Database)?;
        let username = parse_username(&self.username.into());
        let username = username.map_err(|refused| format!("--username {}", refused.detail))?;
        let email = parse_email(&self.email.into());
        let email = email.map_err(|refused| format!("--email {}", refused.detail))?;
        let password = self.password.read()?;
        let password = Chosen::parse_new(&password.expose_secret().into()).and_then(|chosen| {
            chosen.ensure_none_of(&[&username, &email])?;
            Ok(chosen)
        });
        let password = password.map_err(|refused| format!("the password {}", refused.detail))?;

        let database = ChosenDatabase::for_command(&settings).await?;
        database.prepare(&settings).await?;
        let passwords = server::passwords(&settings.auth.password)?;
        let pool = database.pool(&settings)?;
        let user = application::create_administrator(&pool, &passwords, username, email, &password)
            .await?;
        let text = if as_json {
            json!({"id": user.id, "username": user.username, "email": user.email}).to_string()
        } else {
            format!("{} is a platform administrator now.", user.username)
        };
        Ok(print(&text)?)
    }
}

impl Password {
    fn read(&self) -> Result<SecretString, String> {
        let text = match &self.password_file {
            Some(path) => fs::File::open(path)
                .and_then(first_line)
                .map_err(|error| format!("--password-file {}: {error}", path.display()))?,
            None => first_line(io::stdin().lock())
                .map_err(|error| format!("--password-stdin: {error}"))?,
        };
        Ok(text)
    }
}

/// Without the end of the line; what follows it is no part of a password.
fn first_line(input: impl io::Read) -> io::Result<SecretString> {
    use io::BufRead;
    let mut line = String::new();
    io::BufReader::new(input.take(MAX_INPUT)).read_line(&mut line)?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    Ok(text.strip_suffix('\r').unwrap_or(text).into())
}
