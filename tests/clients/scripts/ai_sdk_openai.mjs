// What users of the AI SDK do with OpenAI's API at another base URL, over both of its APIs.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [url, keys] = [process.argv[2], JSON.parse(process.argv[3])];
const baseURL = `${url}/v1`;
const models = [
  createOpenAI({ baseURL, apiKey: "none" })("partner"),
  createOpenAICompatible({
    baseURL,
    name: "outlast",
    includeUsage: true,
    supportsStructuredOutputs: true,
  })("partner"),
];
const tools = {
  find_city: tool({
    description: "Find a city.",
    inputSchema: z.object({ of: z.string() }),
    execute: async ({ of }) => `${of} is in Berlin`,
  }),
};

const scenarios = {
  async sdk_plain(model, prompt) {
    const { text, finishReason } = await generateText({ model, prompt });
    assert.equal(text, "Hello you.");
    assert.equal(finishReason, "stop");
  },
  async sdk_streamed(model, prompt) {
    let text = "";
    for await (const piece of streamText({ model, prompt }).textStream) text += piece;
    assert.equal(text, "Hello you.");
  },
  async sdk_tools(model, prompt) {
    const { text, steps } = await generateText({ model, prompt, tools, stopWhen: stepCountIs(3) });
    assert.equal(text, "Found.");
    assert.equal(steps[0].toolResults[0].output, "ann is in Berlin");
  },
  async sdk_schema(model, prompt) {
    const output = Output.object({ schema: z.object({ name: z.string() }) });
    const answer = await generateText({ model, prompt, output });
    assert.deepEqual(answer.output, { name: "red" });
  },
  async sdk_own_tools(model, prompt) {
    const { text } = await generateText({ model, prompt });
    assert.match(text, /A word\.$/);
  },
};

for (const [scenario, prompt] of Object.entries(keys)) {
  const said = { scenario, ok: true };
  try {
    for (const model of models) await scenarios[scenario](model, prompt);
  } catch (error) {
    Object.assign(said, { ok: false, error: String(error.stack).slice(-1500) });
  }
  // In the order and the spacing in which the other scripts say it.
  console.log(JSON.stringify(said).replace('{"scenario":', '{"scenario": '));
}
