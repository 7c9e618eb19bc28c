//! Where lists are asked for, and what is made of what comes back.

use super::*;
use crate::provider::table;

const PAIR: &str = "AKIAIOSFODNN7EXAMPLE:secret";

fn kind(name: &str) -> &'static Kind {
    table::kind(name).unwrap()
}

fn account(base_url: Option<&str>, region: Option<&str>, project: Option<&str>) -> Provider {
    let mut provider = Provider { base_url: base_url.map(str::to_owned), ..Provider::default() };
    provider.config.region = region.map(str::to_owned);
    provider.config.project = project.map(str::to_owned);
    provider
}

fn urls(name: &str, provider: &Provider, key: &str) -> Vec<String> {
    let targets = targets(provider, kind(name), Some(&Secret::new(key)), false, Millis(0)).unwrap();
    targets.into_iter().map(|target| target.url).collect()
}

/// What a provider of this kind lists, by these answers to what is asked of it.
fn listed(name: &str, answers: &[(u16, &str)]) -> (Result<Vec<String>, Refusal>, Vec<String>) {
    let lists = (1..=3).map(|number| Target { url: format!("https://x.test/{number}?a=b"), headers: vec![] });
    let mut listing = Listing::of(kind(name), lists.collect());
    let mut asked = Vec::new();
    for (status, body) in answers {
        let target = listing.next_target().unwrap();
        asked.push(target.url.clone());
        listing.take(target, Ok((*status, body.as_bytes())));
    }
    (listing.finish(), asked)
}

#[test]
fn the_list_of_models_of_a_moved_account_stays_with_it() {
    let at = |base_url| urls("cohere", &account(base_url, None, None), "k").remove(0);
    assert_eq!(at(None), "https://api.cohere.com/v1/models");
    assert_eq!(
        at(Some("https://mine.example.com/compatibility/v1")),
        "https://mine.example.com/compatibility/v1/models"
    );
}

#[test]
fn bedrock_lists_models_and_profiles_at_its_control_plane_and_access_keys_are_not_sent() {
    let here = account(None, Some("eu-west-1"), None);
    let control = "https://bedrock.eu-west-1.amazonaws.com";
    let expected = [
        format!("{control}/foundation-models?byInferenceType=ON_DEMAND&byOutputModality=TEXT"),
        format!("{control}/inference-profiles?maxResults=1000&type=SYSTEM_DEFINED"),
        format!("{control}/inference-profiles?maxResults=1000&type=APPLICATION"),
    ];
    for key in ["ABSKx", PAIR] {
        assert_eq!(urls("bedrock", &here, key), expected);
    }
    let there = account(Some("https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1"), None, None);
    assert_eq!(urls("bedrock", &there, PAIR), expected);

    let elsewhere = account(Some("https://proxy.example.com/openai/v1"), None, None);
    assert_eq!(urls("bedrock", &elsewhere, "ABSKx"), ["https://proxy.example.com/openai/v1/models"]);
    assert_eq!(urls("bedrock", &elsewhere, PAIR), [""; 0], "they sign for AWS alone");

    let signed = |key: &str| {
        let targets = targets(&here, kind("bedrock"), Some(&Secret::new(key)), false, Millis(0)).unwrap();
        let header = |target: Target| target.headers.into_iter().find(|(name, _)| name == "authorization");
        targets.into_iter().map(|target| header(target).unwrap().1).collect::<Vec<_>>()
    };
    assert_eq!(signed("ABSKx"), ["Bearer ABSKx"; 3]);
    let signatures = signed(PAIR);
    for signature in &signatures {
        assert!(
            signature.contains("/19700101/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date")
        );
        assert!(!signature.contains("secret"));
    }
    assert_ne!(signatures[1], signatures[2], "each has its own");
}

#[test]
fn vertex_ai_lists_publishers_beside_its_projects() {
    let list = "/v1beta1/publishers/*/models?filter=is_hf_wildcard(false)&pageSize=200";
    let regional = "https://us-east5-aiplatform.googleapis.com";
    for (provider, host) in [
        (account(None, Some("us-east5"), Some("p")), regional),
        (account(None, Some("global"), Some("p")), "https://aiplatform.googleapis.com"),
        (account(Some(&format!("{regional}/v1/projects/p/locations/us-east5")), None, None), regional),
        (
            account(
                Some("https://proxy.example.com/x/v1/projects/p/locations/l/endpoints/openapi"),
                None,
                None,
            ),
            "https://proxy.example.com/x",
        ),
    ] {
        assert_eq!(urls("vertex", &provider, "ya29"), [format!("{host}{list}")]);
    }
    let none = account(Some("https://proxy.example.com/openai"), None, None);
    assert_eq!(urls("vertex", &none, "ya29"), [""; 0], "nobody knows where its list would be");
}

