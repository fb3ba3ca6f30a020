//! What happened, for everyone who wants to know: consumers read the [`journal`] and nothing else.

pub(crate) mod journal;
