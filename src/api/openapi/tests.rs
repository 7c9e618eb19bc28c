//! The document is whole, and the Worker serves it as it is.

use super::*;
use crate::call::home;
use crate::surface::{Surface, surface};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_route_is_described_and_nothing_else() {
    let routes: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.pattern)).collect();
    let described: BTreeSet<_> =
        operations::all().iter().map(|operation| (operation.method, operation.path)).collect();
    assert_eq!(routes, described);
}

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The operations of the data plane, as the document has them.
fn of_data_plane() -> BTreeSet<(String, String)> {
    let is_method = |name: &str| METHODS.contains(&name);
    let paths = data_plane::paths().into_iter();
    let operations = paths.flat_map(|(path, described)| {
        let names: Vec<String> =
            described.as_object().unwrap().keys().map(|name| name.to_ascii_uppercase()).collect();
        names.into_iter().filter(move |name| is_method(name)).map(move |name| (name, path.clone()))
    });
    operations.collect()
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
    let described = of_data_plane();
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
    let source = include_str!("../../surface.rs").split("#[cfg(test)]").next().unwrap();
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let literals: BTreeSet<&str> = code.split('"').skip(1).step_by(2).collect();
    assert!(literals.contains("/v1/chat/completions") && literals.contains("countTokens"));
    let (paths, words): (Vec<&str>, Vec<&str>) =
        literals.iter().partition(|literal| literal.starts_with('/'));
    let mut tried: BTreeSet<String> = BTreeSet::new();
    for path in paths {
        tried.extend([path.to_owned(), format!("/v1{path}")]);
        if path.ends_with('/') {
            tried.insert(format!("{path}x"));
            tried.extend(words.iter().flat_map(|word| {
                [format!("{path}{word}"), format!("{path}x/{word}"), format!("{path}x:{word}")]
            }));
        }
    }
    let (operations, described) = (of_data_plane(), data_plane::paths());
    let is_described = |method: &str, path: &str| {
        template(&described, path)
            .is_some_and(|template| operations.contains(&(method.to_owned(), template.clone())))
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
fn uploads_are_forms() {
    let paths = data_plane::paths();
    for path in ["/v1/images/edits", "/v1/audio/transcriptions", "/v1/audio/translations"] {
        assert!(paths[path]["post"]["requestBody"]["content"].get("multipart/form-data").is_some(), "{path}");
    }
}

#[test]
fn the_first_page_names_what_the_document_describes() {
    let is_elsewhere = |path: &str| matches!(surface("GET", path), Surface::Home | Surface::Live);
    let described: BTreeSet<String> = of_data_plane()
        .into_iter()
        .filter(|(_, path)| !is_elsewhere(path))
        .map(|(method, path)| format!("{method} {path}"))
        .chain(["/api/*".to_owned()])
        .collect();
    let page = home::page();
    let named = page["endpoints"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
    assert_eq!(named.collect::<BTreeSet<String>>(), described);
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn names_of_schemas_say_what_they_are() {
    let document = document();
    let names: Vec<&String> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    for name in names {
        assert!(!["Row", "Input", "View", "Line"].iter().any(|vague| name.starts_with(vague)), "{name}");
    }
}

/// `UPDATE_OPENAPI=1 cargo test openapi` writes it anew.
#[test]
fn the_worker_serves_this_document() {
    let text = serde_json::to_string(&document()).unwrap();
    let module = format!(
        "// Generated by src/api/openapi.rs: `UPDATE_OPENAPI=1 cargo test openapi` writes it anew.\n\
         export const openapi = () => {};\n",
        serde_json::to_string(&text).unwrap()
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/edge/openapi.js");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &module).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == module, "run it with UPDATE_OPENAPI=1");
}
