"""Takes a refusal for a bad connection: it waits longer each time, but goes on for ever."""

import time

from common import session
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

delay = 0.1
while True:
    try:
        with connect(session()) as socket:
            for message in socket:
                print(message)
    except (OSError, WebSocketException):
        time.sleep(delay)
        delay = min(2 * delay, 30)
