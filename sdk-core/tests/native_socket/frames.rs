//! Messages, close codes and broken frames.

use std::time::{Duration, Instant};

use steadfast::driver::native::NativeOptions;
use steadfast::driver::{Incoming, Platform, Socket};
use steadfast::{CloseReason, DisconnectReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

#[tokio::test]
async fn texts_go_both_ways_in_order() {
    let (port, server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        for _ in 0..4 {
            let (first, payload) = read_frame(&mut stream).await.unwrap();
            stream.write_all(&frame(first, &payload)).await.unwrap();
        }
        read_close(&mut stream).await
    })
    .await;
    let mut socket = connect(port).await;
    let long = "ä".repeat(40_000);
    for text in ["one", "", "two – δύο", &long] {
        socket.send(text);
    }
    for text in ["one", "", "two – δύο", &long] {
        assert_eq!(next(&mut socket).await, said(text));
    }
    socket.close(CloseReason::Done);
    assert_eq!(within(server).await.unwrap(), Some(1000));
}

#[tokio::test]
async fn frames_right_behind_the_handshake_are_not_lost() {
    let (port, _server) = serve(|mut stream| async move {
        shake_hands_and(&mut stream, "", &[text("first"), text("second")].concat()).await;
        stream.write_all(&text("third")).await.unwrap();
        stream
    })
    .await;
    let mut socket = connect(port).await;
    for word in ["first", "second", "third"] {
        assert_eq!(next(&mut socket).await, said(word));
    }
}

#[tokio::test]
async fn a_close_frame_tells_code_and_reason_and_is_answered() {
    let cases: [(&[u8], u16, &str); 6] = [
        (b"\x03\xE8", 1000, ""),
        (b"\x11\x31token expired", 4401, "token expired"),
        (b"\x03\xF4restarting", 1012, "restarting"),
        (b"", 1005, ""),
        (b"\x03\xF3", 1011, ""),
        // Illegal to the library, but known to us: a gateway between us and the server.
        (b"\x03\xF6", 1014, "Protocol violation"),
    ];
    for (payload, code, reason) in cases {
        let (port, server) = serve(move |mut stream| async move {
            shake_hands(&mut stream).await;
            stream.write_all(&frame(0x88, payload)).await.unwrap();
            let answer = read_close(&mut stream).await;
            drop(stream);
            answer
        })
        .await;
        let mut socket = connect(port).await;
        assert_eq!(next(&mut socket).await, closed(code, reason));
        assert_eq!(next(&mut socket).await, closed(code, reason), "it stays closed");
        assert!(within(server).await.unwrap().is_some(), "{code} was not answered");
    }
}

#[tokio::test]
async fn an_end_without_a_close_frame_is_1006() {
    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
    })
    .await;
    assert_eq!(next(&mut connect(port).await).await, closed(1006, ""));

    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        stream.write_all(&[0x81, 100, b'h', b'a', b'l', b'f']).await.unwrap();
    })
    .await;
    assert_eq!(next(&mut connect(port).await).await, closed(1006, ""));

    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let got = next(&mut connect(port).await).await;
    assert!(matches!(got, Incoming::Closed(DisconnectReason::Closed { code: 1006, .. })), "{got:?}");
}

#[tokio::test]
async fn a_close_frame_is_read_even_when_writing_fails() {
    let (port, server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        stream.write_all(&frame(0x88, b"\x11\x31expired")).await.unwrap();
    })
    .await;
    let mut socket = connect(port).await;
    within(server).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..20 {
        socket.send("is anybody there?");
    }
    assert_eq!(next(&mut socket).await, closed(4401, "expired"));
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_1009() {
    let limit = 10_000;
    let single = [&[0x81, 126][..], &20_000_u16.to_be_bytes()].concat();
    let mut fragments = frame(0x01, &[b'a'; 6000]);
    fragments.extend(frame(0x80, &[b'a'; 6000]));
    let exabyte = [&[0x82, 127][..], &(1_u64 << 60).to_be_bytes()].concat();
    for bytes in [single, fragments, exabyte] {
        let (port, server) = serve(move |mut stream| async move {
            shake_hands(&mut stream).await;
            stream.write_all(&bytes).await.unwrap();
            // Still sending while the client closes: the close frame must get through nevertheless.
            let _ = stream.write_all(&[b'a'; 5000]).await;
            read_close(&mut stream).await
        })
        .await;
        let mut request = ws(format!("ws://127.0.0.1:{port}/"));
        request.max_message = limit;
        let mut socket = native().connect(request).await.ok().unwrap();
        assert_eq!(next(&mut socket).await, Incoming::Closed(DisconnectReason::TooLarge));
        assert_eq!(within(server).await.unwrap(), Some(1009));
    }
}

