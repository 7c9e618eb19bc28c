//! *Who is calling?* Gateway keys on the data plane; passwords, sessions and roles on the management plane.

pub mod gateway;
pub mod login;
pub mod password;
pub mod session;

use serde::{Deserialize, Serialize};

/// What a person may do in the management plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum Role {
    /// Sees and changes every row, and manages people.
    Admin,
    /// Sees and changes its own rows alone.
    #[default]
    Member,
}

impl Role {
    /// As stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Member => "member",
        }
    }
}

/// A signed-in person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Principal {
    /// Row id.
    #[serde(rename = "id")]
    pub user_id: String,
    /// As signed in with.
    pub username: String,
    /// Decides the scope.
    pub role: Role,
}

impl Principal {
    /// The owner whose rows alone may be seen; `None` sees all.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        (self.role == Role::Member).then_some(self.user_id.as_str())
    }
}
