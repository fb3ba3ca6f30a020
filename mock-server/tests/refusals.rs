//! What the control API refuses, each with what to change, and what it says of what it has done.

mod common;
mod sio;

use std::time::Duration;

use common::{Client, End, get, http, post, start, subscribe};
use serde_json::{Value, json};
use sio::Sio;
use steadfast_mock_server::{Control, Filter, Happening, Options, Rule, Service, first_steps};

const C: Service = Service::Charisma;

#[tokio::test]
async fn no_parameter_of_a_query_is_passed_over_in_silence() {
    let server = start(Options::for_tests()).await;
    let (_, description) = get(&server, "/_mock/openapi.json").await;
    let paths = description["paths"].as_object().unwrap();
    let mut asked = 0;
    for (path, methods) in paths.iter().filter(|(_, methods)| methods.get("get").is_some()) {
        let (status, body) = get(&server, &format!("{path}?bogus=1")).await;
        let error = body["error"].as_str().unwrap();
        assert!(status == 400 && error.contains("`bogus`") && error.contains(path), "{path}: {body}");
        for field in methods["get"]["parameters"].as_array().unwrap() {
            assert!(error.contains(field["name"].as_str().unwrap()), "{path}: {body}");
        }
        asked += 1;
    }
    assert!(asked > 10);
    let mut clients = Vec::new();
    for service in [C, Service::DevContext] {
        let mut client = Client::of(&server, service, "u1").await;
        client.text("nonsense").await;
        client.json().await;
        clients.push(client);
    }
    let (status, report) = get(&server, "/_mock/report?service=charisma").await;
    let findings = report["verdicts"][7]["findings"].as_array().unwrap();
    assert_eq!((status, findings.len(), &findings[0]["service"]), (200, 1, &json!("charisma")));
    assert_eq!(report["connects"].as_object().unwrap().keys().collect::<Vec<_>>(), ["charisma"]);
    assert_eq!(get(&server, "/_mock/report?service=saga").await.1["passed"], true);
    assert_eq!(get(&server, "/_mock/report").await.1["verdicts"][7]["count"], 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_what_to_send() {
    let server = start(Options::for_tests()).await;
    for (request, body, status, word) in [
        ("POST /_mock/drop", "", 400, "at least `{}`"),
        ("POST /_mock/drop", r#"{"how":"rst","code":5}"#, 400, "`code` and `reason`"),
        ("POST /_mock/drop", r#"{"how":"fin","reason":"x"}"#, 400, "`code` and `reason`"),
        ("DELETE /_mock/faults/abc", "", 400, "`abc` is no fault's number"),
        ("DELETE /_mock/faults/7", "", 404, "no fault 7"),
        ("POST /_mock/faults", "\"htttp-503\"", 400, "did you mean `http-503`"),
        ("POST /_mock/faults", "http-503", 400, "double quotes"),
        ("POST /_mock/faults", "\"tls-expired\"", 400, "--tls expired"),
        ("POST /_mock/faults", r#"{"name":"http-503"}"#, 400, "`name`"),
        ("POST /_mock/faults", r#"{"match":[],"action":{"do":"drop"}}"#, 400, "expected an object"),
        ("POST /_mock/drop", r#"{"how":[]}"#, 400, "a text is expected here"),
        ("POST /_mock/topics", r#"{"service":"saga","topic":"p","members":{}}"#, 400, "expected a list"),
        ("GET /_mock/wait-for", "", 400, "?topic="),
        ("GET /_mock/wait-for?within=1s", "", 400, "say what to wait for"),
        ("GET /_mock/wait-for?what=in&count=0", "", 400, "`open=0`"),
        ("GET /_mock/log?limit=99999999999999999999", "", 400, "18446744073709551615 is the largest"),
        ("POST /_mock/tokens", r#"{"sub":"u1","user":"u1"}"#, 400, "`sub`"),
        ("POST /_mock/confirm", r#"{"topic":"nonexistent"}"#, 404, "there is none yet"),
        ("POST /_mock/confirm", r#"{"service":"saga","topic":"x"}"#, 400, "waits for no confirmation"),
    ] {
        let (answered, _, answer) = http(&server, request, "", body).await;
        let error = answer["error"].as_str().unwrap();
        assert!(answered == status && error.contains(word), "{request} {body}: {answer}");
    }
    assert!(server.topics().is_empty(), "nothing is made by asking for it");
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
    let (status, answer) = post(&server, "/_mock/confirm", json!({"topic": "quiet-2"})).await;
    assert!(status == 404 && answer["error"].as_str().unwrap().contains("there are quiet-1"), "{answer}");
    assert_eq!(post(&server, "/_mock/confirm", json!({"topic": "quiet-1"})).await.0, 200);
}

#[tokio::test]
async fn no_body_but_an_object_is_taken_and_none_does_anything() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    let (_, description) = get(&server, "/_mock/openapi.json").await;
    let mut asked = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        if methods["post"].get("requestBody").is_none() {
            continue;
        }
        let is_fault = path.ends_with("/faults");
        for wrong in ["[]", "null", "5", "true", r#"["u1"]"#] {
            let (status, _, answer) = http(&server, &format!("POST {path}"), "", wrong).await;
            let error = answer["error"].as_str().unwrap();
            let word = if is_fault { "or a rule such as {" } else { "expected an object, {" };
            assert!(status == 400 && error.contains(word), "{path} {wrong}: {answer}");
            assert!(!error.contains("struct") && !error.contains("sequence"), "{path} {wrong}: {answer}");
        }
        asked += 1;
    }
    assert_eq!(asked, 11, "all that take a body");
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
}

#[tokio::test]
async fn a_body_too_large_is_told_the_limit() {
    let server = start(Options::for_tests()).await;
    let (status, _, answer) = http(&server, "POST /_mock/drop", "", &" ".repeat((2 << 20) + 1)).await;
    let error = answer["error"].as_str().unwrap();
    assert!(status == 413 && error.contains("larger than 2097152 bytes"), "{answer}");
}

#[tokio::test]
async fn a_slash_at_the_end_and_the_other_name_of_the_user_are_taken() {
    let server = start(Options::for_tests()).await;
    let (status, answer) = post(&server, "/_mock/tokens/", json!({"user": "u7"})).await;
    let token = answer["token"].as_str().unwrap();
    assert_eq!((status, server.authority().judge(token).unwrap().sub.as_str()), (200, "u7"));
    assert_eq!(post(&server, "/_mock/kick/", json!({"sub": "u7"})).await, (200, json!({"connections": 0})));
    assert!(server.authority().judge(token).is_err());
    assert_eq!(get(&server, "/_mock/faults/").await, (200, json!([])));
    let (status, answer) = get(&server, "/_mock/log/?bogus=1").await;
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("`bogus`"), "{answer}");
    let (status, answer) = get(&server, "/_mock/drop/").await;
    assert!(status == 405 && answer["error"].as_str().unwrap().contains("send POST"), "{answer}");
}

#[tokio::test]
async fn what_reaches_nobody_and_ends_nothing_says_why() {
    let server = start(Options::for_tests()).await;
    let emit = |topic: &str| json!({"service": "docproc", "topic": topic, "data": {}});
    let (_, answer) = post(&server, "/_mock/emit", emit("t1")).await;
    let hint = answer["hint"].as_str().unwrap();
    assert!(answer["delivered"] == 0 && hint.contains("follows `t1` on docproc"), "{answer}");
    let expire = json!({"match": {"when": "now", "user": "u1"}, "action": {"do": "expire_token"}});
    let kick = json!({"user": "u1"});
    // Nobody is there whom it would surprise.
    assert_eq!(post(&server, "/_mock/kick", kick.clone()).await.1, json!({"connections": 0}));
    let control = Control::new(&server.base_url()).unwrap();
    for (path, ask) in [("kick", kick), ("faults", expire)] {
        control.set("docproc.auth", "off").await.unwrap();
        let mut sio = Sio::of(&server, Service::DocProc, "u1").await;
        sio.emit(json!(["subscribe", "t1"])).await;
        sio.until("subscribed").await;
        assert_eq!(post(&server, "/_mock/emit", emit("t1")).await.1, json!({"delivered": 1}));
        let ask = |user: &str| serde_json::from_str(&ask.to_string().replace("u1", user)).unwrap();
        let path = format!("/_mock/{path}");
        let (_, answer) = post(&server, &path, ask("u1")).await;
        assert!(answer["hint"].as_str().unwrap().contains("docproc believes anyone; `--set "), "{answer}");
        assert!(post(&server, &path, ask("u2")).await.1.get("hint").is_none());
        control.set("docproc.auth", "on").await.unwrap();
        assert!(post(&server, &path, ask("u1")).await.1.get("hint").is_none());
        sio.until("error").await;
    }
    let rule = json!({"match": {"service": "docproc"}, "action": {"do": "expire_token"}});
    let notes = async || {
        let rule: Rule = serde_json::from_value(rule.clone()).unwrap();
        let how = control.services().await.unwrap();
        let noted: Vec<_> = how.iter().filter(|how| how.note.is_some()).map(|how| how.service).collect();
        let ready = server.places(&Service::ALL).join("\n").matches("believes anyone").count();
        (control.fault(&rule).await.unwrap().hint.is_some(), noted, ready)
    };
    assert_eq!(notes().await, (false, vec![], 0));
    control.set("docproc.auth", "off").await.unwrap();
    assert_eq!(notes().await, (true, vec![Service::DocProc], 1));
    assert!(first_steps(&server.base_url()).contains("docproc believes anyone"));
}

#[tokio::test]
async fn a_fault_is_put_in_force_by_its_name() {
    let server = start(Options::for_tests()).await;
    let (status, rule) = post(&server, "/_mock/faults", json!("http-503")).await;
    assert_eq!((status, &rule["action"]["status"], &rule["times"]), (200, &json!(503), &json!(1)));
    let url = server.socket_url(C, "");
    assert_eq!(Client::try_open(&url, &[]).await.err().map(|(status, _)| status), Some(503));
    assert!(Client::try_open(&url, &[]).await.is_ok());
}

#[tokio::test]
async fn what_ended_a_token_is_said_wherever_it_is_shown_again() {
    let server = start(Options::for_tests()).await;
    let control = Control::new(&server.base_url()).unwrap();
    let expire = json!({"match": {"when": "now", "user": "u2"}, "action": {"do": "expire_token"}});
    for (user, service, path, ask, by) in [
        ("u1", C, "kick", json!({"user": "u1"}), "ended by POST /_mock/kick"),
        ("u2", C, "faults", expire, "ended by the fault expire_token"),
        ("u3", C, "kick", json!({"user": "u3", "service": "charisma"}), "ended by POST /_mock/kick"),
        ("u4", Service::Saga, "kick", json!({"user": "u4"}), "ended by POST /_mock/kick"),
    ] {
        let token = server.token_for(service, user);
        let bearer = format!("Bearer {token}");
        if service == C {
            let url = server.socket_url(C, "");
            let mut client = Client::try_open(&url, &[("authorization", &bearer)]).await.unwrap();
            assert_eq!(post(&server, &format!("/_mock/{path}"), ask).await.0, 200);
            client.end().await;
            assert!(Client::try_open(&url, &[("authorization", &bearer)]).await.is_err());
        } else {
            let mut first = Sio::with(&server, service, json!({"token": token})).await;
            assert_eq!(post(&server, &format!("/_mock/{path}"), ask).await.0, 200);
            first.until("error").await;
            assert!(Sio::knock(&server, service, json!({"token": token})).await.1.starts_with("44"));
        }
        let failed = Filter { what: Some(Happening::AuthFailed), ..Filter::of(service) };
        let entries = control.wait_for(&failed, 1, Duration::from_secs(10)).await.unwrap();
        let last = entries.last().unwrap();
        assert!(last.detail.contains(by), "{user}: {last:?}");
    }
}

#[tokio::test]
async fn a_drop_may_come_a_while_after_the_message_or_the_upgrade() {
    let server = start(Options::for_tests()).await;
    server.stop_clock(true);
    let later = |matching: Value| json!({"match": matching, "action": {"do": "drop", "code": 1011, "reason": "later", "after": "1h"}});
    post(&server, "/_mock/faults", later(json!({"service": "charisma", "when": "upgrade"}))).await;
    post(&server, "/_mock/faults", later(json!({"service": "saga", "type": "(connect)"}))).await;
    let mut plain = Client::of(&server, C, "u1").await;
    plain.say(subscribe("quiet-1")).await;
    plain.until("/type", "subscribed").await;
    let mut sio = Sio::of(&server, Service::Saga, "u1").await;
    sio.emit(json!(["join_project", "quiet-1"])).await;
    sio.until("joined_project").await;
    server.advance(Duration::from_secs(3600));
    let closed = End::Closed(1011, "later".to_owned());
    assert_eq!(plain.end().await, closed);
    assert_eq!(sio.end().await, closed);
    let accept = later(json!({"when": "accept"}));
    let (status, answer) = post(&server, "/_mock/faults", accept).await;
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("`after`"), "{answer}");
}
