"""Has the official SDKs read every answer, stream and error that translation makes (tests/golden/matrix).

Each file is served by a small server, as the relay would; the SDK of its client's dialect calls it. What the SDK reads must be
what the upstream said, whichever dialect the upstream spoke; every object is checked against the SDK's own types, strictly.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_args

import anthropic
import openai
from anthropic.types import Message, RawMessageStreamEvent
from google import genai
from google.genai import errors, types
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

MATRIX = Path(__file__).resolve().parent.parent / "golden" / "matrix"
DIALECTS = ["anthropic", "openai-chat", "openai-responses", "gemini"]
HI = [{"role": "user", "content": "hi"}]
STATUS = {"error": 400, "error-missing": 404}

CALLS = [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome", "unit": "celsius"})]
THOUGHT = "Two cities, two calls."
# What every upstream says in a case: text, thought, calls, meaning of the stop, input and output tokens.
SAID = {
    "tools": ("Let me look.", THOUGHT, CALLS, "tools", 150, 64),
    "stop": ("One, two", "", [], "stop", 9, 5),
    "length": ("It is cold and", "", [], "length", 9, 5),
    "refusal": ("I cannot help with that.", "", [], "refusal", 9, 5),
}
STOPS = {
    "anthropic": {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tools", "max_tokens": "length"},
    "openai-chat": {"stop": "stop", "tool_calls": "tools", "length": "length", "content_filter": "refusal"},
    "openai-responses": {"completed": "stop", "max_output_tokens": "length", "content_filter": "refusal"},
    "gemini": {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "refusal"},
}


class Server(ThreadingHTTPServer):
    """Answers every request with the file that is set."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.kind, self.body = 200, "application/json", b""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def serve(self, path):
        self.status = STATUS.get(path.stem, 200)
        self.kind = "text/event-stream" if path.suffix == ".sse" else "application/json"
        self.body = path.read_bytes()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(self.server.status)
        self.send_header("content-type", self.server.kind)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


def strict(kind, value):
    """The SDKs read leniently by themselves: a missing field is only missed when it is used."""
    TypeAdapter(kind).validate_python(value)


def of_type(union, event):
    """The member of a union of events that has this event's type; trying them all makes unreadable failures."""
    members = get_args(get_args(union)[0])
    return next(m for m in members if event["type"] in get_args(m.model_fields["type"].annotation))


def events(path):
    """The JSON of a stream's data lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line[5:]) for line in lines if line.startswith("data:") and line[5:].strip() != "[DONE]"]


def anthropic_message(message):
    text = "".join(block.text for block in message.content if block.type == "text")
    thought = "".join(block.thinking for block in message.content if block.type == "thinking")
    calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
    usage = message.usage
    read = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return text, thought, calls, message.stop_reason, read, usage.output_tokens


def read_anthropic(url, path, stream):
    client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
    call = {"model": "claude-sonnet-4-5-20250929", "max_tokens": 64, "messages": HI}
    if stream:
        for event in events(path):
            if event["type"] not in ("error", "ping"):
                strict(of_type(RawMessageStreamEvent, event), event)
        with client.messages.stream(**call) as running:
            return anthropic_message(running.get_final_message())
    message = client.messages.create(**call)
    strict(Message, json.loads(path.read_text(encoding="utf-8")))
    return anthropic_message(message)


def chat_message(message, stop, usage):
    text = (message.content or "") + (message.refusal or "")
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
    thought = getattr(message, "reasoning_content", None) or ""
    return text, thought, calls, stop, usage.prompt_tokens, usage.completion_tokens


def read_chat(url, path, stream):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
    call = {"model": "gpt-5", "messages": HI}
    if not stream:
        answer = client.chat.completions.create(**call)
        strict(ChatCompletion, json.loads(path.read_text(encoding="utf-8")))
        return chat_message(answer.choices[0].message, answer.choices[0].finish_reason, answer.usage)
    for event in events(path):
        if "error" not in event:
            strict(ChatCompletionChunk, event)
    return chat_chunks(client.chat.completions.create(**call, stream=True, stream_options={"include_usage": True}))


def chat_chunks(chunks):
    """Adds up a stream. The SDK's own helper refuses answers that were cut short or filtered."""
    text, thought, calls, stop, usage = "", "", {}, None, None
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            delta, stop = choice.delta, choice.finish_reason or stop
            text += (delta.content or "") + (delta.refusal or "")
            thought += getattr(delta, "reasoning_content", None) or ""
            for call in delta.tool_calls or []:
                if call.id:
                    calls[call.index] = [call.function.name, ""]
                calls[call.index][1] += call.function.arguments or ""
    calls = [(name, json.loads(arguments)) for name, arguments in calls.values()]
    return text, thought, calls, stop, usage.prompt_tokens, usage.completion_tokens


