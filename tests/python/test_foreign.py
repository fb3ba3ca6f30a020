"""What the app gives to the SDK: tokens, listeners, loggers, roots."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import re
import threading
from pathlib import Path
from typing import List

import pytest
import trustme

import steadfast_sdk as sdk
from conftest import Mock, Service, until, within


async def test_token_refresh_ahead_and_forced(service: Service, mock: Mock, user: str) -> None:
    asked: List[bool] = []
    if service.slug == "docproc":
        mock.post("switches", {"docproc.auth": "on"})

    async def provider(force: bool) -> str:
        asked.append(force)
        await asyncio.sleep(0)
        return mock.token(user, "11s" if len(asked) == 1 else f"{3600 + len(asked)}s")

    async def asked_often(count: int) -> None:
        while len(asked) < count:
            await asyncio.sleep(0.05)

    in_band = service.slug in ("charisma", "devcontext")

    def connections() -> List[int]:
        return [each["connection"] for each in mock.get("connections") if each["user"] == user]

    async def settled() -> None:
        """Where the new token needs a new connection, the old one is gone."""
        while not in_band and (len(now := connections()) != 1 or now == first):
            await asyncio.sleep(0.05)

    try:
        timings = sdk.TimingOptions(refresh_interval_ms=100)
        async with service.make(mock, user, token_provider=provider, timings=timings) as client:
            session = client.session(f"quiet-{user}")
            await within(session.live())
            first = connections()
            await within(asked_often(2))
            assert asked == [False, False], "ahead of the expiry nothing has been refused"
            await within(settled())
            await within(session.live())
            mock.post("faults", {"match": {"user": user, "when": "now"}, "action": {"do": "expire_token"}, "times": 1})
            if in_band:  # the next message is refused, unless the server was quicker
                with contextlib.suppress(sdk.SteadfastError.Command):
                    await within(client.send_raw("anything", {}))
            await within(asked_often(3))
            await within(session.live())
            assert client.stats().auth_failures <= 1
    finally:
        if service.slug == "docproc":
            mock.post("switches", {"docproc.auth": "off"})


async def test_a_provider_that_fails_is_asked_again_and_one_that_denies_is_not(mock: Mock) -> None:
    asked = 0

    def flaky(force: bool) -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ValueError("not yet")
        return mock.token("flaky")

    fast = sdk.ReconnectOptions(base_delay_ms=10)
    async with sdk.CharismaClient(f"{mock.url}/charisma", token_provider=flaky, reconnect=fast) as client:
        await within(client.ready())
        assert asked == 2

    def denied(force: bool) -> str:
        raise sdk.TokenError.Denied("signed out")

    async with sdk.CharismaClient(f"{mock.url}/charisma", token_provider=denied, reconnect=fast) as client:
        with pytest.raises(sdk.SteadfastError.Command):
            await within(client.ready())
        state = client.state
        assert state.is_failed() and state.why.kind == sdk.WhyKind.AUTH and "signed out" in state.why.text
        client.set_token(mock.token("denied"))
        await within(client.ready())


async def test_a_cancelled_wait_loses_no_event(service: Service, mock: Mock, user: str) -> None:
    async with service.make(mock, user) as client:
        topic = f"quiet-{user}"
        session = client.session(topic)
        await within(session.live())
        # DevContext tells each stage once, so there it is messages that only the client hears of.
        named = service.slug == "devcontext"
        events = client.events() if named else session.events()
        got: List[int] = []

        async def take(count: int) -> None:
            while len(got) < count:
                event = await events.__anext__()
                if event.is_message() and (number := re.search(r'"n":(\d+)', event.message.raw)):
                    got.append(int(number.group(1)))

        for number in range(40):
            wait = asyncio.create_task(take(1000))
            await asyncio.sleep(0)
            data = {**service.data, "n": number}
            mock.post("emit", {"service": service.slug, "topic": topic, "event": f"n{number}" if named else service.kind, "data": data})
            wait.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wait
        await within(take(40))
        assert got == list(range(40))


async def test_a_cancelled_command_ends_at_once(mock: Mock) -> None:
    async with sdk.CharismaClient("ws://127.0.0.1:9", token="t") as client:
        waits = [asyncio.create_task(client.ready()) for _ in range(50)]
        await until(lambda: client.stats().attempts > 0)
        for wait in waits:
            wait.cancel()
        results = await within(asyncio.gather(*waits, return_exceptions=True), 2)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)


async def test_a_closed_session_ends_its_readers(mock: Mock) -> None:
    async with sdk.CharismaClient(f"{mock.url}/charisma", token=mock.token("closing")) as client:
        session = client.session("quiet-closing")
        await within(session.live())

        heard = 0

        async def read() -> int:
            nonlocal heard
            count = 0
            async for event in session:
                count += 1
                heard += event.is_state() and event.state.is_live()
            return count

        readers = [asyncio.create_task(read()) for _ in range(3)]
        await until(lambda: heard == 3)
        session.close()
        counts = await within(asyncio.gather(*readers), 2)
        assert counts[0] == counts[1] == counts[2] > 0
        assert [event async for event in session] == []


async def test_a_listener_that_throws_is_logged(service: Service, mock: Mock, user: str) -> None:
    heard: List[str] = []
    lines: List[str] = []
    logger = logging.getLogger("steadfast-test")
    logger.setLevel(1)
    logger.propagate = False
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    sdk.log_to(logger, sdk.LogLevel.TRACE)

    def listener(event: sdk.ClientEvent) -> None:
        heard.append(type(event).__name__)
        raise ValueError("a listener's own trouble")

    token, topic = mock.token(user), f"quiet-{user}"
    async with service.make(mock, user, token=token, listener=listener) as client:
        await within(client.session(topic).live())
        emit = {"service": service.slug, "topic": topic, "event": service.kind, "data": service.data}
        mock.post("emit", emit)
        await until(lambda: any("a listener's own trouble" in line for line in lines))
        await until(lambda: "ClientEvent.MESSAGE" in heard)
        name = service.kind or "progress"
        await until(lambda: any(name in line for line in lines))  # frames are logged by name
    sdk.log_to(None)
    assert not any(token in line for line in lines), "a token is never logged"


async def test_a_provider_may_ask_the_client_that_is_going(mock: Mock) -> None:
    """And its answer may come in the same moment."""
    for number in range(60):
        asked, ended, answer = asyncio.Event(), asyncio.Event(), asyncio.Event()
        held: List[sdk.CharismaClient] = []

        async def provider(force: bool) -> str:
            asked.set()
            try:
                await answer.wait()
                return "t"
            finally:
                for client in held:
                    assert client.diagnose().text
                    client.set_token("another")
                ended.set()

        held.append(sdk.CharismaClient(f"{mock.url}/charisma", token_provider=provider))
        held[0].connect()
        await within(asked.wait())
        if number % 3:
            loop = asyncio.get_running_loop()
            threading.Thread(target=lambda: loop.call_soon_threadsafe(answer.set)).start()
        if number % 2:
            held.clear()
            gc.collect()
        else:
            await within(held[0].shutdown())
        await within(ended.wait())


async def test_tls_with_a_private_root(service: Service, authority: trustme.CA, tmp_path: Path, user: str) -> None:
    server, root = tls_mock(authority, "127.0.0.1", tmp_path)
    try:
        async with service.make(server, user, extra_root_pem=[root]) as client:
            await within(client.session(f"quiet-{user}").live())
        async with service.make(server, user) as client:
            with pytest.raises(sdk.SteadfastError.Command) as caught:
                await within(client.ready() if service.slug != "therapybridge" else client.session("s").live())
            assert client.state.is_failed() or "certificate" in caught.value.detail.lower()
    finally:
        server.stop()


async def test_tls_with_a_certificate_of_another_name(service: Service, authority: trustme.CA, tmp_path: Path) -> None:
    server, root = tls_mock(authority, "wrong.example", tmp_path, check=False)
    try:
        async with service.make(server, "nobody", token="t", extra_root_pem=[root]) as client:
            session = client.session("s")
            with pytest.raises(sdk.SteadfastError.Command):
                await within(session.live())
            # Where each session has a connection of its own, it is the session that is refused.
            state = client.state if client.state.is_failed() else session.state
            assert state.why.kind == sdk.WhyKind.TLS
    finally:
        server.stop()


def tls_mock(authority: trustme.CA, name: str, folder: Path, check: bool = True) -> tuple:
    certificate = authority.issue_cert(name)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(key))
    root = authority.cert_pem.bytes().decode()
    return Mock("--tls", f"{chain},{key}", root=root if check else None), root
