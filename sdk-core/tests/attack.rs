//! Attempts to break the client: inputs that nobody sends on purpose, and moments that nobody plans.
#![cfg(feature = "native")]
#![expect(clippy::disallowed_methods, reason = "real sockets take real time")]

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use steadfast::client::{Handle, Options, Subscription, TopicEvent};
use steadfast::{
    Command, CommandId, Config, ConnectionState, Endpoint, Event, HostCaps, Input, Machine, Now, Output,
    Request, Service, SocketId, SubscriptionState, Token, TokenError, TokenSource, WhyKind, messages,
};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

// --- a machine and its outputs --------------------------------------------------------------------------------------

struct Rig {
    machine: Machine,
    service: Service,
    now: Now,
    outputs: Vec<Output>,
}

impl Rig {
    fn new(config: Config) -> Self {
        let service = config.service;
        let machine = Machine::new(config, HostCaps::NATIVE).unwrap();
        Self { machine, service, now: Now { mono: 1_000, unix: 1_767_225_600_000 }, outputs: Vec::new() }
    }

    fn dev(service: Service) -> Self {
        let mut config = Config::new(service, Endpoint::Development);
        config.token = TokenSource::Static(Token::read("opaque-token-of-some-length-0123456789"));
        Self::new(config)
    }

    fn take(&mut self, input: Input) -> &mut Self {
        self.machine.handle(self.now, input);
        self.drain()
    }

    fn drain(&mut self) -> &mut Self {
        while let Some(output) = self.machine.poll() {
            self.outputs.push(output);
        }
        self
    }

    fn frame(&mut self, socket: SocketId, text: &str) -> u32 {
        let verdict = match messages::read(self.service, text) {
            Ok(frame) => self.machine.frame(self.now, socket, text.len(), frame.head, &frame.envelope()).0,
            Err(violation) => {
                self.machine.handle(self.now, Input::Malformed(socket, violation));
                0
            }
        };
        self.drain();
        verdict
    }

    fn pass(&mut self, ms: u64) -> &mut Self {
        self.now.mono += ms;
        self.now.unix += ms;
        self.take(Input::Tick)
    }

    fn subscribe(&mut self, topic: &str) -> &mut Self {
        self.take(Input::Command(CommandId(1), Command::Subscribe { topic: topic.into(), keep: false }))
    }

    /// Opens the socket that was asked for last and shakes hands.
    fn open(&mut self) -> SocketId {
        let socket = self.outputs.iter().rev().find_map(|output| match output {
            Output::Open(socket, _) => Some(*socket),
            _ => None,
        });
        let socket = socket.unwrap();
        self.take(Input::Opened(socket));
        if matches!(self.service, Service::Saga | Service::DocProc) {
            self.frame(
                socket,
                r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}"#,
            );
            self.frame(socket, r#"40{"sid":"b"}"#);
        }
        socket
    }
}

// --- configuration --------------------------------------------------------------------------------------------------

#[test]
fn a_url_that_no_host_can_dial_is_refused_at_the_start() {
    for url in [
        "ws://localhost:99999/ws",
        "ws://localhost:8o80/ws",
        "ws://localhost:-1/ws",
        "ws://[::1]x:80/ws",
        "ws://[::1/ws",
        "wss://mün.de/ws",
        "ws://localhost:80:80/",
        "wss://ho\\st/",
        "wss://ho\"st/",
    ] {
        let config = Config::new(Service::Charisma, Endpoint::Url(url.into()));
        let error = Machine::new(config, HostCaps::NATIVE).err();
        assert_eq!(error.map(|error| error.field), Some("endpoint"), "{url}");
    }
    for url in [
        "ws://localhost:/ws",
        "wss://h:443/a%20b?c=%C3%A9",
        "ws://[::1]:80",
        "wss://xn--mn-yka.de",
        "wss://a_b.de/~x/(y)",
        "wss://host/w\u{e9}",
        "wss://host/a<b>?c=\u{e9}",
    ] {
        let config = Config::new(Service::Charisma, Endpoint::Url(url.into()));
        assert!(Machine::new(config, HostCaps::NATIVE).is_ok(), "{url}");
    }
}