def response(answer):
    text, thought, calls = "", "", []
    for item in answer.output:
        if item.type == "message":
            text += "".join(part.text if part.type == "output_text" else part.refusal for part in item.content)
        elif item.type == "reasoning":
            thought += "".join(part.text for part in item.summary)
        elif item.type == "function_call":
            calls.append((item.name, json.loads(item.arguments)))
    stop = answer.incomplete_details.reason if answer.status == "incomplete" else answer.status
    return text, thought, calls, stop, answer.usage.input_tokens, answer.usage.output_tokens


def read_responses(url, path, stream):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
    if not stream:
        answer = client.responses.create(model="gpt-5", input="hi")
        strict(Response, json.loads(path.read_text(encoding="utf-8")))
        return response(answer)
    said, number = "", -1
    for event in events(path):
        strict(of_type(ResponseStreamEvent, event), event)
        assert event["sequence_number"] > number, event
        number = event["sequence_number"]
    with client.responses.stream(model="gpt-5", input="hi") as running:
        for event in running:
            if event.type == "response.failed":
                raise Failed(event.response.error)
            said += event.delta if event.type in ("response.output_text.delta", "response.refusal.delta") else ""
            if event.type in ("response.completed", "response.incomplete"):
                answer = response(event.response)
    assert said == answer[0], said
    return answer


class Failed(Exception):
    """A response that failed: the SDK gives it as an event."""


def gemini_parts(parts):
    text = "".join(part.text for part in parts if part.text and not part.thought)
    thought = "".join(part.text for part in parts if part.text and part.thought)
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    return text, thought, calls


def read_gemini(url, path, stream):
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url))
    call = {"model": "gemini-2.5-pro", "contents": "hi"}
    if stream:
        for event in events(path):
            if "error" not in event:
                strict(types.GenerateContentResponse, event)
        chunks = list(client.models.generate_content_stream(**call))
    else:
        chunks = [client.models.generate_content(**call)]
        strict(types.GenerateContentResponse, json.loads(path.read_text(encoding="utf-8")))
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
    stop = [chunk.candidates[0].finish_reason.value for chunk in chunks if chunk.candidates[0].finish_reason]
    usage = chunks[-1].usage_metadata
    written = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return *gemini_parts(parts), stop[-1], usage.prompt_token_count, written


READERS = dict(zip(DIALECTS, [read_anthropic, read_chat, read_responses, read_gemini]))
FAILURES = (anthropic.APIError, openai.APIError, errors.APIError, Failed)


def expected(client, upstream, case):
    text, thought, calls, stop, read, written = SAID[case]
    if stop == "tools" and client in ("openai-responses", "gemini"):
        stop = "stop"  # These two say it by their parts only.
    if (client, case) == ("openai-responses", "refusal") and upstream.startswith("openai"):
        stop = "stop"  # A refusal in words is a complete response.
    if (client, upstream, case) == ("openai-chat", "openai-chat", "refusal"):
        stop = "stop"  # As the vendor says it itself.
    if case == "tools" and upstream == "gemini":
        read = 120  # This vendor counts no cache writes.
    return text, thought, calls, stop, read, written


def check_failure(client, case, failure):
    """What is wrong with an error as the SDK raised it."""
    if case == "stream-error":
        said = str(failure)
        hidden = "org" not in said and "projects/" not in said
        if "overloaded" not in said or not hidden:
            yield f"says {said}"
    elif getattr(failure, "status_code", getattr(failure, "code", None)) != STATUS[case]:
        yield f"{type(failure).__name__}: {failure}"


def check(server, client, upstream, path):
    case = path.stem
    server.serve(path)
    try:
        got = READERS[client](server.url, path, path.suffix == ".sse")
    except FAILURES as failure:
        if "error" not in case:
            yield f"{type(failure).__name__}: {failure}"
        elif client != upstream:
            yield from check_failure(client, case, failure)
        return
    except ValidationError as error:
        if client != upstream:  # What the vendor itself sends is not ours to change.
            yield str(error)
        return
    except Exception as error:  # Whatever else keeps an SDK from reading it is a difference as well.
        yield f"{type(error).__name__}: {error}"
        return
    if "error" in case:
        yield "no error was raised"
        return
    wanted = expected(client, upstream, case.partition("-")[2] or "tools")
    got = (*got[:3], STOPS[client].get(got[3], got[3]), *got[4:])
    if got != wanted:
        yield f"{got}, expected {wanted}"


def main():
    server, failures, count = Server(), [], 0
    for client in DIALECTS:
        for upstream in DIALECTS:
            folder = MATRIX / f"{client}-{upstream}"
            for path in sorted(folder.glob("*.*")):
                if path.stem.startswith(("response", "stream", "error")):
                    count += 1
                    problems = check(server, client, upstream, path)
                    failures += [f"{folder.name}/{path.name}: {problem}" for problem in problems]
    print("\n".join(failures), file=sys.stderr)
    print(f"matrix: {count} answers read by the SDKs, {len(failures)} differences")
    return 1 if failures or not count else 0


sys.exit(main())
