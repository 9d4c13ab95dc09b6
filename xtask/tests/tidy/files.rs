//! Sizes of files, and links between documents.

use super::{none, root};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Lines of the longest file that is allowed.
const CAP: usize = 600;

/// Files that a tool writes; their length is not ours.
const GENERATED: [&str; 1] = ["Cargo.lock"];

/// Files below `directory` with one of these extensions. Build output and hidden directories are left out.
pub(super) fn below(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "node_modules", "__pycache__"].contains(&name.as_str()) {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|e| extensions.contains(&e.to_string_lossy().as_ref())) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn files_are_short() {
    let files = below(&root(), &["rs", "py", "go", "toml", "sh"]);
    assert!(files.len() > 20, "the checkout was not read");
    let faults: Vec<String> = files
        .iter()
        .filter(|file| !GENERATED.contains(&file.file_name().unwrap().to_string_lossy().as_ref()))
        .map(|file| (file, fs::read_to_string(file).unwrap_or_default().lines().count()))
        .filter(|(_, lines)| *lines > CAP)
        .map(|(file, lines)| format!("{} has {lines} lines", file.strip_prefix(root()).unwrap().display()))
        .collect();
    none("files over the cap", &faults);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut faults = Vec::new();
    for document in below(&root(), &["md"]) {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let target = document.parent().unwrap().join(link.split('#').next().unwrap());
            if !target.exists() {
                faults.push(format!("{} -> {link}", document.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    none("links that lead nowhere", &faults);
}

/// The relative targets of inline links, outside of code blocks.
fn links(text: &str) -> Vec<&str> {
    let mut in_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            found.extend(
                targets.filter(|t| !t.contains("://") && !t.starts_with(['#', '<']) && !t.starts_with("mailto:")),
            );
        }
    }
    found
}

#[test]
fn links_are_found() {
    let text = "see [a](docs/a.md#part) and [b](https://example.org)\n```\n[c](c.md)\n```\n[d](#here) [e](e.md)";
    assert_eq!(links(text), ["docs/a.md#part", "e.md"]);
}
