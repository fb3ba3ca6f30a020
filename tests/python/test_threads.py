"""Threads: each with a client and a loop of its own, or all with one client."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, List

import steadfast_sdk as sdk
from conftest import Mock, Service, within


def test_several_threads_each_with_a_loop(service: Service, mock: Mock, user: str) -> None:
    results: List[str] = []

    async def follow(number: int) -> None:
        async def provider(force: bool) -> str:
            assert threading.current_thread().name == f"follower-{number}"
            return mock.token(f"{user}-{number}")

        topic = f"quiet-{user}-{number}"
        async with service.make(mock, f"{user}-{number}", token_provider=provider) as client:
            session = client.session(topic)
            events = session.events()
            await session.live()
            emit = {"service": service.slug, "topic": topic, "event": service.kind, "data": service.data}
            mock.post("emit", emit)
            async for event in events:
                if event.is_message() and event.message.name == (service.kind or "progress"):
                    results.append(event.message.name)
                    return

    threads = [
        threading.Thread(target=lambda n=n: asyncio.run(within(follow(n))), name=f"follower-{n}") for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [service.kind or "progress"] * 6


async def test_one_client_from_several_threads(service: Service, mock: Mock, user: str) -> None:
    together = threading.Barrier(8, timeout=20)

    async with service.make(mock, user) as client:

        async def follow(number: int) -> List[str]:
            """Follows a topic of its own to its end, with a command and a look at everything on the way."""
            topic = f"{service.topic}-{user}-{number}"
            session = client.session(topic)
            names: List[str] = []
            async for message in session.messages():
                if not names:
                    reply = await service.ask(client, topic)
                    assert reply is not False
                names.append(message.name)
                picture = session.snapshot
                assert picture is not None and picture.topic == topic
                assert topic in client.diagnose().text and client.stats().frames_in > 0
                await answer(client, message.data)
                if not service.ends and message.name in service.last:
                    break
            assert session.state.is_ended() == service.ends
            session.close()
            return names

        def in_thread(number: int) -> List[str]:
            together.wait()
            return asyncio.run(within(follow(number)))

        with ThreadPoolExecutor(8) as pool:
            loop = asyncio.get_running_loop()
            followed = await asyncio.gather(*(loop.run_in_executor(pool, in_thread, number) for number in range(8)))
        assert all(names[-1] in service.last for names in followed), followed
        assert client.stats().reconnects == 0


async def answer(client: Any, message: Any) -> None:
    """DocProc's job waits for the answer to its question."""
    if isinstance(message, sdk.DocProcMessage) and message.is_clarification() and message.value.status.is_pending():
        await client.respond_to_clarification(message.value.clarification_id, "the second")