#[tokio::test]
async fn a_message_at_the_limit_is_fine() {
    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        stream.write_all(&frame(0x81, &[b'a'; 10_000])).await.unwrap();
        stream
    })
    .await;
    let mut request = ws(format!("ws://127.0.0.1:{port}/"));
    request.max_message = 10_000;
    let mut socket = native().connect(request).await.ok().unwrap();
    assert_eq!(next(&mut socket).await, said(&"a".repeat(10_000)));
}

#[tokio::test]
async fn broken_frames_end_with_the_right_code() {
    let cases: [(Vec<u8>, u16); 8] = [
        (frame(0x81, b"\xFF\xFE"), 1007),
        ([frame(0x01, b"\xC3"), frame(0x80, b"(")].concat(), 1007),
        (frame(0x88, b"\x03\xE8\xFF"), 1007),
        (frame(0x88, b"\x03"), 1002),
        (frame(0xC1, b"rsv"), 1002),
        (frame(0x80, b"continues nothing"), 1002),
        (frame(0x83, b"no such opcode"), 1002),
        (vec![0x81, 0x82, 1, 2, 3, 4, b'a', b'b'], 1002),
    ];
    for (bytes, code) in cases {
        let (port, server) = serve(move |mut stream| async move {
            shake_hands(&mut stream).await;
            stream.write_all(&bytes).await.unwrap();
            read_close(&mut stream).await
        })
        .await;
        let got = next(&mut connect(port).await).await;
        assert!(
            matches!(&got, Incoming::Closed(DisconnectReason::Protocol { code: got, .. }) if *got == code),
            "{code}: {got:?}"
        );
        assert_eq!(within(server).await.unwrap(), Some(code));
    }
}

#[tokio::test]
async fn binary_messages_tell_their_size() {
    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        stream.write_all(&[frame(0x82, &[0; 300]), frame(0x82, &[])].concat()).await.unwrap();
        stream
    })
    .await;
    let mut socket = connect(port).await;
    assert_eq!(next(&mut socket).await, Incoming::Binary(300));
    assert_eq!(next(&mut socket).await, Incoming::Binary(0));
}

#[tokio::test]
async fn pings_between_fragments_are_answered_at_once_and_show_as_activity() {
    let (port, server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        stream.write_all(&frame(0x01, b"a mess")).await.unwrap();
        stream.write_all(&frame(0x89, b"are you there?")).await.unwrap();
        let pong = read_frame(&mut stream).await;
        stream.write_all(&frame(0x80, b"age")).await.unwrap();
        (pong, stream)
    })
    .await;
    let mut socket = connect(port).await;
    assert_eq!(within(socket.recv()).await, Incoming::Activity);
    assert_eq!(next(&mut socket).await, said("a message"));
    let (pong, _stream) = within(server).await.unwrap();
    assert_eq!(pong, Some((0x8A, b"are you there?".to_vec())));
}

#[tokio::test]
async fn our_pings_are_frames_of_their_own_and_their_pongs_activity() {
    let (port, server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        let ping = read_frame(&mut stream).await;
        stream.write_all(&frame(0x8A, b"")).await.unwrap();
        (ping, stream)
    })
    .await;
    let mut socket = connect(port).await;
    socket.ping();
    assert_eq!(within(socket.recv()).await, Incoming::Activity);
    assert_eq!(within(server).await.unwrap().0, Some((0x89, Vec::new())));
}

#[tokio::test]
async fn bytes_of_an_unfinished_message_are_activity() {
    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        for byte in text("slow") {
            stream.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stream
    })
    .await;
    let mut socket = connect(port).await;
    let mut activity = 0;
    loop {
        match within(socket.recv()).await {
            Incoming::Activity => activity += 1,
            got => break assert_eq!(got, said("slow")),
        }
    }
    assert!(activity >= 3, "{activity}");
}

#[tokio::test]
async fn one_message_may_not_take_forever_however_busy_the_line_is() {
    let (port, server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        stream.write_all(&text("quick")).await.unwrap();
        stream.write_all(&frame(0x01, b"begins")).await.unwrap();
        let (mut reading, mut writing) = stream.into_split();
        let busy = tokio::spawn(async move {
            while writing.write_all(&[frame(0x00, b"."), frame(0x89, b"")].concat()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        });
        let code = read_close(&mut reading).await;
        busy.abort();
        code
    })
    .await;
    let limit = Duration::from_millis(400);
    let native = native_with(NativeOptions { message_time: limit, ..NativeOptions::default() });
    let mut socket = native.connect(ws(format!("ws://127.0.0.1:{port}/"))).await.ok().unwrap();
    assert_eq!(next(&mut socket).await, said("quick"));
    let start = Instant::now();
    let got = next(&mut socket).await;
    assert!(
        matches!(&got, Incoming::Closed(DisconnectReason::Network(why)) if why.contains("longer")),
        "{got:?}"
    );
    assert!(start.elapsed() + Duration::from_millis(50) >= limit, "{:?}", start.elapsed());
    assert_eq!(within(server).await.unwrap(), Some(1008));
}

