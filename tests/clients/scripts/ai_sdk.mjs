// What `useChat` does, without React: the same chat over a list for its state.
// The first argument is the SDK's package: `ai`, or `ai-6`.

import assert from "node:assert/strict";

import { play, waitUntil } from "./playing.mjs";

const sdk = await import(process.argv[2]);
const {
  AbstractChat,
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithApprovalResponses: isDecided,
  lastAssistantMessageIsCompleteWithToolCalls: isAnswered,
} = sdk;

class State {
  status = "ready";
  error = undefined;
  messages;
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => (this.messages = [...this.messages, message]);
  popMessage = () => (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, message));
  snapshot = (value) => structuredClone(value);
}

class Chat extends AbstractChat {
  constructor(api, id, { messages = [], ...options } = {}) {
    super({ transport: new DefaultChatTransport({ api }), ...options, id, state: new State(messages) });
  }
}

class Page {
  constructor(url) {
    this.url = url;
    this.api = `${url}/ai-sdk/partner`;
    this.id = crypto.randomUUID();
  }
  // Another page of the same chat: what the server has, and nothing else.
  open = (options) => new Chat(this.api, this.id, options);
  load = async (options) => this.open({ messages: await this.read("messages"), ...options });
  read = async (what) => (await fetch(`${this.api}/${this.id}/${what}`)).json();
  post = (body, path = "") =>
    fetch(this.api + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  runs = async () => {
    const listed = await (await fetch(`${this.url}/runs?thread_id=${this.id}`)).json();
    return listed.items;
  };
}

const textOf = (message) =>
  message.parts
    .filter((part) => part.type === "text" && !part.providerMetadata?.outlast?.retracted)
    .map((part) => part.text)
    .join("");
const answer = (chat) => textOf(chat.lastMessage);
const tools = (chat) => chat.lastMessage.parts.filter((part) => part.toolCallId);
const user = (id, text) => ({ id, role: "user", parts: [{ type: "text", text }] });

const scenarios = {
  async plain(page, key) {
    const chat = page.open();
    await chat.sendMessage({ text: key });
    assert.equal(chat.error, undefined);
    assert.equal(chat.status, "ready");
    assert.equal(answer(chat), "Hello you.");
    await chat.sendMessage({ text: `${key}, again` });
    assert.equal(answer(chat), "Hello you.");
    assert.equal(chat.messages.length, 4);
    const { outlast } = chat.lastMessage.metadata;
    assert.ok(outlast.usage.input_tokens > 0);
    assert.equal(chat.lastMessage.id, `msg_${outlast.run_id}`);
    // A page that is loaded goes on where the other one was.
    const seeded = await page.load();
    await seeded.sendMessage({ text: `${key}, and again` });
    assert.equal(seeded.error, undefined);
    assert.equal(answer(seeded), "Hello you.");
    assert.equal((await page.load()).messages.length, 6);
    assert.equal((await page.runs()).length, 3);
  },

  async tools(page, key) {
    const chat = page.open({ onToolCall: () => assert.fail("the agent runs its own tools") });
    await chat.sendMessage({ text: key });
    assert.equal(answer(chat), "Let me look.A word.");
    const [part] = tools(chat);
    assert.equal(part.state, "output-available");
    assert.deepEqual([part.input, part.output], [{ word: "rain" }, "rain: a word"]);
  },

  async failed(page, key) {
    const chat = page.open();
    await chat.sendMessage({ text: key });
    assert.equal(chat.status, "error");
    assert.ok(chat.error.message);
  },

  async refused(page, key) {
    const chat = new Chat(`${page.url}/ai-sdk/nobody`, page.id);
    await chat.sendMessage({ text: key });
    assert.equal(chat.status, "error");
    const wrong = await page.post({ id: page.id, messages: [{ id: "1", role: "user", parts: 7 }] });
    assert.equal(wrong.status, 400);
    assert.match((await wrong.json()).detail, /messages/);
  },

  async resumed_in_mid_text(page, key) {
    const left = page.open();
    const sending = left.sendMessage({ text: key });
    await waitUntil(() => left.lastMessage?.role === "assistant" && answer(left), "the first words");
    await left.stop();
    await sending;
    assert.ok(answer(left).length < "one two three four five six".length);
    const chat = await page.load();
    assert.equal(chat.messages.length, 1);
    await chat.resumeStream();
    assert.equal(answer(chat), "one two three four five six");
    await left.resumeStream();
    assert.equal((await page.load()).messages.length, 2);
    assert.equal((await fetch(`${page.api}/${page.id}/stream`)).status, 204);
    const seeded = await page.load();
    assert.deepEqual(
      seeded.messages.map((message) => [message.id, message.role, textOf(message)]),
      chat.messages.map((message) => [message.id, message.role, textOf(message)]),
    );
  },

  async stopped(page, key) {
    const chat = page.open();
    const sending = chat.sendMessage({ text: key });
    await waitUntil(() => chat.lastMessage?.role === "assistant" && answer(chat), "the first words");
    assert.equal((await page.post({}, `/${page.id}/stop`)).status, 204);
    await sending;
    const [run] = await page.runs();
    assert.equal(run.status, "cancelled");
    assert.ok("one two three four five six".startsWith(answer(chat)));
    assert.equal(answer(await page.load()), answer(chat));
    assert.equal((await page.post({}, `/${page.id}/stop`)).status, 204);
  },

  async approved(page, key) {
    const first = page.open();
    await first.sendMessage({ text: key });
    assert.equal(tools(first)[0].state, "approval-requested");
    // Another page, after a reload: the approval is still open there.
    const chat = await page.load({ sendAutomaticallyWhen: isDecided });
    await chat.resumeStream();
    const [part] = tools(chat);
    assert.equal(part.state, "approval-requested");
    await chat.addToolApprovalResponse({ id: part.approval.id, approved: true });
    await waitUntil(() => answer(chat) === "Sent.", "the answer");
    assert.equal(tools(chat)[0].output, "sent 5");
    assert.equal(chat.messages.length, 2);
    assert.equal((await page.runs()).length, 1);
  },

  async called_run_asks(page, key) {
    page.api = `${page.url}/ai-sdk/lead`;
    let sent = 0;
    const counted = (...request) => fetch(...request, (sent += 1));
    const transport = new DefaultChatTransport({ api: page.api, fetch: counted });
    const chat = page.open({ transport, sendAutomaticallyWhen: isDecided });
    await chat.sendMessage({ text: key });
    const asked = tools(chat).find((part) => part.state === "approval-requested");
    assert.deepEqual([asked.toolName, asked.input], ["tester.pay", { cents: 5 }]);
    await chat.addToolApprovalResponse({ id: asked.approval.id, approved: true });
    await waitUntil(() => answer(chat) === "Sent." && chat.status === "ready", "the answer");
    assert.equal(chat.error, undefined);
    assert.deepEqual(
      tools(chat).map((part) => [part.toolName, part.state]),
      [
        ["ask", "output-available"],
        ["tester.pay", "output-available"],
      ],
    );
    assert.equal(tools(chat)[0].output, "Paid.");
    assert.equal(sent, 2);
    assert.equal((await page.runs()).length, 1);
  },

  async resumed_after_approval(page, key) {
    const left = page.open({ sendAutomaticallyWhen: isDecided });
    await left.sendMessage({ text: key });
    left.addToolApprovalResponse({ id: tools(left)[0].approval.id, approved: true });
    await waitUntil(() => answer(left), "the first words");
    const chat = await page.load();
    const resumed = chat.resumeStream();
    await left.stop();
    const again = left.resumeStream();
    await Promise.all([resumed, again]);
    const seeded = await page.load();
    for (const each of [chat, left]) {
      assert.equal(answer(each), "one two three four five six");
      assert.equal(tools(each)[0].output, "sent 5");
      assert.deepEqual(
        each.messages.map((message) => message.id),
        seeded.messages.map((message) => message.id),
      );
    }
    assert.equal(tools(seeded)[0].output, "sent 5");
  },

  async sent_again(page, key) {
    const chat = page.open();
    await chat.sendMessage({ text: key });
    const [run] = await page.runs();
    // As after a connection that broke before the answer came.
    chat.messages = chat.messages.slice(0, 1);
    await chat.sendMessage();
    assert.equal(answer(chat), "Hello you.");
    assert.equal(chat.lastMessage.id, `msg_${run.run_id}`);
    assert.equal((await page.runs()).length, 1);
  },

  async tried_again(page, key) {
    const chat = page.open();
    await chat.sendMessage({ text: key });
    assert.equal(chat.status, "error");
    chat.messages = chat.messages.slice(0, 1);
    chat.clearError();
    await chat.sendMessage();
    assert.equal(chat.error, undefined);
    assert.equal(answer(chat), "Hello you.");
    assert.deepEqual((await page.read("messages")).map(textOf), [key, "Hello you."]);
  },

  async last_alone(page, key) {
    const transport = new DefaultChatTransport({
      api: page.api,
      prepareSendMessagesRequest: ({ id, messages, trigger, messageId }) => ({
        body: { id, message: messages.at(-1), trigger, messageId },
      }),
    });
    const chat = page.open({ transport });
    await chat.sendMessage({ text: key });
    await chat.sendMessage({ text: `${key}, again` });
    await chat.regenerate();
    assert.equal(chat.error, undefined);
    await chat.sendMessage({ text: `${key}, otherwise`, messageId: chat.messages[2].id });
    assert.equal(chat.error, undefined);
    const kept = await page.read("messages");
    assert.deepEqual(kept.map(textOf), [key, "Hello you.", `${key}, otherwise`, "Hello you."]);
    assert.deepEqual(kept.map((message) => message.id), chat.messages.map((message) => message.id));
  },

  async denied(page, key) {
    const chat = page.open({ sendAutomaticallyWhen: isDecided });
    await chat.sendMessage({ text: key });
    const [part] = tools(chat);
    const unsure = structuredClone(chat.messages);
    Object.assign(unsure.at(-1).parts.find((each) => each.toolCallId), {
      state: "approval-responded",
      approval: { id: part.approval.id, approved: "true" },
    });
    assert.equal((await page.post({ id: page.id, messages: unsure })).status, 400);
    const ignored = [...chat.messages, user("u2", "yes please")];
    assert.equal((await page.post({ id: page.id, messages: ignored })).status, 400);
    const [waiting] = await page.runs();
    assert.equal(waiting.waiting_for, "approval");
    await chat.addToolApprovalResponse({ id: part.approval.id, approved: false, reason: "too much" });
    await waitUntil(() => answer(chat) === "Not sent.", "the answer");
    assert.equal(tools(chat)[0].state, "output-denied");
    const seeded = await page.load();
    assert.equal(tools(seeded)[0].state, "output-denied");
  },

  async client_tool(page, key) {
    const called = [];
    const chat = page.open({
      sendAutomaticallyWhen: isAnswered,
      onToolCall: ({ toolCall }) => {
        called.push(toolCall.input);
        chat.addToolOutput({
          tool: toolCall.toolName,
          toolCallId: toolCall.toolCallId,
          output: { city: "Berlin" },
        });
      },
    });
    await chat.sendMessage({ text: key });
    await waitUntil(() => answer(chat) === "In Berlin.", "the answer");
    assert.deepEqual(called, [{ of: "ann" }]);
    assert.equal((await page.runs()).length, 1);
    const seeded = await page.load();
    assert.deepEqual(tools(seeded)[0].output, { city: "Berlin" });
  },

  async regenerated(page, key) {
    const chat = page.open();
    await chat.sendMessage({ text: key });
    assert.equal(answer(chat), "Red.");
    await chat.regenerate();
    assert.equal(chat.messages.length, 2);
    assert.equal(answer(chat), "Red.");
    const asked = chat.messages[0];
    await chat.sendMessage({ text: `${key} in blue`, messageId: asked.id });
    assert.equal(chat.error, undefined);
    const kept = await page.read("messages");
    assert.deepEqual(kept.map(textOf), [`${key} in blue`, "Red."]);
    assert.equal((await page.runs()).length, 3);
  },

  async double_click(page, key) {
    const messages = [user("u1", key)];
    const body = { id: page.id, messages, trigger: "submit-message" };
    const answers = await Promise.all([page.post(body), page.post(body)]);
    const told = await Promise.all(answers.map((each) => each.text()));
    assert.equal(answers[0].headers.get("x-vercel-ai-ui-message-stream"), "v1");
    assert.equal(answers[0].headers.get("x-run-id"), answers[1].headers.get("x-run-id"));
    assert.ok(told.every((each) => each.includes("six") && each.endsWith("data: [DONE]\n\n")));
    assert.equal((await page.runs()).length, 1);
  },

  async last_message_alone(page, key) {
    const first = await page.post({ id: page.id, message: user("u1", key) });
    assert.match(await first.text(), / you\./);
    const second = await page.post({ id: page.id, message: user("u2", `${key}, again`) });
    assert.match(await second.text(), / you\./);
    assert.equal((await page.read("messages")).length, 4);
  },
};

await play(scenarios, (url) => new Page(url));