#[test]
fn the_longest_durations_are_legal_and_overflow_nothing() {
    let max = Duration::MAX;
    for service in Service::ALL {
        let mut config = Config::new(service, Endpoint::Development);
        config.token = TokenSource::Provider;
        let r = &mut config.reconnect;
        (r.base_delay, r.max_delay, r.dial_timeout, r.handshake_timeout) = (max, max, max, max);
        (r.stable_after, r.max_retry_after, r.restart_spread) = (max, max, max);
        let t = &mut config.timings;
        t.silence_limit = Some(max);
        (t.hidden_silence_limit, t.ping_interval, t.pong_timeout, t.probe_timeout) = (max, max, max, max);
        (t.browser_probe_interval, t.overdue_grace, t.clock_jump, t.background_grace) = (max, max, max, max);
        (t.confirm_timeout, t.linger, t.command_timeout, t.token_timeout) = (max, max, max, max);
        (t.refresh_margin, t.refresh_interval, t.completion_wait, t.rotate_after) = (max, max, max, max);
        (t.drain_limit, t.close_after_end, t.wake_interval) = (max, max, max);
        let mut rig = Rig::new(config);
        rig.subscribe("s1");
        let token = Token { text: "t".into(), expires_at: Some(u64::MAX) };
        rig.take(Input::Token(1, Ok(token)));
        let socket = rig.open();
        rig.take(Input::Visibility(steadfast::Visibility::Background)).pass(10_000);
        rig.take(Input::Visibility(steadfast::Visibility::Visible));
        rig.take(Input::Closed(
            socket,
            steadfast::DisconnectReason::Http { status: 503, retry_after: Some(u64::MAX) },
        ));
        rig.pass(u64::MAX / 8).pass(u64::MAX / 8);
        rig.take(Input::Command(CommandId(7), Command::Unsubscribe { topic: "s1".into() }));
        drop(rig.machine.diagnose());
    }
}

// --- secrets --------------------------------------------------------------------------------------------------------

#[test]
fn half_a_token_at_the_end_of_an_excerpt_is_blotted_out() {
    let mut rig = Rig::dev(Service::Charisma);
    rig.subscribe("s1");
    let socket = rig.open();
    for front in 200..256 {
        let text = format!("{}opaque-token-of-some-length-0123456789 is not known", "x".repeat(front));
        rig.frame(socket, &text);
    }
    for output in &rig.outputs {
        if let Output::Event(Event::ProtocolViolation(violation)) = output {
            assert!(!violation.excerpt.contains("opaque"), "{}", violation.excerpt);
        }
    }
}

// --- tokens ---------------------------------------------------------------------------------------------------------

#[test]
fn a_token_that_can_be_no_header_is_the_providers_failure() {
    for bad in ["", "abc\n", "a b", "t\u{f6}ken", "a\0"] {
        let mut config = Config::new(Service::Charisma, Endpoint::Development);
        config.token = TokenSource::Provider;
        let mut rig = Rig::new(config);
        rig.subscribe("s1").take(Input::Token(1, Ok(Token::read(bad))));
        assert!(!rig.outputs.iter().any(|output| matches!(output, Output::Open(..))), "{bad:?} was used");
        let ConnectionState::Waiting { why, .. } = rig.machine.state() else {
            panic!("{:?}", rig.machine.state())
        };
        assert_eq!(why.kind, WhyKind::TokenProvider);
    }
}

// --- Socket.IO ------------------------------------------------------------------------------------------------------

