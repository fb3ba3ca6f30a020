"""Each service from subscribe to end, refused, interrupted, and with what nobody knows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import steadfast_sdk as sdk
from conftest import Mock, Service, within


async def test_full_flow(service: Service, mock: Mock, user: str) -> None:
    async with service.make(mock, user) as client:
        session = client.session(service.topic + user)
        names = []
        events = session.events()

        async def follow() -> None:
            async for event in events:
                if event.is_message():
                    names.append(event.message.name)
                    message = sdk.TypedMessage.of(event.message)
                    assert isinstance(message.json(), dict)
                    if isinstance(message.data, sdk.DocProcMessage) and message.data.is_clarification():
                        question = message.data.value
                        if question.status.is_pending():
                            reply = await client.respond_to_clarification(question.clarification_id, "the second")
                            assert reply.status.is_answered()
                    if not service.ends and message.name in service.last:
                        return

        await within(follow())
        assert names[-1] in service.last, names
        snapshot = session.snapshot
        assert snapshot is not None
        if service.ends:
            assert snapshot.terminal and session.state.is_ended()
            assert snapshot.phase == sdk.Phase.DONE and snapshot.progress in (None, 1.0)
        else:
            assert all(item.phase == sdk.Phase.DONE for item in snapshot.items)
        stats = client.stats()
        assert stats.attempts == 1 and stats.violations == 0 and stats.frames_in >= len(names)
        assert client.diagnose().text.startswith(service.slug)
    assert client.state.is_closed()


async def test_refusal(service: Service, mock: Mock, user: str) -> None:
    async with service.make(mock, user) as client:
        session = client.session(f"missing-{user}")
        if service.slug != "therapybridge":  # whose socket opens before it refuses
            with pytest.raises(sdk.SteadfastError.Command) as caught:
                await within(session.live())
            assert caught.value.detail

        async def follow() -> list:
            return [event async for event in session]

        events = await within(follow())
        assert events[-1].is_state() and events[-1].state.is_refused(), events
        assert events[-1].state.why.kind in (sdk.WhyKind.NOT_FOUND, sdk.WhyKind.NOT_ALLOWED, sdk.WhyKind.SERVICE)
        assert session.state.is_refused()


async def test_reconnect_and_resubscription(service: Service, mock: Mock, user: str) -> None:
    async with service.make(mock, user) as client:
        session = client.session(f"quiet-{user}")
        await within(session.live())
        events = session.events()
        mock.drop(user)
        seen = []

        async def back() -> None:
            async for event in events:
                if event.is_state():
                    seen.append(type(event.state).__name__)
                if seen.count("SubscriptionState.LIVE") == 2:
                    return

        await within(back())
        mock.post("emit", {"service": service.slug, "topic": f"quiet-{user}", "event": service.kind, "data": service.data})
        name = service.kind or "progress"
        while not ((event := await within(events.__anext__())).is_message() and event.message.name == name):
            pass
        stats = client.stats()
        assert stats.reconnects == 1 and stats.unexpected_closes == 1, stats


async def test_unknown_messages_and_values(service: Service, mock: Mock, user: str) -> None:
    async with service.make(mock, user) as client:
        topic = f"quiet-{user}"
        session = client.session(topic)
        events = client.events()
        await within(session.live())
        mock.post("emit", {"service": service.slug, "topic": topic, "event": service.kind, "data": service.data})

        async def value() -> Any:
            async for message in session.messages():
                if message.name == (service.kind or "progress"):
                    return service.unknown(message.data)

        unknown = await within(value())
        assert unknown.is_other() and unknown.value.lower() in ("dreaming", "riddle")
        if service.kind is None:  # its messages have no name; a rule puts one that has in the place of the next
            text = '{"type":"brand_new","novel":[1,null]}'
            rule = {"match": {"user": user, "when": "out"}, "action": {"do": "malformed", "text": text}, "times": 1}
            mock.post("faults", rule)
        mock.post("emit", {"service": service.slug, "topic": topic, "event": "brand_new", "data": {"novel": [1, None]}})

        async def message() -> Any:
            async for event in events:
                if event.is_message() and event.message.data.value.is_unknown():
                    return event.message

        told = await within(message())
        assert told.name == "brand_new" == told.data.value.value.name
        assert "novel" in told.data.value.value.data and "novel" in told.raw
        assert client.stats().violations == 0


async def test_background_and_foreground(service: Service, mock: Mock, user: str) -> None:
    async with service.make(mock, user, timings=sdk.TimingOptions(background_grace_ms=50)) as client:
        session = client.session(f"quiet-{user}")
        await within(session.live())
        events = client.events()

        async def until(name: str) -> None:
            async for event in events:
                if event.is_state() and type(event.state).__name__ == f"ConnectionState.{name}":
                    return

        client.background()
        await within(until("SUSPENDED"))
        client.foreground()
        await within(until("READY"))
        await within(session.live())
        client.network_changed(online=True)
        assert client.stats().reconnects == 1


async def test_errors_name_the_option(mock: Mock) -> None:
    with pytest.raises(sdk.SteadfastError.Configuration) as caught:
        sdk.CharismaClient(mock.url, timings=sdk.TimingOptions(linger_ms=-1))
    assert caught.value.field == "linger_ms" and "-1" in str(caught.value)
    with pytest.raises(sdk.SteadfastError.Configuration):
        sdk.SagaClient(sdk.PRODUCTION, token="t")


async def test_commands_of_each_service(mock: Mock) -> None:
    async with sdk.SagaClient(f"{mock.url}/saga", token=mock.token("commands")) as client:
        await within(client.ready())
        assert await within(client.ping()) >= 0
        assert (await within(client.server_health())).status == "healthy"
        assert (await within(client.server_stats())).total_connections >= 1
        await within(client.send_raw("hello", {"any": "thing"}))
    async with sdk.TherapyBridgeClient(f"{mock.url}/therapybridge") as client:
        login = await within(client.login("therapist@example.org", "secret"))
        client.set_token(login.access_token)
        await within(client.session("session_login").live())
        with pytest.raises(sdk.SteadfastError.Command) as caught:
            await within(client._native.server_health())
        assert caught.value.kind == sdk.CommandErrorKind.INVALID
    async with sdk.CharismaClient(f"{mock.url}/charisma", token=mock.token("commands")) as client:
        await within(client.ready())
        await within(client.authenticate())
    async with sdk.DevContextClient(f"{mock.url}/devcontext", token=mock.token("commands")) as client:
        await within(client.ready())
        assert client.connection_state == sdk.DevContextState.CONNECTED
        assert await within(client.ping()) >= 0
        await within(client.authenticate())
        started = await within(client.start_interview("analysis_done", sdk.SessionType.PRACTICE))
        assert started.first_question is not None and started.first_question.question_id is not None
        assert client.connection_state == sdk.DevContextState.INTERVIEW_ACTIVE
        judged = await within(client.submit_answer(started.session_id, started.first_question.question_id, "because"))
        assert judged.evaluation is not None
        paused = await within(client.pause_interview(started.session_id))
        assert paused.session_id == started.session_id
        assert client.connection_state == sdk.DevContextState.INTERVIEW_PAUSED
        assert (await within(client.resume_interview(started.session_id))).session_id == started.session_id
        assert (await within(client.fetch_analysis("analysis_done"))).analysis_id == "analysis_done"
    assert client.connection_state == sdk.DevContextState.DISCONNECTED
    async with sdk.DocProcClient(f"{mock.url}/docproc") as client:
        await within(client.session("session_rest").live())
        assert (await within(client.fetch_session("session_rest"))).session_id == "session_rest"


async def test_a_failed_command_says_whether_it_was_sent(mock: Mock) -> None:
    client = sdk.SagaClient(f"{mock.url}/saga", token=mock.token("unsent"))
    with pytest.raises(sdk.SteadfastError.Command) as caught:
        await within(client.ping())
    assert caught.value.kind == sdk.CommandErrorKind.NOT_CONNECTED and caught.value.sent == sdk.Sent.NO
    waiting = asyncio.create_task(client.session("missing-later").live())
    await client.shutdown()
    with pytest.raises(sdk.SteadfastError.Command):
        await within(waiting)
