"""What the naive clients share: where to connect to, as whom."""

import sys

BASE, TOKEN = sys.argv[1:]
"""The mock server's base URL, and a token of its user."""


def session(name="session_1"):
    """The URL of a TherapyBridge session, with the token that the program began with."""
    return f"{BASE.replace('http', 'ws', 1)}/therapybridge/api/sessions/ws/{name}?token={TOKEN}"
