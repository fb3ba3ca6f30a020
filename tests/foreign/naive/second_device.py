"""Comes back after every close, also when it was told that another device goes on: the two would take turns for ever."""

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
    time.sleep(1)
