"""A mock server for all tests, and clients of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import subprocess
import urllib.request
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Iterator, Optional, TypeVar

import pytest
import trustme

import steadfast_sdk as sdk

T = TypeVar("T")


async def within(wait: Awaitable[T], seconds: float = 20) -> T:
    """Waits, but not for ever."""
    return await asyncio.wait_for(wait, seconds)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what can only be asked for."""

    async def ask() -> None:
        while not condition():
            await asyncio.sleep(0.01)

    await within(ask())


class Mock:
    """A running mock server."""

    def __init__(self, *arguments: str, root: Optional[str] = None) -> None:
        program = os.environ.get("MOCK_SERVER", "mock-server")
        waits = ["--set", "docproc.clarification=wait"]
        command = [program, "--port", "0", "--step", "40ms", *waits, *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._tls = ssl.create_default_context(cadata=root) if root else None
        assert self._process.stdout
        for line in self._process.stdout:
            if match := re.match(r"control API at (https?://[^/]+)", line):
                self.url = match.group(1)
                break

    def post(self, path: str, body: Any) -> Any:
        return self._ask(path, "POST", json.dumps(body).encode())

    def get(self, path: str) -> Any:
        return self._ask(path, "GET", None)

    def _ask(self, path: str, method: str, body: Optional[bytes]) -> Any:
        request = urllib.request.Request(f"{self.url}/_mock/{path}", data=body, method=method)
        with urllib.request.urlopen(request, context=self._tls) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def token(self, user: str, ttl: str = "1h", role: Optional[str] = None) -> str:
        ask = {"sub": user, "ttl": ttl, **({"role": role} if role else {})}
        return self.post("tokens", ask)["token"]

    def drop(self, user: str, code: int = 1011) -> None:
        rule = {"match": {"user": user, "when": "now"}, "action": {"do": "drop", "how": "close", "code": code}, "times": 1}
        self.post("faults", rule)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@dataclass(frozen=True)
class Service:
    """What a test needs to know about a service."""

    slug: str
    client: type
    topic: str
    last: tuple
    """The messages after which nothing more is expected, any of them."""
    ends: bool
    kind: Optional[str]
    """The event that carries `data`, if it has to be named to the mock."""
    data: dict
    """A message with a value of an enum that nobody knows."""
    unknown: Any
    """That value, in the message's data."""
    ask: Callable[[Any, str], Awaitable[Any]]
    """A command, with a topic if it wants one."""

    def make(self, mock: Mock, user: str, **options: Any) -> Any:
        options.setdefault("reconnect", sdk.ReconnectOptions(base_delay_ms=20, max_delay_ms=100, stable_after_ms=100))
        if "token" not in options and "token_provider" not in options:
            options["token"] = mock.token(user)
        return self.client(f"{mock.url}/{self.slug}", **options)


SERVICES = [
    Service("charisma", sdk.CharismaClient, "session_1", ("session_status",), True, "session_status",
            {"status": "dreaming"}, lambda data: data.value.status, lambda client, topic: client.authenticate()),
    Service("therapybridge", sdk.TherapyBridgeClient, "session_1", ("progress",), True, None,
            {"status": "dreaming", "progress": 5}, lambda data: data.value.status,
            lambda client, topic: client.login("therapist@example.org", "secret")),
    Service("saga", sdk.SagaClient, "project_1", ("export_ready",), False, "interaction_added",
            {"storyId": "s", "interaction": {"id": "i", "type": "riddle", "content": "?"}},
            lambda data: data.value.interaction.kind, lambda client, topic: client.ping()),
    Service("docproc", sdk.DocProcClient, "session_1", ("completed", "progress"), True, "progress",
            {"status": "DREAMING", "progress": 5}, lambda data: data.value.status, lambda client, topic: client.fetch_session(topic)),
    Service("devcontext", sdk.DevContextClient, "analysis_1", ("stage_completed",), True, "stage_completed",
            {"stage": "dreaming", "completedStages": [], "progress": 5}, lambda data: data.value.stage,
            lambda client, topic: client.ping()),
]  # fmt: skip


@pytest.fixture(params=SERVICES, ids=lambda service: service.slug)
def service(request: pytest.FixtureRequest) -> Service:
    return request.param


@pytest.fixture(scope="session")
def mock() -> Iterator[Mock]:
    server = Mock()
    yield server
    server.stop()


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A user of this test alone, since some services allow one connection each."""
    return re.sub(r"\W", "-", request.node.name)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()
