// What users of AG-UI's own HTTP client do: CopilotKit and others stand on it.

import assert from "node:assert/strict";

import { buildResumeArray, HttpAgent } from "@ag-ui/client";

import { play, waitUntil } from "./playing.mjs";

const warnings = [];
console.warn = (...said) => warnings.push(said.join(" "));
console.error = () => {};

const text = "one two three four five six";

class Page {
  constructor(url) {
    this.url = url;
    this.api = `${url}/ag-ui/partner`;
    this.threadId = crypto.randomUUID();
  }
  // Another page of the same thread.
  open = (options = {}) => new HttpAgent({ url: this.api, threadId: this.threadId, ...options });
  post = (body) =>
    fetch(this.api, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  address = (what) => `${this.api}/threads/${encodeURIComponent(this.threadId)}/${what}`;
  load = async () => (await fetch(this.address("messages"))).json();
  stop = () => fetch(this.address("stop"), { method: "POST" });
  runs = async () => {
    const listed = await (await fetch(`${this.url}/runs?thread_id=${this.threadId}`)).json();
    return listed.items;
  };
}

const user = (content, id = crypto.randomUUID()) => ({ id, role: "user", content });
const said = (agent) => agent.messages.map((each) => [each.role, each.content ?? ""]);
const answer = (agent) => agent.messages.findLast((each) => each.role === "assistant")?.content;
const calls = (agent) => agent.messages.flatMap((each) => each.toolCalls ?? []);

// Says something, and returns what the agent's listeners heard of the end.
async function run(agent, content, parameters = {}) {
  if (content !== undefined) agent.addMessage(user(content));
  const heard = { custom: [] };
  const { result, newMessages } = await agent.runAgent(parameters, {
    onRunFinishedEvent: (params) => Object.assign(heard, params),
    onRunErrorEvent: ({ event }) => Object.assign(heard, { error: event }),
    onCustomEvent: ({ event }) => heard.custom.push(event),
  });
  return { ...heard, result, newMessages };
}

// Runs until the answer's first words are there, then hangs up.
async function leave(agent, parameters) {
  const running = agent.runAgent(parameters);
  await waitUntil(() => answer(agent), "the first words");
  agent.abortRun();
  await running;
  assert.notEqual(answer(agent), text);
}

const scenarios = {
  async plain(page, key) {
    const agent = page.open();
    const first = await run(agent, key);
    assert.equal(first.outcome, "success");
    assert.equal(first.result, "Hello you.");
    assert.equal(first.event.usage[0].totalTokens > 0, true);
    await run(agent, `${key}, again`);
    assert.deepEqual(said(agent).map(([role]) => role), ["user", "assistant", "user", "assistant"]);
    assert.equal((await page.runs()).length, 2);
    const kept = await page.load();
    assert.deepEqual(kept.map((each) => each.id), agent.messages.map((each) => each.id));
    const can = await (await fetch(`${page.api}/capabilities`)).json();
    assert.equal(can.humanInTheLoop.interrupts, true);
  },

  async little_is_needed(page, key) {
    const body = { threadId: page.threadId, runId: "1", messages: [user(key, "u1")] };
    const sent = { ...body, unknown: { field: 1 } };
    const told = await page.post(sent);
    assert.match(told.headers.get("content-type"), /^text\/event-stream/);
    assert.match(await told.text(), /"type":"RUN_FINISHED"/);
  },

  async refused(page, key) {
    const agent = new HttpAgent({ url: `${page.url}/ag-ui/nobody` });
    await assert.rejects(run(agent, key), /404.*no agent/);
    const wrong = [
      { ...{}, messages: [] },
      { threadId: "1", runId: "1", messages: [] },
      { threadId: "1", runId: "1", messages: [{ id: "1", role: "robot", content: "" }] },
      { threadId: "1", runId: "1", messages: [user([{ type: "binary", data: "AA==" }])] },
      { threadId: "1", runId: "1", messages: [user(key, "1"), user(key, "1")] },
      { threadId: "1", runId: "1", messages: Array(2001).fill(user(key)) },
      { threadId: "1", runId: "1", messages: [user(key)], forwardedProps: { metadata: { a: 1 } } },
      { threadId: "1", runId: "1", messages: [user(key)], tools: [{ name: "a b", description: "" }] },
    ];
    for (const body of wrong) assert.equal((await page.post(body)).status, 400, JSON.stringify(body));
  },

  async tools(page, key) {
    const agent = page.open();
    await run(agent, key);
    const [, first, result, second] = agent.messages;
    assert.equal(first.content, "Let me look.");
    assert.deepEqual(JSON.parse(first.toolCalls[0].function.arguments), { word: "rain" });
    assert.deepEqual([result.role, result.content], ["tool", "rain: a word"]);
    assert.equal(second.content, "A word.");
    assert.deepEqual(
      (await page.load()).map((each) => [each.id, each.role]),
      agent.messages.map((each) => [each.id, each.role]),
    );
  },

  async failed(page, key) {
    const { error } = await run(page.open(), key);
    assert.ok(error.message);
    assert.ok(error.code);
  },

  async after_an_aborted_one(page, key) {
    const agent = page.open();
    agent.addMessage(user(key));
    await leave(agent);
    const { outcome } = await run(agent);
    assert.equal(outcome, "success");
    assert.deepEqual(said(agent), [["user", key], ["assistant", text]]);
    const [only, ...others] = await page.runs();
    assert.equal(others.length, 0);
    assert.equal(only.status, "completed");
    // Once more, with all of it: nothing is new, and nothing runs.
    await run(agent);
    assert.equal((await page.runs()).length, 1);
    assert.equal(agent.messages.length, 2);
  },

  async loaded_in_mid_text(page, key) {
    const left = page.open();
    left.addMessage(user(key));
    await leave(left);
    const empty = page.open();
    await run(empty);
    assert.deepEqual(said(empty), [["user", key], ["assistant", text]]);
    const seeded = page.open({ initialMessages: await page.load() });
    await run(seeded);
    assert.deepEqual(said(seeded), said(empty));
    assert.equal((await page.runs()).length, 1);
  },

  async twice(page, key) {
    const body = { threadId: page.threadId, runId: "r1", messages: [user(key, "u1")] };
    const both = await Promise.all([page.post(body), page.post(body)]);
    const told = await Promise.all(both.map((each) => each.text()));
    const later = await page.post(body);
    assert.ok([...told, await later.text()].every((each) => each.includes("six")));
    assert.equal(new Set([...both, later].map((each) => each.headers.get("x-run-id"))).size, 1);
    assert.equal((await page.runs()).length, 1);
  },

  async page_tools(page, key) {
    const tools = ["locate", "paint"].map((name) => ({
      name,
      description: `To ${name} somebody`,
      parameters: { type: "object", properties: { of: { type: "string" } } },
    }));
    const agent = page.open();
    const first = await run(agent, key, { tools });
    assert.equal(first.outcome, "success");
    const [one, two] = calls(agent);
    assert.deepEqual(first.pendingToolCallIds, [one.id, two.id]);
    const result = (call, content) => ({
      id: crypto.randomUUID(),
      role: "tool",
      toolCallId: call.id,
      content,
    });
    agent.addMessage(result(one, "Berlin"));
    const second = await run(agent, undefined, { tools });
    assert.deepEqual(second.pendingToolCallIds, [two.id]);
    const unheard = await run(page.open({ initialMessages: agent.messages }), "And?", { tools });
    assert.deepEqual(unheard.pendingToolCallIds, [two.id]);
    assert.match(unheard.custom.find((each) => each.name === "outlast.warning").value.message, /waits/);
    agent.addMessage(result(two, "Red"));
    const third = await run(agent, undefined, { tools });
    assert.deepEqual(third.pendingToolCallIds, []);
    assert.equal(answer(agent), "In Berlin.");
    assert.equal((await page.runs()).length, 1);
    assert.deepEqual(
      agent.messages.map((each) => each.role),
      ["user", "assistant", "tool", "tool", "assistant"],
    );
  },

  async approved(page, key) {
    const first = page.open();
    const { outcome, interrupts } = await run(first, key);
    assert.equal(outcome, "interrupt");
    assert.equal(interrupts[0].toolCallId, calls(first)[0].id);
    await assert.rejects(run(first, "yes please"), /pending interrupt/);
    // A page that does not know of it says something: it is asked, too, and nothing is done.
    const other = page.open();
    const asked = await run(other, "yes please");
    assert.deepEqual(asked.interrupts, interrupts);
    assert.equal((await page.runs())[0].waiting_for, "approval");
    // Another page decides.
    const page2 = page.open({ initialMessages: await page.load() });
    await run(page2);
    const payload = { approved: true, editedArgs: { cents: 4 } };
    const resume = buildResumeArray(page2.pendingInterrupts, {
      [interrupts[0].id]: { status: "resolved", payload },
    });
    const ended = await run(page2, undefined, { resume });
    assert.equal(ended.outcome, "success");
    assert.equal(page2.messages.find((each) => each.role === "tool").content, "sent 4");
    assert.equal(answer(page2), "Sent.");
    // The same answer once more is told the same.
    const again = await run(page.open({ initialMessages: page2.messages.slice(0, 2) }), undefined, { resume });
    assert.equal(again.outcome, "success");
    assert.equal((await page.runs()).length, 1);
  },

  async called_run_asks(page, key) {
    page.api = `${page.url}/ag-ui/lead`;
    const agent = page.open();
    const { outcome, interrupts } = await run(agent, key);
    assert.equal(outcome, "interrupt");
    assert.equal(interrupts[0].message, "May the agent tester call pay?");
    const asked = calls(agent).find((each) => each.id === interrupts[0].toolCallId);
    assert.deepEqual(asked.function, { name: "tester.pay", arguments: '{"cents":5}' });
    const resume = buildResumeArray(agent.pendingInterrupts, {
      [interrupts[0].id]: { status: "resolved", payload: { approved: true } },
    });
    const ended = await run(agent, undefined, { resume });
    assert.equal(ended.outcome, "success");
    assert.equal(answer(agent), "Sent.");
    const results = agent.messages.filter((each) => each.role === "tool").map((each) => each.content);
    assert.deepEqual(results, ["Approved: the agent tester has gone on with it.", "Paid."]);
    // The list with all of that is one that goes on.
    assert.equal((await run(agent, `${key}, again`)).outcome, "interrupt");
    assert.equal((await page.stop()).status, 204);
    assert.equal((await page.runs()).length, 2);
  },

  async refused_by_text(page, key) {
    const agent = page.open();
    const { interrupts } = await run(agent, key);
    const resume = [{ interruptId: interrupts[0].id, status: "resolved", payload: "true" }];
    await run(agent, undefined, { resume });
    assert.match(agent.messages.find((each) => each.role === "tool").content, /did not fit/);
    assert.equal(answer(agent), "Not sent.");
    const late = [{ ...resume[0], payload: { approved: true } }];
    await assert.rejects(
      run(page.open({ initialMessages: agent.messages.slice(0, 2) }), undefined, { resume: late }),
      /409/,
    );
  },

  async refused_by_cancelling(page, key) {
    const agent = page.open();
    const { interrupts } = await run(agent, key);
    const resume = [
      { interruptId: interrupts[0].id, status: "cancelled" },
      { interruptId: "nothing", status: "cancelled" },
    ];
    const { custom } = await run(agent, undefined, { resume });
    assert.match(agent.messages.find((each) => each.role === "tool").content, /Cancelled by the user/);
    assert.match(custom.find((each) => each.name === "outlast.warning").value.message, /nothing/);
  },

  async edited(page, key) {
    const agent = page.open();
    await run(agent, key);
    await run(agent, `${key}, more`);
    // Another answer to the last message: the list up to there.
    agent.setMessages(agent.messages.slice(0, 3));
    await run(agent);
    assert.equal((await page.load()).length, 4);
    // The first message is another one.
    agent.setMessages([user(`${key} in blue`)]);
    await run(agent);
    assert.deepEqual((await page.load()).map((each) => each.content), [`${key} in blue`, "Red."]);
    assert.deepEqual(
      (await page.load()).map((each) => each.id),
      agent.messages.map((each) => each.id),
    );
    assert.equal((await page.runs()).length, 4);
  },

  async busy(page, key) {
    const agent = page.open();
    agent.addMessage(user(key, "u1"));
    await leave(agent);
    const edited = page.open({ initialMessages: [user(`${key}, edited`, "u1")] });
    await assert.rejects(run(edited), /409.*goes on/);
    await run(agent);
  },

  async stopped(page, key) {
    const agent = page.open();
    agent.addMessage(user(key));
    let outcome;
    const running = agent.runAgent({}, { onRunFinishedEvent: (params) => (outcome = params.outcome) });
    await waitUntil(() => answer(agent), "the first words");
    assert.equal((await page.stop()).status, 204);
    await running;
    assert.equal(outcome, "cancelled");
    assert.equal((await page.runs())[0].status, "cancelled");
    assert.equal((await page.stop()).status, 204);
  },

  async any_thread_id(page, key) {
    page.threadId = `${"🦭".repeat(298)}/?`;
    const agent = page.open();
    const context = [{ description: "Page", value: `${key} page` }];
    await run(agent, key, { context });
    const { event } = await run(agent, `${key}, again`, { context });
    assert.equal(event.threadId, page.threadId);
    assert.deepEqual((await page.load()).length, 4);
    assert.equal((await page.stop()).status, 204);
  },
};

await play(scenarios, (url) => new Page(url));
assert.deepEqual(warnings, []);
