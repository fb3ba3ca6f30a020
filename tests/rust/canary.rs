//! A recognisable token goes through all five services and their failures, while everything that can log does so at
//! its loudest: it is in no log, no `Debug`, no error, no diagnosis and no excerpt. [rules §2.15]

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use steadfast::client::{Event, Handle, Options};
use steadfast::{AuthMode, Endpoint, Request, Secret, Service, TokenError};
use steadfast_mock_server::{AuthMode as MockAuth, MockServer, Options as MockOptions};
use steadfast_tests::{Log, advance, fault, hasten, live, mock_service, now, within};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

const TOKEN: &str = "canary-7f3a9c51e2";
/// What the mock runs in: what a server logs is not looked at.
const SERVER: &str = "mock";

/// Set while the server itself says the token: then tungstenite's TRACE, which shows what a server sent, is not read.
static ECHO: AtomicBool = AtomicBool::new(false);
static LOG: Mutex<String> = Mutex::new(String::new());

fn note(line: std::fmt::Arguments<'_>) {
    if std::thread::current().name() == Some(SERVER) {
        return;
    }
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(log, "{line}").unwrap();
}

/// Writes down everything that is said through `log` or `tracing`, at every level.
struct Ear;

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        if !(ECHO.load(Ordering::SeqCst) && record.target().starts_with("tungstenite")) {
            note(format_args!("{} {}: {}", record.level(), record.target(), record.args()));
        }
    }
    fn flush(&self) {}
}

struct Fields;

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        note(format_args!("  {field} = {value:?}"));
    }
}

impl tracing::Subscriber for Ear {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields);
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields);
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        note(format_args!("{} {}", event.metadata().level(), event.metadata().target()));
        event.record(&mut Fields);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A mock on a thread of its own, so that what it logs can be told from what the client does.
