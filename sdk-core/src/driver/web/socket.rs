//! One open WebSocket of the browser.
//!
//! Not gloo-net's: that one copies every message into WebAssembly's memory, which never shrinks, before anyone can look
//! at its size.

use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::rc::Rc;

use gloo_events::EventListener;
use js_sys::{Array, ArrayBuffer, JsString};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, CloseEvent, MessageEvent};

use super::message;
use crate::driver::{Incoming, Socket};
use crate::io::{CloseReason, ConnectRequest, DisconnectReason};

/// How many bytes may wait for a server that doesn't read.
const WRITE_BUFFER: usize = 2 * 1024 * 1024;
/// Browsers let a program close with 1000 and with 3000–4999 alone. [rules §2.11]
const NORMAL: u16 = 1000;
const DEAD: u16 = 4000;
const TOO_LARGE: u16 = 4009;

/// A WebSocket of the browser. Dropping it closes it.
pub struct WebSocket {
    socket: web_sys::WebSocket,
    inbox: Rc<RefCell<Inbox>>,
    ended: Option<DisconnectReason>,
    _listeners: [EventListener; 3],
}

/// Reads what an event brings.
type Reader = Box<dyn Fn(&web_sys::Event) -> Option<Incoming<String>>>;

/// What has arrived and was not read. The driver runs before the browser's next event, so there is rarely more than one
/// message in it.
#[derive(Default)]
struct Inbox {
    items: VecDeque<Incoming<String>>,
    waker: Option<Waker>,
}

impl Inbox {
    fn push(inbox: &RefCell<Self>, item: Incoming<String>) {
        let mut inbox = inbox.borrow_mut();
        inbox.items.push_back(item);
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl WebSocket {
    /// Opens one.
    pub(super) async fn open(request: ConnectRequest) -> Result<Self, DisconnectReason> {
        let mut socket = Self::dial(&request).map_err(|error| {
            // An address or a subprotocol that can't be, or a plain address in a secure page.
            DisconnectReason::Closed { code: 1006, reason: message(&error) }
        })?;
        // `open` arrives as an activity, before all else.
        match poll_fn(|cx| socket.poll_recv(cx)).await {
            Incoming::Closed(reason) => Err(reason),
            _ => Ok(socket),
        }
    }

    fn dial(request: &ConnectRequest) -> Result<Self, JsValue> {
        let socket = if request.subprotocols.is_empty() {
            web_sys::WebSocket::new(&request.url)?
        } else {
            let names: Array = request.subprotocols.iter().map(|name| JsValue::from_str(name)).collect();
            web_sys::WebSocket::new_with_str_sequence(&request.url, &names)?
        };
        socket.set_binary_type(BinaryType::Arraybuffer);
        let inbox = Rc::new(RefCell::new(Inbox::default()));
        let on = |name: &'static str, read: Reader| {
            let inbox = Rc::clone(&inbox);
            EventListener::new(&socket, name, move |event| {
                if let Some(item) = read(event) {
                    Inbox::push(&inbox, item);
                }
            })
        };
        let max = request.max_message;
        // `error` says nothing, and `close` always follows.
        let listeners = [
            on("open", Box::new(|_| Some(Incoming::Activity))),
            on("message", Box::new(move |event| Some(read(&event.dyn_ref::<MessageEvent>()?.data(), max)))),
            on(
                "close",
                Box::new(|event| {
                    let event = event.dyn_ref::<CloseEvent>()?;
                    let (code, reason) = (event.code(), event.reason());
                    Some(Incoming::Closed(DisconnectReason::Closed { code, reason }))
                }),
            ),
        ];
        Ok(Self { socket, inbox, ended: None, _listeners: listeners })
    }

    fn hang_up(&self, code: u16) {
        // It fails for a code that a browser does not let through; these it does.
        let _ = self.socket.close_with_code(code);
    }
}

/// A message, unless it is too large.
fn read(data: &JsValue, max: usize) -> Incoming<String> {
    let too_large = Incoming::Closed(DisconnectReason::TooLarge);
    let Some(text) = data.dyn_ref::<JsString>() else {
        let len = data.dyn_ref::<ArrayBuffer>().map_or(0, |bytes| bytes.byte_length() as usize);
        return if len > max { too_large } else { Incoming::Binary(len) };
    };
    // UTF-16 units: at most as many as bytes of UTF-8.
    if text.length() as usize > max {
        return too_large;
    }
    let text = String::from(text);
    if text.len() > max { too_large } else { Incoming::Text(text) }
}

impl Socket for WebSocket {
    type Text = String;

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Incoming<String>> {
        if let Some(reason) = &self.ended {
            return Poll::Ready(Incoming::Closed(reason.clone()));
        }
        let mut inbox = self.inbox.borrow_mut();
        let Some(item) = inbox.items.pop_front() else {
            inbox.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(inbox);
        if let Incoming::Closed(reason) = &item {
            // Without effect where the server has closed.
            self.hang_up(if *reason == DisconnectReason::TooLarge { TOO_LARGE } else { DEAD });
            self.ended = Some(reason.clone());
        }
        Poll::Ready(item)
    }

    fn send(&mut self, text: &str) {
        if self.socket.ready_state() != web_sys::WebSocket::OPEN {
            return;
        }
        let waiting = self.socket.buffered_amount() as usize;
        let failed = if waiting + text.len() > WRITE_BUFFER {
            Some(format!("the server does not read: {waiting} bytes wait for it"))
        } else {
            self.socket.send_with_str(text).err().map(|error| message(&error))
        };
        if let Some(reason) = failed {
            Inbox::push(&self.inbox, Incoming::Closed(DisconnectReason::Network(reason)));
        }
    }

    fn ping(&mut self) {}

    fn close(self, reason: CloseReason) {
        self.hang_up(if reason == CloseReason::Dead { DEAD } else { NORMAL });
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        // Without effect where it is closed already.
        self.hang_up(NORMAL);
    }
}
