//! One Engine.IO session: a task that owns its transport, its heartbeat and the Socket.IO session above it.
//!
//! HTTP handlers hand their requests over as [`Ask`]s. Faults and journal are asked in [`Session::take_in`] and
//! [`Session::send`], where a packet crosses the wire, whichever transport carries it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::layer::{Above, Act, Out};
use super::packet::{Heard, Item, Parcel};
use super::refusal::Refusal;
use super::transport::{Incoming, Line, Probe, Waiting};
use crate::connection::{Closing, Command, Connection};
use crate::faults::End;
use crate::faults::frame::FrameFault;
use crate::faults::message::{Letter, Sent};
use crate::faults::protocol::ProtocolFault;
use crate::faults::rule::When;
use crate::report::journal::{By, Ending, Fact};
use crate::wire::io::{Cut, Wire};
use crate::world::World;
use crate::ws::{self, Socket};

/// Time a client has for the probe of an upgrade.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// While a probe is under way a GET is answered after this time, so that the client can change over.
const PROBE_POLL: Duration = Duration::from_millis(100);
/// Time a client has to fetch the engine's `1` by its next GET.
const FAREWELL: Duration = Duration::from_secs(1);

/// Time that a GET may come behind the POST which ends its session.
const LAST_GET: Duration = Duration::from_millis(100);

/// What is answered to a GET or POST.
pub(super) type Answer = Result<String, Refusal>;

/// What an HTTP handler asks of a session.
pub(super) enum Ask {
    Poll(Waiting),
    Post(Vec<Item>, Wire, oneshot::Sender<Answer>),
    /// A WebSocket that wants to take over from polling.
    Probe(Box<Socket>, Wire),
    /// The client broke the rules of polling.
    Protest(&'static str),
}

/// The numbers of a session, as the switches stood when it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(super) ping_interval: Duration,
    pub(super) ping_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) max_payload: usize,
}

/// How a session ended.
struct Ended {
    ending: Ending,
    /// The client broke the protocol: a POST that did it is answered 400.
    rude: bool,
}

impl Ended {
    fn new(ending: Ending) -> Self {
        Self { ending, rude: false }
    }
}

enum Happened {
    Shutdown,
    In(Incoming),
    Probed(Option<WsMessage>),
    Asked(Option<Ask>),
    Told(Option<Command>),
    Due,
}

pub(super) struct Session {
    pub(super) world: World,
    pub(super) on: Arc<Connection>,
    pub(super) sid: String,
    pub(super) settings: Settings,
    pub(super) line: Line,
    pub(super) layer: Box<dyn Above>,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) commands: mpsc::Receiver<Command>,
    sent: Sent,
    probe: Option<Probe>,
    next_ping: Option<Instant>,
    pong_due: Option<Instant>,
}

impl Session {
    pub(super) fn new(
        world: World,
        on: Arc<Connection>,
        sid: String,
        settings: Settings,
        line: Line,
        layer: Box<dyn Above>,
        (asks, commands): (mpsc::Receiver<Ask>, mpsc::Receiver<Command>),
    ) -> Self {
        let next_ping = Some(Instant::now() + settings.ping_interval);
        let (sent, probe, pong_due) = (Sent::default(), None, None);
        Self { world, on, sid, settings, line, layer, asks, commands, sent, probe, next_ping, pong_due }
    }

    /// Carries the session from its open packet to its end.
    pub(super) async fn run(mut self) {
        let how = format!("{} ({})", self.on.path, self.line.name());
        self.world.journal.add(&*self.on, Fact::Open { detail: &how });
        self.world.console.tell("connected", &self.on, &how);
        let Err(Ended { ending, .. }) = self.carry().await;
        let ending = self.on.ending(ending);
        // Whoever waits for the end by the journal finds it ended, and its topics left.
        self.world.hub.leave(&self.on);
        self.world.connections.close(&self.on);
        self.world.journal.add(&*self.on, Fact::Close(&ending));
        self.world.console.tell("closed", &self.on, &ending.detail);
    }

