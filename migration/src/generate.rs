//! `generate`: another migration, in the form that those here have. SeaORM's own writes another form, with `todo!()` in it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use chrono::{Local, Utc};

const MIGRATION: &str = r#"//! What changes, and why, in a sentence.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(include_str!("sql/NAME.sql"))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(include_str!("sql/undo_NAME.sql"))
            .await?;
        Ok(())
    }
}
"#;

/// Why there is no other migration.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The name can't be one of a module.
    #[error("{0:?} can't be a migration's name; allowed: a-z, 0-9 and _, beginning with a letter")]
    Name(String),
    /// There is no list of migrations in the folder.
    #[error("{0} lists no migrations; --migration-dir names the folder of their crate")]
    Folder(String),
    /// A file can't be read or written, or exists already.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Writes a migration of this name, dated today and numbered after the last, into the crate in `folder`; answers with the files
/// it wrote, the list of migrations last.
///
/// # Errors
/// The name can't be one, or the files can't be written. Nothing that exists is replaced but the list.
pub fn migration(
    folder: Option<&Path>,
    name: &str,
    local_time: bool,
) -> Result<Vec<PathBuf>, GenerateError> {
    let name = name.trim().replace(' ', "_");
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(is_part) {
        return Err(GenerateError::Name(name));
    }
    let source = folder.map_or_else(usual_folder, Path::to_owned).join("src");
    let list = source.join("lib.rs");
    let text = fs::read_to_string(&list).map_err(|error| file(&list, error))?;
    let last = text.lines().filter_map(module).next_back();
    let last = last.ok_or_else(|| GenerateError::Folder(list.display().to_string()))?;

    let today = match local_time {
        true => Local::now().format("%Y%m%d"),
        false => Utc::now().format("%Y%m%d"),
    };
    let new = following(last, &today.to_string(), &name);
    let files = [
        (
            source.join(&new).with_extension("rs"),
            MIGRATION.replace("NAME", &name),
        ),
        (
            source.join("sql").join(&name).with_extension("sql"),
            "-- What changes.\n".to_owned(),
        ),
        (
            source.join("sql").join(format!("undo_{name}.sql")),
            "-- What takes it back.\n".to_owned(),
        ),
    ];
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(file(path, io::ErrorKind::AlreadyExists.into()));
    }
    let mut written = Vec::new();
    for (path, text) in files {
        let mut new = OpenOptions::new();
        let new = new.write(true).create_new(true).open(&path);
        new.and_then(|mut new| new.write_all(text.as_bytes()))
            .map_err(|error| file(&path, error))?;
        written.push(path);
    }
    fs::write(&list, listed(&text, last, &new)).map_err(|error| file(&list, error))?;
    written.push(list);
    Ok(written)
}

fn usual_folder() -> PathBuf {
    let below = Path::new("migration");
    let folder = if below.join("src/lib.rs").exists() {
        below
    } else {
        Path::new(".")
    };
    folder.to_owned()
}

fn file(path: &Path, source: io::Error) -> GenerateError {
    GenerateError::File {
        path: path.display().to_string(),
        source,
    }
}

/// The migration that a line of the list declares: `m20261124_000001_create_tables`.
fn module(line: &str) -> Option<&str> {
    let module = line.strip_prefix("mod ")?.strip_suffix(';')?;
    let (date, rest) = module.strip_prefix('m')?.split_once('_')?;
    let (number, _) = rest.split_once('_')?;
    let digits =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(date, 8) && digits(number, 6)).then_some(module)
}

/// Sorted after `last`, even where the clock is behind.
fn following(last: &str, today: &str, name: &str) -> String {
    let mut parts = last.trim_start_matches('m').splitn(3, '_');
    let (date, number) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let number = number.parse::<u32>().unwrap_or_default() + 1;
    format!("m{}_{number:06}_{name}", today.max(date))
}

fn listed(text: &str, last: &str, new: &str) -> String {
    let mut listed = String::with_capacity(text.len() + 2 * new.len() + 64);
    for line in text.split_inclusive('\n') {
        listed.push_str(line);
        if line.contains(last) {
            listed.push_str(&line.replace(last, new));
        }
    }
    listed
}
