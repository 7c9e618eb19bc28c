//! The JSON between a Worker and its ledger object, and the version that both must agree on.

use super::amounts::Amounts;
use super::bound::Flexible;
use super::caps::Limits;
use super::standing::{Refusal, Standing};
use super::usage::Entry;
use crate::json;
use crate::time::Millis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// It is raised by a change that an older reader would misunderstand; new optional fields leave it.
pub const VERSION: u8 = 2;

/// What a Worker asks of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Before a call is dispatched. Sent once; a Worker that gets no answer may send it again, and must release the call
    /// if it then gives up.
    Reserve(Box<Reserve>),
    /// After calls have ended, as many as have gathered.
    Settle {
        /// In any order.
        calls: Vec<Settlement>,
    },
    /// How much of its limits a key has used.
    Usage {
        /// The key's id.
        key: String,
        /// Its limits.
        limits: Limits,
    },
    /// A key is revoked, or admitted again.
    Revoke {
        /// The key's id.
        key: String,
        /// Whether its calls are refused from now on.
        revoked: bool,
    },
    /// How many calls are under way.
    Open,
}

/// A call that wants to be dispatched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// The request's id, made by [`crate::identifier::new_id`].
    pub id: String,
    /// The key's id.
    pub key: String,
    /// The key's limits.
    pub limits: Limits,
    /// The limits of the key's owner, over all keys.
    #[serde(default)]
    pub owner_limits: Limits,
    /// The most that it can use.
    pub bound: Amounts,
    /// How the bound may be made to fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flexible: Option<Flexible>,
    /// The call is held already and is to be sent again, after attempts that failed and used something: the bound is that of
    /// them all. What is held grows to it, or stays, where that is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extends: bool,
    /// After so long without a settlement the call is taken for lost, and its bound for used, ms.
    pub time_to_live: Millis,
}

/// A call that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The request's id.
    pub id: String,
    /// The key's id.
    pub key: String,
    /// When it began; it counts for a call that was never reserved.
    pub began: Millis,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It used this, over all attempts that the provider bills.
    Used(Amounts),
    /// Nothing was dispatched.
    Released,
    /// Something was dispatched, and nobody knows what it used. The bound is committed, and a true figure may follow.
    Unknown(Amounts),
}

/// What the ledger answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The call may be dispatched; its bound is held.
    Granted {
        /// What is left.
        standing: Standing,
        /// The maximum that must be sent upstream, where the bound was made to fit, in tokens for each choice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_tokens: Option<u64>,
    },
    /// It may not; nothing is held.
    Refused {
        /// Why.
        refusal: Refusal,
        /// What is left.
        standing: Standing,
    },
    /// Its key is revoked.
    Revoked,
    /// A call of this id has ended already, so this one must not be dispatched.
    Ended,
    /// What each settlement came to, in order.
    Settled {
        /// As many as there were.
        calls: Vec<Settled>,
    },
    /// Every limit of the key.
    Usage {
        /// In the order of the settings.
        entries: Vec<Entry>,
    },
    /// What is under way.
    Open {
        /// Calls that are held and have neither ended nor been lost.
        calls: u64,
    },
    /// It is done.
    Done,
}

/// What a settlement came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// It was counted.
    Counted,
    /// It replaced the bound that stood for it.
    Corrected,
    /// It had been counted before; nothing changed.
    Duplicate,
    /// It is too old to tell whether it had; nothing changed.
    Forgotten,
}

/// A message or a reply that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The other side runs another version of the gateway; it is being deployed.
    #[error("the message has version {0}, this side speaks {VERSION}")]
    Version(u8),
    /// It is no message.
    #[error("the message cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u8,
    body: T,
}

/// A message or a reply as JSON.
///
/// # Errors
/// Never for the types of this module.
pub fn encode<T: Serialize>(body: &T) -> Result<String, MessageError> {
    Ok(serde_json::to_string(&Envelope { v: VERSION, body })?)
}

/// Reads a message or a reply.
///
/// # Errors
/// It is malformed, or of another version.
pub fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, MessageError> {
    #[derive(Deserialize)]
    struct Version {
        v: u8,
    }
    match json::read::<Envelope<T>>(json) {
        Ok(envelope) if envelope.v == VERSION => Ok(envelope.body),
        Ok(envelope) => Err(MessageError::Version(envelope.v)),
        // Another version's body may well be unreadable.
        Err(error) => match json::read::<Version>(json) {
            Ok(Version { v }) if v != VERSION => Err(MessageError::Version(v)),
            _ => Err(error.into()),
        },
    }
}
