//! The management plane's ports, over Cloudflare: D1, WebCrypto, and the isolate's caches.

use super::arrival::Arrival;
use super::clock::now;
use super::database::Database;
use super::isolate::{self, Isolate};
use super::response::{Head, streamed};
use super::settings::kv_name;
use super::{catalog, ledger, tokens, upstream, wire};
use crate::api::platform::{Change, Platform, ProbeAnswer};
use crate::api::request::MAXIMUM_BODY;
use crate::api::{self, ApiRequest, ApiResponse, Body, Context};
use crate::auth::password::{Crypto, CryptoError};
use crate::auth::{Principal, session};
use crate::config::Provider;
use crate::config::variables::Variables;
use crate::error::ApiError;
use crate::limit::{Message, Reply};
use crate::provider::outbound::Target;
use crate::route::health::Health;
use crate::secret::Secret;
use crate::time::Millis;
use std::ops::Deref;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, Response};
use worker::Env;

/// How long a provider may take to list its models.
const PROBE_TIME: Millis = Millis(15_000);
/// A stored list that is older is asked for anew by the daily trigger, which comes a little earlier or later.
const LIST_AGE: Millis = Millis(20 * 3_600_000);
/// The most of a provider's answer that is read, bytes.
const PROBE_BODY: u32 = 8 * 1024 * 1024;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = importKey, catch)]
    fn import_key(
        format: &str,
        data: &js_sys::Uint8Array,
        algorithm: &str,
        extractable: bool,
        uses: &js_sys::Array,
    ) -> Result<js_sys::Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = deriveBits, catch)]
    fn derive_bits(algorithm: &js_sys::Object, key: &JsValue, bits: u32) -> Result<js_sys::Promise, JsValue>;
}

#[wasm_bindgen(module = "/src/edge/queues.js")]
extern "C" {
    fn backlogs(env: &JsValue) -> js_sys::Promise;
}

/// Answers a management request.
pub(super) async fn serve(
    arrival: &Arrival,
    request: &Request,
    method: String,
    path: &str,
    query: &str,
) -> Response {
    let variables = match arrival.isolate.variables(&arrival.env) {
        Ok(variables) => variables,
        Err(error) => return Head::new().management_error(&error),
    };
    let database = match Database::open(&arrival.env) {
        Ok(database) => database,
        Err(error) => return Head::new().management_error(&error.into()),
    };
    let header = |name: &str| arrival.headers.get(name);
    let api_request = ApiRequest {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        header: &header,
        body: read(request, &header).await,
        secure: request.url().starts_with("https:"),
    };
    let platform =
        Cloudflare { database, isolate: arrival.isolate.clone(), env: arrival.env.clone(), variables };
    let context = Context { platform: &platform, variables: &platform.variables };
    let response = api::handle(&context, &api_request).await;
    answer(response, &arrival.env, &arrival.id)
}

/// Who is signed in, by a session's token or cookie; `None` where the request brings neither.
pub(super) async fn signed_in(arrival: &Arrival, request: &Request) -> Result<Option<Principal>, ApiError> {
    let variables = arrival.isolate.variables(&arrival.env)?;
    if !session::is_brought(&variables.master_key, |name| arrival.headers.get(name), now()) {
        return Ok(None);
    }
    caller(arrival, request, None).await.map(Some)
}

/// Who is signed in. `authorization` stands for that header where the request cannot have it.
///
/// # Errors
/// 401, or 503 where D1 does not answer.
pub(super) async fn caller(
    arrival: &Arrival,
    request: &Request,
    authorization: Option<String>,
) -> Result<Principal, ApiError> {
    let variables = arrival.isolate.variables(&arrival.env)?;
    let header = |name: &str| match name {
        "authorization" => authorization.clone().or_else(|| arrival.headers.get(name)),
        _ => arrival.headers.get(name),
    };
    let (database, isolate) = (Database::open(&arrival.env)?, arrival.isolate.clone());
    let platform = Cloudflare { database, isolate, env: arrival.env.clone(), variables };
    let context = Context { platform: &platform, variables: &platform.variables };
    let api_request = ApiRequest {
        method: request.method(),
        path: String::new(),
        query: String::new(),
        header: &header,
        body: Vec::new(),
        secure: request.url().starts_with("https:"),
    };
    api::access::authenticate(&context, &api_request, now()).await.map(|caller| caller.principal)
}

/// Asks anew for the lists of models that were stored a day ago.
pub(super) async fn refresh_lists(env: &Env) -> Result<(), ApiError> {
    let isolate = isolate::current();
    let (database, variables) = (Database::open(env)?, isolate.variables(env)?);
    let platform = Cloudflare { database, isolate, env: env.clone(), variables };
    let context = Context { platform: &platform, variables: &platform.variables };
    api::probe::refresh_stored(&context, Millis(now().0 - LIST_AGE.0)).await
}

