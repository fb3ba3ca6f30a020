"""Each of the mock server's ready scenarios, failed by the client in `naive/` that makes the mistake it is about."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import rest

NAIVE = Path(__file__).parent.parent / "naive"
PATIENCE = 60

# The scenario: its service, the one check that must fail, and whether the client has given up by itself then.
SCENARIOS = {
    "accepts-then-drops": ("therapybridge", "it does not come back in a loop", False),
    "token-expires": ("therapybridge", "the expired token is not shown again", False),
    "token-refused": ("therapybridge", "the client does not ask again and again", False),
    "half-open": ("saga", "the topic is followed over a new connection", False),
    "room-forgotten": ("saga", "the topic is followed over the new connection", False),
    "asked-twice": ("saga", "no connection asks for a topic twice", False),
    "second-device": ("therapybridge", "the client stays away", False),
    "told-to-wait": ("therapybridge", "the client waits as it was told", False),
    "long-outage": ("therapybridge", "the topic is followed in the end", True),
    "closed-politely": ("therapybridge", "the topic is followed again", True),
}
# What may be found besides, because the check is about the same.
VERDICTS = {"refused_token", "duplicate_subscribe"}
# Whose client gives up has nothing more to show: no need to wait for as long as the scenario would.
LIMITS = {"long-outage": "10s", "closed-politely": "10s"}


def play(name, folder):
    """Plays a scenario against its naive client: the exit code, the report, and the client's own exit code."""
    service = SCENARIOS[name][0]
    report = folder / f"{name}.json"
    limit = ["--limit", LIMITS[name]] if name in LIMITS else []
    command = [os.environ["MOCK_SERVER"], "run", name, "--port", "0", "--timeout", "30s", "--json", str(report)]
    with subprocess.Popen(command + limit, stdout=subprocess.PIPE, text=True) as server:
        for line in server.stdout:
            if found := re.match(r"control API at (\S+)/_mock/", line):
                base = found[1]
                break
        role = {"saga": "storyteller"}.get(service, "therapist")
        token = rest(f"{base}/_mock/tokens", {"sub": "u1", "role": role})["token"]
        program = NAIVE / f"{name.replace('-', '_')}.py"
        client = subprocess.Popen([sys.executable, program, base, token], stdout=subprocess.DEVNULL)
        try:
            text, _ = server.communicate(timeout=PATIENCE)
            ended = client.poll()
        finally:
            server.kill()
            client.kill()
            client.wait()
    return server.returncode, json.loads(report.read_text()), ended, text


@pytest.fixture(scope="module")
def plays(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenarios")
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        return {name: pool.submit(play, name, folder) for name in SCENARIOS}


def test_every_ready_scenario_has_a_naive_client():
    listed = subprocess.run([os.environ["MOCK_SERVER"], "scenarios"], capture_output=True, text=True, check=True)
    assert re.findall(r"^  (\S+) \(", listed.stdout, re.M) == list(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_naive_client_fails(plays, name):
    code, report, ended, text = plays[name].result()
    failed = {case["name"] for case in report["cases"] if "failure" in case}
    _, check, gives_up = SCENARIOS[name]
    assert code == 1, text
    assert failed - VERDICTS == {check}, text
    # It fails by what it does, not by falling over.
    assert ended == (0 if gives_up else None)
