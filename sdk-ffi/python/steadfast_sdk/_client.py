"""What the clients of all services share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Generic, Mapping, Optional, Sequence, Type, TypeVar, Union

from ._loop import Provider, TokenFunction
from ._native.steadfast import (
    AuthMode,
    ClientEvent,
    ClientOptions,
    ConnectionState,
    Diagnosis,
    Endpoint,
    EventListener,
    LimitOptions,
    Message,
    NativeClient,
    NativeClientReader,
    NativeSession,
    NativeSessionReader,
    Reachability,
    ReconnectOptions,
    Service,
    SessionEvent,
    Snapshot,
    Stats,
    SubscriptionState,
    TimingOptions,
)

M = TypeVar("M")
C = TypeVar("C", bound="Client[Any]")

PRODUCTION = Endpoint.PRODUCTION()
"""The service's own production URL; Saga and DocProc name none."""
DEVELOPMENT = Endpoint.DEVELOPMENT()
"""The service's URL on a developer's machine."""


@dataclass(frozen=True)
class TypedMessage(Generic[M]):
    """A message of one service, with what is the same for all services in front."""

    name: str
    """Its name as sent, also if this SDK does not know it."""
    topic: Optional[str]
    """The topic it is about; `None` if it is about the connection."""
    progress: Optional[float]
    """Its progress as 0.0–1.0, if it tells one; the raw number is in the data."""
    at: Optional[float]
    """When the service says it happened, Unix ms with fractions."""
    outdated: bool
    """It is older than what the snapshot shows."""
    recovered: bool
    """It makes up for something missed while the connection was down."""
    data: M
    """The message itself."""
    raw: str
    """The payload as sent, with the fields this SDK does not know: one JSON value."""

    def json(self) -> Any:
        """The payload as Python has it."""
        return json.loads(self.raw)

    @staticmethod
    def of(message: Message) -> "TypedMessage[Any]":
        """Takes the service's own message out of one that may be of any service."""
        return TypedMessage(
            name=message.name,
            topic=message.topic,
            progress=message.progress,
            at=message.at,
            outdated=message.outdated,
            recovered=message.recovered,
            data=message.data.value,  # type: ignore[attr-defined]
            raw=message.raw,
        )


class Events:
    """The events of a client, or of a subscription: an asynchronous iterator that loses nothing when it is cancelled.
    Made by `Client.events` and `Session.events`.
    """

    def __init__(self, _reader: Any) -> None:
        self._reader: Union[NativeSessionReader, NativeClientReader] = _reader
        self._seq = 0

    @property
    def position(self) -> int:
        """The number of the last event."""
        return self._seq

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> Any:
        answer = await self._reader.next_after(self._seq)
        if answer is None:
            raise StopAsyncIteration
        self._seq = answer.seq
        return answer.event

    def close(self) -> None:
        """Ends it, also for whoever waits."""
        self._reader.stop()


class Session(Generic[M]):
    """A subscription to one topic, made by `Client.session`. `async for event in session` gives its events until it ends.

    Each `async for` begins where the subscription began; none takes anything from another.
    """

    def __init__(self, _native: Any) -> None:
        self._native: NativeSession = _native

    @property
    def topic(self) -> str:
        """The topic."""
        return self._native.topic()

    @property
    def state(self) -> SubscriptionState:
        """The state of the subscription."""
        return self._native.state()

    @property
    def snapshot(self) -> Optional[Snapshot]:
        """The last known picture of the topic."""
        return self._native.snapshot()

    async def live(self) -> None:
        """Waits until the server has confirmed the subscription; fails with the reason if it refuses."""
        await self._native.live()

    def events(self) -> AsyncIterator[SessionEvent]:
        """All events since the subscription began."""
        return Events(self._native.reader())

    def __aiter__(self) -> AsyncIterator[SessionEvent]:
        return self.events()

    async def messages(self) -> AsyncIterator[TypedMessage[M]]:
        """The service's messages alone; states, pictures and gaps are passed over."""
        async for event in self.events():
            if isinstance(event, SessionEvent.MESSAGE):
                yield TypedMessage.of(event.message)

    def close(self) -> None:
        """Unsubscribes. Who waits for an event gets the end."""
        self._native.unsubscribe()

    async def __aenter__(self) -> "Session[M]":
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


class _Listener(EventListener):
    def __init__(self, function: Callable[[ClientEvent], None]) -> None:
        self._function = function

    def on_event(self, event: ClientEvent) -> None:
        self._function(event)


