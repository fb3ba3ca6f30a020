"""Waits its own time, whatever the answer to its request says."""

import time

from common import session
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

delay = 0.5
while True:
    try:
        with connect(session()) as socket:
            for message in socket:
                print(message)
    except (OSError, WebSocketException):
        time.sleep(delay)
        delay *= 2
