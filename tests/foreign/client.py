"""Shows one client from PyPI a stream: `python client.py NAME URL` prints each message that it reports, as JSON on a line."""

import asyncio
import json
import sys

NAME, URL = sys.argv[1:]


def say(message):
    line = {"event": message.event or "message", "id": getattr(message, "id", getattr(message, "last_event_id", "")) or "", "data": message.data}
    print(json.dumps(line), flush=True)


def httpx_sse():
    import httpx
    from httpx_sse import connect_sse

    with httpx.Client(timeout=None) as client, connect_sse(client, "GET", URL) as source:
        for message in source.iter_sse():
            say(message)


def sseclient():
    from sseclient import SSEClient

    for message in SSEClient(URL):
        say(message)


def sseclient_py():
    import requests
    from sseclient import SSEClient

    answer = requests.get(URL, stream=True, headers={"Accept": "text/event-stream"})
    for message in SSEClient(answer.iter_content(chunk_size=1)).events():
        say(message)


async def aiosseclient():
    from aiosseclient import aiosseclient as stream

    async for message in stream(URL):
        say(message)


async def aiohttp_sse_client():
    from aiohttp_sse_client.client import EventSource

    async with EventSource(URL) as source:
        async for message in source:
            line = {"event": message.type or "message", "id": message.last_event_id, "data": message.data}
            print(json.dumps(line), flush=True)


run = {
    "httpx-sse": httpx_sse,
    "sseclient": sseclient,
    "sseclient-py": sseclient_py,
    "aiosseclient": aiosseclient,
    "aiohttp-sse-client": aiohttp_sse_client,
}[NAME]
try:
    if asyncio.iscoroutinefunction(run):
        asyncio.run(run())
    else:
        run()
except Exception as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
