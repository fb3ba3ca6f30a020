//! What happens around a client: the network, the page's visibility, its end and its return.

use std::sync::Weak;

use gloo_events::EventListener;
use wasm_bindgen::JsCast;
use web_sys::{Document, Event, EventTarget, PageTransitionEvent, VisibilityState};

use super::property;
use crate::driver::shared::Shared;
use crate::io::{Input, Reachability, Visibility};

/// Watches where there is something to watch, until what this gives is dropped. A worker has a network but no page.
pub(super) fn watch(shared: &Weak<Shared>) -> Vec<EventListener> {
    let tell = |input: Input| {
        if let Some(shared) = shared.upgrade() {
            shared.input(input);
        }
    };
    let global = js_sys::global();
    let Some(scope) = global.dyn_ref::<EventTarget>() else { return Vec::new() };
    let on = |target: &EventTarget, name: &'static str, input: fn(&Event) -> Option<Input>| {
        let shared = Weak::clone(shared);
        EventListener::new(target, name, move |event| {
            if let (Some(shared), Some(input)) = (shared.upgrade(), input(event)) {
                shared.input(input);
            }
        })
    };
    let mut listeners = vec![
        on(scope, "online", |_| Some(Input::Network(Reachability::Online))),
        on(scope, "offline", |_| Some(Input::Network(Reachability::Offline))),
    ];
    if property(&property(&global, "navigator"), "onLine").as_bool() == Some(false) {
        tell(Input::Network(Reachability::Offline));
    }
    if let Ok(page) = property(&global, "document").dyn_into::<Document>() {
        listeners.push(on(&page, "visibilitychange", |event| {
            event.target().and_then(|page| page.dyn_into().ok()).map(|page| seen(&page))
        }));
        // A page that the browser keeps for the way back is frozen with its sockets.
        listeners.push(on(scope, "pagehide", |_| Some(Input::Visibility(Visibility::Background))));
        listeners.push(on(scope, "pageshow", |event| {
            let kept = event.dyn_ref().is_some_and(PageTransitionEvent::persisted);
            kept.then_some(Input::Visibility(Visibility::Visible))
        }));
        if page.visibility_state() == VisibilityState::Hidden {
            tell(seen(&page));
        }
    }
    listeners
}

fn seen(page: &Document) -> Input {
    let hidden = page.visibility_state() == VisibilityState::Hidden;
    Input::Visibility(if hidden { Visibility::Hidden } else { Visibility::Visible })
}
