//! Who is calling: gateway keys, passwords, sessions, roles.
