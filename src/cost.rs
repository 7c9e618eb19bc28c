//! What a call costs: usage times price, rounded once.
