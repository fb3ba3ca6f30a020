//! What can go wrong, as one error.

use core::fmt;

use crate::command::{self, CommandErrorKind, Sent};
use crate::config;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, uniffi::Error)]
#[uniffi::export(Display)]
pub enum SteadfastError {
    /// The options can't work.
    Configuration {
        /// The option.
        field: String,
        /// What is wrong with it, and what to do.
        detail: String,
    },
    /// A command failed, or what was waited for won't happen.
    Command {
        /// What happened.
        kind: CommandErrorKind,
        /// The service's code, an HTTP status, or this SDK's own (`CONNECTION_TIMEOUT`, `GATEWAY_ERROR`).
        code: Option<String>,
        /// What happened, for people, and what to do about it.
        detail: String,
        /// Whether the same command may succeed later.
        retryable: bool,
        /// Whether it was sent.
        sent: Sent,
    },
    /// The SDK itself failed: a mistake to be reported.
    Internal {
        /// What happened.
        detail: String,
    },
}

impl SteadfastError {
    /// The caller gave up. Whether the command had been sent by then is not known.
    pub(super) fn cancelled() -> Self {
        Self::Command {
            kind: CommandErrorKind::Cancelled,
            code: None,
            detail: "the caller gave up waiting".into(),
            retryable: false,
            sent: Sent::Unknown,
        }
    }
}

impl fmt::Display for SteadfastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration { field, detail } => write!(f, "{field}: {detail}"),
            Self::Command { kind, code: Some(code), detail, .. } => {
                write!(f, "{} ({code}): {detail}", kind.name())
            }
            Self::Command { kind, detail, .. } => write!(f, "{}: {detail}", kind.name()),
            Self::Internal { detail } => f.write_str(detail),
        }
    }
}

impl core::error::Error for SteadfastError {}

impl From<config::ConfigError> for SteadfastError {
    fn from(error: config::ConfigError) -> Self {
        Self::Configuration { field: error.field.into(), detail: error.message }
    }
}

impl From<command::CommandError> for SteadfastError {
    fn from(error: command::CommandError) -> Self {
        let command::CommandError { kind, code, message, retryable, sent } = error;
        Self::Command { kind, code, detail: message, retryable, sent }
    }
}
