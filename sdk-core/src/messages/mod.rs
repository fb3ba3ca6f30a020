//! Every message of every service, declared once: a plain struct with, beside each field, what it means to a decision.
//! From it come the reader, the [`Envelope`], the description from which JavaScript reads the same envelope
//! ([`describe`]), and the types of the other languages. [rules §2.1]
//!
//! ```
//! use steadfast::{Service, messages::{self, charisma, Message}};
//!
//! let text = r#"{"type":"session_status","sessionId":"s1","status":"uploading","progress":0.5}"#;
//! let frame = messages::read(Service::Charisma, text)?;
//! assert_eq!(frame.envelope().topic, Some("s1"));
//! let Some(Message::Charisma(charisma::Message::SessionStatus(status))) = &frame.message else { panic!() };
//! assert_eq!(status.status, charisma::Status::Uploading);
//! # Ok::<(), steadfast::Violation>(())
//! ```

#[macro_use]
mod declare;
mod answers;
mod describe;
mod field;
mod json;
mod packets;
mod path;
mod read;

pub mod charisma;
pub mod devcontext;
pub mod docproc;
pub mod saga;
pub mod therapybridge;

use std::borrow::Cow;
use std::marker::PhantomData;

pub use answers::{Answer, refusal};
pub use describe::{DescribedField, Description, describe};
#[cfg(feature = "schema")]
pub use describe::{NamedSchema, schemas};
pub use field::{Pick, Role, Shape};
pub use json::Json;

use crate::config::Service;
use crate::envelope::{Envelope, Head};
use crate::io::Violation;
use crate::socketio::{self, PacketType};
use packets::Control;
use read::{Body, Flat, Found, Known, Object, read_text, violation};

/// A message that this SDK does not know. [rules §2.1.1]
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(transparent)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record), uniffi(name = "UnknownMessage"))]
pub struct Unknown {
    /// Its name as sent.
    #[serde(skip)]
    pub name: String,
    /// What came with it: the whole object, or a Socket.IO event's first argument (`null` if it has none).
    pub data: Json,
}

/// A message of any service.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum), uniffi(name = "ServiceMessage"))]
pub enum Message {
    /// Of Charisma.
    Charisma(charisma::Message),
    /// Of TherapyBridge.
    TherapyBridge(therapybridge::Message),
    /// Of Saga.
    Saga(saga::Message),
    /// Of DocProc.
    DocProc(docproc::Message),
    /// Of DevContext.
    DevContext(devcontext::Message),
}

impl Message {
    /// Its name as sent.
    pub fn name(&self) -> &str {
        match self {
            Self::Charisma(message) => message.name(),
            Self::TherapyBridge(message) => message.name(),
            Self::Saga(message) => message.name(),
            Self::DocProc(message) => message.name(),
            Self::DevContext(message) => message.name(),
        }
    }

    /// The message as one this SDK does not know, if it is one.
    pub fn unknown(&self) -> Option<&Unknown> {
        match self {
            Self::Charisma(charisma::Message::Unknown(unknown))
            | Self::TherapyBridge(therapybridge::Message::Unknown(unknown))
            | Self::Saga(saga::Message::Unknown(unknown))
            | Self::DocProc(docproc::Message::Unknown(unknown))
            | Self::DevContext(devcontext::Message::Unknown(unknown)) => Some(unknown),
            _ => None,
        }
    }
}

/// One frame, read.
#[derive(Debug)]
pub struct Frame<'a> {
    /// What stands before the JSON.
    pub head: Head,
    /// The message; `None` for what carries none: handshake, heartbeat, acknowledgement, another namespace.
    pub message: Option<Message>,
    /// The payload's JSON as sent: the whole object, or a Socket.IO event's first argument. Empty if there is none.
    pub payload: &'a str,
    /// All the JSON after the head; the whole array of a Socket.IO event.
    pub json: &'a str,
    around: devcontext::Around<'a>,
    control: Option<Control>,
}

