// The example's page as it is built and served, in a document without a browser: what a person
// sees and does there. The first argument is the example's folder.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { Browser } from "happy-dom";

import { play, waitUntil } from "./playing.mjs";

const [root, url] = process.argv.slice(2);
process.env.OUTLAST_URL = url; // as the example's README has it
const found = createRequire(join(root, "package.json")).resolve("vite");
const { build, preview } = await import(pathToFileURL(found));

// Streams that a page may use, and this document lacks.
const GLOBALS = { ReadableStream, TextDecoderStream, TransformStream, WritableStream };

const outDir = await mkdtemp(join(tmpdir(), "chat-react-"));
await build({ root, logLevel: "error", build: { outDir } });
const port = 10_000 + (process.pid % 20_000); // the next one, if somebody has it
const server = await preview({ root, logLevel: "error", build: { outDir }, preview: { port } });
const browser = new Browser({
  settings: {
    enableJavaScriptEvaluation: true,
    suppressInsecureJavaScriptEnvironmentWarning: true,
    disableCSSFileLoading: true,
    handleDisabledFileLoadingAsSuccess: true,
  },
});

// What goes wrong in a page that was left is no end of the others.
process.on("unhandledRejection", (error) => console.error(error));
// This document throws where a stream ends that its page has cancelled, which no browser does.
process.on("uncaughtException", (error) => {
  if (error.code !== "ERR_INVALID_STATE") throw error;
  console.error(error);
});

class Tab {
  constructor(agent, id = crypto.randomUUID()) {
    this.chat = `#${agent}/${id}`;
    this.id = id;
    this.page = browser.newPage();
  }
  get document() {
    return this.page.mainFrame.document;
  }
  get text() {
    return this.document.body.textContent;
  }
  async open() {
    const options = { beforeContentCallback: (window) => Object.assign(window, GLOBALS) };
    await this.page.goto(server.resolvedUrls.local[0] + this.chat, options);
    await this.find("[aria-label=Message]");
    return this;
  }
  // What a person sees after loading the page anew: another tab of the same chat.
  async reload() {
    const [agent] = this.chat.slice(1).split("/");
    await this.page.close();
    return new Tab(agent, this.id).open();
  }
  async find(selector) {
    await waitUntil(() => this.document.querySelector(selector), selector);
    return this.document.querySelector(selector);
  }
  see = (text) => waitUntil(() => this.text.includes(text), `${text} in: ${this.text}`);
  async click(label) {
    const button = () =>
      [...this.document.querySelectorAll("button")].find(
        (each) => each.textContent === label && !each.disabled,
      );
    await waitUntil(button, `a button ${label}`);
    button().click();
  }
  async type(label, text) {
    const field = await this.find(`[aria-label=${label}]`);
    const { HTMLInputElement, Event } = this.page.mainFrame.window;
    // React looks at what is set by a field's own setter only.
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  async say(text) {
    await this.type("Message", text);
    await this.click("Send");
  }
  run = async () => {
    const listed = await (await fetch(`${url}/runs?thread_id=${this.id}`)).json();
    return (await fetch(`${url}/runs/${listed.items[0].run_id}`)).json();
  };
}

const said = "one two three four five six";
const count = (text, word) => text.split(word).length - 1;

const scenarios = {
  async plain(open, key) {
    const tab = await open("partner");
    await tab.say(key);
    await tab.see("Hello you.");
    await tab.see(`outlast watch ${(await tab.run()).run_id}`);
    const other = await open("partner");
    assert.ok(!other.text.includes("Hello you."), "each chat has its own messages");
  },

  async approved(open, key) {
    let tab = await open("partner");
    await tab.say(key);
    await tab.see("asks you");
    tab = await tab.reload();
    await tab.click("Approve");
    await tab.see("Sent.");
    await tab.see("sent 5");
    assert.equal(count(tab.text, "Sent."), 1);
  },

  async denied(open, key) {
    const tab = await open("partner");
    await tab.say(key);
    await tab.see("asks you");
    await tab.type("Reason", "too much");
    await tab.click("Deny");
    await tab.see("Not sent.");
    await tab.see("denied");
    const [{ resolution }] = (await tab.run()).approvals;
    assert.deepEqual([resolution.action, resolution.reason], ["reject", "too much"]);
  },

  async reloaded_in_mid_text(open, key) {
    let tab = await open("partner");
    await tab.say(key);
    await tab.see("one two");
    tab = await tab.reload();
    await tab.see(said);
    assert.equal(count(tab.text, "one"), 1);
    assert.equal(count(tab.text, key), 1);
  },

  async stopped(open, key) {
    const tab = await open("partner");
    await tab.say(key);
    await tab.see("one");
    await tab.click("Stop");
    await waitUntil(async () => (await tab.run()).status === "cancelled", "the run's end");
    await tab.say(key); // there is a way on
    await tab.see(said);
  },

  async stopped_while_asked(open, key) {
    const tab = await open("partner");
    await tab.say(key);
    await tab.see("asks you");
    await tab.click("Stop");
    await waitUntil(() => !tab.text.includes("asks you"), "nothing to be asked");
    assert.equal((await tab.run()).status, "cancelled");
  },

  async tool_of_the_page(open, key) {
    const tab = await open("city_guide");
    await tab.say(key);
    await tab.type("City", "Rome");
    await tab.click("I am here");
    await tab.see("In Rome.");
    const [, , result] = (await tab.run()).messages;
    assert.deepEqual([result.role, result.content], ["tool", "Rome"]);
  },

  async tool_refused(open, key) {
    const tab = await open("city_guide");
    await tab.say(key);
    await tab.click("I don’t tell");
    await tab.see("Nowhere.");
    assert.equal((await tab.run()).calls[0].answer.is_error, true);
  },

  async retracted(open, key) {
    const tab = await open("partner");
    await tab.say(key);
    await tab.see("one two");
    await tab.see("Something else.");
    assert.ok(!tab.text.includes("one two"), tab.text);
  },

  async failed(open, key) {
    const tab = await open("partner");
    await tab.say(key);
    const alert = await tab.find("[role=alert]");
    assert.match(alert.textContent, /fault 400/);
    await tab.click("Look again");
    await waitUntil(() => !tab.document.querySelector("[role=alert]"), "no error");
  },

  async unknown_agent(_open, key) {
    const tab = new Tab("nobody");
    await tab.page.goto(server.resolvedUrls.local[0] + tab.chat);
    const alert = await tab.find("[role=alert]");
    assert.match(alert.textContent, /nobody/, key);
  },
};

try {
  await play(scenarios, () => (agent) => new Tab(agent).open());
} finally {
  await browser.close();
  await server.close();
  await rm(outDir, { recursive: true });
}
process.exit(0); // what pages have left of timers goes with them
