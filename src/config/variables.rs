//! The Worker's own variables and secrets, read once for each isolate.