#[test]
fn model_lists_of_all_dialects_are_read() {
    for (body, expected) in [
        (r#"{"object":"list","data":[{"id":"gpt-4o"},{"id":"gpt-4o"}]}"#, Some(vec!["gpt-4o"])),
        (r#"{"models":[{"name":"models/gemini-2.5-pro"}]}"#, Some(vec!["gemini-2.5-pro"])),
        (r#"[{"id":"b"},{"id":"a"}]"#, Some(vec!["a", "b"])),
        (r#"{"success":true,"result":[{"id":"41975cc2","name":"@cf/x"}]}"#, Some(vec!["@cf/x"])),
        (r#"{"data":[]}"#, Some(vec![])),
        (r#"{"error":{}}"#, None),
        ("{}", None),
        ("<html>", None),
    ] {
        let (found, _) = listed("openai", &[(200, body)]);
        assert_eq!(found.ok().as_ref().map(|n| n.iter().map(String::as_str).collect()), expected, "{body}");
    }
}

#[test]
fn bedrocks_models_and_profiles_are_one_list() {
    let arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/x";
    let own = format!(
        r#"{{"inferenceProfileSummaries":[{{"inferenceProfileId":"x","inferenceProfileArn":"{arn}","type":"APPLICATION"}}]}}"#
    );
    let models = r#"{"modelSummaries":[{"modelId":"amazon.nova-lite-v1:0","modelName":"Nova"}]}"#;
    let profiles = r#"{"inferenceProfileSummaries":[
        {"inferenceProfileId":"us.amazon.nova-lite-v1:0","inferenceProfileArn":"arn:y","type":"SYSTEM_DEFINED","status":"ACTIVE"}]}"#;
    let (found, asked) = listed("bedrock", &[(200, models), (200, profiles), (200, &own)]);
    assert_eq!(found.unwrap(), ["amazon.nova-lite-v1:0", arn, "us.amazon.nova-lite-v1:0"]);
    assert_eq!(asked.len(), 3);

    let denied = r#"{"message":"User is not authorized to perform: bedrock:ListInferenceProfiles"}"#;
    let (found, _) = listed("bedrock", &[(200, models), (403, denied), (403, denied)]);
    assert_eq!(found.unwrap(), ["amazon.nova-lite-v1:0"], "what may not be asked for takes nothing away");
    let (found, _) = listed("bedrock", &[(403, denied), (403, "{}"), (403, "{}")]);
    let refusal = found.unwrap_err();
    assert_eq!((refusal.status, refusal.message.as_str()), (Some(403), "the provider answered 403"));
    assert!(refusal.said.unwrap().contains("not authorized"));
    let (found, _) = listed("bedrock", &[(200, models), (500, "")]);
    assert_eq!(found.unwrap_err().status, Some(500), "half a list is none");
}

#[test]
fn vertex_ais_models_are_those_that_can_be_called() {
    let page = |names: &[&str], token: &str| {
        let models: Vec<_> =
            names.iter().map(|name| serde_json::json!({ "name": name, "versionId": "1" })).collect();
        serde_json::json!({ "publisherModels": models, "nextPageToken": token }).to_string()
    };
    let first = page(
        &[
            "publishers/google/models/gemini-2.5-flash",
            "publishers/google/models/imagen-4.0-generate-001",
            "publishers/google/models/gemma-4-26b-a4b-it-maas",
            "publishers/anthropic/models/claude-sonnet-4-5",
            "publishers/anthropic/models/claude-sonnet-4-5@20250929",
            "publishers/mistralai/models/codestral-2",
        ],
        "a/b=",
    );
    let second = page(
        &[
            "publishers/meta/models/llama-3.3-70b-instruct-maas",
            "publishers/meta/models/llama-guard",
            "publishers/xai/models/grok-4.3",
            "publishers/evil/models/claude-x",
        ],
        "",
    );
    let (found, asked) = listed("vertex", &[(200, &first), (200, &second)]);
    assert_eq!(
        found.unwrap(),
        [
            "claude-sonnet-4-5",
            "gemini-2.5-flash",
            "google/gemma-4-26b-a4b-it-maas",
            "meta/llama-3.3-70b-instruct-maas",
            "xai/grok-4.3",
        ]
    );
    assert_eq!(asked, ["https://x.test/1?a=b", "https://x.test/1?a=b&pageToken=a%2Fb%3D"]);
    assert_eq!(listed("vertex", &[(200, "{}")]).0, Ok(vec![]), "an empty page has no member");
    let denied = r#"{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}"#;
    let refusal = listed("vertex", &[(403, denied)]).0.unwrap_err();
    assert_eq!((refusal.status, refusal.said.as_deref()), (Some(403), Some("Permission denied")));
}

#[test]
fn pages_end() {
    let page = r#"{"publisherModels":[{"name":"publishers/google/models/gemini-x"}],"nextPageToken":"t"}"#;
    let mut listing =
        Listing::of(kind("vertex"), vec![Target { url: "https://x.test/?a".into(), headers: vec![] }]);
    let mut asked = 0;
    while let Some(target) = listing.next_target() {
        asked += 1;
        listing.take(target, Ok((200, page.as_bytes())));
    }
    assert_eq!((asked, listing.finish()), (MOST_PAGES, Ok(vec!["gemini-x".to_owned()])));
}
