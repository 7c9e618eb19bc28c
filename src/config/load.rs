//! Compiles a [`Snapshot`](super::Snapshot) from the database in one round trip.
