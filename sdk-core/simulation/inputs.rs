//! What an input means to the ledger, before the machine hears of it; frames before and after.

use steadfast::socketio::PacketType;
use steadfast::{
    Command, CommandId, Delivery, DisconnectReason, FrameId, Input, Kind, Reachability, Request, Service,
    Status, Verdict, Visibility,
};

use crate::classes::Class;
use crate::ledger::{Pending, Said, Wish};
use crate::names::{self, NAMES, Name};
use crate::server::Asked;
use crate::wire::Frame;
use crate::world::World;

/// How things stood before a frame.
#[derive(Default)]
pub(crate) struct Before {
    alive: bool,
    ready: bool,
    said: Said,
    /// The rank of the topic's picture, or of the item's.
    rank: Option<u8>,
    /// Another, newer socket has the topic.
    elsewhere: bool,
}

impl World {
    pub(crate) fn before(&mut self, input: &Input) {
        self.ledger.user_turn = false;
        match input {
            Input::Command(id, command) => self.commanded(*id, command),
            Input::Opened(socket) => {
                let (now, shakes) = (self.now, self.shakes());
                if let Some(sock) = self.socks.get_mut(&socket.0) {
                    sock.opened = Some(now);
                    sock.heard = now;
                    if !shakes {
                        self.becomes_ready(socket.0);
                    }
                }
            }
            Input::Activity(socket) | Input::Malformed(socket, _) | Input::Binary(socket, _) => {
                self.hears(socket.0);
            }
            Input::Closed(socket, reason) => self.closed_by_world(socket.0, reason),
            Input::Network(way) => {
                self.ledger.offline = *way == Reachability::Offline;
                self.ledger.offline_since_reset |= self.ledger.offline;
            }
            Input::Visibility(seen) => {
                self.ledger.visible = *seen == Visibility::Visible;
                match seen {
                    Visibility::Background => {
                        self.ledger.in_background.get_or_insert(self.now);
                    }
                    _ => self.ledger.in_background = None,
                }
            }
            Input::Cancel(_) | Input::Http(..) | Input::Token(..) | Input::Tick => {}
        }
    }

    fn excuse_all(&mut self) {
        self.ledger.excused.insert(None);
        if self.service == Service::TherapyBridge {
            self.ledger.excused.extend((0..names::TOPICS).map(Some));
        }
    }

    fn commanded(&mut self, id: CommandId, command: &Command) {
        let ms = |time: std::time::Duration| time.as_millis() as u64;
        let limit = ms(self.config.timings.command_timeout);
        let now = self.now;
        let mut by = Some(now);
        let mut ping = false;
        match command {
            Command::Connect | Command::TakeOver | Command::SetToken(_) => {
                self.ledger.user_turn = true;
                self.ledger.retry_until = None;
                self.excuse_all();
                self.ledger.refused_token.clear();
                // Sessions that were refused begin anew.
                self.ledger.attempts.retain(|link, _| link.is_none());
                self.ledger.clean(None, self.ledger.failures);
            }
            Command::Subscribe { topic, keep } => {
                if let Some(name) = names::number(topic)
                    && !self.ledger.closed
                {
                    let wish = &mut self.ledger.wishes[name];
                    if wish.handles == 0 {
                        self.ledger.refused_token.remove(&Some(name));
                        self.ledger.attempts.remove(&Some(name));
                    }
                    wish.handles += 1;
                    wish.keep |= *keep;
                    wish.linger = None;
                    if matches!(wish.said, Said::Refused | Said::Ended) && wish.interview.is_none() {
                        // What was announced last stays so until the next announcement.
                        let (handles, said) = (wish.handles, Said::Nothing);
                        *wish = Wish { handles, keep: *keep, said, ..Wish::default() };
                        self.ledger.refused_token.remove(&Some(name));
                        self.ledger.attempts.remove(&Some(name));
                    }
                }
            }
            Command::Unsubscribe { topic } => {
                if let Some(name) = names::number(topic) {
                    let linger = now + ms(self.config.timings.linger);
                    let wish = &mut self.ledger.wishes[name];
                    let had = wish.handles > 0;
                    wish.handles = wish.handles.saturating_sub(1);
                    if wish.handles == 0 && wish.interview.is_none() {
                        if matches!(wish.said, Said::Refused | Said::Ended) {
                            *wish = Wish::default();
                        } else if had || wish.linger.is_some() {
                            wish.linger = Some(linger);
                        }
                    }
                }
            }
            Command::WaitReady | Command::WaitLive { .. } => by = None,
            Command::Request(request, delivery) => {
                let waits = match delivery {
                    Delivery::FailFast => limit,
                    Delivery::WaitReady { ttl } => *ttl,
                };
                ping = *request == Request::Ping;
                by = Some(now + waits + limit.max(5_000) + limit);
            }
            Command::Shutdown => self.ledger.closed = true,
        }
        self.ledger.commands.insert(id.0, Pending { by, ping });
    }

