//! What is seen of a job. `index.html` has a template for it.

use core::cell::RefCell;
use std::rc::Rc;

use gloo_events::EventListener;
use steadfast::client::TopicSnapshot;
use steadfast::{ConnectionState, Phase, Service, SubscriptionState};
use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement, HtmlInputElement};

fn page() -> Option<Document> {
    web_sys::window()?.document()
}

/// Calls something whenever the element of this id is clicked, until what this gives is dropped.
pub(crate) fn on_click(id: &str, call: impl Fn() + 'static) -> Option<EventListener> {
    let element = page()?.get_element_by_id(id)?;
    Some(EventListener::new(&element, "click", move |_| call()))
}

/// The card of a service. Clones are the same card.
#[derive(Clone)]
pub(crate) struct Card {
    element: Option<Element>,
    answer: Rc<RefCell<Option<EventListener>>>,
}

impl Card {
    pub(crate) fn find(service: Service) -> Self {
        let element = page().and_then(|page| page.get_element_by_id(&service.to_string().to_lowercase()));
        Self { element, answer: Rc::default() }
    }

    fn part(&self, name: &str) -> Option<HtmlElement> {
        self.element.as_ref()?.query_selector(name).ok()??.dyn_into().ok()
    }

    fn write(&self, part: &str, text: &str) {
        if let Some(part) = self.part(part) {
            part.set_text_content(Some(text));
        }
    }

    fn mark(&self, name: &str, value: &str) {
        if let Some(element) = &self.element {
            // Only a name that can't be one would be refused.
            let _ = element.set_attribute(name, value);
        }
    }

    /// The state of the connection, and why it is down.
    pub(crate) fn connection(&self, state: &ConnectionState) {
        self.mark("data-connection", state.name());
        self.write(".connection", state.name());
        self.write(".why", &state.why().map(|why| why.text.clone()).unwrap_or_default());
    }

    /// The state of the subscription.
    pub(crate) fn subscription(&self, state: &SubscriptionState) {
        if let SubscriptionState::Refused { why } = state {
            self.fails(&why.to_string());
        }
    }

    /// The job as it stands.
    pub(crate) fn show(&self, snapshot: &TopicSnapshot) {
        self.mark("data-phase", phase(snapshot.phase));
        self.write(".phase", phase(snapshot.phase));
        self.write(".message", snapshot.message.as_deref().unwrap_or_default());
        let left = snapshot.eta_ms.filter(|_| !snapshot.terminal);
        self.write(".eta", &left.map(|ms| format!("{} s left", ms.div_ceil(1000))).unwrap_or_default());
        let share = if snapshot.phase == Phase::Done { Some(1.0) } else { snapshot.progress };
        self.write(".share", &share.map(|share| format!("{:.0} %", share * 100.0)).unwrap_or_default());
        if let (Some(bar), Some(share)) = (self.part(".bar"), share) {
            let _ = bar.style().set_property("--share", &share.to_string());
        }
        if let Some(error) = &snapshot.error {
            self.fails(error);
        }
    }

    /// For a while nothing was heard.
    pub(crate) fn gap(&self, ms: u64, recovered: bool) {
        let lost = if recovered { "the present state is known" } else { "something may be missed" };
        self.write(".note", &format!("was away for {:.1} s; {lost}", ms as f64 / 1000.0));
    }

    /// Something that will not go on.
    pub(crate) fn fails(&self, text: &str) {
        self.write(".note", text);
    }

    /// Asks a person.
    pub(crate) fn ask(&self, question: &str, answer: impl Fn(String) + 'static) {
        self.mark("data-asks", "yes");
        self.write(".question", question);
        let Some(form) = self.part("form") else { return };
        let input = self.part("input").and_then(|input| input.dyn_into::<HtmlInputElement>().ok());
        let listener = EventListener::new_with_options(
            &form,
            "submit",
            gloo_events::EventListenerOptions::enable_prevent_default(),
            move |event| {
                event.prevent_default();
                answer(input.as_ref().map(HtmlInputElement::value).unwrap_or_default());
            },
        );
        *self.answer.borrow_mut() = Some(listener);
    }

    /// The answer has arrived.
    pub(crate) fn answered(&self) {
        self.mark("data-asks", "no");
        *self.answer.borrow_mut() = None;
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::Uploading => "uploading",
        Phase::Processing => "processing",
        Phase::NeedsInput => "needs you",
        Phase::Done => "done",
        Phase::Failed => "failed",
        Phase::Expired => "expired",
    }
}
