"""The official Python SDK against a demo relay: every call that a program makes with it."""

import os
import sys

import anthropic

MODEL = "claude-sonnet-4-5"
HI = [{"role": "user", "content": "say hi"}]
TOOLS = [{"name": "get_weather", "description": "weather of a city", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]

client = anthropic.Anthropic(
    base_url=os.environ["QUOTALANE_URL"], auth_token=os.environ["QUOTALANE_API_KEY"], max_retries=0
)


def create():
    message = client.messages.create(model=MODEL, max_tokens=64, messages=HI)
    assert message.content and message.stop_reason and message.usage.output_tokens > 0, message


def create_with_api_key_header():
    other = anthropic.Anthropic(
        base_url=os.environ["QUOTALANE_URL"], api_key=os.environ["QUOTALANE_API_KEY"], max_retries=0
    )
    assert other.messages.create(model=MODEL, max_tokens=64, messages=HI).content


def stream():
    events = [event.type for event in client.messages.create(model=MODEL, max_tokens=64, messages=HI, stream=True)]
    assert events[0] == "message_start" and events[-1] == "message_stop", events


def stream_helper():
    with client.messages.stream(model=MODEL, max_tokens=64, messages=HI) as running:
        text = "".join(running.text_stream)
        final = running.get_final_message()
    assert text and final.usage.output_tokens > 0, final


def tools():
    asked = [{"role": "user", "content": "use the tool get_weather for Paris"}]
    first = client.messages.create(model=MODEL, max_tokens=256, messages=asked, tools=TOOLS)
    calls = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use" and calls, first
    result = {"type": "tool_result", "tool_use_id": calls[0].id, "content": "sunny"}
    history = asked + [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = client.messages.create(model=MODEL, max_tokens=256, messages=history, tools=TOOLS)
    assert second.stop_reason == "end_turn", second


def thinking():
    thought = {"type": "enabled", "budget_tokens": 1024}
    message = client.messages.create(model=MODEL, max_tokens=2048, messages=HI, thinking=thought)
    assert any(block.type == "thinking" for block in message.content), message


def count_tokens():
    assert client.messages.count_tokens(model=MODEL, messages=HI).input_tokens > 0


def models():
    assert [model.id for model in client.models.list()]


def beta():
    message = client.beta.messages.create(
        model=MODEL, max_tokens=64, messages=HI, betas=["token-efficient-tools-2025-02-19"]
    )
    assert message.content


def wrong_key():
    other = anthropic.Anthropic(base_url=os.environ["QUOTALANE_URL"], auth_token="cr_" + "0" * 64, max_retries=2)
    try:
        other.messages.create(model=MODEL, max_tokens=64, messages=HI)
    except anthropic.AuthenticationError as error:
        assert error.response.headers.get("x-should-retry") == "false"
        return
    raise AssertionError("a wrong key was accepted")


def main():
    failed = 0
    checks = [create, create_with_api_key_header, stream, stream_helper, tools, thinking, count_tokens, models, beta, wrong_key]
    for check in checks:
        try:
            check()
        except Exception as error:  # every failure is reported, whatever its kind
            failed += 1
            print(f"python {check.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
    print(f"python SDK {anthropic.__version__}: {len(checks) - failed} of {len(checks)} checks passed")
    return 1 if failed else 0


sys.exit(main())
