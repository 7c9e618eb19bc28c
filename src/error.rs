//! The one error that a user sees: a status, a stable code, a message, and how each plane and dialect writes it.
//!
//! Layers below have enums of their own, with variants by what the caller can do; they become an [`ApiError`] where a
//! user is to be told. A message names the field and never holds a secret or an upstream's address.

use crate::dialect::Dialect;
use crate::json::json;
use crate::store::StoreError;
use serde_json::Value;

/// What went wrong, for a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Stable, for programs: `invalid_body`, `model_not_found`, …
    pub code: &'static str,
    /// For people; a sentence that says what to do.
    pub message: String,
    /// The field that is wrong, as a path: `messages`, `rate_limits.requests_per_minute`.
    pub field: Option<String>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

impl ApiError {
    /// An error of this status and code.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, code, message: message.into(), field: None, retry_after: None }
    }

    /// 400, the body or a parameter is wrong at this field.
    #[must_use]
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> ApiError {
        ApiError { field: Some(field.into()), ..ApiError::new(400, "invalid_request", message) }
    }

    /// 401, no valid credential.
    #[must_use]
    pub fn unauthenticated(message: impl Into<String>) -> ApiError {
        ApiError::new(401, "invalid_api_key", message)
    }

    /// 403.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> ApiError {
        ApiError::new(403, "forbidden", message)
    }

    /// 404, there is no such thing.
    #[must_use]
    pub fn not_found(what: &str) -> ApiError {
        ApiError::new(404, "not_found", format!("there is no such {what}"))
    }

    /// 503, the ledger of limits does not answer.
    #[must_use]
    pub fn ledger_unavailable() -> ApiError {
        let message = "the ledger that keeps this key's limits does not answer; try again shortly";
        ApiError::new(503, "ledger_unavailable", message).retry_after(5)
    }

    /// The same, telling when to come again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> ApiError {
        self.retry_after = Some(seconds);
        self
    }

    /// The management plane's body: `{"error":{"code","message","field"?}}`.
    #[must_use]
    pub fn management_body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(field), Some(object)) = (&self.field, error.as_object_mut()) {
            object.insert("field".into(), json!(field));
        }
        json!({ "error": error })
    }

    /// The data plane's body, in the caller's dialect.
    #[must_use]
    pub fn dialect_body(&self, dialect: Dialect, request_id: &str) -> Value {
        match dialect {
            Dialect::Chat | Dialect::Responses => json!({ "error": {
                "message": self.message, "type": self.openai_type(), "param": self.field, "code": self.code,
            } }),
            Dialect::Messages | Dialect::Converse => json!({
                "type": "error",
                "error": { "type": self.anthropic_type(), "message": self.message },
                "request_id": request_id,
            }),
            Dialect::Gemini => json!({ "error": {
                "code": self.status, "message": self.message, "status": self.google_status(),
            } }),
        }
    }

    /// `error.type`, <https://platform.openai.com/docs/guides/error-codes>.
    fn openai_type(&self) -> &'static str {
        match self.status {
            401 => "authentication_error",
            403 => "permission_error",
            402 => "insufficient_quota",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        }
    }

    /// `error.type`, <https://docs.anthropic.com/en/api/errors>.
    fn anthropic_type(&self) -> &'static str {
        match self.status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            504 => "timeout_error",
            529 => "overloaded_error",
            _ => "api_error",
        }
    }

    /// `error.status`, <https://cloud.google.com/apis/design/errors#error_codes>.
    fn google_status(&self) -> &'static str {
        match self.status {
            401 => "UNAUTHENTICATED",
            402 | 429 => "RESOURCE_EXHAUSTED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "ABORTED",
            400..=499 => "INVALID_ARGUMENT",
            503 => "UNAVAILABLE",
            504 => "DEADLINE_EXCEEDED",
            _ => "INTERNAL",
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        match error {
            StoreError::Duplicate => ApiError::new(409, "name_taken", "that name is taken"),
            StoreError::Referenced => ApiError::new(409, "still_referenced", "something still refers to it"),
            StoreError::Unavailable(_) => {
                ApiError::new(503, "storage_unavailable", "the database does not answer; try again shortly")
                    .retry_after(5)
            }
        }
    }
}