impl Frame<'_> {
    /// The payload as a value that outlives the frame; `null` if there is none.
    pub fn raw(&self) -> Json {
        match self.message.as_ref().map(Message::unknown) {
            Some(Some(unknown)) => unknown.data.clone(),
            Some(None) if !self.payload.is_empty() => Json::known(self.payload),
            _ => Json::parse(self.payload).unwrap_or_default(),
        }
    }

    /// The few fields that the machine decides by. Nothing is copied.
    pub fn envelope(&self) -> Envelope<'_> {
        let mut envelope = Envelope::default();
        if let Some(control) = &self.control {
            control.fill(&mut envelope);
        }
        match &self.message {
            Some(Message::Charisma(message)) => message.fill(&mut envelope),
            Some(Message::TherapyBridge(message)) => message.fill(&mut envelope),
            Some(Message::Saga(message)) => message.fill(&mut envelope),
            Some(Message::DocProc(message)) => message.fill(&mut envelope),
            Some(Message::DevContext(message)) => {
                message.fill(&mut envelope);
                self.around.fill(&mut envelope);
            }
            None => {}
        }
        envelope
    }
}

/// Reads one text frame of a service. It never panics; what can't be read is a [`Violation`] that names the field.
pub fn read(service: Service, text: &str) -> Result<Frame<'_>, Violation> {
    match service {
        Service::Charisma => {
            let found = read_text(&Flat(PhantomData), text, text)?;
            Ok(plain(text, Message::Charisma(known(found, text)?)))
        }
        Service::TherapyBridge => {
            let message = match therapybridge::read(text)? {
                Ok(message) => message,
                Err(name) => unknown(name, text),
            };
            Ok(plain(text, Message::TherapyBridge(message)))
        }
        Service::DevContext => {
            let (mut found, mut around) = read_text(&devcontext::Wrapped(None), text, text)?;
            if let Found::Late(kind) = found {
                (found, around) = read_text(&devcontext::Wrapped(Some(kind)), text, text)?;
            }
            let frame = plain(text, Message::DevContext(known(found, text)?));
            Ok(Frame { around, ..frame })
        }
        Service::Saga => packet(text, Message::Saga),
        Service::DocProc => packet(text, Message::DocProc),
    }
}

/// Reads the body of an HTTP answer as one of the services' records, e.g. [`therapybridge::Login`].
pub fn read_body<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Violation> {
    read_text(&Object(PhantomData), text, text)
}

fn plain(text: &str, message: Message) -> Frame<'_> {
    let json = text.trim_ascii();
    Frame {
        head: Head::Json,
        message: Some(message),
        payload: json,
        json,
        around: devcontext::Around::default(),
        control: None,
    }
}

fn unknown<M: Body>(name: impl Into<String>, data: &str) -> M {
    let data = if data.is_empty() { Json::default() } else { Json::known(data) };
    M::unknown(Unknown { name: name.into(), data })
}

/// Takes what was found; reads the text again where the name came too late.
fn known<M: Body>(found: Found<'_, M>, text: &str) -> Result<M, Violation> {
    match found {
        Found::Message(message) => Ok(message),
        Found::Unknown(name) => Ok(unknown(Cow::into_owned(name), text)),
        Found::Late(kind) => {
            let message = read_text(&Known::<M>(kind, PhantomData), text, text)?;
            Ok(message.unwrap_or_else(|| unknown(kind.name(), text)))
        }
    }
}

/// Reads an Engine.IO packet. [rules §10]
fn packet<M: Body>(text: &str, wrap: fn(M) -> Message) -> Result<Frame<'_>, Violation> {
    let (head, json) = socketio::split(text).map_err(|error| violation(text, error.text()))?;
    let mut frame = Frame {
        head: Head::Engine(head),
        message: None,
        payload: json,
        json,
        around: devcontext::Around::default(),
        control: None,
    };
    if !head.main_namespace {
        return Ok(frame);
    }
    if matches!(head.kind, PacketType::Event | PacketType::BinaryEvent) {
        let (event, argument) = packets::event::<M>(text, json)?;
        frame.payload = argument;
        frame.message = Some(wrap(match event.found {
            Found::Message(message) => message,
            Found::Unknown(name) => unknown(name, argument),
            Found::Late(kind) => unknown(kind.name(), argument),
        }));
    } else {
        frame.control = Control::read(head, text, json)?;
    }
    Ok(frame)
}

#[cfg(test)]
mod tests;
