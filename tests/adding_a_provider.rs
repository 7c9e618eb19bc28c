//! Adds a provider by a row alone, as docs/adding-a-provider.md tells: everything that depends on the kind follows from it.

#![allow(clippy::unwrap_used, reason = "a test")]

use edgeway::config::Provider;
use edgeway::dialect::{Dialect, Endpoint};
use edgeway::provider::table::{Auth, Kind, PLAIN, Quirks, row};
use edgeway::provider::{listing, outbound};
use edgeway::secret::Secret;
use edgeway::time::Millis;

const NEW: Kind =
    // The row of the page:
    Kind {
        models: &["example-*"],
        auth: Auth::Header("x-example-key"),
        quirks: Quirks { stream_options: false, headers: &[("x-client", "edgeway")], ..PLAIN },
        note: "The key is in the console under Access.",
        ..row("example", "Example AI", Some("https://api.example.com/openai/v1"), "/openai/v1", "EXAMPLE")
    };

fn target(provider: &Provider, endpoint: Endpoint) -> outbound::Target {
    let key = Secret::new("example-secret");
    outbound::outbound(provider, &NEW, Some(&key), endpoint, None, false).unwrap()
}

#[test]
fn a_row_says_where_calls_go_and_with_what() {
    let target = target(&Provider::default(), Endpoint::ChatCompletions);
    assert_eq!(target.url, "https://api.example.com/openai/v1/chat/completions");
    let header =
        |name: &str| target.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((header("x-example-key"), header("x-client")), (Some("example-secret"), Some("edgeway")));
    assert_eq!(header("authorization"), None);
    let models = listing::targets(&Provider::default(), &NEW, None, false, Millis(0));
    assert!(models.is_err(), "its list wants a key, too");
}

#[test]
fn an_account_may_live_elsewhere_and_its_address_is_completed_by_the_rows_path() {
    let base_url = Some("https://eu.example.com".to_owned());
    let provider = Provider { base_url, ..Provider::default() };
    assert_eq!(target(&provider, Endpoint::Embeddings).url, "https://eu.example.com/openai/v1/embeddings");
}

#[test]
fn every_client_speaks_to_it_in_its_own_dialect() {
    for caller in Dialect::ALL {
        assert_eq!(NEW.spoken_by(caller, None, "example-1"), Dialect::Chat);
    }
}

#[test]
fn people_see_it_as_every_kind() {
    let shown = serde_json::to_value(NEW).unwrap();
    assert_eq!((&shown["kind"], &shown["env"]), (&"example".into(), &"EXAMPLE_API_KEY".into()));
}

#[test]
fn the_page_shows_this_row() {
    let page = include_str!("../docs/adding-a-provider.md");
    let own = include_str!("adding_a_provider.rs");
    let row = own.split("// The row of the page:\n").nth(1).unwrap().split(";\n").next().unwrap();
    let row: Vec<&str> = row.lines().map(str::trim).collect();
    let shown: Vec<&str> = page.lines().map(str::trim).collect();
    assert!(
        shown.windows(row.len()).any(|lines| lines == row),
        "docs/adding-a-provider.md shows another row"
    );
}