#[test]
fn a_binary_event_of_another_namespace_is_not_delivered() {
    let mut rig = Rig::dev(Service::DocProc);
    rig.subscribe("s1");
    let socket = rig.open();
    let verdict =
        rig.frame(socket, r#"451-/other,["progress",{"sessionId":"s1","b":{"_placeholder":true,"num":0}}]"#);
    assert_eq!(verdict & (steadfast::Verdict::DELIVER | steadfast::Verdict::HOLD), 0);
    let before = rig.outputs.len();
    rig.take(Input::Binary(socket, 3));
    assert_eq!(rig.outputs.len(), before, "its part belongs to it: {:?}", &rig.outputs[before..]);
}

// --- bounds ---------------------------------------------------------------------------------------------------------

#[test]
fn interviews_that_nobody_began_are_not_kept_without_bound() {
    let mut rig = Rig::dev(Service::DevContext);
    rig.subscribe("a1");
    let socket = rig.open();
    for n in 0..5_000 {
        rig.frame(socket, &format!(r#"{{"type":"interview_started","timestamp":"2026-01-01T00:00:00Z","payload":{{"sessionId":"i{n}","analysisId":"a1"}}}}"#));
    }
    assert!(rig.machine.topics().count() < 200, "{}", rig.machine.topics().count());
}

#[test]
fn stages_told_again_and_again_do_not_pile_up_requests() {
    let mut config = Config::new(Service::DevContext, Endpoint::Development);
    config.fetch_on_stage = true;
    let mut rig = Rig::new(config);
    rig.subscribe("a1");
    let socket = rig.open();
    rig.frame(socket, r#"{"type":"subscription_confirmed","timestamp":"2026-01-01T00:00:00Z","payload":{"analysisId":"a1"},"requestId":"sf-1"}"#);
    for n in 0..1_000 {
        rig.frame(socket, &format!(r#"{{"type":"stage_completed","timestamp":"2026-01-01T00:{:02}:{:02}Z","payload":{{"analysisId":"a1","stage":"repository_metrics","progress":33}}}}"#, n / 60, n % 60));
    }
    let requests = rig.outputs.iter().filter(|output| matches!(output, Output::Http(..))).count();
    assert!((1..=8).contains(&requests), "{requests}");
}

// --- any frame ------------------------------------------------------------------------------------------------------

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn value(&mut self, depth: usize) -> String {
        match self.roll(if depth > 2 { 11 } else { 13 }) {
            0 => "null".into(),
            1 => "true".into(),
            2 => self
                .pick(&[
                    "0",
                    "-1",
                    "1e308",
                    "-1e308",
                    "99999999999999999999999",
                    "0.5",
                    "1e400",
                    "33",
                    "-0.0",
                    "1e-400",
                ])
                .into(),
            3..=5 => format!("{:?}", self.pick(&["s1", "a1", "s2", "", "i1", "q1", "x"])),
            6 => format!(
                "{:?}",
                self.pick(&[
                    "2026-01-01T00:00:00Z",
                    "9999-12-31T23:59:60.9999999999999999999999Z",
                    "0000-01-01",
                    "x",
                    "2026-01-01T24:59:60+23:59"
                ])
            ),
            7 => format!(
                "{:?}",
                self.pick(&[
                    "ACTIVE",
                    "COMPLETED",
                    "processed",
                    "failed",
                    "FAILED",
                    "complete",
                    "error",
                    "uploading",
                    "pending",
                    "answered",
                    "repository_metrics"
                ])
            ),
            8 => format!(
                "{:?}",
                self.pick(&[
                    "UNAUTHORIZED",
                    "TOKEN_EXPIRED",
                    "RATE_LIMIT_EXCEEDED",
                    "PROJECT_ACCESS_DENIED",
                    "SESSION_NOT_FOUND",
                    "forbidden",
                    "sf-1",
                    "sf-2",
                    "sf-3",
                    "sf-18446744073709551616"
                ])
            ),
            9 => r#""\ud800""#.into(),
            10 => r#""\u0000é😀""#.into(),
            11 => {
                let items: Vec<_> = (0..self.roll(4)).map(|_| self.value(depth + 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => self.object(depth + 1),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        const KEYS: [&str; 44] = [
            "type",
            "timestamp",
            "payload",
            "requestId",
            "sessionId",
            "session_id",
            "analysisId",
            "projectId",
            "status",
            "progress",
            "code",
            "error",
            "message",
            "retryable",
            "stage",
            "completedStages",
            "currentStatus",
            "questionId",
            "storyId",
            "exportId",
            "story",
            "id",
            "interaction",
            "modelName",
            "clarificationId",
            "result",
            "canResume",
            "dataAvailable",
            "estimated_time_remaining",
            "sequence",
            "question",
            "evaluation",
            "data",
            "sid",
            "connectionId",
            "analysisProgress",
            "uploadProgress",
            "ocrResult",
            "provider",
            "pingInterval",
            "pingTimeout",
            "_placeholder",
            "num",
            "token",
        ];
        let fields: Vec<_> =
            (0..self.roll(9)).map(|_| format!("{:?}:{}", self.pick(&KEYS), self.value(depth))).collect();
        format!("{{{}}}", fields.join(","))
    }

    fn frame(&mut self, service: Service, names: &[&str]) -> String {
        let name = self.pick(names);
        let mut text = match service {
            Service::Saga | Service::DocProc => {
                let head = self.pick(&[
                    "42", "42", "42", "42", "4217", "451-", "452-", "42/x,", "43", "44", "41", "40", "0",
                    "1", "2", "3", "4", "5", "6", "46", "451-/x,", "42/,",
                ]);
                match head {
                    "44" | "40" | "0" => format!("{head}{}", self.object(0)),
                    "1" | "2" | "3" | "5" | "6" | "41" => head.into(),
                    _ => format!("{head}[{name:?},{}]", self.object(0)),
                }
            }
            Service::DevContext => format!(
                r#"{{"type":{name:?},"timestamp":"2026-01-01T00:00:{:02}Z","payload":{},"requestId":"sf-{}"}}"#,
                self.roll(60),
                self.object(0),
                self.roll(12)
            ),
            _ => {
                let mut object = self.object(0);
                object.insert_str(
                    1,
                    &format!(
                        "\"type\":{name:?},\"sessionId\":\"s1\",\"session_id\":\"s1\"{}",
                        if object.len() > 2 { "," } else { "" }
                    ),
                );
                object
            }
        };
        match self.roll(12) {
            0 => text.truncate(
                (0..=self.roll(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0),
            ),
            1 => text
                .insert(0, self.pick(&["{", "\u{feff}", "9", " ", "4", "[", "\0"]).chars().next().unwrap()),
            _ => {}
        }
        text
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "half of them are names")]
fn no_frame_at_any_moment_makes_it_panic_or_loop() {
    const NAMES: &[&str] = &[
        "authenticated",
        "subscribed",
        "unsubscribed",
        "session_upload_progress",
        "session_status",
        "session_error",
        "error",
        "ping",
        "pong",
        "progress",
        "joined_project",
        "left_project",
        "story_uploaded",
        "story_processing",
        "story_processed",
        "transcript_updated",
        "interaction_added",
        "interaction_updated",
        "export_started",
        "export_progress",
        "export_ready",
        "export_failed",
        "server_shutdown",
        "connected",
        "model_result",
        "clarification",
        "completed",
        "subscription_confirmed",
        "unsubscription_confirmed",
        "stage_completed",
        "analysis_failed",
        "interview_started",
        "answer_evaluated",
        "interview_paused",
        "interview_resumed",
        "follow_up_question",
        "next_question",
        "interview_complete",
        "nonsense",
    ];
    let rounds: u64 = std::env::var("ATTACK_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    for service in Service::ALL {
        for round in 0..rounds {
            let mut dice = Dice(round * 77 + service as u64);
            let mut config = Config::new(service, Endpoint::Development);
            config.token = TokenSource::Provider;
            config.seed = round;
            config.fetch_on_stage = round % 2 == 0;
            let mut rig = Rig::new(config);
            rig.subscribe("s1");
            rig.take(Input::Command(
                CommandId(2),
                Command::Subscribe { topic: "a1".into(), keep: round % 3 == 0 },
            ));
            let mut sockets = Vec::new();
            let mut ids = 100;
            for _ in 0..120 {
                let outputs = std::mem::take(&mut rig.outputs);
                assert!(outputs.len() < 400, "{} outputs at once", outputs.len());
                for output in outputs {
                    match output {
                        Output::Open(socket, _) => {
                            sockets.push(socket);
                            if dice.roll(4) > 0 {
                                rig.take(Input::Opened(socket));
                                if matches!(service, Service::Saga | Service::DocProc) && dice.roll(5) > 0 {
                                    rig.frame(socket, r#"0{"sid":"a","upgrades":[],"pingInterval":0,"pingTimeout":4294967295,"maxPayload":1000000}"#);
                                    rig.frame(socket, r#"40{"sid":"b"}"#);
                                }
                            }
                        }
                        Output::FetchToken { generation, .. } => {
                            let token = Token {
                                text: format!("t{}", dice.roll(5)).into(),
                                expires_at: [None, Some(0), Some(rig.now.unix + 11_000), Some(u64::MAX)]
                                    [dice.roll(4)],
                            };
                            rig.take(Input::Token(
                                generation,
                                if dice.roll(6) == 0 {
                                    Err(TokenError::Unavailable("no".into()))
                                } else {
                                    Ok(token)
                                },
                            ));
                        }
                        _ => {}
                    }
                }
                let socket = sockets.get(dice.roll(sockets.len().max(1))).copied().unwrap_or(SocketId(1));
                match dice.roll(24) {
                    0..=12 => {
                        let text = dice.frame(service, NAMES);
                        rig.frame(socket, &text);
                    }
                    13 => drop(rig.take(Input::Binary(socket, dice.roll(9)))),
                    14 => drop(rig.take(Input::Closed(
                        socket,
                        steadfast::DisconnectReason::Closed {
                            code: dice.roll(65_536) as u16,
                            reason: dice.pick(&["", "replaced", "Session not found", "Ping timeout"]).into(),
                        },
                    ))),
                    15 => drop(rig.take(Input::Closed(
                        socket,
                        steadfast::DisconnectReason::Http {
                            status: (dice.roll(700)) as u16,
                            retry_after: Some(u64::MAX),
                        },
                    ))),
                    16 => {
                        ids += 1;
                        let request = match dice.roll(6) {
                            0 => Request::Ping,
                            1 => Request::ResumeInterview { session_id: "s1".into() },
                            2 => Request::SubmitAnswer {
                                session_id: "i1".into(),
                                question_id: "q1".into(),
                                answer: "a".into(),
                            },
                            3 => Request::StartInterview {
                                analysis_id: "a1".into(),
                                session_type: steadfast::SessionType::Live,
                            },
                            4 => Request::Authenticate,
                            _ => Request::SendRaw { kind: "k".into(), payload: "{}".into() },
                        };
                        rig.take(Input::Command(
                            CommandId(ids),
                            Command::Request(request, steadfast::Delivery::WaitReady { ttl: u64::MAX }),
                        ));
                    }
                    17 => drop(rig.take(Input::Command(CommandId(3), Command::Connect))),
                    18 => {
                        // The wall clock jumps anywhere.
                        rig.now.unix =
                            [0, 1, 1_767_225_600_000, 4_102_444_800_000, u64::MAX / 4][dice.roll(5)];
                        rig.take(Input::Tick);
                    }
                    19 => drop(rig.take(Input::Network(if dice.roll(2) == 0 {
                        steadfast::Reachability::Offline
                    } else {
                        steadfast::Reachability::Online
                    }))),
                    _ => {
                        let ms = [1, 1_000, 11_000, 61_000, 3_700_000][dice.roll(5)];
                        rig.pass(ms);
                    }
                }
                // A deadline that is not kept by a tick would be a busy loop.
                for _ in 0..30 {
                    let Some(due) = rig.machine.deadline().filter(|due| *due <= rig.now.mono) else { break };
                    rig.take(Input::Tick);
                    assert!(
                        rig.machine.deadline() != Some(due),
                        "{service}: the deadline {due} stays in the past"
                    );
                }
                drop(rig.machine.diagnose());
                let json = rig.machine.diagnose();
                drop(format!("{json:?}"));
            }
            rig.take(Input::Command(CommandId(9), Command::Shutdown));
            assert_eq!(rig.machine.deadline(), None);
        }
    }
}

// --- a real server --------------------------------------------------------------------------------------------------

type Peer = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

/// A server that does this with every connection; gives its URL.
async fn server<F>(serve: impl Fn(Peer) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://127.0.0.1:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(peer) = tokio_tungstenite::accept_async(stream).await {
                tokio::spawn(serve(peer));
            }
        }
    });
    url
}

/// A DocProc that confirms, and then sends these frames for each subscription.
async fn docproc(frames: Vec<String>) -> String {
    server(move |mut peer| {
        let frames = frames.clone();
        async move {
            let open =
                r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}"#;
            let _ = peer.send(Message::text(open)).await;
            while let Some(Ok(message)) = peer.next().await {
                let Ok(text) = message.to_text() else { continue };
                if text.starts_with("40") {
                    let _ = peer.send(Message::text(r#"40{"sid":"b"}"#)).await;
                } else if text.starts_with("42[\"subscribe\"") {
                    let _ = peer.send(Message::text(r#"42["subscribed",{"sessionId":"s1"}]"#)).await;
                    for frame in &frames {
                        let _ = peer.send(Message::text(frame.as_str())).await;
                    }
                }
            }
        }
    })
    .await
}

fn progress(status: &str, n: usize) -> String {
    format!(
        r#"42["progress",{{"sessionId":"s1","status":"{status}","progress":{n},"timestamp":"2026-01-01T00:{:02}:{:02}Z"}}]"#,
        n / 60,
        n % 60
    )
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), future).await.expect("it takes too long")
}

async fn all(subscription: &mut Subscription) -> Vec<TopicEvent> {
    let mut events = Vec::new();
    while let Some(event) = soon(subscription.next()).await {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn a_message_may_take_for_ever() {
    let url = server(|mut peer| async move {
        // Half a message.
        use tokio::io::AsyncWriteExt;
        let _ = peer.get_mut().write_all(&[0x81, 5, b'{']).await;
        sleep(Duration::from_secs(60)).await;
    })
    .await;
    let mut options = Options::new(Service::Charisma, Endpoint::Url(url)).token("t");
    options.native.message_time = Duration::MAX;
    let handle = Handle::new(options).unwrap();
    let mut events = handle.events();
    handle.connect();
    soon(handle.ready()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert!(matches!(handle.state(), ConnectionState::Ready { .. }), "{:?}", handle.state());
    let mut rest = Box::pin(async { while events.next().await.is_some() {} });
    assert!(timeout(Duration::from_millis(50), &mut rest).await.is_err(), "its task has died");
}

#[tokio::test]
async fn a_buffer_that_fits_into_no_memory_is_refused() {
    let mut options = Options::new(Service::Charisma, Endpoint::Development).token("t");
    options.native.read_buffer = usize::MAX;
    assert_eq!(Handle::new(options).err().map(|error| error.field), Some("read_buffer"));
}

#[tokio::test]
async fn a_slow_reader_still_gets_the_end_that_is_in_the_ring() {
    let mut frames: Vec<_> = (0..200).map(|n| progress("PROCESSING", n)).collect();
    frames.push(
        r#"42["completed",{"sessionId":"s1","result":{"a":1},"timestamp":"2026-01-01T01:00:00Z"}]"#.into(),
    );
    let mut options = Options::new(Service::DocProc, Endpoint::Url(docproc(frames).await));
    options.ring_events = 16;
    let handle = Handle::new(options).unwrap();
    let mut subscription = handle.subscribe("s1").unwrap();
    while !handle.snapshot("s1").is_some_and(|snapshot| snapshot.terminal) {
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(50)).await;
    let events = all(&mut subscription).await;
    assert!(matches!(events.first(), Some(TopicEvent::Lagged { .. })), "{events:#?}");
    assert!(
        events
            .iter()
            .any(|event| matches!(event, TopicEvent::Message(message) if message.data.name() == "completed")),
        "{events:#?}"
    );
    let ends =
        events.iter().filter(|event| matches!(event, TopicEvent::State(SubscriptionState::Ended))).count();
    assert_eq!(ends, 1, "{events:#?}");
}

#[tokio::test]
async fn the_end_of_an_old_subscription_does_not_end_a_new_one() {
    let url = docproc(vec![progress("PROCESSING", 1), progress("COMPLETED", 2)]).await;
    let handle = Handle::new(Options::new(Service::DocProc, Endpoint::Url(url))).unwrap();
    let mut old = handle.subscribe("s1").unwrap();
    soon(old.live()).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    // The runtime stands still until the end that is held back is due, and the app is the first to notice.
    std::thread::sleep(Duration::from_millis(2_200));
    handle.connect();
    assert_eq!(old.state(), SubscriptionState::Ended);
    let mut new = handle.subscribe("s1").unwrap();
    assert_ne!(new.state(), SubscriptionState::Ended);
    let first = soon(new.next()).await;
    assert!(
        !matches!(first, Some(TopicEvent::Message(_) | TopicEvent::State(SubscriptionState::Ended))),
        "{first:?}"
    );
    assert!(
        all(&mut old).await.iter().any(|event| matches!(event, TopicEvent::State(SubscriptionState::Ended)))
    );
}

/// A waker of an executor that goes on at once, on the thread that wakes it.
struct Inline(Handle, Mutex<u32>);

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        drop(self.0.stats());
        *self.1.lock().unwrap() += 1;
    }
}

#[test]
fn a_waker_may_use_the_client() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let url = runtime.block_on(docproc(Vec::new()));
    let handle =
        Handle::on(Options::new(Service::DocProc, Endpoint::Url(url)), runtime.handle().clone()).unwrap();
    let subscription = handle.subscribe("s1").unwrap();
    let inline = Arc::new(Inline(handle.clone(), Mutex::new(0)));
    let waker = Waker::from(Arc::clone(&inline));
    let mut ready = Box::pin(handle.ready());
    let mut live = Box::pin(subscription.live());
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut cx = Context::from_waker(&waker);
            let _ = ready.as_mut().poll(&mut cx);
            let _ = live.as_mut().poll(&mut cx);
            let end = std::time::Instant::now() + Duration::from_secs(5);
            while std::time::Instant::now() < end {
                std::thread::sleep(Duration::from_millis(20));
                if matches!(live.as_mut().poll(&mut cx), Poll::Ready(Ok(()))) {
                    send.send(()).unwrap();
                    return;
                }
            }
        });
        if receive.recv_timeout(Duration::from_secs(6)).is_err() {
            eprintln!("the client waits for itself");
            std::process::abort();
        }
    });
    drop(runtime);
}

#[test]
fn a_client_whose_runtime_is_gone_says_that_it_is_closed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = runtime.block_on(docproc(Vec::new()));
    let handle =
        Handle::on(Options::new(Service::DocProc, Endpoint::Url(url)), runtime.handle().clone()).unwrap();
    let mut subscription = handle.subscribe("s1").unwrap();
    runtime.block_on(async { soon(subscription.live()).await.unwrap() });
    drop(runtime);
    assert_eq!(handle.state(), ConnectionState::Closed);
    let rest = futures_executor(async {
        let mut last = None;
        while let Some(event) = subscription.next().await {
            last = Some(event);
        }
        last
    });
    drop(rest);
    // None of this does anything, keeps anything, or hangs.
    for n in 0..1_000 {
        handle.connect();
        drop(handle.subscribe(format!("t{n}")).unwrap());
    }
    futures_executor(handle.shutdown());
    assert!(futures_executor(handle.ready()).is_err());
}

/// Runs a future that needs no runtime.
fn futures_executor<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::noop();
    let mut future = Box::pin(future);
    for _ in 0..10_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(waker)) {
            return value;
        }
    }
    panic!("it waits for a runtime that is gone");
}

#[test]
fn many_threads_use_one_client_and_every_wait_ends() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let url = runtime.block_on(docproc(vec![progress("PROCESSING", 1)]));
    for _ in 0..20 {
        let handle =
            Handle::on(Options::new(Service::DocProc, Endpoint::Url(url.clone())), runtime.handle().clone())
                .unwrap();
        let tasks: Vec<_> = (0..16)
            .map(|n| {
                let handle = handle.clone();
                runtime.spawn(async move {
                    for m in 0..20 {
                        let mut subscription = handle.subscribe("s1").unwrap();
                        let mut events = handle.events();
                        match (n + m) % 5 {
                            0 => drop(timeout(Duration::from_millis(2), subscription.live()).await),
                            1 => drop(timeout(Duration::from_millis(2), subscription.next()).await),
                            2 => drop(timeout(Duration::from_millis(2), events.next()).await),
                            3 => drop(handle.send_raw("k", "{}").await),
                            _ => handle.background(),
                        }
                        handle.foreground();
                    }
                })
            })
            .collect();
        let closing = handle.clone();
        runtime.block_on(async {
            sleep(Duration::from_millis(15)).await;
            soon(closing.shutdown()).await;
            for task in tasks {
                soon(task).await.unwrap();
            }
        });
        drop(handle);
    }
}

