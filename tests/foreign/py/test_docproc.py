"""DocProc through python-socketio."""

import pytest
import socketio
from conftest import rest
from follower import TRANSPORTS, Follower


def test_the_documented_program_follows_a_session_to_its_end(mock):
    sio = socketio.Client()
    seen = {"progress": [], "models": {}, "completed": None}

    @sio.on("connect")
    def on_connect():
        sio.emit("subscribe", "program-1")

    @sio.on("progress")
    def on_progress(data):
        seen["progress"].append((data["progress"], data["status"]))

    @sio.on("model_result")
    def on_model_result(data):
        seen["models"][data["modelName"]] = data["result"] if data["status"] == "completed" else None

    @sio.on("clarification")
    def on_clarification(data):
        if data["status"] == "pending":
            answer = {"clarificationId": data["clarificationId"], "answer": "Without tax."}
            rest(f"{mock.url('docproc')}/api/wizard/clarifications/respond", answer)

    @sio.on("completed")
    def on_completed(data):
        seen["completed"] = data["result"]
        sio.disconnect()

    sio.connect(mock.base, socketio_path="/docproc/socket.io/")
    sio.wait()
    numbers = [progress for progress, _ in seen["progress"]]
    assert numbers == sorted(numbers) and numbers[-1] == 100
    assert seen["progress"][-1][1] == "COMPLETED"
    assert len(seen["models"]) >= 2 and all(seen["models"].values())
    assert seen["completed"]


@pytest.mark.parametrize("mode", TRANSPORTS)
def test_a_session_is_followed_and_its_question_answered(mock, mode):
    session = f"python-{mode}"
    client = Follower()
    client.connect(mock.base, "docproc", mode)
    assert client.until("connected")["socketId"] == client.sio.get_sid()
    client.sio.emit("subscribe", session)
    assert client.until("subscribed")["sessionId"] == session

    asked = client.until("clarification", lambda data: data["status"] == "pending")
    answer = {"clarificationId": asked["clarificationId"], "answer": "Without tax."}
    reply = rest(f"{mock.url('docproc')}/api/wizard/clarifications/respond", answer)
    assert reply == {"clarificationId": asked["clarificationId"], "status": "answered"}
    assert client.until("clarification")["status"] == "answered"
    assert client.until("completed")["result"]

    statuses = [data["status"] for name, data in client.seen if name == "progress"]
    assert list(dict.fromkeys(statuses)) == ["ACTIVE", "PROCESSING", "COMPLETED"]
    models = {data["modelName"]: data["status"] for name, data in client.seen if name == "model_result"}
    assert len(models) >= 2 and set(models.values()) == {"completed"}
    assert rest(f"{mock.url('docproc')}/api/wizard/session/{session}")["hasResult"]

    client.sio.emit("unsubscribe", session)
    assert client.until("unsubscribed")["sessionId"] == session
    client.sio.disconnect()


@pytest.mark.parametrize("mode", TRANSPORTS)
def test_unknown_and_foreign_sessions_are_refused(mock, mode):
    client = Follower()
    client.connect(mock.base, "docproc", mode)
    for session, text in [("missing-1", "Session not found"), ("denied-1", "Not allowed")]:
        client.sio.emit("subscribe", session)
        refusal = client.until("error")
        assert (refusal["sessionId"], refusal["error"]) == (session, text)
    client.sio.disconnect()


def test_a_session_that_fails_says_so(mock):
    client = Follower()
    client.connect(mock.base, "docproc", "websocket")
    client.sio.emit("subscribe", "fail-python")
    result = client.until("model_result", lambda data: data["status"] == "failed")
    assert result["error"]
    assert client.until("progress", lambda data: data["status"] == "FAILED")["sessionId"] == "fail-python"
    client.sio.disconnect()


def test_a_lost_connection_comes_back_and_is_subscribed_again(mock):
    client = Follower(reconnection=True, reconnection_delay=0.05, randomization_factor=0)
    client.sio.on("connect", lambda: client.sio.emit("subscribe", "quiet-python"))
    client.connect(mock.base, "docproc", "websocket")
    client.until("subscribed")
    mock.cut("docproc")
    client.until("disconnect")
    client.until("subscribed")
    mock.emit("docproc", "quiet-python", {"status": "PROCESSING", "progress": 7}, "progress")
    assert client.until("progress")["progress"] == 7
    client.sio.disconnect()
