//! What all five followers share: the server, the screen, and the book of what happened.

use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use steadfast::client::{Client, Event, Options, Session, TopicEvent, TypedService, Update};
use steadfast::{ConnectionState, Endpoint, Phase, Service, Snapshot};
use steadfast_mock_server::MockServer;

use crate::board::Board;
use crate::screen::{self, Screen, span};

/// What goes wrong here is shown and ends the demo.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// How fast things go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// A phase of the server's flows.
    pub(crate) step: Duration,
    /// The time to read a question.
    pub(crate) read: Duration,
    /// What the server asks of a client that it turns away, in s: the client's own wait is shorter or as long.
    pub(crate) retry_after: u64,
    /// The end at the latest.
    pub(crate) limit: Duration,
}

impl Pace {
    pub(crate) const USUAL: Self = Self::new(1100, 700, 2, 28);
    pub(crate) const SLOW: Self = Self::new(2500, 3000, 6, 120);

    const fn new(step: u64, read: u64, retry_after: u64, limit: u64) -> Self {
        // `DevContext` completes a stage every two steps: just one is to be missed between the cut, at the first, and
        // the third attempt, a second and that wait later.
        let away = 1000 + 1000 * retry_after;
        assert!(away > 2 * step + 500 && away < 4 * step - 500);
        Self {
            step: Duration::from_millis(step),
            read: Duration::from_millis(read),
            retry_after,
            limit: Duration::from_secs(limit),
        }
    }
}

pub(crate) struct Scene {
    pub(crate) server: MockServer,
    pub(crate) screen: Screen,
    pub(crate) pace: Pace,
    board: Mutex<Board>,
}

impl Scene {
    pub(crate) fn new(server: MockServer, pace: Pace) -> Self {
        Self { server, screen: Screen::new(), pace, board: Mutex::default() }
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a client of one of the server's services is told, as in any app.
    pub(crate) fn options<S: TypedService>(&self) -> Options {
        let url = format!("{}/{}", self.server.base_url(), S::SERVICE);
        Options::new(S::SERVICE, Endpoint::Url(url)).token(self.server.token("ada"))
    }

    /// Does the work while the connection's states are shown, then says goodbye.
    pub(crate) async fn attended<S: TypedService>(
        &self,
        client: &Client<S>,
        work: impl Future<Output = Outcome<()>>,
    ) -> Outcome<()> {
        let mut events = client.events();
        let show = async {
            while let Some(event) = events.next().await {
                if let Event::State(state) = event {
                    self.connection(S::SERVICE, &state);
                }
            }
        };
        tokio::select! {
            done = work => done?,
            () = show => return Err("the client closed by itself".into()),
        }
        self.board().tally(S::SERVICE).stats = client.stats();
        client.shutdown().await;
        self.connection(S::SERVICE, &client.state());
        Ok(())
    }

    fn connection(&self, service: Service, state: &ConnectionState) {
        self.screen.connection(service, state);
        match state {
            ConnectionState::Waiting { attempt, until, why } => {
                let wait = span(until.saturating_sub(screen::unix_now()));
                let why_text = &why.text;
                self.screen.say(Some(service), &format!("{why_text}: attempt {attempt} follows in {wait}"));
                self.board().waits.push(why.kind.name());
            }
            ConnectionState::Ready { attempts, down_ms, .. } if *attempts > 1 => {
                let down = span(*down_ms);
                self.screen
                    .say(Some(service), &format!("connected again at attempt {attempts}, after {down}"));
                self.board().down_ms = *down_ms;
            }
            ConnectionState::Failed { why } | ConnectionState::Displaced { why } => {
                self.screen.say(Some(service), &format!("{}: {why}", state.name()));
            }
            _ => {}
        }
    }

    /// Shows what a subscription tells and notes it.
    pub(crate) fn update<S: TypedService>(&self, session: &Session<S>, update: &Update<S>) {
        let service = S::SERVICE;
        let mut board = self.board();
        match update {
            Update::Message(_) => board.tally(service).messages += 1,
            Update::Other(TopicEvent::RecoveredStage { stage, .. }) => {
                let text = format!("{} was done meanwhile: told now, once", stage.name());
                self.screen.say(Some(service), &text);
                board.recovered_stages += 1;
            }
            Update::Other(TopicEvent::Gap { since, until, recovered }) => {
                let end = if *recovered { "nothing is lost" } else { "something may be lost" };
                let gap = span(until.saturating_sub(*since));
                self.screen.say(Some(service), &format!("subscribed again; a gap of {gap}, {end}"));
                board.gaps.push((until.saturating_sub(*since), *recovered));
            }
            Update::Other(_) => {}
        }
        drop(board);
        if let Some(picture) = session.snapshot() {
            self.picture(service, &picture);
        }
    }

    /// A topic without an end of its own is where the app wanted it.
    pub(crate) fn done<S: TypedService>(&self, session: &Session<S>) {
        if let Some(mut picture) = session.snapshot() {
            picture.snapshot.phase = Phase::Done;
            picture.snapshot.progress = Some(1.0);
            self.picture(S::SERVICE, &picture);
        }
    }

    fn picture(&self, service: Service, picture: &Snapshot) {
        self.screen.picture(service, picture);
        let mut board = self.board();
        let tally = board.tally(service);
        picture.topic.clone_into(&mut tally.topic);
        tally.phase = picture.phase;
        tally.last_words = screen::words(picture);
    }
}
