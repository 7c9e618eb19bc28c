//! Guards the layout: who may import whom, what only the edge may know, and how a file looks.
//!
//! The rules are those of `docs/ARCHITECTURE.md`; whoever must break one changes its reason there first.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what stands around the tests may fail like the tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// What everything may use.
const FOUNDATIONS: &[&str] = &["identifier", "json", "money", "order", "secret", "store", "time", "usage"];

/// Each module and what it may import beside the foundations and itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("identifier", &[]),
    ("json", &[]),
    ("money", &[]),
    ("order", &[]),
    ("secret", &[]),
    ("store", &[]),
    ("time", &[]),
    ("usage", &[]),
    ("sse", &[]),
    ("conversation", &[]),
    ("dialect", &["sse", "conversation"]),
    ("config", &[ENUMS]),
    ("error", &[ENUMS]),
    ("provider", &["config", ENUMS]),
    ("route", &["config", ENUMS]),
    ("limit", &["config"]),
    ("auth", &["config"]),
    ("cost", &["config"]),
    ("catalog", &["cost"]),
    ("alert", &[]),
    ("log", BELOW_CALL),
    ("surface", &[ENUMS]),
    ("call", CALL),
    ("api", API),
    ("edge", EVERYTHING),
    ("lib", EVERYTHING),
];

/// Of `dialect`, only the enums that name a dialect and an endpoint.
const ENUMS: &str = "dialect::{Dialect, Endpoint}";

const BELOW_CALL: &[&str] = &[
    "sse",
    "conversation",
    "dialect",
    "config",
    "error",
    "provider",
    "route",
    "limit",
    "auth",
    "cost",
    "catalog",
];

const CALL: &[&str] = &[
    "sse",
    "conversation",
    "dialect",
    "config",
    "error",
    "provider",
    "route",
    "limit",
    "auth",
    "cost",
    "catalog",
    "log",
];

const API: &[&str] = &[
    "alert",
    "sse",
    "conversation",
    "dialect",
    "config",
    "error",
    "provider",
    "route",
    "limit",
    "auth",
    "cost",
    "catalog",
    "log",
];

const EVERYTHING: &[&str] = &[
    "alert",
    "sse",
    "conversation",
    "dialect",
    "config",
    "error",
    "provider",
    "route",
    "limit",
    "auth",
    "cost",
    "catalog",
    "log",
    "surface",
    "call",
    "api",
    "edge",
];

/// Files that are tables, so that their length is no matter.
const TABLES: &[&str] = &["src/provider/table.rs"];

const CEILING: usize = 500;
const MEDIAN: usize = 150;

struct Source {
    /// From the project's root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The first part of its path below `src`.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap();
        below.split(['/', '.']).next().unwrap()
    }

    /// Without the tests at its end.
    fn own(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests").next().unwrap()
    }

    /// Without comments.
    fn code(&self) -> String {
        let lines = self.own().lines();
        lines.map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let read = |file: PathBuf| Source {
        path: file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/"),
        text: fs::read_to_string(&file).unwrap(),
    };
    let sources: Vec<_> = files.into_iter().map(read).collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Every `crate::…` of a code, grouped imports taken apart: `crate::{a, b::c}` gives `a` and `b::c`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (_, rest) in code.match_indices("crate::").map(|(at, text)| code.split_at(at + text.len())) {
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(parts(group));
        } else {
            let end =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            let (path, after) = rest.split_at(end);
            match after.strip_prefix('{') {
                Some(group) => found.extend(parts(group).into_iter().map(|part| format!("{path}{part}"))),
                None => found.push(path.to_owned()),
            }
        }
    }
    found
}

/// The parts of a group, up to its closing brace.
fn parts(group: &str) -> Vec<String> {
    let (mut depth, mut current, mut parts) = (0, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(std::mem::take(&mut current)),
            _ => {
                depth += match character {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                current.push(character);
            }
        }
    }
    parts.push(current);
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn allowed(module: &str, import: &str) -> bool {
    let rules = LAYERS.iter().find(|(name, _)| *name == module);
    let (_, others) = rules.unwrap_or_else(|| panic!("give {module} a layer in tests/layers.rs"));
    let target = import.split("::").next().unwrap();
    let known = LAYERS.iter().any(|(name, _)| *name == target);
    let enums = others.contains(&ENUMS)
        && (import.starts_with("dialect::Dialect") || import.starts_with("dialect::Endpoint"));
    !known || target == module || FOUNDATIONS.contains(&target) || others.contains(&target) || enums
}

#[test]
fn a_module_imports_only_what_lies_below_it() {
    let wrong: Vec<String> = sources()
        .iter()
        .flat_map(|source| {
            let code = source.code();
            let forbidden: Vec<_> = imports(&code)
                .into_iter()
                .filter(|import| !allowed(source.module(), import))
                .map(|import| format!("{} uses {import}", source.path))
                .collect();
            let upward = code.contains("super::super").then(|| format!("{} uses super::super", source.path));
            forbidden.into_iter().chain(upward)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_edge_knows_the_platform() {
    for source in sources().iter().filter(|source| source.module() != "edge") {
        let code = source.code();
        for name in
            ["worker::", "js_sys", "web_sys", "wasm_bindgen", "getrandom", "SystemTime", "Instant::now"]
        {
            assert!(!code.contains(name), "{} uses {name}", source.path);
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for source in sources() {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(first.len() > 14 && first.starts_with("//! "), "{} does not open with //!", source.path);
    }
}

#[test]
fn files_are_short() {
    let mut lengths = Vec::new();
    for source in sources().iter().filter(|source| !TABLES.contains(&source.path.as_str())) {
        let length = source.own().lines().count();
        assert!(length <= CEILING, "{} has {length} lines", source.path);
        lengths.push(length);
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap();
    assert!(median <= MEDIAN, "the median is {median} lines");
}

#[test]
fn files_are_named_after_what_they_hold() {
    for source in sources() {
        let name = source.path.rsplit('/').next().unwrap();
        for vague in ["mod", "utils", "util", "helpers", "helper", "common", "manager", "types", "misc"] {
            assert_ne!(name, format!("{vague}.rs"), "{}", source.path);
        }
    }
}

#[test]
fn imports_are_taken_apart() {
    let code = "use crate::{a::B, c};\nuse crate::d::{E, f::{G, H}};\ncrate::i::j(k)";
    assert_eq!(imports(code), ["a::B", "c", "d::E", "d::f::{G, H}", "i::j"]);
    for (module, import, expected) in [
        ("route", "config::Rule", true),
        ("route", "provider::outbound", false),
        ("route", "dialect::Endpoint", true),
        ("route", "dialect::chat::request", false),
        ("auth", "dialect::Dialect", false),
        ("time", "money::NanoUsd", true),
        ("sse", "dialect::Dialect", false),
        ("api", "call::accept", false),
        ("call", "api::handle", false),
        ("edge", "api::handle", true),
    ] {
        assert_eq!(allowed(module, import), expected, "{module} uses {import}");
    }
}
