//! The document of `/doc` and the page at `/` say what `surface` takes, all of it and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what stands around the tests may fail like the tests")]

use edgeway::api::openapi::document;
use edgeway::call::home;
use edgeway::surface::{Surface, surface};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The paths of the data plane, and of the gateway's own pages, as the document has them.
fn paths() -> Map<String, Value> {
    let document = document();
    let paths = document.get("paths").and_then(Value::as_object).unwrap().iter();
    let is_managed = |path: &str| METHODS.iter().all(|method| surface(method, path) == Surface::Management);
    paths.filter(|(path, _)| !is_managed(path)).map(|(path, it)| (path.clone(), it.clone())).collect()
}

/// Their operations.
fn operations() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (path, described) in paths() {
        let names = described.as_object().unwrap().keys().map(|name| name.to_ascii_uppercase());
        found.extend(names.filter(|name| METHODS.contains(&name.as_str())).map(|name| (name, path.clone())));
    }
    found
}

/// Whether the data plane, or a page of the gateway's own, takes this.
fn is_taken(method: &str, path: &str) -> bool {
    use Surface::{Management, MethodNotAllowed, Preflight, Unknown};
    !matches!(surface(method, path), Management | MethodNotAllowed(_) | Preflight | Unknown)
}

/// The path of the document that stands for this one: the one with the most letters in common.
fn template<'a>(paths: &'a Map<String, Value>, path: &str) -> Option<&'a String> {
    let stands = |template: &&String| match template.split_once('{') {
        None => template.as_str() == path,
        Some((before, rest)) => {
            let (name, after) = rest.split_once('}').unwrap();
            let varying = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            varying.is_some_and(|text| !text.is_empty() && (name == "model" || !text.contains('/')))
        }
    };
    let fixed = |template: &&String| (!template.contains('{'), template.len());
    paths.keys().filter(stands).max_by_key(fixed)
}

#[test]
fn what_is_described_of_the_data_plane_is_taken_by_these_methods_and_no_others() {
    let described = operations();
    let paths: BTreeSet<&String> = described.iter().map(|(_, path)| path).collect();
    for path in paths {
        let sent = path.replace("{model}", "a/b").replace("{id}", "resp_1");
        for method in METHODS {
            let is_described = described.contains(&(method.to_owned(), path.clone()));
            assert_eq!(is_taken(method, &sent), is_described, "{method} {path}");
        }
    }
}

/// Every word and every path that `surface` compares with is tried, alone and put together.
#[test]
fn what_the_data_plane_takes_is_described() {
    let source = include_str!("../src/surface.rs").split("#[cfg(test)]").next().unwrap();
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let literals: BTreeSet<&str> = code.split('"').skip(1).step_by(2).collect();
    assert!(literals.contains("/v1/chat/completions") && literals.contains("countTokens"));
    let (places, words): (Vec<&str>, Vec<&str>) =
        literals.iter().partition(|literal| literal.starts_with('/'));
    let mut tried: BTreeSet<String> = BTreeSet::new();
    for path in places {
        tried.extend([path.to_owned(), format!("/v1{path}")]);
        if path.ends_with('/') {
            tried.insert(format!("{path}x"));
            tried.extend(words.iter().flat_map(|word| {
                [format!("{path}{word}"), format!("{path}x/{word}"), format!("{path}x:{word}")]
            }));
        }
    }
    let (described, paths) = (operations(), paths());
    let is_described = |method: &str, path: &str| {
        template(&paths, path)
            .is_some_and(|template| described.contains(&(method.to_owned(), template.clone())))
    };
    let mut seen = 0;
    for path in tried.iter().filter(|path| !path.starts_with("//")) {
        for method in METHODS.into_iter().filter(|method| is_taken(method, path)) {
            seen += 1;
            // The document says in a sentence that these are there under two names.
            let other = match path.strip_prefix("/v1alpha/") {
                Some(rest) => format!("/v1beta/{rest}"),
                None => format!("/v1{path}"),
            };
            let is_alias = surface(method, &other) == surface(method, path) && is_described(method, &other);
            assert!(is_described(method, path) || is_alias, "{method} {path}");
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn the_first_page_names_what_the_document_describes() {
    let is_elsewhere = |path: &str| matches!(surface("GET", path), Surface::Home | Surface::Live);
    let described: BTreeSet<String> = operations()
        .into_iter()
        .filter(|(_, path)| !is_elsewhere(path))
        .map(|(method, path)| format!("{method} {path}"))
        .chain(["/api/*".to_owned()])
        .collect();
    let page = home::page();
    let named = page["endpoints"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
    assert_eq!(named.collect::<BTreeSet<String>>(), described);
}
