"""Every fault of the catalogue, put in force as its example says and seen by clients that know nothing of it."""

import json
import os
import re
import ssl
import subprocess
import time
from urllib.parse import urlsplit

import pytest
import socketio
from conftest import Mock
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidMessage, InvalidStatus
from wire import PATHS, ROLES, SOCKET_IO, WORDS, Raw, Talk, path

CATALOGUE = json.loads(subprocess.check_output([os.environ["MOCK_SERVER"], "faults", "--json"]))
EXAMPLES = {fault["name"]: fault["example"] for fault in CATALOGUE}
SEEN = {}


@pytest.fixture(scope="module")
def server():
    server = Mock("--set", "docproc.auth=on")
    yield server
    server.stop()


@pytest.fixture
def mock(server):
    server.control("reset", {})
    return server


def sees(*names):
    """Says which faults a function sees; it is run for each."""

    def keep(function):
        SEEN.update(dict.fromkeys(names, function))
        return function

    return keep


def put(mock, name, **match):
    """Puts a fault in force as in its example, narrowed down by more to match."""
    rule = json.loads(EXAMPLES[name]["rule"])
    rule["match"] = {**rule.get("match", {}), **match}
    return mock.control("faults", rule)


def test_every_fault_is_seen():
    assert set(SEEN) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_fault(mock, name):
    SEEN[name](mock, name)


# TCP


@sees("port-closed")
def _(mock, name):
    with Talk(mock, "charisma") as talk:
        begun = time.monotonic()
        put(mock, name)
        while True:
            try:
                Raw(mock).close()
            except ConnectionRefusedError:
                break
            assert time.monotonic() - begun < 2, "it was never closed"
        # What is open stays, and others come back when the time is over.
        talk.ws.send('{"action":"unsubscribe","payload":{"sessionId":"quiet-1"}}')
        assert talk.next()[0] == "unsubscribed"
        while True:
            try:
                Raw(mock).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        assert time.monotonic() - begun >= 1.9


@sees("refuse-connection")
def _(mock, name):
    put(mock, name)
    with pytest.raises((ConnectionResetError, BrokenPipeError)), Raw(mock) as raw:
        raw.ask("/charisma/ws")
        raw.head()


@sees("hang-connection", "hang-upgrade")
def _(mock, name):
    put(mock, name)
    with Raw(mock) as raw:
        raw.ask("/charisma/ws")
        assert raw.silent(0.3)


@sees("slow-handshake")
def _(mock, name):
    put(mock, name)
    with Raw(mock) as raw:
        begun = time.monotonic()
        raw.ask("/charisma/ws")
        assert raw.exactly(8) == b"HTTP/1.1"
        assert time.monotonic() - begun >= 7 * 0.05


@sees("rst", "fin")
def _(mock, name):
    with Raw(mock).open() as raw:
        put(mock, name, service="charisma", nth=1)
        mock.emit("charisma", "quiet-1", {"status": "uploading"})
        if name == "fin":
            assert raw.socket.recv(64) == b""
        else:
            with pytest.raises(ConnectionResetError):
                raw.socket.recv(64)


@sees("half-open")
def _(mock, name):
    put(mock, name, service="charisma")
    with Talk(mock, "charisma") as talk:
        talk.emit()
        talk.ws.send("the peer's TCP takes it")
        assert talk.silent(0.3)
        # The server thinks that it is there, too.
        assert "quiet-1" in [topic for each in mock.get("connections") for topic in each["topics"]]


@sees("half-open-resume", "lag", "delay")
def _(mock, name):
    put(mock, name, service="charisma")
    with Talk(mock, "charisma") as talk:
        begun = time.monotonic()
        talk.emit()
        talk.emit(n=2)
        assert talk.next()[1]["status"] == "uploading"
        assert talk.next()[1]["n"] == 2
        assert time.monotonic() - begun >= 0.2


