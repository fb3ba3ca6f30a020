//! A frame that repeats the one before goes a short way through the machine. What comes of it must be what comes of the
//! long way, which a frame takes after anything else has happened: here, that somebody cancelled what is nobody's.

use steadfast::{CommandId, Input, Service};

use crate::support::World;

/// Chance that can be repeated.
struct Dice(u64);

impl Dice {
    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from[(self.0 >> 33) as usize % from.len()]
    }
}

/// What a frame is made of, beside its topic, its progress and its time.
#[derive(Default)]
struct Parts {
    kind: &'static str,
    status: &'static str,
    text: &'static str,
    rest: &'static str,
}

const fn kinds(service: Service) -> &'static [&'static str] {
    match service {
        Service::Charisma => &[
            "session_upload_progress",
            "session_status",
            "session_status",
            "session_status",
            "session_error",
        ],
        Service::TherapyBridge => &[""],
        Service::DocProc => &["progress", "progress", "progress", "model_result", "clarification"],
        Service::Saga => &["story_processing", "export_progress", "story_uploaded"],
        Service::DevContext => &["stage_completed", "stage_completed", "analysis_failed"],
    }
}

const fn statuses(service: Service) -> &'static [&'static str] {
    match service {
        Service::Charisma => &["uploading", "analysis_in_progress", "verifying_ocr", "resting"],
        Service::TherapyBridge => &["uploading", "transcribing", "transcribed", "resting"],
        Service::DocProc => &["ACTIVE", "PROCESSING", "processing", "pending", "answered"],
        Service::Saga => &["x"],
        // On this service, the stage.
        Service::DevContext => &["project_review", "intelligence_report", "repository_metrics"],
    }
}

