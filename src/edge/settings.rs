//! The settings of a key, fast: the isolate's copy, then KV, then D1, which alone is the truth.
//!
//! Every change of anything a key depends on counts up `config_version` in D1. An isolate asks for that number in the
//! background of a call when it is older than [`FRESH`], and before answering when it is older than [`STALE`]; so a
//! revoked key stops within `STALE` everywhere, and at once in the isolate that revoked it. While D1 does not answer,
//! what the isolate knows stays in force for [`OUTAGE`].

use super::clock::now;
use super::database::Database;
use super::isolate::{Isolate, PriceKey};
use super::response;
use super::task::behind_the_answer;
use crate::auth::gateway;
use crate::call::caller_keys::{self, Brought};
use crate::config::variables::Variables;
use crate::config::{Snapshot, environment, load};
use crate::cost::{self, Listed, Prices};
use crate::dialect::Endpoint;
use crate::error::ApiError;
use crate::json;
use crate::provider::outbound::Target;
use crate::secret::{Secret, sha256_hex};
use crate::store::{Store, StoreError};
use crate::time::Millis;
use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use worker::Env;

/// Younger than this, the version is believed.
const FRESH: Millis = Millis(15_000);
/// Older than this, a call waits for it.
const STALE: Millis = Millis(30_000);
/// So long what is known stays in force while D1 does not answer.
const OUTAGE: Millis = Millis(3_600_000);
/// A compiled key that nobody asked KV for is forgotten there after a day, s.
const KV_LIFE: u64 = 86_400;
/// Stands for the hash of all static keys: they act in one workspace. No SHA-256 looks like this.
const STATIC: &str = "static";

/// Begins what stands for the hash of somebody who is signed in; their id follows.
const USER: &str = "user:";

/// A snapshot with what is made of it once and used by many calls.
pub(super) struct Compiled {
    /// The settings.
    pub(super) snapshot: Snapshot,
    secrets: RefCell<HashMap<String, Option<Rc<Secret>>>>,
    destinations: RefCell<HashMap<DestinationKey, Rc<Destination>>>,
    /// The headers in which callers may bring keys of their own.
    key_headers: OnceCell<js_sys::Array>,
    /// Providers, and models of theirs, that were asked for a text completion and only chat.
    only_chat: RefCell<HashSet<(usize, String)>>,
}

/// Models of a key that are remembered not to have text completions.
const ONLY_CHAT: usize = 64;

/// Which provider, which of its keys (`None`: without one), for what.
pub(super) type DestinationKey = (usize, Option<usize>, Endpoint);

/// Where a call goes.
pub(super) enum Destination {
    /// Over the network.
    Remote(Remote),
    /// To the built-in demo provider.
    Demo,
}

impl Destination {
    /// The key that goes there.
    pub(super) fn secret(&self) -> Option<&Rc<Secret>> {
        match self {
            Destination::Remote(remote) => remote.secret.as_ref(),
            Destination::Demo => None,
        }
    }
}

/// A destination in the platform's own types, made once. None of them is an I/O object, so calls may share them.
pub(super) struct Remote {
    /// The URL.
    pub(super) url: js_sys::JsString,
    /// Method, headers and redirect policy; each call puts its body and its signal in and fetches at once.
    pub(super) init: web_sys::RequestInit,
    /// The headers, for calls that add some of their own.
    pub(super) headers: web_sys::Headers,
    /// The key that is in them, which nobody else may see.
    pub(super) secret: Option<Rc<Secret>>,
}

impl Remote {
    /// A POST to a target, with this key in its headers.
    pub(super) fn post(target: &Target, secret: Option<Rc<Secret>>) -> Remote {
        Remote { secret, ..Remote::new("POST", target.url.as_str().into(), filled(&target.headers)) }
    }

    /// A GET.
    pub(super) fn get(url: &str, headers: &[(String, String)]) -> Remote {
        Remote::new("GET", url.into(), filled(headers))
    }

    /// A POST of a small text.
    pub(super) fn form(url: &str, headers: &[(String, String)], body: &str) -> Remote {
        let remote = Remote::new("POST", url.into(), filled(headers));
        remote.init.set_body(&body.into());
        remote
    }

    /// The same with the rest of its URL, which says the model.
    pub(super) fn at(&self, rest: &str) -> Remote {
        let (secret, headers) = (self.secret.clone(), self.headers.clone());
        Remote { secret, ..Remote::new("POST", self.url.concat(&rest.into()), headers) }
    }

    /// The same, with headers that may be changed for one call.
    pub(super) fn copy(&self) -> Remote {
        let headers =
            web_sys::Headers::new_with_headers(&self.headers).unwrap_or_else(|_| response::headers());
        Remote { secret: self.secret.clone(), ..Remote::new("POST", self.url.clone(), headers) }
    }