@sees("trickle")
def _(mock, name):
    with Raw(mock).open() as raw:
        put(mock, name, service="charisma", nth=1)
        begun = time.monotonic()
        mock.emit("charisma", "quiet-1", {"status": "uploading"})
        assert raw.exactly(41)[0] == 0x81
        assert time.monotonic() - begun >= 40 * 0.002


@sees("garbage")
def _(mock, name):
    with Raw(mock).open() as raw:
        put(mock, name, service="charisma", nth=1)
        mock.emit("charisma", "quiet-1", {"status": "uploading"})
        assert raw.exactly(4) == b"\xff" * 4


# TLS


@sees("tls-self-signed", "tls-expired", "tls-wrong-host")
def _(_, name):
    options = EXAMPLES[name]["options"].split()
    server = Mock(*options)
    try:
        at = urlsplit(server.base)
        assert at.scheme == "https"
        found = ssl.get_server_certificate((at.hostname, at.port))

        def handshake(trusted):
            context = ssl.create_default_context(cadata=trusted)
            with Raw(server) as raw, context.wrap_socket(raw.socket, server_hostname="localhost") as tls:
                return tls.version()

        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(None)
        # Who trusts it finds the one flaw that is left.
        if name == "tls-self-signed":
            assert handshake(found)
        else:
            with pytest.raises(ssl.SSLCertVerificationError) as error:
                handshake(found)
            assert {"tls-expired": "expired", "tls-wrong-host": "ostname"}[name] in error.value.verify_message
    finally:
        server.stop()


# HTTP


@sees(*[f"http-{status}" for status in [302, 401, 403, 404, 429, 500, 502, 503]])
def _(mock, name):
    status = int(name.removeprefix("http-"))
    polling = "/socket.io/?EIO=4&transport=polling"
    for target in [*(path(service, "quiet-1") for service in PATHS), f"/saga{polling}", f"/docproc{polling}"]:
        put(mock, name)
        with Raw(mock) as raw:
            got, headers, body = raw.exchange(target, upgrade="polling" not in target)
        assert got == status
        assert json.loads(body)["error"]
        assert headers.get("location") == ("/login" if status == 302 else None)
        assert headers.get("retry-after") == ("2" if status in (429, 503) else None)
    # Once only.
    with Raw(mock) as raw:
        raw.ask(path("charisma", "quiet-1"))
        assert raw.head()[0] == 101


@sees("origin-refused")
def _(mock, name):
    page = {"Origin": "http://page.example"}
    for service, target in [("charisma", "/ws"), ("saga", "/socket.io/?EIO=4&transport=polling")]:
        put(mock, name)
        with Raw(mock) as raw:
            status, headers, _ = raw.exchange(f"/{service}{target}", upgrade=service == "charisma", **page)
        assert status == 403
        assert "access-control-allow-origin" not in headers
    with Raw(mock) as raw:
        status, headers, _ = raw.exchange("/saga/socket.io/?EIO=4&transport=polling", upgrade=False, **page)
    assert status == 200
    assert headers["access-control-allow-origin"] == "*"
    # A client that is no browser goes on.
    put(mock, name)
    with Talk(mock, "charisma"):
        pass


@sees("poll-502", "unknown-sid")
def _(mock, name):
    for service in SOCKET_IO:
        handshake = f"/{service}/socket.io/?EIO=4&transport=polling"
        with Raw(mock) as raw:
            _, _, body = raw.exchange(handshake, upgrade=False)
            sid = json.loads(body[1:])["sid"]
            put(mock, name, service=service)
            status, _, body = raw.exchange(f"{handshake}&sid={sid}", upgrade=False)
        if name == "poll-502":
            assert status == 502
        else:
            assert (status, json.loads(body)) == (400, {"code": 1, "message": "Session ID unknown"})