class Client(Generic[M]):
    """A client of one service; see the classes below it. Making one opens nothing: it connects when there is something
    to do, and closes at the end of `async with` or by `shutdown()`.

    `url` is the service's base, `PRODUCTION` or `DEVELOPMENT`. Give a `token`, or a `token_provider` that is asked
    before every attempt; the latter only inside a running event loop. A `listener` is called with every event, on a
    thread of the SDK; what it throws is logged.
    """

    _service: Service

    def __init__(
        self,
        url: Union[str, Endpoint],
        *,
        token: Optional[str] = None,
        token_provider: Optional[TokenFunction] = None,
        listener: Optional[Callable[[ClientEvent], None]] = None,
        auth: Optional[AuthMode] = None,
        rest_url: Optional[str] = None,
        query: Optional[Mapping[str, str]] = None,
        headers: Optional[Mapping[str, str]] = None,
        connect_fields: Optional[Mapping[str, str]] = None,
        allow_insecure: bool = False,
        extra_root_pem: Sequence[str] = (),
        reconnect: Optional[ReconnectOptions] = None,
        timings: Optional[TimingOptions] = None,
        limits: Optional[LimitOptions] = None,
        answer_pings: bool = True,
        fetch_on_stage: bool = False,
        log_frames: bool = False,
    ) -> None:
        options = ClientOptions(
            endpoint=Endpoint.URL(url) if isinstance(url, str) else url,
            token=token,
            auth=auth,
            rest_url=rest_url,
            query=dict(query or {}),
            headers=dict(headers or {}),
            connect_fields=dict(connect_fields or {}),
            allow_insecure=allow_insecure,
            extra_root_pem=list(extra_root_pem),
            reconnect=reconnect or ReconnectOptions(),
            timings=timings or TimingOptions(),
            limits=limits or LimitOptions(),
            answer_pings=answer_pings,
            fetch_on_stage=fetch_on_stage,
            log_frames=log_frames,
        )
        provider = Provider(token_provider) if token_provider else None
        heard = _Listener(listener) if listener else None
        self._native = NativeClient(self._service, options, provider, heard)

    def session(self, topic: str, *, keep: bool = False) -> Session[M]:
        """Subscribes to a topic. It is asked for as soon as there is a connection, and again after every reconnect,
        until the session is closed. With `keep` it goes on through the topic's end."""
        return Session(self._native.subscribe(topic, keep))

    def events(self) -> AsyncIterator[ClientEvent]:
        """All events of the client from now on."""
        return Events(self._native.reader())

    async def ready(self) -> None:
        """Waits until messages flow. Fails with the reason if that won't happen by itself."""
        await self._native.ready()

    def connect(self) -> None:
        """Connects now: skips any wait and re-arms a client that has failed."""
        self._native.connect()

    def take_over(self) -> None:
        """As `connect`, also when another connection of this user has the place."""
        self._native.take_over()

    def set_token(self, token: str) -> None:
        """Uses this token from now on; re-arms a client whose authentication failed."""
        self._native.set_token(token)

    @property
    def state(self) -> ConnectionState:
        """The state of the connection."""
        return self._native.state()

    def snapshot(self, topic: str) -> Optional[Snapshot]:
        """The last known picture of a topic."""
        return self._native.snapshot(topic)

    def diagnose(self) -> Diagnosis:
        """Why the client is in the state it is in, for people and as JSON, without secrets."""
        return self._native.diagnose()

    def stats(self) -> Stats:
        """What the client has counted."""
        return self._native.stats()

    def network_changed(self, online: bool = True) -> None:
        """The network changed, or came or went."""
        self._native.network_changed(Reachability.ONLINE if online else Reachability.OFFLINE)

    def background(self) -> None:
        """The app went to the background: after 25 s there the connection is closed."""
        self._native.background()

    def foreground(self) -> None:
        """The app came to the foreground: it connects at once."""
        self._native.foreground()

    async def send_raw(self, kind: str, payload: Any = ...) -> None:
        """Sends a message that this SDK does not know. `payload` becomes JSON; left out, there is none."""
        await self._native.send_raw(kind, "" if payload is ... else json.dumps(payload))

    async def shutdown(self) -> None:
        """Closes everything; every waiting command ends `CLOSED`. Returns when nothing is left running."""
        await self._native.shutdown()

    async def __aenter__(self: C) -> C:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.shutdown()
