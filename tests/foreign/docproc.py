"""Follows a whole DocProc session with python-socketio and answers its question over REST.

    python docproc.py <url> <token or -> <session> [websocket|polling|upgrade]

<url> is the service's base, for example http://127.0.0.1:8090/docproc. Exit code 0 if all went as documented.
"""

import json
import sys
import urllib.request

from common import Follower, check


def rest(url, token, body=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        return json.load(answer)


def main(url, token, session, mode="websocket"):
    token = None if token == "-" else token
    client = Follower()
    client.connect(url, mode, token)
    check(client.until("connected")["socketId"] == client.sio.get_sid(), "greeted as somebody else")
    client.sio.emit("subscribe", session)
    check(client.until("subscribed")["sessionId"] == session, "subscribed another session")

    asked = client.until("clarification", lambda data: data["status"] == "pending")
    body = {"clarificationId": asked["clarificationId"], "answer": "Without tax."}
    reply = rest(f"{url}/api/wizard/clarifications/respond", token, body)
    check(reply["status"] == "answered", "the answer was not taken")
    answered = client.until("clarification")
    check(answered["status"] == "answered", "the question is still open")
    check(client.until("completed")["result"], "completed without a result")

    statuses = [data["status"] for name, data in client.seen if name == "progress"]
    check(list(dict.fromkeys(statuses)) == ["ACTIVE", "PROCESSING", "COMPLETED"], f"statuses {statuses}")
    models = {data["modelName"]: data["status"] for name, data in client.seen if name == "model_result"}
    check(len(models) >= 2 and set(models.values()) == {"completed"}, f"models {models}")
    check(rest(f"{url}/api/wizard/session/{session}", token)["hasResult"], "no result over REST")

    client.sio.emit("subscribe", "missing-1")
    check(client.until("error")["error"] == "Session not found", "an unknown session was subscribed")
    client.sio.emit("unsubscribe", session)
    check(client.until("unsubscribed")["sessionId"] == session, "unsubscribed another session")
    client.sio.disconnect()
    print("as documented")


if __name__ == "__main__":
    main(*sys.argv[1:])
