// From asking for a session to the first answer of its browser, in ms: Troupe with as many spares as are
// asked for at once (warm) and without (cold), a bare Chromium, puppeteer-cluster with a browser per task,
// and a browserless that runs already, if its address is given. Rounds are interleaved, so that a busy
// machine hits all alike; each round waits until the spares are there again.
//   PUPPETEER_SKIP_DOWNLOAD=1 npm install --prefix build/bench puppeteer-cluster puppeteer-core ws
//   node bench/session_create.mjs [--binary build/release/bin/troupe] [--rounds 8] [--parallel 1,5,10]
//     [--browserless ws://127.0.0.1:3000/chromium]
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(new URL("../build/bench/package.json", import.meta.url));
const { Cluster } = require("puppeteer-cluster");
const puppeteer = require("puppeteer-core");
const WebSocket = require("ws");

const given = { binary: "build/release/bin/troupe", rounds: "8", parallel: "1,5,10",
  browser: "/usr/lib/chromium/chromium-headless-shell" };
for (let i = 2; i + 1 < process.argv.length; i += 2) given[process.argv[i].slice(2)] = process.argv[i + 1];
const sandbox = process.getuid() === 0 ? ["--no-sandbox"] : [];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Sends one command and waits for its answer.
const firstAnswer = (url) => new Promise((resolve, reject) => {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  socket.on("open", () => socket.send('{"id":1,"method":"Browser.getVersion"}'));
  socket.on("message", () => resolve(socket));
  socket.on("error", reject);
});

// The line of a child's error output that fits, as the match.
const announced = (child, pattern) => new Promise((resolve, reject) => {
  let text = "";
  child.stderr.on("data", (piece) => {
    text += piece;
    const match = text.match(pattern);
    if (match) resolve(match);
  });
  child.on("exit", () => reject(new Error(`ended early: ${text}`)));
});

async function startTroupe(spares) {
  const data = mkdtempSync(join(tmpdir(), "troupe-bench-"));
  const child = spawn(given.binary, ["serve", "--port", "0"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TROUPE_DATA_DIR: data, TROUPE_WARM_PROCESSES: String(spares),
      TROUPE_WARM_PROCESSES_MIN: String(spares), TROUPE_WARM_SESSIONS: "0" } });
  const [, url] = await announced(child, /serves (http:\S+) /);
  child.stderr.resume();
  const stop = async () => {
    child.removeAllListeners("exit");
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
    rmSync(data, { recursive: true, force: true });
  };
  return { url, stop };
}

function troupe(service) {
  return async () => {
    const started = performance.now();
    const reply = await fetch(`${service.url}/v1/sessions`, {
      method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
    const session = await reply.json();
    if (reply.status !== 201) throw new Error(JSON.stringify(session));
    const socket = await firstAnswer(session.connectUrl);
    const took = performance.now() - started;
    return { took, end: async () => {
      socket.terminate();
      await fetch(`${service.url}/v1/sessions/${session.id}`, { method: "DELETE" });
    } };
  };
}

async function bare() {
  const started = performance.now();
  const data = mkdtempSync(join(tmpdir(), "bare-bench-"));
  const child = spawn(given.browser, [...sandbox, "--remote-debugging-port=0", `--user-data-dir=${data}`,
    "--no-first-run", "--disable-gpu", "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  const [, url] = await announced(child, /listening on (ws:\S+)/);
  const socket = await firstAnswer(url);
  const took = performance.now() - started;
  return { took, end: async () => {
    socket.terminate();
    child.removeAllListeners("exit");
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    rmSync(data, { recursive: true, force: true });
  } };
}

// A browser per connection; it ends with it.
const browserless = (url) => async () => {
  const started = performance.now();
  const socket = await firstAnswer(url);
  const took = performance.now() - started;
  return { took, end: async () => socket.terminate() };
};

async function startCluster(parallel) {
  const cluster = await Cluster.launch({
    concurrency: Cluster.CONCURRENCY_BROWSER, maxConcurrency: parallel, timeout: 60_000,
    puppeteer, puppeteerOptions: { executablePath: given.browser, headless: "shell", args: sandbox } });
  const one = async () => {
    const started = performance.now();
    let end;
    const ended = new Promise((resolve) => { end = resolve; });
    const took = await new Promise((resolve, reject) => {
      cluster.queue(null, async ({ page }) => {
        await page.browser().version();
        resolve(performance.now() - started);
        await ended;
      }).catch(reject);
    });
    return { took, end: async () => end() };
  };
  return { one, stop: () => cluster.close() };
}

const at = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
const rows = [];
for (const parallel of given.parallel.split(",").map(Number)) {
  const warm = await startTroupe(parallel);
  const cold = await startTroupe(0);
  const cluster = await startCluster(parallel);
  const contenders = { "troupe, warm": troupe(warm), "troupe, cold": troupe(cold), "bare Chromium": bare,
    "puppeteer-cluster": cluster.one,
    ...(given.browserless ? { browserless: browserless(given.browserless) } : {}) };
  const figures = {};
  // The first rounds teach the demand for spares, and start the cluster's workers.
  for (let round = -2; round < Number(given.rounds); ++round)
    for (const [name, one] of Object.entries(contenders)) {
      const made = await Promise.all(Array.from({ length: parallel }, one));
      if (round >= 0) (figures[name] ||= []).push(...made.map((session) => session.took));
      await Promise.all(made.map((session) => session.end()));
      await pause(300 + 250 * parallel);
    }
  for (const [name, list] of Object.entries(figures)) {
    list.sort((a, b) => a - b);
    rows.push([parallel, name, list.length, at(list, 0.5).toFixed(1), at(list, 0.95).toFixed(1)]);
  }
  await Promise.all([warm.stop(), cold.stop(), cluster.stop()]);
}
console.log("| parallel | who | sessions | p50 ms | p95 ms |");
console.log("|---|---|---|---|---|");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
