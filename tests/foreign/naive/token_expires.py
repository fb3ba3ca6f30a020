"""Comes back with the token that it was started with, whether or not that has been refused."""

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
    time.sleep(0.5)
