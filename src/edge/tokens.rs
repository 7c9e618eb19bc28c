//! Tokens in place of keys: the exchange itself, and the signature that Google's asks for.

use super::clock::{now, random, sleep};
use super::isolate::Isolate;
use super::settings::Remote;
use super::upstream::{self, Setback};
use crate::config::Provider;
use crate::provider::exchange::{self, Ask, Exchange, Signing};
use crate::provider::listing;
use crate::provider::outbound::Target;
use crate::provider::table::{self, Auth};
use crate::provider::tokens::Step;
use crate::route::retry::Failure;
use crate::secret::{Secret, sha256_hex};
use crate::time::Millis;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// How long a token may take.
const DEADLINE: Millis = Millis(10_000);
/// An answer is a token and little else, bytes.
const ANSWER: u32 = 64 * 1024;
/// How soon a call that waits for another's exchange looks again.
const GLANCE: Millis = Millis(20);

#[wasm_bindgen(module = "/src/edge/wire.js")]
extern "C" {
    #[wasm_bindgen(js_name = signRs256)]
    fn sign_rs256(key: &js_sys::Uint8Array, text: &str) -> js_sys::Promise;
}

/// A token for this key, one that we hold or a new one, and the address that it is for, where that was told. `refused` is one that the endpoint did not take.
pub(super) async fn token(
    isolate: &Isolate,
    provider: &Provider,
    exchange: Exchange,
    key: &Rc<Secret>,
    allow_private: bool,
    refused: Option<&Secret>,
) -> Result<(Rc<Secret>, Option<String>), Setback> {
    let asked = |error: crate::provider::ProviderError| Setback::failed(Failure::NoKey, error.to_string());
    let ask =
        exchange::ask(exchange, key, &provider.config, allow_private, now(), random()).map_err(asked)?;
    let Some(ask) = ask else { return Ok((key.clone(), None)) };
    let of = |token: exchange::Token| (Rc::new(token.secret), token.endpoint);
    let scope = provider.config.scope.as_deref().unwrap_or_default();
    let name = sha256_hex(&format!("{exchange:?}\n{}\n{scope}\n{}", ask.url, key.reveal()));
    if let Some(refused) = refused {
        isolate.tokens.borrow_mut().refused(&name, refused);
    }
    loop {
        let step = isolate.tokens.borrow_mut().step(&name, now());
        match step {
            Step::Use(token) => return Ok(of(token)),
            // Promises may not be shared between requests, so it looks again and again.
            Step::Wait => sleep(GLANCE).await,
            Step::Ask => {
                let result = obtain(&ask).await;
                let mut tokens = isolate.tokens.borrow_mut();
                match result {
                    Ok(token) => {
                        tokens.keep(&name, token.clone());
                        return Ok(of(token));
                    }
                    Err((failure, detail)) => {
                        tokens.give_up(&name);
                        let step = tokens.step(&name, now());
                        tokens.give_up(&name);
                        let Step::Use(token) = step else {
                            return Err(Setback::failed(failure, key.redact_text(&detail)));
                        };
                        return Ok(of(token));
                    }
                }
            }
        }
    }
}

/// The targets of a provider's lists of models, with a token where its keys are exchanged for one. The error is a sentence.
pub(super) async fn list_targets(
    isolate: &Isolate,
    provider: &Provider,
    key: Option<&Rc<Secret>>,
    allow_private: bool,
) -> Result<Vec<Target>, String> {
    let kind = table::kind_or_generic(&provider.kind);
    let target = |provider: &Provider, key: Option<&Secret>| {
        listing::targets(provider, kind, key, allow_private, now()).map_err(|problem| problem.to_string())
    };
    let (Auth::Exchanged(exchange), Some(key), Some(_)) = (kind.auth, key, kind.models_path) else {
        return target(provider, key.map(|key| &**key));
    };
    let refused = |setback| match setback {
        Setback::Failed { detail, .. } => detail,
        _ => "its key cannot be exchanged for a token".to_owned(),
    };
    let (token, own) = token(isolate, provider, exchange, key, allow_private, None).await.map_err(refused)?;
    let base_url = provider.base_url.clone().or(own);
    target(&Provider { base_url, ..provider.clone() }, Some(&token))
}

async fn obtain(ask: &Ask) -> Result<exchange::Token, (Failure, String)> {
    let no_token = |what: &str| (Failure::Empty, format!("its token server {what}"));
    let mut body = ask.body.clone();
    if let (Some(signing), Some(body)) = (&ask.signing, &mut body) {
        // A key that cannot sign is as good as refused.
        let refused = Failure::Status { status: 401, retry_after: None };
        let signature =
            sign(signing).await.map_err(|_| (refused, "the private key cannot be used".to_owned()))?;
        body.push_str(&URL_SAFE_NO_PAD.encode(signature));
    }
    let remote = match &body {
        Some(body) => Remote::form(&ask.url, &ask.headers, body),
        None => Remote::get(&ask.url, &ask.headers),
    };
    let fetched = upstream::send(&remote, DEADLINE, ANSWER)
        .await
        .map_err(|error| (Failure::Connection, format!("its token server: {error}")))?;
    match fetched.status {
        200..=299 => exchange::read(&fetched.body, now()).ok_or_else(|| no_token("gave no token")),
        // OAuth says `invalid_grant` with 400: RFC 6749 §5.2.
        400..=403 => {
            let failure = Failure::Status { status: 401, retry_after: None };
            Err((failure, format!("its token server refused the key ({})", fetched.status)))
        }
        status => Err((
            Failure::Status { status, retry_after: None },
            format!("its token server answered {status}"),
        )),
    }
}

async fn sign(signing: &Signing) -> Result<Vec<u8>, JsValue> {
    let key = js_sys::Uint8Array::from(signing.key.as_slice());
    let signature = JsFuture::from(sign_rs256(&key, &signing.text)).await?;
    Ok(js_sys::Uint8Array::new(&signature).to_vec())
}
