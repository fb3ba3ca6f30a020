"""Follows a session to its end: python follow.py charisma ws://127.0.0.1:8090/charisma session_1 --token …"""

import argparse
import asyncio
import logging
from typing import Any

import steadfast_sdk as sdk

CLIENTS: dict[str, type[sdk.Client[Any]]] = {
    "charisma": sdk.CharismaClient,
    "therapybridge": sdk.TherapyBridgeClient,
    "saga": sdk.SagaClient,
    "docproc": sdk.DocProcClient,
    "devcontext": sdk.DevContextClient,
}


async def follow(arguments: argparse.Namespace) -> None:
    async with CLIENTS[arguments.service](
        arguments.url, token=arguments.token, allow_insecure=arguments.insecure
    ) as client:
        async with client.session(arguments.topic) as session:
            async for event in session:
                match event:
                    case sdk.SessionEvent.MESSAGE(message=message):
                        done = "" if message.progress is None else f" {message.progress:.0%}"
                        print(f"{message.name}{done}")
                    case sdk.SessionEvent.STATE(state=sdk.SubscriptionState.REFUSED(why=why)):
                        print(f"refused: {why.text}. {why.help}")
                    case sdk.SessionEvent.GAP():
                        print("something may have been missed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service", choices=CLIENTS)
    parser.add_argument("url")
    parser.add_argument("topic")
    parser.add_argument("--token")
    parser.add_argument("--insecure", action="store_true", help="plain ws or http to another machine")
    parser.add_argument("--log", action="store_true", help="show what the client does")
    chosen = parser.parse_args()
    if chosen.log:
        logging.basicConfig(level=logging.DEBUG)
        sdk.log_to(logging.getLogger("steadfast"))
    asyncio.run(follow(chosen))
