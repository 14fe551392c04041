// The floor for session throughput: a bare DevTools client over the pipe, one browser, and a fresh
// context and page per session. Nothing from npm. Prints one line of JSON.
//   node bench/floor.mjs --sessions 100 --parallel 5 [--url http://…/session.html] [--browser PATH]
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { EXTRACT, measure, readArguments, verify } from "./measure.mjs";

class Browser {
  #last = 0;
  #answers = new Map();
  #events = new Map(); // "session method" → resolve, for one event each
  #rest = "";

  constructor(path) {
    this.profile = mkdtempSync(`${tmpdir()}/floor-`);
    const flags = ["--headless", "--remote-debugging-pipe", `--user-data-dir=${this.profile}`,
      "--no-first-run", "--disable-gpu"];
    if (process.getuid() === 0) flags.push("--no-sandbox");
    this.process = spawn(path, flags,
      { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.process.stdio[4].setEncoding("utf8").on("data", (text) => this.#read(text));
  }

  #read(text) {
    const messages = (this.#rest + text).split("\0");
    this.#rest = messages.pop();
    for (const message of messages) this.#take(JSON.parse(message));
  }

  #take(message) {
    if (message.id) {
      const { resolve, reject } = this.#answers.get(message.id);
      this.#answers.delete(message.id);
      if (message.error) reject(new Error(message.error.message));
      else resolve(message.result);
      return;
    }
    const key = `${message.sessionId} ${message.method}`;
    this.#events.get(key)?.(message.params);
    this.#events.delete(key);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }));
  }

  once(method, sessionId) {
    return new Promise((resolve) => this.#events.set(`${sessionId} ${method}`, resolve));
  }

  async close() {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.send("Browser.close"); // not awaited: the pipe may close before the answer comes
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function session(browser, url, text) {
  const { browserContextId } = await browser.send("Target.createBrowserContext");
  const { targetId } = await browser.send("Target.createTarget",
    { url: "about:blank", browserContextId, width: 1280, height: 720 });
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
  const call = (method, params) => browser.send(method, params, sessionId);
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await call("Runtime.evaluate", { expression, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return result.value;
  };
  await call("Page.enable");
  const loaded = browser.once("Page.loadEventFired", sessionId);
  await call("Page.navigate", { url });
  await loaded;
  const [x, y] = await evaluate(`(() => {
    document.getElementById("name").focus();
    const r = document.getElementById("go").getBoundingClientRect();
    return [r.x + r.width / 2, r.y + r.height / 2];
  })()`);
  await call("Input.insertText", { text });
  const mouse = (type, more = {}) => call("Input.dispatchMouseEvent", { type, x, y, ...more });
  await mouse("mouseMoved");
  await mouse("mousePressed", { button: "left", clickCount: 1 });
  await mouse("mouseReleased", { button: "left", clickCount: 1 });
  verify(await evaluate(EXTRACT), text);
  await browser.send("Target.disposeBrowserContext", { browserContextId });
}

const given = readArguments(process.argv.slice(2));
const browser = new Browser(given.browser);
try {
  await measure(given, () => browser.process.pid, async (url, sessions, parallel) => {
    let left = sessions;
    const worker = async () => {
      while (left-- > 0) await session(browser, url, `visitor ${left}`);
    };
    await Promise.all(Array.from({ length: parallel }, worker));
  });
} finally {
  await browser.close();
}