    async fn carry(&mut self) -> Result<std::convert::Infallible, Ended> {
        let upgrades = if matches!(self.line, Line::Polling(_)) { json!(["websocket"]) } else { json!([]) };
        let open = json!({"sid": self.sid, "upgrades": upgrades,
            "pingInterval": self.settings.ping_interval.as_millis() as u64,
            "pingTimeout": self.settings.ping_timeout.as_millis() as u64,
            "maxPayload": self.settings.max_payload});
        self.send(&Parcel::new("(open)", format!("0{open}"))).await?;
        let mut out = Out::default();
        loop {
            self.line.flush(&self.on, self.settings.max_payload);
            let happened = self.next().await;
            self.handle(happened, &mut out).await?;
            self.carry_out(&mut out).await?;
        }
    }

    async fn next(&mut self) -> Happened {
        let held = match &self.line {
            Line::Polling(polling) => polling.noop_at,
            Line::WebSocket(_) => None,
        };
        let probe_ends = self.probe.as_ref().map(|probe| probe.until);
        let wake = [self.layer.deadline(), self.next_ping, self.pong_due, held, probe_ends];
        let wake = wake.into_iter().flatten().min();
        let Self { world, line, probe, asks, commands, settings, .. } = self;
        tokio::select! {
            biased; // what has arrived comes before a deadline that it may have met
            () = world.shutdown.cancelled() => Happened::Shutdown,
            incoming = line.hear(settings.max_payload) => Happened::In(incoming),
            message = Probe::hear(probe) => Happened::Probed(message),
            ask = asks.recv() => Happened::Asked(ask),
            command = commands.recv() => Happened::Told(command),
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => Happened::Due,
        }
    }

    async fn handle(&mut self, happened: Happened, out: &mut Out) -> Result<(), Ended> {
        match happened {
            Happened::In(Incoming::Item(item)) => self.take_in(item, out).await,
            Happened::In(Incoming::Ping) => self.pinged().await,
            Happened::In(Incoming::Gone(ending)) => Err(Ended::new(ending)),
            Happened::In(Incoming::Wrong(closing)) => Err(self.close(Some(&closing)).await),
            Happened::Probed(message) => self.probed(message).await,
            Happened::Asked(Some(ask)) => self.asked(ask, out).await,
            Happened::Told(Some(command)) => self.obey(command, out).await,
            Happened::Asked(None) | Happened::Told(None) => {
                Err(Ended::new(Ending::by_server(None, "abandoned")))
            }
            Happened::Due => self.due(out).await,
            Happened::Shutdown => {
                self.layer.farewell(out);
                self.carry_out(out).await?;
                Err(self.close(Some(&Closing::new(1001, "Server shutting down"))).await)
            }
        }
    }

    /// Sends a ping and misses a pong when their time has come.
    async fn beat(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if let Some(due) = self.next_ping.filter(|at| *at <= now) {
            // A ping that a fault loses is none that must be answered: only the client shall notice.
            let sent = self.send(&Parcel::new("(ping)", "2")).await?;
            // Over polling the client fetches it; over a WebSocket its time begins when it was written.
            let polled = matches!(self.line, Line::Polling(_));
            let begun = if polled { due } else { now };
            self.pong_due = sent.then(|| begun + self.settings.ping_timeout);
            self.next_ping = (!sent).then(|| now + self.settings.ping_interval);
        }
        if self.pong_due.is_some_and(|at| at <= now) {
            // A client that was silent is waited for no longer: its next request finds no session.
            let Ended { mut ending, rude } = self.close_within(Duration::ZERO, None).await;
            ending.detail = format!("ping timeout, {}", ending.detail);
            return Err(Ended { ending, rude });
        }
        Ok(())
    }

