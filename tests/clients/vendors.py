"""What each vendor's official SDK reads out of an answer: text, number of tool calls, stop, usage.

The rules are those of tests/data/corpus/README.md.
"""

import urllib.parse

import anthropic
import boto3
import openai
from botocore.config import Config
from botocore.exceptions import ClientError
from google import genai
from google.genai import errors, types

ERRORS = (anthropic.APIStatusError, openai.APIStatusError, errors.APIError, ClientError)
HI = [{"role": "user", "content": "hi"}]


def reported(usage):
    """What one event says; a field that it leaves out keeps its earlier value."""
    return {k: v for k, v in usage.model_dump().items() if v is not None}


class Anthropic:
    kind, platform = "claude-console", "claude"

    def __init__(self, url, key):
        self.client = anthropic.Anthropic(base_url=url, auth_token=key, max_retries=0)
        self.call = {"model": "claude-sonnet-4-5-20250929", "max_tokens": 64, "messages": HI}

    def stream(self, _):
        text, tools, stop, usage = [], 0, None, {}
        for event in self.client.messages.create(**self.call, stream=True):
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
        return "".join(text), tools, stop, usage

    def whole(self, _):
        message = self.client.messages.create(**self.call)
        text = "".join(block.text for block in message.content if block.type == "text")
        tools = sum(block.type == "tool_use" for block in message.content)
        return text, tools, message.stop_reason, message.usage.model_dump()


class Chat:
    kind, platform = "openai", "openai"

    def __init__(self, url, key):
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
        self.call = {"model": "gpt-5", "messages": HI}

    def stream(self, _):
        text, tools, stop, usage = [], 0, None, {}
        options = {"include_usage": True}
        for chunk in self.client.chat.completions.create(**self.call, stream=True, stream_options=options):
            if chunk.usage:
                usage = chunk.usage.model_dump()
            for choice in chunk.choices or []:
                stop = choice.finish_reason or stop
                text.append(choice.delta.content or "")
                tools += sum(bool(call.id) for call in choice.delta.tool_calls or [])
        return "".join(text), tools, stop, usage

    def whole(self, _):
        answer = self.client.chat.completions.create(**self.call)
        text = "".join(choice.message.content or "" for choice in answer.choices)
        tools = sum(len(choice.message.tool_calls or []) for choice in answer.choices)
        usage = answer.usage.model_dump() if answer.usage else {}
        return text, tools, answer.choices[0].finish_reason, usage


class Responses:
    kind, platform = "openai-responses", "openai"

    def __init__(self, url, key):
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
        self.call = {"model": "gpt-5", "input": "hi"}

    def stream(self, _):
        text, tools, stop, usage = [], 0, None, {}
        for event in self.client.responses.create(**self.call, stream=True):
            if event.type == "response.output_text.delta":
                text.append(event.delta)
            elif event.type == "response.output_item.done":
                tools += event.item.type == "function_call"
            elif event.type in ("response.completed", "response.incomplete", "response.failed"):
                stop = event.response.status
                usage = event.response.usage.model_dump() if event.response.usage else {}
        return "".join(text), tools, stop, usage

    def whole(self, _):
        answer = self.client.responses.create(**self.call)
        tools = sum(item.type == "function_call" for item in answer.output)
        usage = answer.usage.model_dump() if answer.usage else {}
        return answer.output_text, tools, answer.status, usage


class Embeddings:
    """The corpus has no result of an SDK for these: the usage is the mock's own, the vectors are compared as text."""

    kind, platform = "openai", "openai"

    def __init__(self, url, key):
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def whole(self, _):
        answer = self.client.embeddings.create(model="text-embedding-3-small", input="hi")
        return repr([one.embedding for one in answer.data]), 0, None, answer.usage.model_dump() if answer.usage else {}


class Gemini:
    kind, platform = "gemini-api", "gemini"

    def __init__(self, url, key):
        self.client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url))
        self.call = {"model": "gemini-2.5-pro", "contents": "hi"}

    def stream(self, _):
        return self.read(self.client.models.generate_content_stream(**self.call))

    def whole(self, _):
        return self.read([self.client.models.generate_content(**self.call)])

    @staticmethod
    def read(answers):
        text, tools, stop, usage = [], 0, None, {}
        for answer in answers:
            if answer.usage_metadata:
                usage = answer.usage_metadata.model_dump()
            for candidate in answer.candidates or []:
                stop = candidate.finish_reason.value if candidate.finish_reason else stop
                for part in (candidate.content and candidate.content.parts) or []:
                    if part.text and not part.thought:
                        text.append(part.text)
                    tools += bool(part.function_call)
        return "".join(text), tools, stop, usage


class Bedrock:
    """Bearer tokens need HTTPS in this SDK; without it our key travels beside a signature that nobody can check."""

    kind, platform = "bedrock", "claude"

    def __init__(self, url, key):
        session = boto3.Session("AKIDUMMY", "dummy", region_name="us-east-1")
        config = Config(retries={"total_max_attempts": 1})
        self.client = session.client("bedrock-runtime", endpoint_url=url, config=config)
        add_key = lambda request, **_: request.headers.add_header("x-api-key", key)
        self.client.meta.events.register("before-sign.bedrock-runtime.*", add_key)

    @staticmethod
    def call(transcript):
        model = urllib.parse.unquote(transcript["path"].split("/")[2])
        return {"modelId": model, "messages": [{"role": "user", "content": [{"text": "hi"}]}]}

    def stream(self, transcript):
        text, tools, stop, usage = [], 0, None, {}
        for event in self.client.converse_stream(**self.call(transcript))["stream"]:
            text.append(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""))
            tools += "toolUse" in event.get("contentBlockStart", {}).get("start", {})
            stop = event.get("messageStop", {}).get("stopReason", stop)
            usage = event.get("metadata", {}).get("usage", usage)
        return "".join(text), tools, stop, usage

    def whole(self, transcript):
        answer = self.client.converse(**self.call(transcript))
        content = answer["output"]["message"]["content"]
        text = "".join(block.get("text", "") for block in content)
        return text, sum("toolUse" in block for block in content), answer["stopReason"], answer["usage"]


VENDORS = {
    "anthropic": Anthropic,
    "openai-chat": Chat,
    "openai-responses": Responses,
    "openai-embeddings": Embeddings,
    "gemini": Gemini,
    "bedrock": Bedrock,
}
