"""Follows a whole Saga project with python-socketio, then what the service refuses.

    python saga.py <url> <token> <project> [websocket|polling|upgrade]

<url> is the service's base, for example http://127.0.0.1:8090/saga. Exit code 0 if all went as documented.
"""

import sys

import socketio
from common import Follower, check

EXPECTED = [
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


def main(url, token, project, mode="websocket"):
    stranger = Follower()
    try:
        stranger.connect(url, mode, "nonsense")
        check(False, "a bad token was taken")
    except socketio.exceptions.ConnectionError:
        expected = {"message": "Authentication failed", "data": {"code": "AUTH_FAILED"}}
        check(stranger.refusal == expected, f"refused with {stranger.refusal}")

    client = Follower()
    client.connect(url, mode, token)
    client.sio.emit("join_project", project)
    check(client.until("joined_project")["projectId"] == project, "joined another project")
    check("downloadUrl" in client.until("export_ready"), "an export without its address")
    events = [(name, data) for name, data in client.seen if name in EXPECTED]
    check(all(data["projectId"] == project for _, data in events), "an event without its project")
    check(list(dict(events)) == EXPECTED, f"events in this order: {list(dict(events))}")

    client.sio.emit("ping")
    client.until("pong")
    client.sio.emit("join_project", "missing-1")
    check(client.until("error")["code"] == "PROJECT_ACCESS_DENIED", "an unknown project was joined")
    client.sio.emit("leave_project", project)
    check(client.until("left_project")["projectId"] == project, "left another project")
    client.sio.disconnect()
    print("as documented")


if __name__ == "__main__":
    main(*sys.argv[1:])
