//! A management response.

use super::logs::export::Export;
use crate::error::ApiError;
use crate::json::json;
use serde::Serialize;

/// What the edge sends back.
#[derive(Debug)]
pub struct ApiResponse {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// A body, whole or produced piece by piece.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Bytes(Vec<u8>),
    /// The edge streams what [`Export::next`] gives.
    Export(Box<Export>),
}

impl ApiResponse {
    /// JSON of this status. Answers hold settings and secrets, so nobody may store them.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> ApiResponse {
        match serde_json::to_vec(body) {
            Ok(bytes) => ApiResponse {
                status,
                headers: vec![
                    ("content-type", "application/json; charset=utf-8".into()),
                    ("cache-control", "no-store".into()),
                    ("x-content-type-options", "nosniff".into()),
                ],
                body: Body::Bytes(bytes),
            },
            Err(_) => ApiResponse::error(&ApiError::new(500, "internal", "the answer could not be written")),
        }
    }

    /// 200 with JSON.
    #[must_use]
    pub fn ok(body: &impl Serialize) -> ApiResponse {
        ApiResponse::json(200, body)
    }

    /// 201 with JSON.
    #[must_use]
    pub fn created(body: &impl Serialize) -> ApiResponse {
        ApiResponse::json(201, body)
    }

    /// 200 saying that it is gone.
    #[must_use]
    pub fn deleted(id: &str) -> ApiResponse {
        ApiResponse::ok(&json!({ "id": id, "deleted": true }))
    }

    /// No body.
    #[must_use]
    pub fn empty(status: u16) -> ApiResponse {
        ApiResponse { status, headers: Vec::new(), body: Body::Bytes(Vec::new()) }
    }

    /// An error in the management plane's shape.
    #[must_use]
    pub fn error(error: &ApiError) -> ApiResponse {
        let mut response = ApiResponse::json(error.status, &error.management_body());
        if let Some(seconds) = error.retry_after {
            response.headers.push(("retry-after", seconds.to_string()));
        }
        response
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> ApiResponse {
        self.headers.push((name, value.into()));
        self
    }
}
