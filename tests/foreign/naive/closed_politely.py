"""Takes the code 1000 for the end of what it follows."""

import time

from common import session
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

while True:
    try:
        with connect(session()) as socket:
            # The loop ends without an exception when the server closes with 1000 or 1001.
            for message in socket:
                print(message)
            break
    except (OSError, ConnectionClosedError):
        time.sleep(0.2)
