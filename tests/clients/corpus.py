"""Replays recorded answers of the vendor through the relay, at four chunk sizes, and reads them with the official SDK.

What the SDK reads must equal what it read from the vendor directly; the relayed bytes must be the vendor's bytes.
"""

import base64
import gzip
import hashlib
import http.client
import json
import os
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import anthropic

CORPUS = Path(__file__).resolve().parent.parent / "data" / "corpus"
CHUNKS = [1, 7, 997, 0]  # 0 = the whole body at once
MODEL = "claude-sonnet-4-5-20250929"
HI = [{"role": "user", "content": "hi"}]


def transcripts():
    with gzip.open(CORPUS / "anthropic.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [t for t in map(json.loads, lines) if t["family"] == "anthropic"]


def expected():
    with open(CORPUS / "anthropic.expected.jsonl", encoding="utf-8") as lines:
        return {e["id"]: e for e in map(json.loads, lines)}


def replay(transcript, chunk):
    """Makes the mock answer every call with this transcript."""
    headers = {name.lower(): value for name, value in transcript["headers"]}
    order = {
        "status": transcript["status"],
        "content_type": transcript["content_type"],
        "headers": {k: v for k, v in headers.items() if k in ("request-id", "x-request-id", "retry-after")},
        "body_b64": transcript["body_b64"],
        "chunk": chunk,
    }
    request = urllib.request.Request(
        os.environ["QUOTALANE_MOCK_URL"] + "/__mock/replay",
        data=json.dumps(order).encode(),
        headers={"content-type": "application/json"},
        method="POST",
    )
    urllib.request.urlopen(request).read()


def usage_of(usage):
    """Numbers and objects, as the expected file keeps them: no nulls, zeros, empty objects, words or lists."""
    return {k: v for k, v in usage.items() if v not in (None, 0, {}) and not isinstance(v, (str, list))}


def reported(usage):
    """What one event says; a field that it leaves out keeps its earlier value."""
    return {k: v for k, v in usage.model_dump().items() if v is not None}


def read_stream(client):
    text, tools, stop, usage = [], 0, None, {}
    for event in client.messages.create(model=MODEL, max_tokens=64, messages=HI, stream=True):
        if event.type == "message_start":
            usage.update(reported(event.message.usage))
        elif event.type == "content_block_start" and event.content_block.type == "tool_use":
            tools += 1
        elif event.type == "content_block_delta" and event.delta.type == "text_delta":
            text.append(event.delta.text)
        elif event.type == "message_delta":
            stop = event.delta.stop_reason or stop
            if event.usage:
                usage.update(reported(event.usage))
    return "".join(text), tools, stop, usage_of(usage)


def read_json(client):
    message = client.messages.create(model=MODEL, max_tokens=64, messages=HI)
    text = "".join(block.text for block in message.content if block.type == "text")
    tools = sum(block.type == "tool_use" for block in message.content)
    return text, tools, message.stop_reason, usage_of(message.usage.model_dump())


def read_bytes(stream):
    """One raw call; status and body as they came."""
    url = urlparse(os.environ["QUOTALANE_URL"])
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    body = json.dumps({"model": MODEL, "max_tokens": 64, "messages": HI, "stream": stream})
    headers = {
        "x-api-key": os.environ["QUOTALANE_API_KEY"],
        "anthropic-version": "2023-06-01",
        "content-type": "application/json",
    }
    connection.request("POST", "/v1/messages", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def compare(client, transcript, wanted):
    """What differs, as texts."""
    text, tools, stop, usage = read_stream(client) if transcript["stream"] else read_json(client)
    got = {
        "text_sha": hashlib.sha256(text.encode()).hexdigest()[:16],
        "text_len": len(text),
        "tools": tools,
        "stop": stop,
        "usage": usage,
    }
    return [f"{key}: {got[key]!r}, expected {wanted[key]!r}" for key in got if got[key] != wanted[key]]


def check(client, transcript, wanted):
    """One transcript at every chunk size; what is wrong, as texts."""
    for chunk in CHUNKS:
        replay(transcript, chunk)
        try:
            for difference in compare(client, transcript, wanted):
                yield f"chunk {chunk}: {difference}"
        except anthropic.APIError as error:
            yield f"chunk {chunk}: {type(error).__name__}: {error}"
    replay(transcript, 997)
    status, body = read_bytes(transcript["stream"])
    if (status, body) != (transcript["status"], base64.b64decode(transcript["body_b64"])):
        yield f"bytes differ: status {status}, {len(body)} bytes"


def main():
    client = anthropic.Anthropic(
        base_url=os.environ["QUOTALANE_URL"], auth_token=os.environ["QUOTALANE_API_KEY"], max_retries=0
    )
    wanted, failures, count = expected(), [], 0
    for transcript in transcripts():
        if transcript["id"] in wanted and transcript["status"] == 200:
            count += 1
            found = check(client, transcript, wanted[transcript["id"]])
            failures += [f"{transcript['id']} ({transcript['source']}): {problem}" for problem in found]
    print("\n".join(failures), file=sys.stderr)
    print(f"corpus: {count} answers × {len(CHUNKS)} chunk sizes, {len(failures)} differences")
    return 1 if failures or not count else 0


sys.exit(main())