    async fn due(&mut self, out: &mut Out) -> Result<(), Ended> {
        self.beat().await?;
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.probe.as_ref().map(|probe| probe.until)) {
            self.probe.take().expect("its deadline was looked at").dismiss(&self.world);
        }
        if let Line::Polling(polling) = &mut self.line
            && is_due(polling.noop_at)
        {
            polling.release();
        }
        if is_due(self.layer.deadline()) {
            self.layer.due(out);
        }
        Ok(())
    }

    async fn obey(&mut self, command: Command, out: &mut Out) -> Result<(), Ended> {
        match command {
            Command::Deliver(frame) => {
                if frame.topic.as_deref().is_some_and(|topic| self.on.follows(topic)) {
                    self.send(&self.layer.parcel(&frame)).await?;
                    if let Some(published) = frame.published {
                        self.world.reporter.delivered(self.on.service, published.elapsed());
                    }
                    self.layer.delivered(&frame, out);
                }
            }
            Command::Close(closing) => return Err(self.close(Some(&closing)).await),
            Command::Provoke(fault) => self.layer.provoke(&fault, None, out),
            Command::Replace => self.layer.provoke(&ProtocolFault::Replace, None, out),
        }
        Ok(())
    }

    async fn asked(&mut self, ask: Ask, out: &mut Out) -> Result<(), Ended> {
        if matches!(ask, Ask::Poll(_)) {
            self.beat().await?; // a GET is no pong: it does not come before a deadline that it has missed
        }
        match (ask, &mut self.line) {
            (Ask::Poll(waiting), Line::Polling(polling)) => {
                if polling.is_waited_for() {
                    waiting.refuse(Refusal::BadRequest);
                    return Err(self.rude("two GETs at the same time").await);
                }
                self.on.wire.join(waiting.wire.clone());
                polling.waiting = Some(waiting);
                let changing = self.probe.as_ref().is_some_and(|probe| probe.confirmed);
                polling.noop_at = changing.then(|| Instant::now() + PROBE_POLL);
            }
            (Ask::Post(items, wire, answer), Line::Polling(_)) => {
                self.on.wire.join(wire.clone());
                let mut handled = Ok(());
                for item in items {
                    handled = self.take_in(item, out).await;
                    if handled.is_err() {
                        break;
                    }
                }
                let rude = handled.as_ref().is_err_and(|ended| ended.rude);
                let _ = answer.send(if rude { Err(Refusal::BadRequest) } else { Ok("ok".to_owned()) });
                self.on.wire.leave(&wire);
                handled?;
            }
            (Ask::Poll(waiting), Line::WebSocket(_)) => waiting.refuse(Refusal::BadRequest),
            (Ask::Post(_, _, answer), Line::WebSocket(_)) => drop(answer.send(Err(Refusal::BadRequest))),
            (Ask::Probe(socket, wire), line) => {
                let probe = Probe { socket, wire, until: Instant::now() + PROBE_LIMIT, confirmed: false };
                if matches!(line, Line::WebSocket(_)) || self.probe.is_some() {
                    probe.dismiss(&self.world);
                } else {
                    self.probe = Some(probe);
                }
            }
            (Ask::Protest(why), _) => return Err(self.rude(why).await),
        }
        Ok(())
    }

    /// A message on the WebSocket that wants to take over [rules §10.1.7].
    async fn probed(&mut self, message: Option<WsMessage>) -> Result<(), Ended> {
        let Some(mut probe) = self.probe.take() else { return Ok(()) };
        let text = match &message {
            Some(WsMessage::Text(text)) => text.as_str(),
            Some(WsMessage::Ping(_) | WsMessage::Pong(_)) => {
                self.probe = Some(probe);
                return Ok(());
            }
            _ => "",
        };
        match (text, &mut self.line) {
            ("2probe", Line::Polling(polling)) if !probe.confirmed => {
                let fact = Fact::In { kind: "(probe)", topic: None, text };
                self.world.journal.add(&*self.on, fact);
                probe.confirmed = true;
                polling.noop_at = polling.is_waited_for().then(Instant::now);
                let plan = self.world.faults.at_message(&self.world, When::Out, &self.on, None, "(probe)");
                sleep(plan.delay).await;
                if let Some(end) = plan.end {
                    return Err(self.end(end).await);
                }
                let answer = plan.instead.unwrap_or_else(|| "3probe".to_owned());
                for _ in 0..plan.copies {
                    let fact = Fact::Out { kind: "(probe)", topic: None, text: &answer };
                    self.world.journal.add(&*self.on, fact);
                    probe.say(&answer).await;
                }
                self.probe = Some(probe);
            }
            ("5", Line::Polling(polling)) if probe.confirmed => {
                let fact = Fact::In { kind: "(upgrade)", topic: None, text };
                self.world.journal.add(&*self.on, fact);
                polling.release();
                self.line.flush(&self.on, self.settings.max_payload);
                let left = self.line.take_outbox();
                self.on.wire.join(probe.wire);
                self.line = Line::WebSocket(probe.socket);
                self.world.journal.add(&*self.on, Fact::Upgraded);
                for item in left {
                    self.write(item, &[]).await?;
                }
            }
            _ => probe.dismiss(&self.world),
        }
        Ok(())
    }

    /// A WebSocket ping came in; the library answers it unless a rule loses it.
    async fn pinged(&mut self) -> Result<(), Ended> {
        let plan = self.world.faults.at_control(&self.world, When::In, &self.on, "(ping)");
        sleep(plan.delay).await;
        if let Some(end) = plan.end {
            return Err(self.end(end).await);
        }
        if plan.copies == 0
            && let Line::WebSocket(socket) = &mut self.line
        {
            ws::keep_from_answering(socket).await;
        }
        Ok(())
    }

    /// A packet came in.
    async fn take_in(&mut self, item: Item, out: &mut Out) -> Result<(), Ended> {
        let (heard, text) = match &item {
            Item::Text(text) => (self.layer.read(text), text.clone()),
            Item::Binary(bytes) => (Heard::Noop, format!("{} bytes", bytes.len())),
        };
        let kind = if matches!(item, Item::Text(_)) { heard.kind() } else { "(binary)" };
        self.world.journal.add(&*self.on, Fact::In { kind, topic: heard.topic(), text: &text });
        let plan = self.world.faults.at_message(&self.world, When::In, &self.on, heard.topic(), kind);
        sleep(plan.delay).await;
        if let Some(end) = plan.end {
            return Err(self.end(end).await);
        }
        for fault in &plan.answers {
            self.layer.provoke(fault, heard.topic(), out);
            self.carry_out(out).await?;
        }
        for _ in 0..if plan.answers.is_empty() { plan.copies } else { 0 } {
            match (&item, heard.clone()) {
                (Item::Binary(bytes), _) => self.layer.attachment(bytes, out),
                (_, Heard::Message(message)) => self.layer.hear(message, out),
                (_, Heard::Plain(text)) => self.layer.plain(text, out),
                (_, Heard::Close) => return Err(self.closed_by_client().await),
                (_, Heard::Pong) => {
                    self.pong_due = None;
                    self.next_ping = Some(Instant::now() + self.settings.ping_interval);
                }
                (_, Heard::Noop) => {}
                (_, Heard::Bad(why)) => return Err(self.rude(&why).await),
            }
            self.carry_out(out).await?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, out: &mut Out) -> Result<(), Ended> {
        while let Some(act) = out.next() {
            match act {
                Act::Event(frame) => drop(self.send(&self.layer.parcel(&frame)).await?),
                Act::Packet(parcel) => drop(self.send(&parcel).await?),
                Act::Pause(span) => sleep(span).await,
                Act::Disconnect => {
                    self.layer.left();
                    self.send(&Parcel::new("(disconnect)", "41")).await?;
                }
                Act::End(End::Close(closing)) if closing.code == 1002 => {
                    return Err(self.rude(&closing.reason).await);
                }
                Act::End(end) => return Err(self.end(end).await),
            }
        }
        Ok(())
    }

    /// Sends a packet, unless a fault has it otherwise; false if it was lost.
    async fn send(&mut self, parcel: &Parcel) -> Result<bool, Ended> {
        let topic = parcel.topic.as_deref();
        let plan = self.world.faults.at_message(&self.world, When::Out, &self.on, topic, &parcel.kind);
        sleep(plan.delay).await;
        if let Some(end) = plan.end {
            return Err(self.end(end).await);
        }
        let letters = plan.letters(&mut self.sent, &parcel.kind, topic, parcel.text.clone());
        let lost = letters.is_empty();
        for Letter { kind, topic, text, binary } in letters {
            if text.is_empty() && !parcel.attachments.is_empty() {
                continue;
            }
            let fact = Fact::Out { kind: &kind, topic: topic.as_deref(), text: &text };
            self.world.journal.add(&*self.on, fact);
            let item = if binary { Item::Binary(text.into()) } else { Item::Text(text) };
            self.write(item, &plan.frames).await?;
        }
        for bytes in parcel.attachments.iter().filter(|_| !lost) {
            let text = format!("{} bytes", bytes.len());
            self.world.journal.add(&*self.on, Fact::Out { kind: "(binary)", topic, text: &text });
            self.write(Item::Binary(bytes.clone()), &[]).await?;
        }
        Ok(!lost)
    }

    async fn write(&mut self, item: Item, faults: &[FrameFault]) -> Result<(), Ended> {
        match self.line.write(item, faults).await {
            Ok(None) => Ok(()),
            Ok(Some(end)) => Err(self.end(end).await),
            Err(how) => Err(Ended::new(Ending::lost(how))),
        }
    }

    async fn end(&mut self, end: End) -> Ended {
        match end {
            End::Close(closing) => self.close(Some(&closing)).await,
            End::Cut(cut) => {
                self.on.wire.give_up(cut);
                let how = format!("cut, {}", if cut == Cut::Fin { "FIN" } else { "RST" });
                Ended::new(Ending::by_server(None, how))
            }
            End::Written => {
                if let Line::WebSocket(socket) = &mut self.line {
                    ws::see_off(socket).await;
                }
                Ended::new(Ending::by_server(None, "by a close frame of a rule"))
            }
        }
    }

    /// Closes a client's session that does not keep to the protocol.
    async fn rude(&mut self, why: &str) -> Ended {
        Ended { rude: true, ..self.close(Some(&Closing::new(1002, why))).await }
    }

    async fn closed_by_client(&mut self) -> Ended {
        match &mut self.line {
            Line::WebSocket(_) => drop(self.close(None).await),
            Line::Polling(_) => {
                // A GET that was sent before may come in behind the POST, over a connection of its own.
                self.last_poll(LAST_GET).await;
                if let Line::Polling(polling) = &mut self.line {
                    polling.release();
                }
                self.line.flush(&self.on, self.settings.max_payload);
            }
        }
        Ended::new(Ending { by: By::Client, code: None, detail: "by the client, 1".to_owned() })
    }

    /// Ends the transport: a WebSocket by a close frame, polling by the engine's `1`, for which the next GET is
    /// waited a little.
    async fn close(&mut self, closing: Option<&Closing>) -> Ended {
        self.close_within(FAREWELL, closing).await
    }

    /// Waits a little for the GET that shall have the last word of polling.
    async fn last_poll(&mut self, patience: Duration) {
        let Self { line: Line::Polling(polling), asks, .. } = self else { return };
        let comes = async {
            while !polling.is_waited_for() {
                match asks.recv().await {
                    Some(Ask::Poll(waiting)) => polling.waiting = Some(waiting),
                    Some(_) => {}
                    None => return,
                }
            }
        };
        let _ = timeout(patience, comes).await;
    }

    async fn close_within(&mut self, patience: Duration, closing: Option<&Closing>) -> Ended {
        if let Some(probe) = self.probe.take() {
            probe.dismiss(&self.world);
        }
        match &mut self.line {
            Line::WebSocket(socket) => super::transport::close(socket, closing).await,
            Line::Polling(polling) => {
                polling.outbox.push_back(Item::Text("1".to_owned()));
                self.last_poll(patience).await;
                self.line.flush(&self.on, self.settings.max_payload);
            }
        }
        let how = closing.map_or_else(|| "closed".to_owned(), |c| format!("{} {}", c.code, c.reason));
        Ended::new(Ending::by_server(closing.map(|c| c.code), how))
    }
}