/// The body; in place of one that is too large, so much that the core refuses it by its size.
async fn read(request: &Request, header: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
    match wire::read_body(request, header("content-length"), MAXIMUM_BODY).await {
        Ok(Some(body)) => wire::bytes(&body),
        Ok(None) => vec![0; MAXIMUM_BODY + 1],
        Err(_) => Vec::new(),
    }
}

fn answer(response: ApiResponse, env: &Env, request_id: &str) -> Response {
    let head = Head::new();
    head.set("x-request-id", request_id);
    for (name, value) in &response.headers {
        head.set(name, value);
    }
    match response.body {
        Body::Bytes(bytes) if bytes.is_empty() => head.empty(response.status),
        Body::Bytes(bytes) => head.buffer(response.status, &js_sys::Uint8Array::from(bytes.as_slice())),
        Body::Export(export) => {
            let pages = futures_util::stream::unfold((export, env.clone()), |(mut export, env)| async move {
                let database = Database::open(&env).ok()?;
                let page = export.next(&database).await.transpose()?;
                Some((page.map_err(|error| worker::Error::RustError(error.to_string())), (export, env)))
            });
            match streamed(pages) {
                Ok(stream) => head.stream(response.status, &stream),
                Err(_) => {
                    head.management_error(&ApiError::new(500, "internal", "the export could not be begun"))
                }
            }
        }
    }
}

/// What the management plane needs, on this platform.
struct Cloudflare {
    database: Database,
    isolate: Rc<Isolate>,
    env: Env,
    variables: Rc<Variables>,
}

impl Crypto for Cloudflare {
    async fn pbkdf2(&self, password: &[u8], salt: &[u8], iterations: u32) -> Result<[u8; 32], CryptoError> {
        derive(password, salt, iterations).await.map_err(|error| CryptoError(format!("{error:?}")))
    }
}

async fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Result<[u8; 32], JsValue> {
    let uses = js_sys::Array::of1(&"deriveBits".into());
    let key = JsFuture::from(import_key("raw", &password.into(), "PBKDF2", false, &uses)?).await?;
    let algorithm = js_sys::Object::new();
    for (name, value) in [
        ("name", JsValue::from_str("PBKDF2")),
        ("hash", JsValue::from_str("SHA-256")),
        ("salt", js_sys::Uint8Array::from(salt).into()),
        ("iterations", JsValue::from_f64(iterations.into())),
    ] {
        js_sys::Reflect::set(&algorithm, &name.into(), &value)?;
    }
    let bits = JsFuture::from(derive_bits(&algorithm, &key, 256)?).await?;
    js_sys::Uint8Array::new(&bits)
        .to_vec()
        .try_into()
        .map_err(|_| JsValue::from_str("32 bytes were expected"))
}

impl Platform for Cloudflare {
    type Store = Database;

    fn store(&self) -> &Database {
        &self.database
    }

    fn now(&self) -> Millis {
        now()
    }

    fn random(&self, bytes: &mut [u8]) {
        super::clock::fill(bytes);
    }

    /// At once in this isolate; elsewhere the moved `config_version` is noticed within its time, and makes the copies in
    /// KV void too. Deleting those only saves KV the room.
    async fn invalidate(&self, change: Change) {
        self.isolate.forget_settings();
        if let Ok(kv) = self.env.kv("CACHE") {
            for hash in &change.key_hashes {
                let _ = kv.delete(&kv_name(hash)).await;
            }
        }
    }

    async fn ledger(&self, owner: &str, message: Message) -> Result<Reply, ApiError> {
        ledger::insist(&self.env, owner, &message).await.map_err(|error| {
            worker::console_error!("{error}");
            ApiError::ledger_unavailable()
        })
    }

    async fn ledgers(&self, owners: &[&str], message: &Message) -> Vec<Result<Reply, ApiError>> {
        futures_util::future::join_all(owners.iter().map(|owner| self.ledger(owner, message.clone()))).await
    }

    async fn backlogs(&self) -> String {
        let told = JsFuture::from(backlogs(&self.env)).await;
        told.ok().and_then(|told| told.as_string()).unwrap_or_default()
    }

    async fn get(&self, target: &Target) -> Result<ProbeAnswer, String> {
        upstream::get(&target.url, &target.headers, PROBE_TIME, PROBE_BODY)
            .await
            .map(|fetched| ProbeAnswer { status: fetched.status, body: fetched.body })
    }

    async fn list_targets(&self, provider: &Provider, key: Option<Secret>) -> Result<Vec<Target>, String> {
        let allow_private = self.variables.allow_private_upstreams;
        tokens::list_targets(&self.isolate, provider, key.map(Rc::new).as_ref(), allow_private).await
    }

    fn health(&self) -> impl Deref<Target = Health> {
        self.isolate.health.borrow()
    }

    async fn refresh_catalogue(&self) -> Result<u64, ApiError> {
        catalog::refresh(&self.database, &self.variables).await
    }
}
