"""TherapyBridge through the library `websockets`."""

import asyncio
import json

import pytest
import websockets
from conftest import rest

PATIENCE = 20


async def monitor_session(mock, session_id, jwt_token):
    """The documented program: all updates up to the end, heartbeats left aside."""
    query = "" if jwt_token is None else f"?token={jwt_token}"
    uri = f"{mock.url('therapybridge', 'ws')}/api/sessions/ws/{session_id}{query}"
    updates = []
    async with websockets.connect(uri) as websocket:
        async for message in websocket:
            data = json.loads(message)
            if data.get("type") == "ping":
                continue
            updates.append(data)
            if data["status"] in ("processed", "failed"):
                break
    return updates


def follow(mock, session_id, jwt_token):
    return asyncio.run(asyncio.wait_for(monitor_session(mock, session_id, jwt_token), PATIENCE))


def test_the_documented_program_follows_a_session_to_its_end(mock):
    session = "550e8400-e29b-41d4-a716-446655440000"
    updates = follow(mock, session, mock.token("p1", "patient"))
    progress = [update["progress"] for update in updates]
    assert progress == sorted(progress) and progress[-1] == 100
    assert updates[-1]["status"] == "processed"
    assert all(update["session_id"] == session and update["message"] for update in updates)


def test_a_session_that_fails_says_why(mock):
    updates = follow(mock, "fail-python", mock.token("p1", "patient"))
    assert updates[-1]["status"] == "failed" and updates[-1]["error"]


def test_the_server_closes_with_1000_after_the_end(mock):
    async def wait_for_the_close():
        uri = f"{mock.url('therapybridge', 'ws')}/api/sessions/ws/closing?token={mock.token('p1', 'patient')}"
        async with websockets.connect(uri) as websocket:
            async for _ in websocket:
                pass
            return websocket.close_code

    assert asyncio.run(asyncio.wait_for(wait_for_the_close(), PATIENCE)) == 1000


@pytest.mark.parametrize(
    ("session", "who", "reason"),
    [
        ("s1", None, "Authentication required"),
        ("s1", "nonsense", "Invalid authentication"),
        ("missing-1", "patient", "Session not found"),
        ("denied-1", "patient", "Not authorized to access this session"),
    ],
)
def test_refusals_close_with_1008_and_the_documented_reason(mock, session, who, reason):
    token = mock.token("p1", "patient") if who == "patient" else who
    with pytest.raises(websockets.exceptions.ConnectionClosedError) as refused:
        follow(mock, session, token)
    assert (refused.value.rcvd.code, refused.value.rcvd.reason) == (1008, reason)


def test_a_token_comes_from_the_login(mock):
    login = rest(f"{mock.url('therapybridge')}/api/v1/login", {"email": "admin@example.com", "password": "x"})
    updates = follow(mock, "denied-login", login["access_token"])
    assert updates[-1]["status"] == "processed"


def test_a_lost_connection_goes_on_where_the_session_stands(mock):
    token = mock.token("p1", "patient")

    async def lose_and_return():
        uri = f"{mock.url('therapybridge', 'ws')}/api/sessions/ws/again-python?token={token}"
        seen = []
        # `websockets` reconnects by itself when connect() is iterated.
        async for websocket in websockets.connect(uri):
            try:
                async for message in websocket:
                    seen.append(json.loads(message)["progress"])
                    if len(seen) == 3:
                        await asyncio.to_thread(mock.cut, "therapybridge")
                return seen
            except websockets.exceptions.ConnectionClosedError:
                continue

    seen = asyncio.run(asyncio.wait_for(lose_and_return(), PATIENCE))
    assert seen == sorted(seen) and seen[-1] == 100
