//! The management plane: routes, commands and queries over a store.
