//! Every dependency says why it is here, and every waiver of a lint says why.

use super::{none, root};
use std::fs;

#[test]
fn every_dependency_of_others_has_a_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, after) = manifest.split_once("[workspace.dependencies]").expect("the table of dependencies");
    let table = after.split("\n[").next().unwrap();
    let mut seen = 0;
    let mut faults = Vec::new();
    for line in table.lines().filter(|line| line.contains('=') && !line.starts_with('#')) {
        let (entry, reason) = line.rsplit_once('#').unwrap_or((line, ""));
        if entry.contains("path = ") {
            continue;
        }
        seen += 1;
        if reason.trim().len() < 10 {
            faults.push(line.to_owned());
        }
    }
    assert!(seen > 10, "the table was not read");
    none("dependencies without a reason", &faults);
}

#[test]
fn members_take_versions_from_the_root() {
    let mut faults = Vec::new();
    for package in super::metadata().workspace_packages() {
        let manifest: toml::Table = fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap();
        if manifest.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool) != Some(true) {
            faults.push(format!("{}: [lints] workspace = true is missing", package.name));
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in manifest.get(table).and_then(toml::Value::as_table).into_iter().flatten() {
                if value.get("workspace").is_none() {
                    faults.push(format!("{}: {name} in [{table}]", package.name));
                }
            }
        }
    }
    none("members that go their own way", &faults);
}
