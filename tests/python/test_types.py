"""What type checkers say: to the examples, to programs of users, and to the stub of the generated module."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import steadfast_sdk as sdk
from test_examples import EXAMPLES
from test_interface import classes

STUB = Path(str(sdk._steadfast.__file__)).with_suffix(".pyi")


def run(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *map(str, arguments)], capture_output=True, text=True, cwd=folder)


def strict(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run("mypy", "--strict", "--cache-dir", os.devnull, *arguments)


def test_the_examples_are_right() -> None:
    checked = strict(*EXAMPLES.glob("*.py"))
    assert checked.returncode == 0, checked.stdout


def test_the_package_is_right_itself() -> None:
    checked = strict("-p", "steadfast_sdk")
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
    checked = strict(program)
    assert checked.returncode == 0, checked.stdout


def test_a_wrong_program_is_told_so(tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(
        "from steadfast_sdk import CharismaClient, Service, TimingOptions, log_to\n"
        "client = CharismaClient('ws://127.0.0.1', tokn='x')\n"
        "client.answer_everything()\n"
        "client.state.colour\n"
        "TimingOptions(linger_ms='long')\n"
        "Service.OTHER\n"
        "log_to(None, 'debug')\n"
    )
    checked = strict(program)
    assert [line.split(":")[1] for line in checked.stdout.splitlines() if ": error:" in line] == [*"234567"], checked.stdout


def test_the_stub_says_what_is_there(tmp_path: Path) -> None:
    # In a folder of its own, where it leaves a cache.
    checked = run("mypy.stubtest", "steadfast_sdk._native.steadfast", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout


def test_the_stub_has_all_comments_and_nothing_of_how_it_travels() -> None:
    text = STUB.read_text()
    assert not re.search(r"[Uu]niffi\w|FfiConverter|RustBuffer|ctypes|_DEFAULT|Union\[object", text)
    found = {node.name: node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)}
    generated = [(name, kind) for name, kind in classes() if kind.__module__ == sdk._steadfast.__name__]
    assert len(generated) > 250, "they are somewhere else now"
    for name, kind in generated:
        stub = found.get(name) or found["_" + name.replace(".", "_")]
        assert ast.get_docstring(stub) == inspect.getdoc(kind), name
