//! Any frame at any moment.

use steadfast::{
    Command, CommandId, Config, Endpoint, Input, Output, Request, Service, SocketId, Token, TokenError,
    TokenSource,
};

use crate::rig::Rig;

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
