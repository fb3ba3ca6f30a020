"""Watches a therapy session being transcribed: python therapybridge.py ws://127.0.0.1:8090/therapybridge session_1 --token …

Heartbeats, reconnects and a token that runs out are the client's business; what is left is this.
"""

import argparse
import asyncio

from steadfast_sdk import TherapyBridgeClient, TherapyBridgeMessage


async def watch(url: str, session_id: str, token: str) -> bool:
    """Prints how far the session is. Whether it was processed."""
    async with TherapyBridgeClient(url, token=token) as client:
        async with client.session(session_id) as session:
            await session.live()
            print(f"watching session {session_id}")
            async for message in session.messages():
                match message.data:
                    case TherapyBridgeMessage.PROGRESS(progress):
                        print(f"{progress.progress or 0:.0f}% {progress.message or ''}")
                        if progress.status.is_processed():
                            print("the session is processed")
                            return True
                        if progress.status.is_failed():
                            print(f"processing failed: {progress.error}")
                            return False
    return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("session_id")
    parser.add_argument("--token", required=True)
    chosen = parser.parse_args()
    raise SystemExit(0 if asyncio.run(watch(chosen.url, chosen.session_id, chosen.token)) else 1)
