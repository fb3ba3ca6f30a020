"""Comes back at once after every loss: a connection that opened was a success, so it begins again from the start."""

import time

from common import session
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

while True:
    try:
        with connect(session()) as socket:
            for message in socket:
                print(message)
    except (OSError, WebSocketException):
        pass
    time.sleep(0.05)
