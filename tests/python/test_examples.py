"""The example programs, as a user starts them, and what a type checker says to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Mock

EXAMPLES = Path(__file__).parents[2] / "sdk-ffi/python/examples"


def run(example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / example), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_follow(mock: Mock, user: str) -> None:
    ended = run("follow.py", "charisma", f"{mock.url}/charisma", "session_examples", "--token", mock.token(user))
    assert ended.returncode == 0, ended.stderr
    assert "session_status 100%" in ended.stdout


@pytest.mark.parametrize("topic, code, last", [("session_examples", 0, "the session is processed"), ("fail-1", 1, "processing failed: ")])
def test_therapybridge(mock: Mock, user: str, topic: str, code: int, last: str) -> None:
    ended = run("therapybridge.py", f"{mock.url}/therapybridge", topic, "--token", mock.token(f"{user}-{code}"))
    assert ended.returncode == code, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == f"watching session {topic}"
    assert any(line[:1].isdigit() and "% " in line for line in lines)
    assert lines[-1].startswith(last)


def test_docproc(mock: Mock) -> None:
    ended = run("docproc.py", f"{mock.url}/docproc", "session_examples", "--answer", "the second one")
    assert ended.returncode == 0, ended.stderr
    assert "model " in ended.stdout and ended.stdout.endswith("completed\n")


def test_types() -> None:
    """A program of a user is checked strictly without a word about this package."""
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "/dev/null", *map(str, EXAMPLES.glob("*.py"))],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


def test_a_right_program_is_understood(tmp_path: Path) -> None:
    program = tmp_path / "right.py"
    program.write_text(
        "from steadfast_sdk import PRODUCTION, Endpoint, CharismaClient, SessionEvent, SteadfastError, TokenError, Why\n"
        "def token(refused: bool) -> str:\n"
        "    raise TokenError.Denied('signed out')\n"
        "def look(event: SessionEvent) -> Why | None:\n"
        "    if isinstance(event, SessionEvent.STATE) and isinstance(event.state, event.state.REFUSED):\n"
        "        return event.state.why\n"
        "    return None\n"
        "try:\n"
        "    CharismaClient(PRODUCTION, token_provider=token)\n"
        "    CharismaClient(Endpoint.URL('wss://example.org'))\n"
        "except SteadfastError.Command as error:\n"
        "    print(error.kind.name, error.retryable + 1)\n"
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "/dev/null", str(program)],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


def test_a_wrong_program_is_told_so(tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(
        "from steadfast_sdk import CharismaClient\n"
        "client = CharismaClient('ws://127.0.0.1', tokn='x')\n"
        "client.answer_everything()\n"
        "client.state.colour\n"
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "/dev/null", str(program)],
        capture_output=True,
        text=True,
    )
    assert [line.split(":")[1] for line in checked.stdout.splitlines() if ": error:" in line] == ["2", "3", "4"]