/// A frame of one of two topics: mostly like the one before, with another progress.
fn frame(service: Service, dice: &mut Dice, last: &mut Parts) -> String {
    let topic = dice.pick(&["s1", "s2"]);
    let progress = dice.pick(&["0", "0.25", "0.5", "1", "0.75", "30", "99.5", "140", "-1", "null"]);
    let time = dice.pick(&["", "", "05", "06", "07", "08"]);
    // One thing in which it is another.
    match dice.pick(&["kind", "status", "text", "rest", "", "", "", ""]) {
        "kind" => last.kind = dice.pick(kinds(service)),
        "status" => last.status = dice.pick(statuses(service)),
        "text" => last.text = dice.pick(&["", r#","message":"Reading""#, r#","message":"""#]),
        "rest" => {
            last.rest = match service {
                Service::TherapyBridge => dice.pick(&["", r#","estimated_time_remaining":30"#]),
                Service::DocProc => dice.pick(&["", r#","sequence":7"#, r#","sequence":9"#]),
                Service::DevContext => dice.pick(&["", r#","completedStages":["project_review"]"#]),
                _ => dice.pick(&["", r#","retryable":true"#]),
            };
        }
        _ => {}
    }
    let (kind, status, rest) = (last.kind, last.status, format!("{}{}", last.text, last.rest));
    let at = |name: &str| {
        if time.is_empty() { String::new() } else { format!(r#","{name}":"2026-01-01T10:30:{time}.000Z""#) }
    };
    let error = if kind == "session_error" { r#"{"code":"ODD","message":"no"}"# } else { "null" };
    match service {
        Service::Charisma => format!(
            r#"{{"type":"{kind}","sessionId":"{topic}","status":"{status}","error":{error},"progress":{progress}{rest}{}}}"#,
            at("timestamp")
        ),
        Service::TherapyBridge => format!(
            r#"{{"session_id":"{topic}","status":"{status}","progress":{progress}{rest}{}}}"#,
            at("updated_at")
        ),
        Service::Saga => format!(
            r#"42["{kind}",{{"projectId":"{topic}","storyId":"a","exportId":"b","progress":{progress}{rest}{}}}]"#,
            at("timestamp")
        ),
        Service::DocProc => format!(
            r#"42["{kind}",{{"sessionId":"{topic}","status":"{status}","modelName":"m","clarificationId":"c","question":"?","progress":{progress}{rest}{}}}]"#,
            at("timestamp")
        ),
        Service::DevContext => format!(
            r#"{{"type":"{kind}","payload":{{"analysisId":"{topic}","stage":"{status}","progress":{progress}{rest}}}{}}}"#,
            at("timestamp")
        ),
    }
}

/// Three clients of the same server: one whose machine may take the short way, one whose host tells it by numbers alone
/// what is like a frame before, and one whose machine never can.
struct Three {
    service: Service,
    short: World,
    numbers: World,
    long: World,
}

impl Three {
    fn live(service: Service) -> Self {
        let live = |mut world: World| {
            world.subscribe("s1").subscribe("s2").at(15_000);
            assert!(world.is_live("s1") && world.is_live("s2"), "{service}");
            world
        };
        let world = || World::dev(service).obedient();
        Self { service, short: live(world()), numbers: live(world().by_numbers()), long: live(world()) }
    }

    /// All receive a frame; false where none is connected any more.
    fn frame(&mut self, text: &str) -> bool {
        let Self { service, short, numbers, long } = self;
        // On TherapyBridge each topic has its own socket; another's frames are no news there.
        let at = usize::from(text.contains(r#""s2""#)).min(short.sockets().len().saturating_sub(1));
        let Some(&there) = long.sockets().get(at) else { return false };
        long.input(Input::Cancel(CommandId(u32::MAX)));
        let must = long.frame_on(there, text);
        for world in [short, numbers] {
            let said = world.frame_on(world.sockets()[at], text);
            assert_eq!(said, must, "{service}: {text}");
            for topic in ["s1", "s2"] {
                assert_eq!(world.snapshot(topic), long.snapshot(topic), "{service}: {text}");
            }
        }
        true
    }

    fn lose_the_connection(&mut self) {
        for world in [&mut self.short, &mut self.numbers, &mut self.long] {
            world.close(1006, "").advance(5_000);
        }
    }

    fn are_alike(&self) {
        let Self { service, short, numbers, long } = self;
        for world in [short, numbers] {
            assert_eq!(world.delivered, long.delivered, "{service}");
            assert_eq!(world.events, long.events, "{service}");
            assert_eq!(world.sent, long.sent, "{service}");
            assert_eq!(world.machine.stats(), long.machine.stats(), "{service}");
        }
    }
}

#[test]
fn the_short_way_says_what_the_long_way_says() {
    for service in Service::ALL {
        for seed in 0..300 {
            let mut three = Three::live(service);
            let mut dice = Dice(seed);
            let mut last = Parts {
                kind: dice.pick(kinds(service)),
                status: dice.pick(statuses(service)),
                ..Parts::default()
            };
            for step in 0..60 {
                if !three.frame(&frame(service, &mut dice, &mut last)) {
                    break;
                }
                if step % 16 == 15 {
                    // What had been said before a loss is no news after it.
                    three.lose_the_connection();
                }
            }
            three.are_alike();
        }
    }
}

#[test]
fn a_text_that_the_topic_shows_may_be_new_to_its_item() {
    let mut three = Three::live(Service::Charisma);
    let status = |status: &str, text: &str| {
        format!(r#"{{"type":"session_status","sessionId":"s1","status":"{status}","progress":0.5{text}}}"#)
    };
    let text = r#","message":"Reading""#;
    three.frame(&status("uploading", text));
    three.frame(&status("analysis_in_progress", ""));
    three.frame(&status("analysis_in_progress", text));
    let analysis = three.short.snapshot("s1").items.iter().find(|item| item.id == "analysis");
    assert_eq!(analysis.and_then(|item| item.message.as_deref()), Some("Reading"));
    three.are_alike();
}
