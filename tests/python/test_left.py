"""What is left when an app has let go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Callable, List

import left
import steadfast_sdk as sdk
from conftest import Mock, Service, until, within


def _let_go(mock: Mock, service: str, tasks: int) -> Callable[[], bool]:
    """Whether the library holds nothing any more, and nothing runs or is connected to this service."""

    def nothing() -> bool:
        gc.collect()
        connected = [each for each in mock.get("connections") if each["service"] == service]
        return left.held_of_python() == 0 and not connected and len(asyncio.all_tasks()) <= tasks + 1 and left.threads() <= 1

    return nothing


async def test_a_thousand_clients_leave_nothing_behind(service: Service, mock: Mock, user: str) -> None:
    async def cycle(number: int) -> None:
        # Of a user of its own now and then: services limit what one may send in a minute.
        token = mock.token(f"{user}-{number // 10}")
        client = service.make(mock, user, token_provider=lambda force: token, listener=lambda event: None)
        session = client.session(f"quiet-{number}")
        if number % 10 == 0:
            await within(session.live())
        reader = session.events()
        await reader.__anext__()
        session.close()
        await within(client.shutdown())

    tasks = len(asyncio.all_tasks())

    async def some(count: int) -> None:
        for number in range(count):
            await cycle(number)
        await until(_let_go(mock, service.slug, tasks))

    await some(200)
    files, memory, before = left.files(), left.resident(), left.held_by_library()
    await some(1000)
    await until(lambda: left.files() <= files and not left.objects())

    # A table in use may have become larger: tokio's of threads that may block by 132 bytes when there are four at once,
    # their queue by 64.
    allowed = {"blocks": 0, "bytes": 1023, "tasks": 0}

    def more() -> dict[str, int]:
        grown = {what: count - before[what] for what, count in left.held_by_library().items()}
        return {what: count for what, count in grown.items() if count > allowed[what]}

    with contextlib.suppress(asyncio.TimeoutError):
        await until(lambda: not more())
    assert not more(), f"the library holds {more()} more"
    grown = left.resident() - memory
    print(f"1,000 clients: the library holds nothing more, the process {grown // 1024} KiB")
    # Also what the library does not know of: Python's own, and stacks.
    assert grown < 6 * 1024 * 1024, f"grown by {grown} bytes"


async def test_the_library_counts_what_it_holds(mock: Mock) -> None:
    before = left.held_by_library()
    client = sdk.CharismaClient(f"{mock.url}/charisma", token=mock.token("counted"))
    session = client.session("quiet-counted")
    await within(session.live())
    held = left.held_by_library()
    assert held["blocks"] > before["blocks"] + 20 and held["bytes"] > before["bytes"] + 8 * 1024, (before, held)
    assert held["tasks"] > before["tasks"]
    assert left.objects() == {"CharismaClient": 1, "Session": 1, "NativeClient": 1, "NativeSession": 1}
    await within(client.shutdown())


async def test_what_is_dropped_is_closed(mock: Mock) -> None:
    tasks, files = len(asyncio.all_tasks()), left.files()
    client = sdk.CharismaClient(
        f"{mock.url}/charisma",
        token_provider=lambda force: mock.token("dropped"),
        listener=lambda event: None,
        timings=sdk.TimingOptions(linger_ms=0),
    )
    session = client.session("quiet-dropped")
    await within(session.live())
    other = client.session("quiet-other")
    await within(other.live())
    assert left.held_of_python() == 2, "the provider and the listener"
    reading = asyncio.create_task(session.events().__anext__())
    commands = [asyncio.create_task(client.session("quiet-later").live()) for _ in range(20)]
    await asyncio.sleep(0)
    for wait in (reading, *commands):
        wait.cancel()
    await asyncio.gather(reading, *commands, return_exceptions=True)
    # A task keeps what its coroutine had, for as long as its exception may be asked for.
    del other, commands, wait
    gc.collect()

    def topics() -> List[str]:
        return [topic for each in mock.get("connections") if each["user"] == "dropped" for topic in each["topics"]]

    await until(lambda: topics() == ["quiet-dropped"])
    del client, session, reading
    await until(_let_go(mock, "charisma", tasks))
    await until(lambda: left.files() <= files + 1)