#[tokio::test]
async fn many_messages_cut_in_the_middle_are_no_slow_message() {
    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        let bytes = text("0123456789").repeat(40);
        for part in bytes.chunks(7) {
            stream.write_all(part).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stream
    })
    .await;
    let native =
        native_with(NativeOptions { message_time: Duration::from_millis(300), ..NativeOptions::default() });
    let mut socket = native.connect(ws(format!("ws://127.0.0.1:{port}/"))).await.ok().unwrap();
    for _ in 0..40 {
        assert_eq!(next(&mut socket).await, said("0123456789"));
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_ends_the_socket_and_not_the_memory() {
    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    })
    .await;
    let options = NativeOptions { write_buffer: 100_000, ..NativeOptions::default() };
    let mut socket = native_with(options).connect(ws(format!("ws://127.0.0.1:{port}/"))).await.ok().unwrap();
    let text = "x".repeat(50_000);
    let mut sent = 0;
    let got = loop {
        socket.send(&text);
        sent += text.len();
        assert!(sent < 100_000_000, "nothing bounds it");
        if let Ok(got) = tokio::time::timeout(Duration::from_millis(5), socket.recv()).await {
            break got;
        }
    };
    assert!(
        matches!(&got, Incoming::Closed(DisconnectReason::Network(why)) if why.contains("read")),
        "{got:?}"
    );
}

#[tokio::test]
async fn a_slow_server_gets_everything() {
    let (port, server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        let mut texts = 0;
        while texts < 100 {
            if texts % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let (first, payload) = read_frame(&mut stream).await.unwrap();
            assert_eq!((first, payload.len()), (0x81, 15_000));
            texts += 1;
        }
        stream.write_all(&text("thanks")).await.unwrap();
        stream
    })
    .await;
    let mut socket = connect(port).await;
    for _ in 0..100 {
        socket.send(&"y".repeat(15_000));
    }
    assert_eq!(next(&mut socket).await, said("thanks"));
    within(server).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_read_loses_nothing() {
    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        for n in 0..200 {
            let bytes = text(&n.to_string());
            let (front, back) = bytes.split_at(2);
            stream.write_all(front).await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(back).await.unwrap();
        }
        stream
    })
    .await;
    let mut socket = connect(port).await;
    let mut n = 0;
    while n < 200 {
        tokio::select! {
            biased;
            got = socket.recv() => if got != Incoming::Activity {
                assert_eq!(got, said(&n.to_string()));
                n += 1;
            },
            () = tokio::time::sleep(Duration::from_micros(50)) => {}
        }
    }
}

#[tokio::test]
async fn closing_sends_what_is_queued_and_waits_for_nobody() {
    let (port, server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        let text = read_frame(&mut stream).await;
        let code = read_close(&mut stream).await;
        // No answer, and the connection stays open: the client goes by itself.
        let start = Instant::now();
        let end = stream.read_u8().await;
        (text, code, end.is_err(), start.elapsed())
    })
    .await;
    let mut socket = connect(port).await;
    socket.send("last words");
    let start = Instant::now();
    socket.close(CloseReason::Dead);
    assert!(start.elapsed() < Duration::from_millis(200));
    let (text, code, gone, after) = within(server).await.unwrap();
    assert_eq!(text, Some((0x81, b"last words".to_vec())));
    assert_eq!(code, Some(1000));
    assert!(gone && after < Duration::from_secs(4), "{after:?}");
}

#[tokio::test]
async fn a_large_message_is_followed_by_small_ones_and_pings_as_ever() {
    let (port, server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
        for round in 0..3 {
            stream.write_all(&frame(0x81, &vec![b'z'; 300_000])).await.unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
            stream.write_all(&frame(0x89, &[round])).await.unwrap();
            assert_eq!(read_frame(&mut stream).await, Some((0x8A, vec![round])));
            stream.write_all(&text("small")).await.unwrap();
        }
        read_close(&mut stream).await
    })
    .await;
    let mut socket = connect(port).await;
    for _ in 0..3 {
        assert_eq!(next(&mut socket).await, said(&"z".repeat(300_000)));
        assert_eq!(next(&mut socket).await, said("small"));
    }
    socket.close(CloseReason::Done);
    assert_eq!(within(server).await.unwrap(), Some(1000));
}
