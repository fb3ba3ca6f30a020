//! Keeps an app attached to a long-running server job.