    /// Whether a handshake follows the open socket.
    fn shakes(&self) -> bool {
        match self.service {
            Service::Saga | Service::DocProc => true,
            Service::Charisma => self.config.auth == steadfast::AuthMode::Message,
            _ => false,
        }
    }

    /// A socket's handshake is done: the older one of its link is replaced.
    pub(crate) fn becomes_ready(&mut self, socket: u32) {
        let now = self.now;
        let Some(sock) = self.socks.get_mut(&socket) else { return };
        if sock.ready.is_some() {
            return;
        }
        sock.ready = Some(now);
        sock.pinged = now;
        let topic = sock.topic;
        if let Some(name) = topic {
            sock.asked[name] = Asked::Confirmed;
            self.confirm(name);
        }
        for (other, older) in &mut self.socks {
            if *other < socket && older.topic == topic && older.ready.is_some() {
                older.replaced.get_or_insert(now);
            }
        }
        self.ledger.retry_until = None;
    }

    fn confirm(&mut self, name: Name) {
        let wish = &mut self.ledger.wishes[name];
        wish.confirmed = true;
        wish.end_told = false;
        wish.newest = f64::NEG_INFINITY;
        wish.ranked.clear();
    }

    fn hears(&mut self, socket: u32) {
        let now = self.now;
        if let Some(sock) = self.socks.get_mut(&socket) {
            sock.heard = now;
            sock.probe = None;
        }
    }

    fn closed_by_world(&mut self, socket: u32, reason: &DisconnectReason) {
        self.lasts(socket);
        let Some(sock) = self.socks.remove(&socket) else { return };
        let newest = self.socks.iter().all(|(_, other)| other.topic != sock.topic);
        let mut auth = sock.said_expired;
        let mut policy = false;
        let causes = &mut self.ledger.causes;
        match reason {
            DisconnectReason::Closed { code, reason } => {
                let lower = reason.to_ascii_lowercase();
                match code {
                    4401 => auth = true,
                    4403 => causes.forbidden = true,
                    1008 if lower.starts_with("invalid authentication") => auth = true,
                    1008 => policy = true,
                    1002 | 1003 | 1007 | 1010 => causes.protocol += 1,
                    _ => {}
                }
                causes.displaced |= *code == 4409 || lower.contains("replaced");
                auth |= *code == 1006 && !self.caps.http_status;
            }
            DisconnectReason::Http { status, retry_after } => {
                auth |= matches!(status, 401 | 403);
                causes.displaced |= *status == 409;
                causes.status = true;
                if matches!(status, 429 | 500..=599)
                    && sock.topic.is_none()
                    && let Some(after) = retry_after
                {
                    let limit = self.config.reconnect.max_retry_after.as_millis() as u64;
                    self.ledger.retry_after = (*after).min(limit);
                    self.ledger.retry_until = Some(self.now + self.ledger.retry_after);
                }
            }
            DisconnectReason::Tls(_) => causes.tls = true,
            DisconnectReason::Protocol { .. } => causes.protocol += 1,
            DisconnectReason::Network(_) => auth |= !self.caps.http_status,
            DisconnectReason::TooLarge => {}
        }
        let sure = matches!(reason, DisconnectReason::Http { status: 401, .. })
            || matches!(reason, DisconnectReason::Closed { code: 4401, reason } if reason.is_empty());
        if auth {
            self.ledger.refused_ever.insert(sock.token);
        }
        if auth && !newest {
            // A replacement that is refused leaves the connection in use alone, and may be tried anew later.
            self.ledger.may_force += 2;
        }
        if auth {
            self.auth_refused(sock.topic, (sure && newest && sock.replaced.is_none()).then_some(sock.token));
        }
        if policy {
            self.ledger.struck(true);
        }
    }

