"""Clients without a protocol of their own: bytes over TCP, texts over a WebSocket of the library `websockets`."""

import base64
import json
import os
import socket
from contextlib import ExitStack
from datetime import datetime, timezone
from urllib.parse import urlsplit

from websockets.sync.client import connect

PATIENCE = 20
UTC = timezone.utc

# What subscribes, what confirms it, and what can be emitted on a topic.
WORDS = {
    "charisma": ("subscribe", "subscribed", None, {"status": "uploading"}),
    "therapybridge": (None, None, None, {"status": "transcribing", "progress": 5}),
    "devcontext": ("subscribe_analysis", "subscription_confirmed", "stage_completed", {"stage": "project_review"}),
    "saga": ("join_project", "joined_project", "story_processed", {"storyId": "s1"}),
    "docproc": ("subscribe", "subscribed", "progress", {"status": "PROCESSING", "progress": 5}),
}
ROLES = {"saga": "storyteller", "therapybridge": "therapist"}
SOCKET_IO = ["saga", "docproc"]
PATHS = {
    "charisma": "/ws",
    "therapybridge": "/api/sessions/ws/{topic}",
    "devcontext": "/v1/ws",
    "saga": "/socket.io/?EIO=4&transport=websocket",
    "docproc": "/socket.io/?EIO=4&transport=websocket",
}


def path(service, topic, token=None):
    """The address of a service's WebSocket; Socket.IO takes the token in a packet."""
    at = f"/{service}{PATHS[service].format(topic=topic)}"
    return f"{at}?token={token}" if token and service not in SOCKET_IO else at


class Talk:
    """One conversation with a service, in plain texts."""

    def __init__(self, mock, service, topic="quiet-1", token=None, subscribe=True, **options):
        self.mock, self.service, self.topic = mock, service, topic
        self.token = token or mock.token(f"user-of-{service}", ROLES.get(service))
        base = mock.base.replace("http", "ws", 1)
        self.stack = ExitStack()
        opening = connect(base + path(service, topic, self.token), open_timeout=PATIENCE, **options)
        self.ws = self.stack.enter_context(opening)
        if service in SOCKET_IO:
            assert self.text().startswith("0{")
            self.ws.send("40" + json.dumps({"token": self.token}))
        if subscribe:
            self.until_welcome()
            self.subscribe()

    def until_welcome(self):
        """Past what a service says before it is asked."""
        if self.service in SOCKET_IO:
            assert self.text().startswith("40{")
        if self.service == "docproc":
            assert self.next()[0] == "connected"

    def subscribe(self, confirmed=True):
        command, confirmation, _, _ = WORDS[self.service]
        if command is None:
            return
        self.command(command)
        if confirmed:
            assert self.next()[0] == confirmation

    def leave(self):
        words = {"saga": "leave_project", "devcontext": "unsubscribe_analysis"}
        self.command(words.get(self.service, "unsubscribe"))

    def command(self, command):
        """Says something about the topic."""
        if self.service in SOCKET_IO:
            self.ws.send("42" + json.dumps([command, self.topic]))
        elif self.service == "charisma":
            self.ws.send(json.dumps({"action": command, "payload": {"sessionId": self.topic}}))
        else:
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            self.ws.send(json.dumps({"type": command, "timestamp": now, "payload": {"analysisId": self.topic}}))

    def emit(self, **more):
        """Has the server tell something of the topic."""
        _, _, event, data = WORDS[self.service]
        assert self.mock.emit(self.service, self.topic, {**data, **more}, event)["delivered"] == 1

    def text(self, patience=PATIENCE):
        return self.ws.recv(timeout=patience)

    def next(self):
        """Name and payload of the next message; the engine's pings are answered."""
        text = self.text()
        while text == "2":
            self.ws.send("3")
            text = self.text()
        if self.service in SOCKET_IO:
            assert text.startswith("42"), text
            name, *payload = json.loads(text[2:])
            return name, payload[0] if payload else None
        message = json.loads(text)
        return message.get("type", message.get("status")), message

    def silent(self, span=0.1):
        """Whether nothing comes for so long."""
        try:
            self.text(span)
        except TimeoutError:
            return True
        return False

    def close(self):
        self.ws.close_timeout = 0.1
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Raw:
    """A TCP connection."""

    def __init__(self, mock):
        at = urlsplit(mock.base)
        self.socket = socket.create_connection((at.hostname, at.port), timeout=PATIENCE)
        self.mock = mock

    def ask(self, target, upgrade=True, **headers):
        """Writes a request, by default one that opens a WebSocket."""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {target} HTTP/1.1", "Host: mock", *(f"{name}: {text}" for name, text in headers.items())]
        if upgrade:
            lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def head(self):
        """Status and headers of the answer."""
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, text
            text += byte
        first, *lines = text.decode().strip().split("\r\n")
        return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}

    def exchange(self, target, upgrade=True, **headers):
        """A whole exchange: status, headers, body."""
        self.ask(target, upgrade, **headers)
        status, headers = self.head()
        return status, headers, self.exactly(int(headers.get("content-length", 0)))

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, data
            data += more
        return data

    def frame(self):
        """The next frame: its first byte and its payload."""
        head, length = self.exactly(2)
        if length == 126:
            length = int.from_bytes(self.exactly(2), "big")
        elif length == 127:
            length = int.from_bytes(self.exactly(8), "big")
        return head, self.exactly(length)

    def open(self, service="charisma"):
        """Opens a WebSocket and subscribes a topic on Charisma."""
        self.ask(path(service, "quiet-1", self.mock.token()))
        assert self.head()[0] == 101
        text = json.dumps({"action": "subscribe", "payload": {"sessionId": "quiet-1"}}).encode()
        self.socket.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        assert b"subscribed" in self.frame()[1]
        return self

    def silent(self, span=0.1):
        self.socket.settimeout(span)
        try:
            return self.socket.recv(1) == b"never"
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
