// The official JavaScript SDK against a demo relay.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const model = "claude-sonnet-4-5";
const messages = [{ role: "user", content: "say hi" }];
const client = new Anthropic({
  baseURL: process.env.QUOTALANE_URL,
  authToken: process.env.QUOTALANE_API_KEY,
  apiKey: null,
  maxRetries: 0,
});

const checks = {
  async create() {
    const message = await client.messages.create({ model, max_tokens: 64, messages });
    assert.ok(message.content.length > 0 && message.usage.output_tokens > 0);
  },
  async stream() {
    const types = [];
    for await (const event of await client.messages.create({ model, max_tokens: 64, messages, stream: true })) {
      types.push(event.type);
    }
    assert.deepEqual([types.at(0), types.at(-1)], ["message_start", "message_stop"]);
  },
  async streamHelper() {
    const final = await client.messages.stream({ model, max_tokens: 64, messages }).finalMessage();
    assert.ok(final.usage.output_tokens > 0);
  },
  async tools() {
    const tools = [{ name: "get_weather", description: "weather", input_schema: { type: "object", properties: {} } }];
    const asked = [{ role: "user", content: "use the tool get_weather" }];
    const first = await client.messages.create({ model, max_tokens: 256, messages: asked, tools });
    assert.equal(first.stop_reason, "tool_use");
  },
  async countTokens() {
    assert.ok((await client.messages.countTokens({ model, messages })).input_tokens > 0);
  },
  async models() {
    const ids = [];
    for await (const entry of client.models.list()) ids.push(entry.id);
    assert.ok(ids.length > 0);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    failed += 1;
    console.error(`javascript ${name}: ${error}`);
  }
}
const count = Object.keys(checks).length;
console.log(`javascript SDK: ${count - failed} of ${count} checks passed`);
process.exit(failed ? 1 : 0);