    #[expect(
        clippy::option_option,
        reason = "the attempt may be unknown, and a known one may have had no token"
    )]
    fn auth_refused(&mut self, link: Option<Name>, token: Option<Option<u32>>) {
        self.ledger.causes.auth = true;
        self.ledger.struck(false);
        if let Some(Some(token)) = token {
            self.ledger.refused_token.insert(link, token);
        }
    }

    // --- frames -----------------------------------------------------------------------------------------------

    pub(crate) fn before_frame(&mut self, socket: u32, frame: &Frame) -> Before {
        self.ledger.user_turn = false;
        let now = self.now;
        self.hears(socket);
        let Some(sock) = self.socks.get_mut(&socket) else { return Before::default() };
        let was_ready = sock.ready.is_some();
        let mut shaken = false;
        match frame.packet {
            PacketType::Open if sock.engine.is_none() => {
                let (interval, timeout) = frame.engine.unwrap_or((25_000, 60_000));
                sock.engine = Some((u64::from(interval), u64::from(timeout)));
            }
            PacketType::Connect => shaken = sock.opened.is_some(),
            PacketType::Disconnect => {
                if sock.said_expired {
                    self.ledger.causes.auth = true;
                    self.ledger.struck(false);
                } else {
                    self.ledger.causes.kicked += 1;
                }
            }
            PacketType::ConnectError if frame.retryable != Some(true) => {
                let (topic, token) = (sock.topic, sock.token);
                let sure = self.socks.len() == 1;
                self.ledger.refused_ever.insert(token);
                // As for a replacement whose socket is closed for it: the next attempt may force anew.
                self.ledger.may_force += 2 * u32::from(!sure);
                self.auth_refused(topic, sure.then_some(token));
            }
            _ => {}
        }
        if frame.kind == Kind::Authenticated && self.shakes() {
            shaken = true;
        }
        if shaken {
            self.becomes_ready(socket);
        }
        if was_ready {
            self.answered(socket, frame);
        }
        let Some(sock) = self.socks.get(&socket) else { return Before::default() };
        let ready = sock.ready.is_some();
        if frame.kind == Kind::Error && sock.opened.is_some() {
            let code = frame.code.unwrap_or_default();
            if matches!(code, "TOKEN_EXPIRED" | "UNAUTHORIZED") {
                self.ledger.causes.auth = true;
                self.ledger.struck(false);
                if let Some(sock) = self.socks.get_mut(&socket) {
                    sock.said_expired = true;
                }
            }
            if ready && self.is_limit(frame) {
                match self.socks.get_mut(&socket) {
                    Some(sock) if self.service == Service::DevContext => sock.paused_until = now + 5_000,
                    _ => self.ledger.paused_until = now + 5_000,
                }
            }
        }
        let topic = frame.topic.unwrap_or(NAMES);
        Before {
            alive: true,
            ready,
            said: self.ledger.wishes.get(topic).map_or(Said::Nothing, |wish| wish.said),
            rank: self.rank(frame),
            elsewhere: topic < NAMES
                && self.socks.iter().any(|(id, other)| {
                    *id > socket && other.ready.is_some() && other.asked[topic] == Asked::Confirmed
                }),
        }
    }

    /// What a frame answers, so far as subscriptions go.
    fn answered(&mut self, socket: u32, frame: &Frame) {
        let confirms = matches!(
            frame.kind,
            Kind::Subscribed | Kind::JoinedProject | Kind::SubscriptionConfirmed | Kind::InterviewResumed
        );
        if confirms && let Some(name) = frame.topic {
            let Some(sock) = self.socks.get_mut(&socket) else { return };
            // One that comes late confirms a topic that is wanted again.
            let resumed = frame.kind == Kind::InterviewResumed || self.ledger.wishes[name].wanted();
            if (resumed || sock.asked[name] != Asked::Left) && sock.asked[name] != Asked::Confirmed {
                sock.asked[name] = Asked::Confirmed;
                self.confirm(name);
            }
            return;
        }
        if frame.kind == Kind::InterviewStarted
            && let Some(name) = frame.topic
        {
            if let Some(sock) = self.socks.get_mut(&socket) {
                sock.asked[name] = Asked::Confirmed;
            }
            return self.confirm(name);
        }
        let error = matches!(frame.kind, Kind::Error | Kind::SessionError | Kind::Gateway);
        if !error {
            return;
        }
        let limited = self.is_limit(frame);
        // DocProc's errors about a topic that was live refuse nothing.
        let ever_live =
            |name: Name| self.machine.snapshot(name_text(name)).is_some_and(|s| s.stale_since.is_some());
        let plain = self.service == Service::DocProc && !limited && frame.topic.is_some_and(ever_live);
        if plain {
            return;
        }
        // Which question it answers is the machine's affair; whatever it may be can be asked again.
        let Some(sock) = self.socks.get_mut(&socket) else { return };
        for (name, asked) in sock.asked.iter_mut().enumerate() {
            if matches!(asked, Asked::Sent { .. }) && frame.topic.is_none_or(|topic| topic == name) {
                *asked = Asked::No;
            }
        }
    }

    /// Whether it says that there were too many messages.
    fn is_limit(&self, frame: &Frame) -> bool {
        match self.service {
            Service::DocProc => frame.text == Some("Rate limit exceeded"),
            // There no limit is documented: an error about a session is its failure.
            Service::Charisma if frame.topic.is_some() => false,
            _ => frame.code == Some("RATE_LIMIT_EXCEEDED"),
        }
    }

    fn rank(&self, frame: &Frame) -> Option<u8> {
        let snapshot = self.machine.snapshot(name_text(frame.topic?))?;
        if self.service == Service::Saga {
            let (kind, id) = self.of_item(frame)?;
            let item = snapshot.items.iter().find(|item| item.kind == kind && item.id == id);
            return item.map(|item| item.phase.rank());
        }
        Some(snapshot.phase.rank())
    }

    pub(crate) fn after_frame(
        &mut self,
        socket: u32,
        frame: &Frame,
        id: FrameId,
        verdict: Verdict,
        before: &Before,
    ) {
        let delivered = verdict.has(Verdict::DELIVER);
        let held = verdict.has(Verdict::HOLD);
        if !before.alive && (delivered || held) {
            return self.fail(Class::HeardDead, format!("a frame of socket {socket}, which is gone, counts"));
        }
        let Some(name) = frame.topic else { return };
        let ends = self.ends(frame);
        if held {
            self.ledger.held.insert(id.0, (name, ends && frame.packet == PacketType::Event));
        }
        if frame.packet != PacketType::Event || !before.ready {
            return;
        }
        let news = is_news(frame.kind) || (frame.kind == Kind::SessionError && ends);
        if !news {
            return;
        }
        if delivered && matches!(before.said, Said::Ended | Said::Refused) {
            let text = format!("{} is {:?}, yet its frame is delivered", name_text(name), before.said);
            return self.fail(Class::DeliveredAfterEnd, text);
        }
        if delivered && before.elsewhere && self.ledger.wishes[name].wanted() {
            let text = format!("socket {socket} still speaks for {}", name_text(name));
            return self.fail(Class::HeardReplaced, text);
        }
        let outdated = verdict.has(Verdict::OUTDATED);
        let rank = self.rank(frame);
        // Few remembered items mean that more is forgotten.
        let forgetful = self.config.limits.items < 10;
        let subject = self.of_item(frame);
        let wish = &mut self.ledger.wishes[name];
        let newer = frame.at.is_some_and(|at| at > wish.newest);
        let first = !wish.ranked.contains(&subject);
        if let (Some(old), Some(new)) = (before.rank, rank)
            && new < old
            && !(newer
                || first
                || forgetful
                || names::is_interview(name)
                || wish.may_fall
                || frame.kind == Kind::ExportStarted)
        {
            let text = format!("{} fell from rank {old} to {new}", name_text(name));
            return self.fail(Class::RankFell, text);
        }
        if verdict.has(Verdict::SNAPSHOT) || outdated {
            if let Some(at) = frame.at.filter(|at| at.is_finite()) {
                wish.newest = wish.newest.max(at);
            }
            if !outdated && verdict.has(Verdict::SNAPSHOT) && !matches!(frame.status, Some(Status::Other)) {
                wish.may_fall = frame.kind == Kind::AnalysisFailed && frame.retryable == Some(true);
                if first {
                    wish.ranked.push(subject);
                }
            }
        }
        if delivered && !outdated {
            self.told(name, ends);
        }
    }

    /// A frame of a topic reaches the listeners.
    pub(crate) fn told(&mut self, name: Name, ends: bool) {
        let wish = &mut self.ledger.wishes[name];
        if wish.handles == 0 && wish.linger.is_none() {
            return;
        }
        if ends && wish.end_told {
            let text = format!("the end of {} is told twice", name_text(name));
            return self.fail(Class::EndedTwice, text);
        }
        wish.end_told = ends;
    }

    /// The thing a frame is about, if it isn't the topic itself.
    fn of_item(&self, frame: &Frame) -> Option<(&'static str, &'static str)> {
        let kind = match (self.service, frame.kind) {
            (Service::Saga, kind) if kind.name().starts_with("export") => "export",
            (Service::Saga, _) => "story",
            (Service::DocProc, Kind::ModelResult) => "model",
            (Service::DocProc, Kind::Clarification) => "clarification",
            _ => return None,
        };
        Some((kind, frame.item?))
    }

    /// Whether a frame is the end of its topic.
    fn ends(&self, frame: &Frame) -> bool {
        match (self.service, frame.kind) {
            (Service::Charisma, Kind::SessionError) => {
                frame.code.is_none_or(|code| code == "RATE_LIMIT_EXCEEDED")
            }
            (Service::Charisma | Service::TherapyBridge | Service::DocProc, _) => {
                matches!(
                    frame.status,
                    Some(
                        Status::Complete
                            | Status::Error
                            | Status::Processed
                            | Status::Failed
                            | Status::Completed
                            | Status::FailedSession
                            | Status::Expired
                    )
                ) && frame.kind != Kind::ModelResult
                    || frame.kind == Kind::Completed
            }
            (Service::DevContext, Kind::AnalysisFailed) => frame.retryable != Some(true),
            (Service::DevContext, kind) => kind == Kind::InterviewComplete,
            (Service::Saga, _) => false,
        }
    }
}

const fn name_text(name: Name) -> &'static str {
    names::text(name)
}

/// Whether a frame is news of a topic, not an answer.
const fn is_news(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::SessionStatus
            | Kind::SessionUploadProgress
            | Kind::Progress
            | Kind::ModelResult
            | Kind::Clarification
            | Kind::Completed
            | Kind::StoryUploaded
            | Kind::StoryProcessing
            | Kind::StoryProcessed
            | Kind::ExportStarted
            | Kind::ExportProgress
            | Kind::ExportReady
            | Kind::ExportFailed
            | Kind::StageCompleted
            | Kind::AnalysisFailed
            | Kind::NextQuestion
            | Kind::FollowUpQuestion
            | Kind::InterviewComplete
    )
}
