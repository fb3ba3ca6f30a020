"""The mock server as a program of its own, for tests in Python."""

import json
import os
import re
import subprocess
import threading
import urllib.request

import pytest


class Mock:
    """A running server on a free port, with short steps."""

    def __init__(self, *options):
        program = os.environ.get("MOCK_SERVER")
        assert program, "MOCK_SERVER is not set: run `cargo xtask test foreign`, which builds the server"
        command = [program, "serve", "--port", "0", "--step", "40ms", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self._process.stdout:
            found = re.match(r"control API at (\S+)/_mock/", line)
            if found:
                self.base = found[1]
                break
        else:
            raise RuntimeError(f"the mock server ended with {self._process.wait()}")
        # What it tells of connections must be read, or the pipe is full one day and the server waits.
        self._reader = threading.Thread(target=self._process.stdout.read, daemon=True)
        self._reader.start()

    def url(self, service, scheme="http"):
        """A service's base address with another scheme."""
        return f"{self.base.replace('http', scheme, 1)}/{service}"

    def control(self, path, body):
        """Asks the control API."""
        return rest(f"{self.base}/_mock/{path}", body)

    def get(self, path):
        """Looks at something through the control API."""
        return rest(f"{self.base}/_mock/{path}")

    def clear_faults(self):
        """Takes all faults out of force."""
        request = urllib.request.Request(f"{self.base}/_mock/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=20).close()

    def token(self, sub="u1", role=None, ttl="1h"):
        wanted = {"sub": sub, "ttl": ttl, **({"role": role} if role else {})}
        return self.control("tokens", wanted)["token"]

    def emit(self, service, topic, data, event=None):
        """Sends something to all subscribers of a topic."""
        message = {"service": service, "topic": topic, "data": data, **({"event": event} if event else {})}
        return self.control("emit", message)

    def cut(self, service):
        """Ends all open connections of a service without a word, as a lost network does."""
        rule = {"match": {"service": service, "when": "now"}, "action": {"do": "drop", "how": "rst"}}
        return self.control("faults", rule)

    def stop(self):
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()


def rest(url, body=None, token=None):
    """A JSON exchange that must succeed."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
        return json.load(answer)


@pytest.fixture(scope="session")
def mock():
    server = Mock()
    yield server
    server.stop()
