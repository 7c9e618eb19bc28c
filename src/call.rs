//! The pipeline of one call, sans I/O.