    fn new(method: &str, url: js_sys::JsString, headers: web_sys::Headers) -> Remote {
        let init = web_sys::RequestInit::new();
        init.set_method(method);
        init.set_headers(headers.as_ref());
        // A redirect could carry the key to another host.
        init.set_redirect(web_sys::RequestRedirect::Manual);
        Remote { url, init, headers, secret: None }
    }
}

/// Headers that were validated when their target was made.
fn filled(pairs: &[(String, String)]) -> web_sys::Headers {
    let headers = response::headers();
    for (name, value) in pairs {
        let _ = headers.set(name, value);
    }
    headers
}

impl Compiled {
    fn new(snapshot: Snapshot) -> Compiled {
        let (secrets, destinations) = (RefCell::default(), RefCell::default());
        let (key_headers, only_chat) = (OnceCell::new(), RefCell::default());
        Compiled { snapshot, secrets, destinations, key_headers, only_chat }
    }

    /// The headers in which callers may bring keys of their own for these providers.
    pub(super) fn key_headers(&self) -> &js_sys::Array {
        self.key_headers.get_or_init(|| {
            caller_keys::headers(&self.snapshot).iter().map(|name| JsValue::from_str(name)).collect()
        })
    }

    /// Whether this model of a provider has shown that it has no text completions.
    pub(super) fn only_chats(&self, provider: usize, model: &str) -> bool {
        let only_chat = self.only_chat.borrow();
        only_chat.iter().any(|(known, name)| *known == provider && name == model)
    }

    /// Remembers that, so that its next call goes there at once.
    pub(super) fn learn_only_chats(&self, provider: usize, model: &str) {
        let mut only_chat = self.only_chat.borrow_mut();
        if only_chat.len() < ONLY_CHAT {
            only_chat.insert((provider, model.to_owned()));
        }
    }

    /// For one call, with the keys that its caller brought.
    pub(super) fn brought(brought: Brought) -> Compiled {
        let compiled = Compiled::new(brought.snapshot);
        let secrets = brought.secrets.into_iter().map(|(id, secret)| (id, Some(Rc::new(secret))));
        compiled.secrets.borrow_mut().extend(secrets);
        compiled
    }

    /// A provider key, opened once; `None` where it does not open under this master key.
    pub(super) fn secret(&self, provider: usize, key: usize, variables: &Variables) -> Option<Rc<Secret>> {
        let stored = self.snapshot.providers.get(provider)?.keys.get(key)?;
        if let Some(secret) = self.secrets.borrow().get(&stored.id) {
            return secret.clone();
        }
        let opened = environment::open(stored, variables).map(Rc::new);
        self.secrets.borrow_mut().insert(stored.id.clone(), opened.clone());
        opened
    }

    /// A destination, made by `make` the first time.
    pub(super) fn destination<E>(
        &self,
        key: DestinationKey,
        make: impl FnOnce() -> Result<Destination, E>,
    ) -> Result<Rc<Destination>, E> {
        if let Some(destination) = self.destinations.borrow().get(&key) {
            return Ok(destination.clone());
        }
        let destination = Rc::new(make()?);
        self.destinations.borrow_mut().insert(key, destination.clone());
        Ok(destination)
    }
}

/// Where settings come from for one request.
pub(super) struct Settings<'a> {
    /// The isolate's memory.
    pub(super) isolate: &'a Rc<Isolate>,
    /// The bindings.
    pub(super) env: &'a Env,
    /// The request's context, for what goes on behind its answer.
    pub(super) context: &'a worker::Context,
}

