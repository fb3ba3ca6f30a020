//! The engine's own errors, answered before there is a session [rules §10.1.8].

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::faults::http::ENGINE_ERRORS;

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    UnknownTransport,
    UnknownSession,
    BadMethod,
    BadRequest,
    Version,
}

impl Refusal {
    pub(super) fn code(self) -> u8 {
        match self {
            Refusal::UnknownTransport => 0,
            Refusal::UnknownSession => 1,
            Refusal::BadMethod => 2,
            Refusal::BadRequest => 3,
            Refusal::Version => 5,
        }
    }

    pub(super) fn message(self) -> &'static str {
        ENGINE_ERRORS[usize::from(self.code())]
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"code": self.code(), "message": self.message()});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}