fn mock(auth: MockAuth) -> MockServer {
    let (send, receive) = std::sync::mpsc::channel();
    let run = move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().thread_name(SERVER).build().unwrap();
        runtime.block_on(async move {
            let options = MockOptions { auth, ..MockOptions::for_tests() };
            let options = options.with("docproc.auth=on").with("therapybridge.token_ttl=1h");
            send.send(MockServer::start(options).await.unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    };
    std::thread::Builder::new().name(SERVER.into()).spawn(run).unwrap();
    receive.recv().unwrap()
}

fn canary(server: &MockServer, service: Service, auth: AuthMode) -> Options {
    let url = server.service_url(mock_service(service));
    let mut options = hasten(Options::new(service, Endpoint::Url(url)).token(TOKEN));
    options.config.auth = auth;
    options
}

/// Everything about a client that can be shown.
fn show(client: &Handle, events: &[Event]) {
    note(format_args!("{client:?} {:?} {:?}", client.state(), client.stats()));
    let diagnosis = client.diagnose();
    note(format_args!("{} {} {diagnosis:?}", diagnosis.text, diagnosis.json));
    for event in events {
        note(format_args!("{event:?} {}", steadfast_tests::line(event)));
    }
}

/// A whole life: authenticated, renewed, spoilt, closed with the token in the reason, expired.
async fn live_and_fail(server: &MockServer, service: Service, auth: AuthMode) {
    let options = canary(server, service, auth);
    note(format_args!("{options:?} {:?} {:?}", options.config, options.native));
    let client = Handle::new(options).unwrap();
    let mut log = Log::of(&client);
    let subscription = live(&client, "quiet-1").await;
    note(format_args!("{subscription:?}"));
    advance(server, service, "quiet-1");
    let outcomes = [
        client.request(Request::Authenticate).await,
        client.request(Request::Ping).await,
        client.request(Request::ServerStats).await,
        client.request(Request::Session { session_id: "s".into() }).await,
        client.request(Request::Analysis { analysis_id: "a".into() }).await,
        client.request(Request::Login { email: "a@example.com".into(), password: Secret::new(TOKEN) }).await,
        client.send_raw("hello", format!("{{\"token\":\"{TOKEN}\"}}")).await,
    ];
    for outcome in &outcomes {
        note(format_args!("{outcome:?}"));
        if let Err(error) = outcome {
            note(format_args!("{error}"));
        }
    }
    let spoilt = [
        format!("{{\"token\":\"{TOKEN}\""),
        format!("Bearer {TOKEN} {{"),
        format!("42[\"x\",{{\"token\":\"{TOKEN}\""),
        format!("nonsense?token={TOKEN}&x"),
    ];
    ECHO.store(true, Ordering::SeqCst);
    for text in spoilt {
        let kind = steadfast_tests::progress_kind(service);
        fault(
            server,
            json!({"match": {"service": mock_service(service), "type": kind}, "times": 1,
            "action": {"do": "malformed", "text": text}}),
        );
        advance(server, service, "quiet-1");
        log.until("the violation", |event| matches!(event, Event::ProtocolViolation(_))).await;
    }
    client.set_token(format!("{TOKEN}-2"));
    client.set_token(TOKEN);
    for code in [1008, 1011, 4000] {
        let reason = format!("go away, token={TOKEN}");
        now(server, service, json!({"do": "drop", "code": code, "reason": reason}));
        log.gap("quiet-1").await;
    }
    show(&client, &log.seen);
    ECHO.store(false, Ordering::SeqCst);
    now(server, service, json!({"do": "expire_token"}));
    if service == Service::TherapyBridge {
        log.topic("quiet-1", "refused").await;
    } else {
        log.state("failed").await;
    }
    let error = within("ready", client.ready()).await.unwrap_err();
    note(format_args!("{error:?} {error} {:?} {:?}", subscription.state(), subscription.snapshot()));
    show(&client, &log.seen);
    within("shutdown", client.shutdown()).await;
}

/// Refused at every door, and by a provider that talks too much.
async fn refused(server: &MockServer, service: Service, auth: AuthMode) {
    let bare = canary(server, service, auth);
    let talks = |_: bool| async { Err::<String, _>(TokenError::Unavailable("the login said no".to_owned())) };
    for options in [bare.clone(), bare.token_provider(talks)] {
        let client = Handle::new(options).unwrap();
        let mut log = Log::of(&client);
        let subscription = client.subscribe("quiet-1").unwrap();
        log.until("the refusal", |event| match event {
            Event::State(state) => state.why().is_some(),
            Event::Subscription { state, .. } => state.name() == "refused",
            _ => false,
        })
        .await;
        note(format_args!("{:?}", subscription.state()));
        show(&client, &log.seen);
        within("shutdown", client.shutdown()).await;
    }
    // A URL with a token in it is no good idea, but its errors don't tell.
    let url = format!("ftp://user:{TOKEN}@nowhere/?token={TOKEN}");
    let error = Handle::new(Options::new(service, Endpoint::Url(url)).token(TOKEN)).unwrap_err();
    note(format_args!("{error} {error:?}"));
}

#[tokio::test]
async fn no_token_is_ever_shown() {
    log::set_boxed_logger(Box::new(Ear)).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    tracing::subscriber::set_global_default(Ear).unwrap();
    let (kind, strict) = (mock(MockAuth::Any), mock(MockAuth::Verify));
    kind.set("charisma.second_connection", "allow").unwrap();
    for (service, modes) in [
        (Service::Charisma, &[AuthMode::Header, AuthMode::Query, AuthMode::Message][..]),
        (Service::TherapyBridge, &[AuthMode::Query]),
        (Service::Saga, &[AuthMode::Auto]),
        (Service::DocProc, &[AuthMode::Auto]),
        (Service::DevContext, &[AuthMode::Header, AuthMode::Query, AuthMode::Message, AuthMode::Subprotocol]),
    ] {
        for &auth in modes {
            note(format_args!("--- {service} {auth:?}"));
            live_and_fail(&kind, service, auth).await;
            refused(&strict, service, auth).await;
            // The fault revoked it.
            kind.reset();
            kind.set("charisma.second_connection", "allow").unwrap();
        }
    }
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(log.contains("steadfast") && log.len() > 100_000, "it did listen: {} bytes", log.len());
    let hex = TOKEN.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    });
    let bytes = format!("{:?}", TOKEN.as_bytes());
    for disguise in [TOKEN, hex.as_str(), bytes.trim_matches(['[', ']'])] {
        let shown: Vec<_> = log.lines().filter(|line| line.contains(disguise)).collect();
        let first: Vec<_> =
            shown.iter().take(8).map(|line| line.chars().take(900).collect::<String>()).collect();
        assert!(shown.is_empty(), "{} lines show the token: {first:#?}", shown.len());
    }
}
