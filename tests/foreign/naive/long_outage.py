"""Tries three times, then it ends."""

import time

from common import session
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

for _ in range(3):
    try:
        with connect(session()) as socket:
            for message in socket:
                print(message)
    except (OSError, WebSocketException):
        time.sleep(0.2)