impl Settings<'_> {
    /// What this credential may do.
    ///
    /// # Errors
    /// 401 where nobody knows it, 503 where D1 is needed and does not answer.
    pub(super) async fn of(
        &self,
        credential: &Secret,
        variables: &Variables,
    ) -> Result<Rc<Compiled>, ApiError> {
        let is_static = gateway::is_static_key(variables, credential);
        let hash = if is_static { STATIC.to_owned() } else { sha256_hex(credential.reveal()) };
        let Some(compiled) = self.of_hash(&hash, variables).await? else {
            if variables.allow_byok && !gateway::is_of_ours(variables, credential) {
                return Ok(Rc::new(Compiled::brought(caller_keys::own_workspace(credential, variables))));
            }
            return Err(ApiError::unauthenticated(
                "this gateway key is not known here; keys are made at /api/keys",
            ));
        };
        Ok(compiled)
    }

    /// What somebody who is signed in may do: use their own providers.
    ///
    /// # Errors
    /// 503 where D1 is needed and does not answer.
    pub(super) async fn of_user(&self, id: &str, variables: &Variables) -> Result<Rc<Compiled>, ApiError> {
        let compiled = self.of_hash(&format!("{USER}{id}"), variables).await?;
        compiled.ok_or_else(|| ApiError::unauthenticated("there is no such user any more"))
    }

    async fn of_hash(&self, hash: &str, variables: &Variables) -> Result<Option<Rc<Compiled>>, ApiError> {
        self.check_version().await?;
        if let Some(compiled) = self.isolate.key(hash) {
            return Ok(Some(compiled));
        }
        let version = self.isolate.version.get().map(|(version, _)| version);
        let snapshot = match self.kept(hash).await.filter(|snapshot| Some(snapshot.version) == version) {
            Some(snapshot) => Some(snapshot),
            None => self.compiled(hash).await?,
        };
        let Some(mut snapshot) = snapshot else { return Ok(None) };
        environment::merge(&mut snapshot, variables);
        let compiled = Rc::new(Compiled::new(snapshot));
        self.isolate.remember_key(hash, compiled.clone());
        Ok(Some(compiled))
    }

    /// The price of a model: the isolate's copy, or D1's. `None` where there is none, or where D1 does not answer, for
    /// a call is not held up by a price.
    pub(super) async fn price(&self, key: PriceKey) -> Option<Rc<Prices>> {
        self.listed(key).await.map(|listed| listed.prices)
    }

    /// All that is known of a model, likewise.
    pub(super) async fn listed(&self, key: PriceKey) -> Option<Listed> {
        let at = now();
        if let Some(known) = self.isolate.price(&key, at) {
            return known;
        }
        let database = Database::open(self.env).ok()?;
        let found = database.run(cost::find(&key.user_id, &key.kind, &key.model, at)).await.ok()?;
        let price = Listed::found(&found).ok()?;
        self.isolate.remember_price(key, price.clone(), at);
        price
    }

    /// Makes sure that what the isolate holds is not older than promised.
    async fn check_version(&self) -> Result<(), ApiError> {
        let at = now();
        let Some((version, read_at)) = self.isolate.version.get() else {
            return Ok(read_version(self.isolate, self.env).await?);
        };
        let age = at.since(read_at);
        if age < FRESH {
            return Ok(());
        }
        if age < STALE {
            if !self.isolate.is_checking.replace(true) {
                let (isolate, env) = (self.isolate.clone(), self.env.clone());
                behind_the_answer(self.context, async move {
                    // What failed here is tried again by the next call, which will wait for it once it is too old.
                    let _ = read_version(&isolate, &env).await;
                    isolate.is_checking.set(false);
                });
            }
            return Ok(());
        }
        self.isolate.is_checking.set(false);
        match read_version(self.isolate, self.env).await {
            Err(_) if age < OUTAGE => {
                worker::console_error!("D1 does not answer; settings of version {version} stay in force");
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// The copy in KV.
    async fn kept(&self, hash: &str) -> Option<Snapshot> {
        let text = self.env.kv("CACHE").ok()?.get(&kv_name(hash)).text().await.ok()??;
        json::read(text.as_bytes()).ok()
    }

    /// Compiles from the truth, and leaves a copy in KV behind the answer.
    async fn compiled(&self, hash: &str) -> Result<Option<Snapshot>, StoreError> {
        let database = Database::open(self.env)?;
        let snapshot = match hash {
            STATIC => Some(load::load_static(&database).await?),
            _ if hash.starts_with(USER) => {
                Some(load::load_user(&database, hash.trim_start_matches(USER)).await?)
            }
            _ => load::load(&database, hash, now()).await?,
        };
        if let Some(snapshot) = &snapshot {
            self.isolate.learn_version(snapshot.version, now());
            if let (Ok(text), Ok(kv)) = (serde_json::to_string(snapshot), self.env.kv("CACHE")) {
                let name = kv_name(hash);
                behind_the_answer(self.context, async move {
                    if let Ok(put) = kv.put(&name, text) {
                        // Only a copy: whoever misses it reads D1.
                        let _ = put.expiration_ttl(KV_LIFE).execute().await;
                    }
                });
            }
        }
        Ok(snapshot)
    }
}

/// Where KV keeps the compiled key of this hash.
pub(super) fn kv_name(hash: &str) -> String {
    format!("key:{hash}")
}

/// Reads the version from D1.
async fn read_version(isolate: &Isolate, env: &Env) -> Result<(), StoreError> {
    #[derive(serde::Deserialize)]
    struct Row {
        version: i64,
    }
    let row: Option<Row> = Database::open(env)?.first(load::version()).await?;
    let version = row.map_or(0, |row| row.version);
    isolate.learn_version(version, now());
    Ok(())
}
