//! What one isolate remembers between calls: plain data only, for I/O objects belong to the request that made them.

use super::clock::Dice;
use super::ledger::Pending;
use super::presence::Presence;
use super::settings::Compiled;
use crate::call::models::lists::Lists;
use crate::config::variables::Variables;
use crate::cost::Listed;
use crate::error::ApiError;
use crate::log::Encoded;
use crate::provider::table::variable_prefixes;
use crate::provider::tokens::Tokens;
use crate::route::health::Health;
use crate::time::Millis;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use worker::Env;

/// Compiled keys kept at once; beyond it the cache starts anew, which costs a KV read a key.
const KEYS: usize = 2_000;
/// Prices kept at once.
const PRICES: usize = 5_000;
/// How long a price is believed.
const PRICE_LIFE: Millis = Millis(300_000);

/// The memory of an isolate.
pub(super) struct Isolate {
    variables: OnceCell<Result<Rc<Variables>, ApiError>>,
    keys: RefCell<HashMap<String, Rc<Compiled>>>,
    prices: RefCell<HashMap<PriceKey, KnownPrice>>,
    /// The `config_version` that everything in `keys` is checked against, and when it was read.
    pub(super) version: Cell<Option<(i64, Millis)>>,
    /// Somebody is asking for it.
    pub(super) is_checking: Cell<bool>,
    /// Cooldowns.
    pub(super) health: RefCell<Health>,
    /// What providers say of their models.
    pub(super) lists: RefCell<Lists>,
    /// What keys were exchanged for.
    pub(super) tokens: RefCell<Tokens>,
    /// Finished calls that wait to be sent together.
    pub(super) records: RefCell<Vec<Encoded>>,
    /// When somebody undertook to send them.
    pub(super) flusher: Cell<Option<Millis>>,
    /// When they were last sent.
    pub(super) flushed: Cell<Millis>,
    /// Calls that have ended and wait for their ledger, by owner.
    pub(super) settlements: RefCell<HashMap<String, Pending>>,
    /// Its open calls.
    pub(super) presence: Presence,
    /// Chance.
    pub(super) dice: Dice,
}

/// A price and when it was read; `None` means that there is none.
type KnownPrice = (Millis, Option<Listed>);

/// Whose price of what.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PriceKey {
    pub(super) user_id: String,
    pub(super) kind: String,
    pub(super) model: String,
}

thread_local! {
    static ISOLATE: OnceCell<Rc<Isolate>> = const { OnceCell::new() };
}

/// This isolate's memory.
pub(super) fn current() -> Rc<Isolate> {
    ISOLATE.with(|isolate| isolate.get_or_init(|| Rc::new(Isolate::new())).clone())
}

impl Isolate {
    fn new() -> Isolate {
        Isolate {
            variables: OnceCell::new(),
            keys: RefCell::default(),
            prices: RefCell::default(),
            version: Cell::new(None),
            is_checking: Cell::new(false),
            health: RefCell::default(),
            lists: RefCell::default(),
            tokens: RefCell::default(),
            records: RefCell::default(),
            flusher: Cell::new(None),
            flushed: Cell::new(Millis(0)),
            settlements: RefCell::default(),
            presence: Presence::default(),
            dice: Dice::new(),
        }
    }

    /// The Worker's variables, read once: they cannot change while an isolate lives.
    ///
    /// # Errors
    /// 500 naming the variable that cannot be used.
    pub(super) fn variables(&self, env: &Env) -> Result<Rc<Variables>, ApiError> {
        self.variables.get_or_init(|| read_variables(env).map(Rc::new)).clone()
    }

    /// A compiled key.
    pub(super) fn key(&self, hash: &str) -> Option<Rc<Compiled>> {
        self.keys.borrow().get(hash).cloned()
    }

    /// Remembers a compiled key, unless the settings have moved on while it was loaded.
    pub(super) fn remember_key(&self, hash: &str, compiled: Rc<Compiled>) {
        if self.version.get().is_none_or(|(version, _)| version != compiled.snapshot.version) {
            return;
        }
        let mut keys = self.keys.borrow_mut();
        if keys.len() >= KEYS {
            keys.clear();
        }
        keys.insert(hash.to_owned(), compiled);
    }

    /// Takes note of the version that D1 is at; where it has moved, everything that was compiled before is forgotten.
    pub(super) fn learn_version(&self, version: i64, now: Millis) {
        if self.version.get().is_some_and(|(known, _)| known != version) {
            self.forget_settings();
        }
        self.version.set(Some((version, now)));
        self.health.borrow_mut().learn(version);
    }

    /// Forgets every compiled key and price: something that they were made of has changed.
    pub(super) fn forget_settings(&self) {
        self.keys.borrow_mut().clear();
        self.prices.borrow_mut().clear();
        self.version.set(None);
    }

    /// A price that is still believed; the inner `None` means that there is none.
    pub(super) fn price(&self, key: &PriceKey, now: Millis) -> Option<Option<Listed>> {
        let prices = self.prices.borrow();
        let (read_at, price) = prices.get(key)?;
        (now.since(*read_at) < PRICE_LIFE).then(|| price.clone())
    }

    /// Remembers a price, or that there is none.
    pub(super) fn remember_price(&self, key: PriceKey, price: Option<Listed>, now: Millis) {
        let mut prices = self.prices.borrow_mut();
        if prices.len() >= PRICES {
            prices.clear();
        }
        prices.insert(key, (now, price));
    }
}

fn read_variables(env: &Env) -> Result<Variables, ApiError> {
    let lookup = |name: &str| js_sys::Reflect::get(env, &name.into()).ok()?.as_string();
    Variables::read(lookup, &variable_prefixes()).map_err(|error| {
        worker::console_error!("the gateway is misconfigured: {error}");
        ApiError::new(500, "misconfigured", format!("the gateway is misconfigured: {error}"))
    })
}
