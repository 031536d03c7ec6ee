"""Reads what two headless runs of Claude Code printed: a plain prompt and a tool loop."""

import json
import sys


def plain(path):
    result = json.loads(open(path, encoding="utf-8").read())
    assert not result["is_error"] and result["result"], result
    assert result["usage"]["output_tokens"] > 0, result


def tool_loop(path):
    lines = [json.loads(line) for line in open(path, encoding="utf-8") if line.strip()]
    blocks = [block for line in lines for block in content(line)]
    assert any(block.get("type") == "tool_use" for block in blocks), "no tool was used"
    results = [json.dumps(block) for block in blocks if block.get("type") == "tool_result"]
    assert any("hello-from-tool" in result for result in results), results
    assert lines[-1]["type"] == "result" and not lines[-1]["is_error"], lines[-1]


def content(line):
    blocks = line.get("message", {}).get("content", []) if line.get("type") in ("assistant", "user") else []
    return [block for block in blocks if isinstance(block, dict)]


plain(sys.argv[1])
tool_loop(sys.argv[2])
print("Claude Code: plain prompt and tool loop passed")
