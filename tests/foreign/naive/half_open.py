"""Speaks Socket.IO by hand and answers pings, but does not miss them: it reads until the connection ends."""

import time

from common import BASE, TOKEN
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

URL = f"{BASE.replace('http', 'ws', 1)}/saga/socket.io/?EIO=4&transport=websocket"

while True:
    try:
        with connect(URL, ping_interval=None) as socket:
            for packet in socket:
                if packet.startswith("0"):
                    socket.send(f'40{{"token":"{TOKEN}"}}')
                elif packet.startswith("40"):
                    socket.send('42["join_project","project_1"]')
                elif packet == "2":
                    socket.send("3")
    except (OSError, WebSocketException):
        time.sleep(0.2)
