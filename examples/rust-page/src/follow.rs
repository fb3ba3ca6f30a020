//! One job of one service, followed to its end. This is what an app writes.

use steadfast::client::{DocProcClient, Handle, Options, TopicEvent};
use steadfast::messages::{Message, docproc};
use steadfast::{Endpoint, Service, TokenError};

use crate::card::Card;
use crate::mock;

/// Follows a new job of a service in its card, as long as the page is open.
pub(crate) async fn follow(service: Service) {
    let card = Card::find(service);
    if let Err(error) = attend(service, &card).await {
        card.fails(&error.to_string());
    }
}

async fn attend(service: Service, card: &Card) -> Result<(), Box<dyn std::error::Error>> {
    let url = Endpoint::Url(mock::at(&service.to_string().to_lowercase()));
    let options = Options::new(service, url).token_provider(move |_was_refused| async move {
        mock::token(service).await.map_err(TokenError::Unavailable)
    });
    let client = Handle::new(options)?;

    // The connection changes on its own account, also when there is nothing new about the job.
    let (mut states, shown) = (client.events(), card.clone());
    wasm_bindgen_futures::spawn_local(async move {
        while let Some(event) = states.next().await {
            if let steadfast::client::Event::State(state) = event {
                shown.connection(&state);
            }
        }
    });

    let mut job = client.subscribe(format!("{}_{}", service.to_string().to_lowercase(), mock::moment()))?;
    while let Some(event) = job.next().await {
        match &event {
            TopicEvent::Message(message) => {
                if let Message::DocProc(docproc::Message::Clarification(question)) = &message.data
                    && question.status == docproc::ClarificationStatus::Pending
                {
                    ask(&client, card, question);
                }
            }
            TopicEvent::Gap { since, until, recovered, .. } => card.gap(until - since, *recovered),
            TopicEvent::State(state) => card.subscription(state),
            _ => {}
        }
        if let Some(snapshot) = job.snapshot() {
            card.show(&snapshot);
        }
    }
    client.shutdown().await;
    Ok(())
}

/// The service asks a person, and goes on when it has the answer.
fn ask(client: &Handle, card: &Card, question: &docproc::Clarification) {
    let (Ok(client), shown) = (DocProcClient::of(client), card.clone()) else { return };
    let id = question.clarification_id.clone();
    card.ask(question.question.as_deref().unwrap_or("Which one is it?"), move |answer| {
        let (client, id, shown) = (client.clone(), id.clone(), shown.clone());
        wasm_bindgen_futures::spawn_local(async move {
            match client.respond_to_clarification(id, answer).await {
                Ok(_) => shown.answered(),
                Err(error) => shown.fails(&error.to_string()),
            }
        });
    });
}
