"""Saga through python-socketio."""

import pytest
import socketio
from conftest import rest
from follower import TRANSPORTS, Follower

EVENTS = [
    "story_uploaded",
    "story_processing",
    "transcript_updated",
    "story_processed",
    "interaction_added",
    "interaction_updated",
    "export_started",
    "export_progress",
    "export_ready",
]


@pytest.mark.parametrize("mode", TRANSPORTS)
def test_a_project_is_followed_from_story_to_export(mock, mode):
    project = f"python-{mode}"
    client = Follower()
    client.connect(mock.base, "saga", mode, mock.token(f"story-{mode}", "storyteller"))
    client.sio.emit("join_project", project)
    assert client.until("joined_project") == {"projectId": project}
    assert client.until("export_ready")["downloadUrl"]
    events = [(name, data) for name, data in client.seen if name in EVENTS]
    assert list(dict(events)) == EVENTS
    assert all(data["projectId"] == project for _, data in events)
    client.sio.emit("ping")
    client.until("pong")
    client.sio.emit("leave_project", project)
    assert client.until("left_project") == {"projectId": project}
    client.sio.disconnect()


@pytest.mark.parametrize("mode", TRANSPORTS)
def test_a_bad_token_is_refused(mock, mode):
    for token in [None, "nonsense"]:
        client = Follower()
        with pytest.raises(socketio.exceptions.ConnectionError):
            client.connect(mock.base, "saga", mode, token)
        assert client.refusal == {"message": "Authentication failed", "data": {"code": "AUTH_FAILED"}}


def test_projects_of_others_are_refused(mock):
    client = Follower()
    client.connect(mock.base, "saga", "websocket", mock.token("u1", "storyteller"))
    for project in ["missing-1", "denied-1"]:
        client.sio.emit("join_project", project)
        refusal = client.until("error")
        assert refusal["code"] == "PROJECT_ACCESS_DENIED" and refusal["message"]
    client.sio.disconnect()


def test_a_lost_connection_comes_back_and_joins_again(mock):
    client = Follower(reconnection=True, reconnection_delay=0.05, randomization_factor=0)
    client.sio.on("connect", lambda: client.sio.emit("join_project", "quiet-python"))
    client.connect(mock.base, "saga", "websocket", mock.token("back", "storyteller"))
    client.until("joined_project")
    mock.cut("saga")
    client.until("disconnect")
    client.until("joined_project")
    mock.emit("saga", "quiet-python", {"storyId": "s1"}, "story_processed")
    assert client.until("story_processed")["storyId"] == "s1"
    client.sio.disconnect()


def test_health_and_statistics(mock):
    assert rest(f"{mock.url('saga')}/api/websocket/health")["status"] == "healthy"
    stats = rest(f"{mock.url('saga')}/api/websocket/stats", token=mock.token())
    assert stats["rateLimitStats"]["maxEventsPerWindow"] == 100
