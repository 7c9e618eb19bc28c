//! The edge: the only place that knows the platform.
