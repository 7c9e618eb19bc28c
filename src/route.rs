//! *Whom do we try next?* Plans, verdicts, retries, health.
