//! A whole management plane over SQLite, with a clock that the test turns and upstreams that the test scripts.

use crate::sqlite::Sqlite;
use edgeway::api::platform::ProbeAnswer;
use edgeway::api::{ApiRequest, ApiResponse, Body, Change, Context, Platform, handle};
use edgeway::auth::password::{Crypto, CryptoError};
use edgeway::config::Provider;
use edgeway::config::variables::Variables;
use edgeway::error::ApiError;
use edgeway::limit::rows::{EndedCall, EndedCalls};
use edgeway::limit::{Ledger, Message, Reply};
use edgeway::provider::listing;
use edgeway::provider::outbound::Target;
use edgeway::provider::table::{self, variable_prefixes};
use edgeway::route::health::Health;
use edgeway::secret::Secret;
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Deref;

pub const NOW: Millis = Millis(1_795_179_600_000); // 2026-11-20T13:00:00Z

pub struct World {
    pub store: Sqlite,
    pub clock: Cell<Millis>,
    pub changes: RefCell<Vec<Change>>,
    pub probes: RefCell<Vec<Target>>,
    pub upstream: RefCell<Result<ProbeAnswer, String>>,
    pub derivations: Cell<u32>,
    pub health: RefCell<Health>,
    pub ledgers: RefCell<BTreeMap<String, Ledger>>,
    random: Cell<u64>,
    pub variables: Variables,
}

/// No call ends twice here.
struct NoneEnded;

impl EndedCalls for NoneEnded {
    type Error = Infallible;

    fn find(&self, _: &str) -> Result<Option<EndedCall>, Infallible> {
        Ok(None)
    }

    fn any(&self) -> Result<bool, Infallible> {
        Ok(false)
    }
}

impl Crypto for World {
    /// Not PBKDF2, but as good for these tests, and fast; that the answer depends on all inputs is what matters.
    async fn pbkdf2(&self, password: &[u8], salt: &[u8], iterations: u32) -> Result<[u8; 32], CryptoError> {
        self.derivations.set(self.derivations.get() + 1);
        let text = format!("{password:?} {salt:?} {iterations}");
        let hex = edgeway::secret::sha256_hex(&text);
        Ok(hex.as_bytes()[..32].try_into().unwrap())
    }
}

impl Platform for World {
    type Store = Sqlite;

    fn store(&self) -> &Sqlite {
        &self.store
    }

    fn now(&self) -> Millis {
        self.clock.get()
    }

    fn random(&self, bytes: &mut [u8]) {
        // Counting up keeps ids that are made in one millisecond in order.
        self.random.set(self.random.get() + 1);
        let counter = self.random.get().to_be_bytes();
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = if at < 8 { counter[at] } else { 7 };
        }
    }

    async fn invalidate(&self, change: Change) {
        self.changes.borrow_mut().push(change);
    }

    async fn ledger(&self, owner: &str, message: Message) -> Result<Reply, ApiError> {
        let mut ledgers = self.ledgers.borrow_mut();
        let ledger = ledgers.entry(owner.to_owned()).or_default();
        let Ok(step) = ledger.handle(message, self.clock.get(), &NoneEnded);
        Ok(step.reply)
    }

    async fn ledgers(&self, owners: &[&str], message: &Message) -> Vec<Result<Reply, ApiError>> {
        let mut replies = Vec::new();
        for owner in owners {
            replies.push(self.ledger(owner, message.clone()).await);
        }
        replies
    }

    async fn backlogs(&self) -> String {
        r#"[["logs",3,1500],["logs-dead",0,0]]"#.into()
    }

    async fn get(&self, target: &Target) -> Result<ProbeAnswer, String> {
        self.probes.borrow_mut().push(target.clone());
        self.clock.set(self.clock.get().plus(Millis(25)));
        self.upstream.borrow().clone()
    }

    async fn list_targets(&self, provider: &Provider, key: Option<Secret>) -> Result<Vec<Target>, String> {
        let kind = table::kind_or_generic(&provider.kind);
        listing::targets(provider, kind, key.as_ref(), false, self.clock.get())
            .map_err(|error| error.to_string())
    }

    fn health(&self) -> impl Deref<Target = Health> {
        self.health.borrow()
    }

    async fn refresh_catalogue(&self) -> Result<u64, ApiError> {
        Ok(7)
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// The body, where the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// The field that an error of this status names.
    #[track_caller]
    pub fn refused(self, status: u16) -> String {
        let body = self.expect(status);
        body["error"]["field"].as_str().unwrap_or_default().to_owned()
    }
}

pub struct Sent<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub headers: Vec<(&'a str, String)>,
    pub body: Vec<u8>,
}

