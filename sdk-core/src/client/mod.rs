//! The client for apps: a handle that can be cloned, subscriptions that are streams, commands that end in one outcome.
//!
//! A [`Handle`] speaks any service; [`Client`] is the same with one service's own types ([`CharismaClient`] and the
//! others). Making one opens nothing: it connects when there is something to do.

mod event;
mod handle;
mod options;
mod pending;
mod services;
mod subscription;
mod token;

pub use event::{Confirmed, Event, Message, TopicSnapshot};
pub use handle::Handle;
pub use options::Options;
pub use pending::Pending;
pub use services::{
    Charisma, CharismaClient, Client, DevContext, DevContextClient, DocProc, DocProcClient, Saga, SagaClient,
    Session, TherapyBridge, TherapyBridgeClient, Typed, TypedService, Update,
};
pub use subscription::{Events, Subscription, TopicEvent};
pub use token::{TokenFuture, TokenProvider};