#[test]
fn waiting_costs_no_time_of_the_processor() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = docproc(Vec::new()).await;
        let ready = Handle::new(Options::new(Service::DocProc, Endpoint::Url(url))).unwrap();
        let _subscription = ready.subscribe("s1").unwrap();
        soon(ready.ready()).await.unwrap();
        // Nobody listens there: this one waits for its next attempt.
        let waiting =
            Handle::new(Options::new(Service::Saga, Endpoint::Url("http://127.0.0.1:9".into())).token("t"))
                .unwrap();
        waiting.connect();
        let hangs = Options::new(Service::Charisma, Endpoint::Url("ws://127.0.0.1:9".into()))
            .token_provider(|_: bool| std::future::pending::<Result<String, TokenError>>());
        let hanging = Handle::new(hangs).unwrap();
        hanging.connect();
        sleep(Duration::from_millis(300)).await;
        let before = cpu_time::ThreadTime::now();
        sleep(Duration::from_secs(2)).await;
        let used = before.elapsed();
        assert!(used < Duration::from_millis(40), "{used:?} of two seconds");
    });
}

/// A server may say much in few messages: what the ring keeps of it is counted by its size.
#[tokio::test]
async fn long_notices_do_not_fill_the_memory() {
    let url = server(|mut peer| async move {
        for n in 0..40 {
            let text = format!("{n}{}", "x".repeat(300_000));
            let frame = format!(
                r#"{{"type":"session_error","error":{{"code":"INVALID_MESSAGE","message":"{text}"}}}}"#
            );
            let _ = peer.send(Message::text(frame)).await;
        }
        sleep(Duration::from_secs(20)).await;
    })
    .await;
    let handle = Handle::new(Options::new(Service::Charisma, Endpoint::Url(url)).token("t")).unwrap();
    let mut events = handle.events();
    handle.connect();
    soon(async {
        while handle.stats().frames_in < 40 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let (mut kept, mut notices) = (0, 0);
    while let Ok(Some(event)) = timeout(Duration::from_millis(200), events.next()).await {
        match event {
            steadfast::client::Event::Notice { text, .. } => {
                (kept, notices) = (kept + text.len(), notices + 1);
            }
            steadfast::client::Event::Message(message) => kept += message.raw.as_str().len(),
            _ => {}
        }
    }
    assert!(notices > 0 && kept <= 2 * 1024 * 1024, "{notices} notices, {kept} bytes");
}

#[test]
fn a_request_with_a_token_that_looks_expired_is_sent_and_the_provider_left_alone() {
    let mut config = Config::new(Service::DocProc, Endpoint::Development);
    config.token = TokenSource::Provider;
    let mut rig = Rig::new(config);
    let request = Request::Session { session_id: "s1".into() };
    let delivery = steadfast::Delivery::WaitReady { ttl: 30_000 };
    rig.take(Input::Command(CommandId(5), Command::Request(request, delivery)));
    let mut asked = 0;
    for _ in 0..10 {
        let outputs = std::mem::take(&mut rig.outputs);
        for output in outputs {
            match output {
                Output::FetchToken { generation, .. } => {
                    asked += 1;
                    let token = Token { text: "old".into(), expires_at: Some(1_000) };
                    rig.take(Input::Token(generation, Ok(token)));
                }
                Output::Http(..) => {
                    assert_eq!(asked, 1);
                    return;
                }
                _ => {}
            }
        }
    }
    panic!("asked {asked} times and sent nothing");
}

#[test]
fn tokens_that_live_for_seconds_hold_nothing_up_for_ever() {
    let mut config = Config::new(Service::Charisma, Endpoint::Development);
    config.token = TokenSource::Provider;
    let mut rig = Rig::new(config);
    rig.subscribe("s1");
    let mut sent = false;
    for n in 0..600 {
        let outputs = std::mem::take(&mut rig.outputs);
        for output in outputs {
            match output {
                Output::FetchToken { generation, .. } => {
                    let token =
                        Token { text: format!("t{n}").into(), expires_at: Some(rig.now.unix + 8_000) };
                    rig.take(Input::Token(generation, Ok(token)));
                }
                Output::Open(socket, _) => drop(rig.take(Input::Opened(socket))),
                Output::Send(socket, text) if text.expose().contains("authenticate") => {
                    rig.frame(socket, r#"{"type":"authenticated"}"#);
                }
                Output::Send(_, text) => sent |= text.expose().contains("subscribe"),
                _ => {}
            }
        }
        rig.pass(100);
    }
    assert!(sent, "a minute has passed");
}

#[tokio::test]
async fn what_is_sent_raw_is_one_json_value_whichever_way_it_is_asked() {
    let url = docproc(Vec::new()).await;
    let handle = Handle::new(Options::new(Service::DocProc, Endpoint::Url(url))).unwrap();
    handle.connect();
    soon(handle.ready()).await.unwrap();
    for payload in ["1],[2", "{", "{}{}", "\u{1}"] {
        let request = Request::SendRaw { kind: "k".into(), payload: payload.into() };
        let error = soon(handle.request(request)).await.err().map(|error| error.kind);
        assert_eq!(error, Some(steadfast::CommandErrorKind::Invalid), "{payload}");
    }
    soon(handle.request(Request::SendRaw { kind: "k".into(), payload: " {} ".into() })).await.unwrap();
    soon(handle.request(Request::SendRaw { kind: "k".into(), payload: "".into() })).await.unwrap();
}

#[tokio::test]
async fn what_readers_skip_is_counted() {
    let frames: Vec<_> = (0..200).map(|n| progress("PROCESSING", n)).collect();
    let mut options = Options::new(Service::DocProc, Endpoint::Url(docproc(frames).await));
    options.ring_events = 16;
    let handle = Handle::new(options).unwrap();
    let mut subscription = handle.subscribe("s1").unwrap();
    while handle.stats().frames_in < 200 {
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(50)).await;
    let Some(TopicEvent::Lagged { skipped }) = soon(subscription.next()).await else { panic!() };
    assert_eq!(handle.stats().skipped, skipped);
    let before = subscription.position();
    soon(subscription.next()).await;
    assert!(before > 0 && subscription.position() >= before);
}

#[tokio::test]
async fn an_ipv6_address_is_a_host() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut peer = tokio_tungstenite::accept_async(stream).await.unwrap();
        while peer.next().await.is_some() {}
    });
    let handle =
        Handle::new(Options::new(Service::Charisma, Endpoint::Url(format!("ws://[::1]:{port}"))).token("t"))
            .unwrap();
    handle.connect();
    soon(handle.ready()).await.unwrap();
}
