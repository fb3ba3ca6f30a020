"""Watches documents being worked on: python docproc.py http://127.0.0.1:8090/docproc session_1

A question that the service has is asked here, and the answer is sent. The mock server waits 5 s for it, with
--set docproc.clarification=wait for ever.
"""

import argparse
import asyncio

from steadfast_sdk import DocProcClient, DocProcMessage


async def watch(url: str, session_id: str, answer: str | None) -> None:
    """Prints what happens until the session is completed."""
    async with DocProcClient(url) as client:
        async with client.session(session_id) as session:
            async for message in session.messages():
                match message.data:
                    case DocProcMessage.PROGRESS(progress):
                        print("completed" if progress.status.is_completed() else f"{progress.progress or 0:.0f}%")
                    case DocProcMessage.MODEL_RESULT(result):
                        print(f"model {result.model_name}: {result.result or result.error or 'at work'}")
                    case DocProcMessage.CLARIFICATION(question) if question.status.is_pending():
                        text = answer if answer is not None else await asyncio.to_thread(input, f"{question.question} ")
                        await client.respond_to_clarification(question.clarification_id, text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("session_id")
    parser.add_argument("--answer", help="what to say to every question, instead of asking")
    chosen = parser.parse_args()
    asyncio.run(watch(chosen.url, chosen.session_id, chosen.answer))