@sees("wrong-eio")
def _(mock, name):
    for service in SOCKET_IO:
        put(mock, name, service=service)
        with Raw(mock) as raw:
            status, _, body = raw.exchange(f"/{service}/socket.io/?EIO=4&transport=polling", upgrade=False)
        assert (status, json.loads(body)) == (400, {"code": 5, "message": "Unsupported protocol version"})
        put(mock, name, service=service)
        client = socketio.Client(reconnection=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            client.connect(mock.base, socketio_path=f"/{service}/socket.io/", transports=["polling"])


# WebSocket frames

VIOLATIONS = {
    "close-illegal-code": 1002,
    "close-one-byte": 1002,
    "reserved-bits": 1002,
    "bad-opcode": 1002,
    "masked": 1002,
    "garbage": 1002,
    "invalid-utf8": 1007,
    "oversize-declared": 1009,
    "oversize": 1009,
}
BYTES = {
    "close-illegal-code": b"\x88\x02\x03\xed",
    "close-one-byte": b"\x88\x01\x03",
    "close-empty": b"\x88\x00",
    "reserved-bits": b"\xc1",
    "bad-opcode": b"\x83",
    "oversize-declared": b"\x81\x7f\x00\x00\x01\x00\x00\x00\x00\x00{",
    "any-frame": b"\x8a\x02hi\x81",
}


@sees(
    "close-illegal-code", "close-one-byte", "close-empty", "reserved-bits", "bad-opcode", "masked", "invalid-utf8",
    "oversize-declared", "oversize", "any-frame",
)
def _(mock, name):
    if name in BYTES:
        with Raw(mock).open() as raw:
            put(mock, name, service="charisma", nth=1)
            mock.emit("charisma", "quiet-1", {"status": "uploading"})
            assert raw.exactly(len(BYTES[name])) == BYTES[name]
        mock.control("reset", {})
    if name in VIOLATIONS:
        put(mock, name, service="charisma")
        with Talk(mock, "charisma") as talk:
            talk.emit()
            with pytest.raises(ConnectionClosed) as end:
                talk.text()
            assert end.value.sent.code == VIOLATIONS[name]


@sees("close")
def _(mock, name):
    codes = [*range(1000, 1004), *range(1007, 1015), 3000, 4000, 4403, 4999]
    for code in codes:
        rule = json.loads(EXAMPLES[name]["rule"])
        rule["action"]["code"] = code
        rule["match"]["service"] = "charisma"
        mock.control("faults", rule)
        with Talk(mock, "charisma") as talk:
            talk.emit()
            with pytest.raises(ConnectionClosed) as end:
                talk.text()
            assert (end.value.rcvd.code, end.value.rcvd.reason) == (code, "because")


@sees("truncated")
def _(mock, name):
    put(mock, name, service="charisma")
    with Talk(mock, "charisma") as talk:
        talk.emit()
        with pytest.raises(ConnectionClosedError) as end:
            talk.text()
        assert end.value.rcvd is None


@sees("fragments")
def _(mock, name):
    for service in WORDS:
        with Talk(mock, service) as talk:
            put(mock, name, service=service, nth=1)
            talk.emit()
            assert talk.next()[1]
    mock.control("reset", {})
    with Raw(mock).open() as raw:
        put(mock, name, service="charisma", nth=1)
        mock.emit("charisma", "quiet-1", {"status": "uploading"})
        text, pings = b"", 0
        head, payload = raw.frame()
        assert (head, payload) == (0x01, b"{")
        while head != 0x80:
            head, payload = raw.frame()
            pings += head == 0x89
            text += payload
        assert json.loads(b"{" + text)["status"] == "uploading"
        assert pings == len(text)


@sees("ping-flood")
def _(mock, name):
    with Raw(mock).open() as raw:
        put(mock, name, service="charisma", nth=1)
        mock.emit("charisma", "quiet-1", {"status": "uploading"})
        heads = [raw.frame()[0] for _ in range(1001)]
        assert heads == [0x89] * 1000 + [0x81]


@sees("no-pong")
def _(mock, name):
    for service in WORDS:
        with Talk(mock, service, ping_interval=None) as talk:
            assert talk.ws.ping().wait(20)
            put(mock, name, service=service)
            assert not talk.ws.ping().wait(0.15)
            talk.emit()
            assert talk.next()[1]
    put(mock, name, service="charisma")
    with Talk(mock, "charisma", ping_interval=0.1, ping_timeout=0.1) as talk:
        with pytest.raises(ConnectionClosedError) as end:
            talk.text()
        assert end.value.sent.reason == "keepalive ping timeout"


@sees("two-in-one")
def _(mock, name):
    with Raw(mock).open() as raw:
        put(mock, name, service="charisma", nth=1)
        mock.emit("charisma", "quiet-1", {"status": "uploading", "n": 1})
        assert raw.silent()
        mock.emit("charisma", "quiet-1", {"status": "uploading", "n": 2})
        both = raw.socket.recv(4096)
        assert both.count(b'"n":1') == both.count(b'"n":2') == 1


# Messages


@sees("malformed", "empty", "binary")
def _(mock, name):
    for service in WORDS:
        with Talk(mock, service) as talk:
            put(mock, name, service=service, nth=1)
            talk.emit()
            text = talk.text()
            if name == "binary":
                assert isinstance(text, bytes)
                assert b"{" in text
            else:
                assert text == {"malformed": '{"type":', "empty": ""}[name]
            talk.emit()
            assert talk.next()[1]


@sees("deep")
def _(mock, name):
    for service in WORDS:
        with Talk(mock, service) as talk:
            put(mock, name, service=service, nth=1)
            talk.emit()
            assert talk.text().count('"deep":' + "[" * 100_000 + "]" * 100_000) == 1


def changed(mock, name, service, **match):
    """A message as it should be, and the same with the fault."""
    mock.control("reset", {})
    with Talk(mock, service) as talk:
        put(mock, name, service=service, nth=1, **match)
        talk.emit(n=7)
        odd = talk.text()
        talk.emit(n=7)
        plain = talk.text()
    read = (lambda text: json.loads(text[2:])) if service in SOCKET_IO else json.loads
    return read(plain), read(odd)


@sees("unknown-type")
def _(mock, name):
    for service in WORDS:
        plain, odd = changed(mock, name, service)
        kind = 0 if service in SOCKET_IO else "status" if service == "therapybridge" else "type"
        assert odd[kind] == "no_such_type" != plain[kind]


def fields(message, at=()):
    """All fields of a message by their places."""
    if isinstance(message, dict):
        found = {}
        for key, value in message.items():
            found |= {(*at, key): value, **fields(value, (*at, key))}
        return found
    if isinstance(message, list):
        return {k: v for n, value in enumerate(message) for k, v in fields(value, (*at, n)).items()}
    return {}


TIMES = {"timestamp", "updated_at", "created_at"}


def differences(plain, odd):
    """The places where two messages differ, times left aside unless their type changed."""
    old, new = fields(plain), fields(odd)
    same = lambda k: old[k] == new[k] or (k[-1] in TIMES and type(old[k]) is type(new[k]))
    return {k for k in old if k not in new or (not same(k) and not isinstance(old[k], dict))} | (new.keys() - old.keys())


@sees("unknown-value")
def _(mock, name):
    for service in ["charisma", "therapybridge", "docproc"]:
        plain, odd = changed(mock, name, service)
        (place,) = differences(plain, odd)
        assert place[-1] == "status"
        assert fields(odd)[place] == "no_such_value"


@sees("missing-field", "null-field", "wrong-type")
def _(mock, name):
    for service in WORDS:
        seen = []
        for _ in range(2):
            plain, odd = changed(mock, name, service)
            (place,) = differences(plain, odd)
            old, new = fields(plain)[place], fields(odd).get(place, "missing")
            seen.append(place)
            if name == "missing-field":
                assert new == "missing"
            elif name == "null-field":
                assert new is None
            else:
                assert type(new) is not type(old)
        assert seen[0] == seen[1], "the seed draws the same field again"


@sees("set-field")
def _(mock, name):
    for service in WORDS:
        plain, odd = changed(mock, name, service)
        assert {place[-1] for place in differences(plain, odd)} <= {"surprise", "a"}
        assert {"a": [1]} in fields(odd).values()


@sees("huge-number")
def _(mock, name):
    for service in WORDS:
        with Talk(mock, service) as talk:
            put(mock, name, service=service, nth=1)
            talk.emit(n=7)
            assert talk.text().count(":1e400") == 1


@sees("wrong-topic")
def _(mock, name):
    for service in WORDS:
        plain, odd = changed(mock, name, service)
        (place,) = differences(plain, odd)
        assert (fields(plain)[place], fields(odd)[place]) == ("quiet-1", "no-such-topic")


@sees("duplicate", "reorder", "stale", "lost")
def _(mock, name):
    expected = {"duplicate": [1, 1, 2, 3], "reorder": [2, 1, 3], "stale": [1, 2, 1, 3], "lost": [2, 3]}[name]
    for service in WORDS:
        with Talk(mock, service) as talk:
            put(mock, name, service=service, nth=2 if name == "stale" else 1)
            for n in [1, 2, 3]:
                talk.emit(n=n)
            assert [fields(talk.next()[1])[place_of_n(service)] for _ in expected] == expected


def place_of_n(service):
    return ("payload", "n") if service == "devcontext" else ("n",)


@sees("after-unsubscribe")
def _(mock, name):
    confirmations = {
        "charisma": "unsubscribed",
        "docproc": "unsubscribed",
        "saga": "left_project",
        "devcontext": "unsubscription_confirmed",
    }
    for service, confirmation in confirmations.items():
        put(mock, name, service=service, type=confirmation)
        with Talk(mock, service) as talk:
            talk.emit(n=1)
            told = talk.next()
            talk.leave()
            assert talk.next()[0] == confirmation
            assert talk.next() == told


@sees("jitter")
def _(mock, name):
    runs = []
    for _ in range(2):
        with Talk(mock, "charisma") as talk:
            number = put(mock, name, service="charisma")["id"]
            begun = time.monotonic()
            for n in range(8):
                talk.emit(n=n)
            assert [talk.next()[1]["n"] for _ in range(8)] == list(range(8))
            runs.append(time.monotonic() - begun)
            assert next(rule for rule in mock.get("faults") if rule["id"] == number)["applied"] == 8
        mock.control("reset", {})
    # The seed draws the same delays: 0.3 s to 0.5 s in all, to which a busy machine can only add.
    assert min(runs) > 0.2


@sees("clock-skew")
def _(mock, name):
    from datetime import datetime, timedelta

    for service in ["therapybridge", "devcontext", "docproc"]:
        plain, odd = changed(mock, name, service)
        # Both have the fault: it is in force for all. So the clock here is what to compare with.
        times = [text for place, text in fields(odd).items() if place[-1] in TIMES]
        assert times
        now = datetime.now().astimezone()
        for text in times:
            ahead = datetime.fromisoformat(text.replace("Z", "+00:00")) - now
            assert timedelta(minutes=58) < ahead < timedelta(minutes=61)


# Protocol


def narrowed(service, position):
    """What the service calls its command (0) or its confirmation (1)."""
    return {"service": service, "type": WORDS[service][position]}


COMMANDED = [service for service in WORDS if WORDS[service][0]]


@sees("ack-lost", "ack-late", "ack-doubled")
def _(mock, name):
    for service in COMMANDED:
        put(mock, name, **narrowed(service, 1))
        with Talk(mock, service, subscribe=False) as talk:
            talk.until_welcome()
            begun = time.monotonic()
            talk.subscribe(confirmed=False)
            if name == "ack-lost":
                assert talk.silent()
            else:
                assert talk.next()[0] == WORDS[service][1]
            if name == "ack-late":
                assert time.monotonic() - begun >= 0.3
            if name == "ack-doubled":
                assert talk.next()[0] == WORDS[service][1]
            talk.emit()
            assert talk.next()[0] != WORDS[service][1]


@sees("subscribe-refused", "rate-limited")
def _(mock, name):
    code = "FORBIDDEN" if name == "subscribe-refused" else "RATE_LIMIT_EXCEEDED"
    for service in COMMANDED:
        put(mock, name, **narrowed(service, 0))
        with Talk(mock, service, subscribe=False) as talk:
            talk.until_welcome()
            talk.subscribe(confirmed=False)
            kind, error = talk.next()
            assert kind in ("error", "session_error")
            assert service == "docproc" or code in fields(error).values()
            if service == "devcontext":
                assert error["payload"]["retryable"] == (name == "rate-limited")
            talk.subscribe()


@sees("auth-ack-lost")
def _(mock, name):
    put(mock, name, service="charisma")
    with Talk(mock, "charisma", subscribe=False) as talk:
        talk.ws.send(json.dumps({"action": "authenticate", "payload": {"token": talk.token}}))
        talk.subscribe()  # its confirmation is the first answer
    for service in SOCKET_IO:
        put(mock, name, service=service, type="(connect)")
        with Talk(mock, service, subscribe=False) as talk:
            if service == "docproc":
                assert talk.next()[0] == "connected"
            talk.subscribe()


def ends(talk):
    """How a conversation ends: the close code, or Socket.IO's `41`."""
    try:
        while True:
            text = talk.text()
            if text == "41":
                return 41
    except ConnectionClosed as end:
        return end.rcvd.code


@sees("token-expired", "server-shutdown", "disconnect", "takeover")
def _(mock, name):
    codes = {
        "token-expired": {"charisma": 4401, "devcontext": 4401, "therapybridge": 1008, "saga": 41, "docproc": 41},
        "server-shutdown": dict.fromkeys(WORDS, 1001),
        "disconnect": {service: 41 if service in SOCKET_IO else 1000 for service in WORDS},
        "takeover": dict.fromkeys(WORDS, 4409),
    }[name]
    for service, code in codes.items():
        with Talk(mock, service) as talk:
            put(mock, name, service=service, nth=1)
            talk.emit()
            if name == "server-shutdown" and service == "saga":
                assert [talk.next()[0] for _ in range(2)] == ["story_processed", "server_shutdown"]
            assert ends(talk) == code, service
    if name == "server-shutdown":
        mock.control("switches", {"saga.shutdown": "disconnect"})
        with Talk(mock, "saga") as talk:
            put(mock, name, service="saga", nth=1)
            talk.emit()
            assert ends(talk) == 41


@sees("token-revoked")
def _(mock, name):
    for service in WORDS:
        with Talk(mock, service) as talk:
            put(mock, name, service=service, nth=1)
            talk.emit()
            talk.emit()
            assert talk.next()[0] == talk.next()[0], "nobody is told"
            if service in SOCKET_IO:
                with Talk(mock, service, token=talk.token, subscribe=False) as second:
                    assert second.text().startswith("44")
            elif service == "therapybridge":
                with Talk(mock, service, token=talk.token, subscribe=False) as second:
                    assert ends(second) == 1008
            else:
                with pytest.raises(InvalidStatus) as refusal:
                    Talk(mock, service, token=talk.token)
                assert refusal.value.response.status_code == 401


@sees("connect-error")
def _(mock, name):
    for service in SOCKET_IO:
        put(mock, name, service=service)
        heard = []
        client = socketio.Client(reconnection=False)
        client.on("connect_error", heard.append)
        with pytest.raises(socketio.exceptions.ConnectionError):
            client.connect(
                mock.base,
                socketio_path=f"/{service}/socket.io/",
                transports=["websocket"],
                auth={"token": mock.token("u1", ROLES.get(service))},
            )
        assert heard == [{"message": "Authentication failed", "data": {"code": "AUTH_FAILED"}}]


@sees("ping-timeout")
def _(mock, name):
    switches = {"ping_interval": "500ms", "ping_timeout": "300ms"}
    mock.control("switches", {f"saga.{key}": value for key, value in switches.items()})
    put(mock, name, service="saga")
    gone = []
    client = socketio.Client(reconnection=False)
    client.on("disconnect", gone.append)
    token = mock.token("u1", "storyteller")
    client.connect(mock.base, socketio_path="/saga/socket.io/", transports=["websocket"], auth={"token": token})
    client.wait()
    assert gone
    mock.control("reset", {})
    # Its pongs lost, it is the server that ends the connection.
    mock.control("switches", {f"saga.{key}": value for key, value in switches.items()})
    mock.control("faults", {"match": {"when": "in", "type": "(pong)"}, "action": {"do": "swallow"}})
    with Talk(mock, "saga") as talk:
        assert talk.text() == "2"
        talk.ws.send("3")
        with pytest.raises(ConnectionClosed):
            talk.text()


@sees("probe-fails", "probe-refused")
def _(mock, name):
    for service in SOCKET_IO:
        put(mock, name, service=service)
        client = socketio.Client(reconnection=False, request_timeout=1, websocket_extra_options={"timeout": 1})
        token = mock.token("u1", ROLES.get(service))
        client.connect(mock.base, socketio_path=f"/{service}/socket.io/", auth={"token": token})
        try:
            assert client.transport() == "polling"
        finally:
            client.disconnect()


@sees("gateway-error")
def _(mock, name):
    for service in COMMANDED:
        with Talk(mock, service, subscribe=False) as talk:
            talk.until_welcome()
            put(mock, name, service=service)
            talk.subscribe(confirmed=False)
            frame = json.loads(talk.text())
            assert frame.keys() == {"message", "connectionId", "requestId"}
            talk.subscribe()


# What a run can be repeated by


def test_the_seed_of_the_server_repeats_what_rules_draw():
    drawn = []
    for _ in range(2):
        server = Mock("--seed", "7")
        try:
            rule = {"match": {"service": "therapybridge"}, "action": {"do": "missing_field"}}
            server.control("faults", rule)
            with Talk(server, "therapybridge") as talk:
                for _ in range(6):
                    talk.emit()
                drawn.append([sorted(json.loads(talk.text())) for _ in range(6)])
        finally:
            server.stop()
    assert drawn[0] == drawn[1]
    assert len({tuple(keys) for keys in drawn[0]}) > 1


def test_the_same_seed_and_the_same_client_give_the_same_journal():
    journals = []
    for seed in ["7", "7", "8"]:
        server = Mock("--seed", seed)
        try:
            for service in WORDS:
                with Talk(server, service) as talk:
                    for action in ["missing_field", "wrong_type", "duplicate", "reorder"]:
                        server.control("faults", {"match": {"service": service, "chance": 0.3}, "action": {"do": action}})
                    for n in range(20):
                        talk.emit(n=n)
                    while any(rule["matched"] < 20 for rule in server.get("faults")):
                        pass
                    server.clear_faults()
                    talk.emit(n="behind it comes what was kept back")
                    talk.emit(n="the last")
                    server.get(f"wait-for?service={service}&contains=the%20last&direction=out&within=20s")
                    while not talk.silent():
                        pass  # who has read everything answers the close frame
                    server.control("drop", {"service": service})
                    server.get(f"wait-for?service={service}&what=close&within=20s")
            journal = server.get("log?limit=100000")
        finally:
            server.stop()
        # Times differ, and so do tokens, in which there is one.
        steady = [{key: value for key, value in entry.items() if key not in ("at", "token")} for entry in journal]
        journals.append(re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+Z", "now", json.dumps(steady)))
    assert journals[0] == journals[1]
    assert journals[0] != journals[2]


def test_a_wrong_handshake_of_http_is_an_error_for_the_client(mock):
    rule = {"match": {"when": "upgrade"}, "action": {"do": "inject", "hex": "00ff0d0a"}, "times": 1}
    mock.control("faults", rule)
    with pytest.raises(InvalidMessage):
        Talk(mock, "charisma")