impl World {
    pub fn new() -> World {
        World::with(&[])
    }

    pub fn with(set: &[(&str, &str)]) -> World {
        let defaults = [
            ("MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ("ADMIN_PASSWORD", "the first password"),
        ];
        let all: Vec<_> = defaults.iter().chain(set).copied().collect();
        let lookup =
            |name: &str| all.iter().rfind(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        World {
            store: Sqlite::new(),
            clock: Cell::new(NOW),
            changes: RefCell::default(),
            probes: RefCell::default(),
            upstream: RefCell::new(Err("connection refused".into())),
            derivations: Cell::new(0),
            health: RefCell::default(),
            ledgers: RefCell::default(),
            random: Cell::new(0),
            variables: Variables::read(lookup, &variable_prefixes()).unwrap(),
        }
    }

    /// Where probes went, and with what `authorization`.
    pub fn sent(&self) -> Vec<(String, Option<String>)> {
        let authorization = |target: &Target| {
            target.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.clone())
        };
        self.probes.borrow().iter().map(|target| (target.url.clone(), authorization(target))).collect()
    }

    pub fn pass(&self, span: Millis) {
        self.clock.set(self.clock.get().plus(span));
    }

    pub fn send(&self, sent: Sent<'_>) -> Answer {
        let (path, query) = sent.target.split_once('?').unwrap_or((sent.target, ""));
        let header = |name: &str| sent.headers.iter().find(|(key, _)| *key == name).map(|(_, v)| v.clone());
        let request = ApiRequest {
            method: sent.method.into(),
            path: path.into(),
            query: query.into(),
            header: &header,
            body: sent.body,
            secure: true,
        };
        let context = Context { platform: self, variables: &self.variables };
        let ApiResponse { status, headers, body } = block_on(handle(&context, &request));
        let bytes = match body {
            Body::Bytes(bytes) => bytes,
            Body::Export(mut export) => {
                let mut all = Vec::new();
                while let Some(piece) = block_on(export.next(&self.store)).unwrap() {
                    all.extend(piece);
                }
                all
            }
        };
        Answer { status, headers, text: String::from_utf8(bytes).unwrap() }
    }

    pub fn login_from(&self, address: &str, username: &str, password: &str) -> Answer {
        self.send(Sent {
            method: "POST",
            target: "/api/auth/login",
            headers: vec![("content-type", "application/json".into()), ("cf-connecting-ip", address.into())],
            body: serde_json::json!({ "username": username, "password": password }).to_string().into(),
        })
    }

    /// Signs in; the administrator is there from the start.
    #[track_caller]
    pub fn login(&self, username: &str, password: &str) -> Session<'_> {
        let body = self.login_from("192.0.2.1", username, password).expect(200);
        Session { world: self, token: body["token"].as_str().unwrap().into() }
    }

    #[track_caller]
    pub fn admin(&self) -> Session<'_> {
        self.login("admin", "the first password")
    }

    /// A new member, signed in.
    #[track_caller]
    pub fn member(&self, username: &str) -> Session<'_> {
        let body = serde_json::json!({ "username": username, "password": "a member's password" });
        self.admin().post("/api/users", body).expect(201);
        self.login(username, "a member's password")
    }
}

pub struct Session<'a> {
    pub world: &'a World,
    pub token: String,
}

impl Session<'_> {
    pub fn request(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        self.world.send(Sent {
            method,
            target,
            headers: vec![
                ("authorization", format!("Bearer {}", self.token)),
                ("content-type", "application/json".into()),
                ("cf-connecting-ip", "192.0.2.1".into()),
            ],
            body: body.map(|body| body.to_string().into()).unwrap_or_default(),
        })
    }

    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target, None)
    }

    pub fn post(&self, target: &str, body: Value) -> Answer {
        self.request("POST", target, Some(body))
    }

    pub fn put(&self, target: &str, body: Value) -> Answer {
        self.request("PUT", target, Some(body))
    }

    pub fn delete(&self, target: &str) -> Answer {
        self.request("DELETE", target, None)
    }

    /// Creates something and gives its id. Time passes, so that ids of different requests sort in their order.
    #[track_caller]
    pub fn create(&self, target: &str, body: Value) -> String {
        let id = self.post(target, body).expect(201)["id"].as_str().unwrap().into();
        self.world.pass(Millis(1));
        id
    }

    #[track_caller]
    pub fn provider(&self, name: &str) -> String {
        let body =
            serde_json::json!({ "name": name, "kind": "openai", "api_key": format!("sk-{name}-0123456789") });
        self.create("/api/providers", body)
    }
}
