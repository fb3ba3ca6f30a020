"""The example programs, as a user starts them."""

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
