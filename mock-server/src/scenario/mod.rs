//! What happens by itself, as data: the [`flow`] of a topic. Default flows are files beside their service.

pub(crate) mod flow;
