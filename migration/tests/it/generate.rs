//! Another migration, begun by the `migration` command and by `sea-orm-cli`, in a copy of the crate.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use migration::Migrator;
use sea_orm_migration::MigratorTrait;
use tempfile::TempDir;

struct Copy {
    folder: TempDir,
    /// `lib.rs` as it was.
    list: String,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (
            Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            folder.path().join("src"),
        );
        for part in [PathBuf::new(), "sql".into()] {
            fs::create_dir(to.join(&part)).unwrap();
            for file in fs::read_dir(from.join(&part)).unwrap().map(Result::unwrap) {
                if file.path().is_file() {
                    fs::copy(file.path(), to.join(&part).join(file.file_name())).unwrap();
                }
            }
        }
        let list = fs::read_to_string(to.join("lib.rs")).unwrap();
        Self { folder, list }
    }

    fn generate(&self, name: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_migration"));
        command
            .args(["generate", name, "-d"])
            .arg(self.folder.path());
        command.env_remove("DATABASE_URL").output().unwrap()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join("src").join(file)).unwrap()
    }

    /// The migration that the list has now and had not before; the rest is as it was.
    fn added(&self) -> String {
        let list = self.read("lib.rs");
        let is_new = |line: &&str| !self.list.contains(*line);
        let new: Vec<_> = list.lines().filter(is_new).collect();
        assert_eq!(new.len(), 2, "{new:?}");
        let (declared, listed) = (new[0], new[1]);
        let name = declared
            .strip_prefix("mod ")
            .and_then(|line| line.strip_suffix(';'))
            .unwrap();
        assert_eq!(listed, format!("            Box::new({name}::Migration),"));
        let last = last();
        assert!(
            list.contains(&format!("mod {last};\n{declared}\n")),
            "{list}"
        );
        assert!(
            list.contains(&format!(
                "Box::new({last}::Migration),\n{listed}\n        ]\n"
            )),
            "{list}"
        );
        let without: String = list
            .split_inclusive('\n')
            .filter(|line| !line.contains(name))
            .collect();
        assert_eq!(without, self.list);
        name.to_owned()
    }
}

fn last() -> String {
    Migrator::migrations().last().unwrap().name().to_owned()
}

/// Without what each migration has of its own: its sentence, and the names of its files.
fn form(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.starts_with("//!"));
    let form = kept.map(|line| line.split("sql/").next().unwrap());
    form.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_migration_is_begun_in_the_form_that_the_others_have() {
    let copy = Copy::new();
    let output = copy.generate("add_teams");
    assert!(output.status.success(), "{output:?}");
    let name = copy.added();
    assert!(name > last() && name.ends_with("_add_teams"), "{name}");
    let number = |name: &str| name.split('_').nth(1).unwrap().parse::<u32>().unwrap();
    assert_eq!(number(&name), number(&last()) + 1);

    let text = copy.read(&format!("{name}.rs"));
    let others = Migrator::migrations();
    let mut others = others
        .iter()
        .map(|other| copy.read(&format!("{}.rs", other.name())));
    assert!(others.any(|other| form(&other) == form(&text)), "{text}");
    for file in ["sql/add_teams.sql", "sql/undo_add_teams.sql"] {
        assert!(
            text.contains(&format!("include_str!(\"{file}\")")),
            "{text}"
        );
        assert!(copy.read(file).starts_with("-- "), "{file}");
    }
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[test]
fn a_name_that_can_be_none_or_is_taken_leaves_everything_as_it_was() {
    let copy = Copy::new();
    assert!(copy.generate("add_teams").status.success());
    let files = || {
        fs::read_dir(copy.folder.path().join("src"))
            .unwrap()
            .count()
    };
    let (list, before) = (copy.read("lib.rs"), files());
    for name in ["", "add-teams", "7_teams", "../teams", "Teams", "add_teams"] {
        let output = copy.generate(name);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("migration: "), "{name}: {said}");
    }
    assert_eq!((copy.read("lib.rs"), files()), (list, before));
}

#[test]
fn sea_orm_cli_finds_its_way_in_the_list_of_migrations() {
    let copy = Copy::new();
    sea_orm_cli::run_migrate_generate(copy.folder.path().to_str().unwrap(), "add_teams", true)
        .unwrap();
    let name = copy.added();
    assert!(
        copy.read(&format!("{name}.rs"))
            .contains("impl MigrationTrait for Migration")
    );
}
