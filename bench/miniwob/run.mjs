// MiniWoB++ (Farama-Foundation/miniwob-plusplus, which is not part of this tree): all tasks x seeds on
// parallel sessions, one instruction each, no model. Prints success, wrong acts and refusals per task.
//   MINIWOB_HTML=…/miniwob/html node bench/miniwob/run.mjs --binary build/release/bin/troupe
//     [--seeds 3] [--first 1] [--sessions 5] [--tasks 'click-.*'] [--out results.jsonl]
// success: raw reward 1. partial: more than 0 (BrowserGym counts that as a success). wrong: the episode ended with a reward of 0 or less before its time was up.
// refused: act failed. unfinished: act reported success, the episode went on. The time limit is that
// of each page.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const given = { binary: "build/release/bin/troupe", seeds: "3", first: "1", sessions: "5", tasks: ".*",
  out: "" };
for (let i = 2; i + 1 < process.argv.length; i += 2) given[process.argv[i].slice(2)] = process.argv[i + 1];
const folder = process.env.MINIWOB_HTML || "";
if (!existsSync(join(folder, "miniwob"))) {
  console.error("MINIWOB_HTML names no folder with MiniWoB++'s html pages");
  process.exit(2);
}
const here = fileURLToPath(new URL(".", import.meta.url));

// In each task's page: starts the episode, hides the benchmark's own parts, tells the verdict.
const STAGE = `<style>#query,#reward-display,#click-canvas,#sync-task-cover{visibility:hidden!important;
pointer-events:none!important}</style><script>(() => {
  const params = new URLSearchParams(location.search);
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  let ended = null, tell;
  const said = new Promise((done) => (tell = done));
  window.wob = {
    instruction: said,
    verdict: async () => {
      for (let i = 0; i < 20 && !ended; i++) await pause(50);
      return ended;
    },
  };
  addEventListener('load', async () => {
    await pause(0);
    const end = core.endEpisode;
    core.endEpisode = (reward, proportional, reason) => {
      if (core.EP_TIMER !== null && !ended) ended = { raw: reward, reason: reason || '',
        ms: Date.now() - core.ept0 };
      end(reward, proportional, reason);
    };
    Math.seedrandom(params.get('seed'));
    if (core.setDataMode) core.setDataMode('test');
    core.startEpisodeReal();
    while (!WOB_TASK_READY) await pause(10);
    tell(core.getUtterance());
  });
})();</script>`;

const KINDS = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css",
  ".png": "image/png", ".gif": "image/gif", ".jpg": "image/jpeg", ".svg": "image/svg+xml" };
const files = new Map();
function read(path) {
  if (!files.has(path)) {
    let body = null;
    if (existsSync(path) && statSync(path).isFile()) body = readFileSync(path);
    if (body && extname(path) === ".html") body = Buffer.from(String(body).replace("</head>", () => STAGE + "</head>"));
    files.set(path, body);
  }
  return files.get(path);
}
const server = createServer((request, response) => {
  const body = read(join(folder, normalize(decodeURIComponent(request.url.split("?")[0]))));
  response.writeHead(body ? 200 : 404, { "Content-Type": KINDS[extname(request.url.split("?")[0])] || "text/plain",
    "Cache-Control": "max-age=3600" });
  response.end(body);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const origin = `http://127.0.0.1:${server.address().port}`;

const wanted = new RegExp(`^(?:${given.tasks})$`);
const tasks = readdirSync(join(folder, "miniwob")).filter((name) => name.endsWith(".html"))
  .map((name) => name.slice(0, -5)).filter((name) => wanted.test(name));
const items = [];
for (let seed = +given.first; seed < +given.first + +given.seeds; seed++)
  for (const task of tasks)
    items.push({ url: `${origin}/miniwob/${task}.html?seed=${seed}` });

const scratch = mkdtempSync(join(tmpdir(), "troupe-miniwob-"));
writeFileSync(join(scratch, "items.jsonl"), items.map((item) => JSON.stringify(item)).join("\n"));
const results = join(scratch, "results.jsonl");
const began = Date.now();
const child = spawn(given.binary, ["run", join(here, "episode.yaml"), "--items", join(scratch, "items.jsonl"),
  "--sessions", given.sessions, "--isolation", "reuse", "--attempts", "1", "--ephemeral", "--quiet",
  "--task-timeout", "60s", "--data-dir", join(scratch, "data"), "--output", results], { stdio: ["ignore", "ignore", "pipe"] });
let complaint = "";
child.stderr.on("data", (text) => (complaint = (complaint + text).slice(-4000)));
await new Promise((done) => child.on("exit", done));
const seconds = (Date.now() - began) / 1000;
server.close();
if (!existsSync(results)) {
  console.error(`no results: ${complaint}`);
  process.exit(1);
}

const rows = new Map(tasks.map((task) => [task, { success: 0, partial: 0, wrong: 0, refused: 0, unfinished: 0, failed: 0 }]));
const episodes = readFileSync(results, "utf8").trim().split("\n").map((line) => JSON.parse(line));
rmSync(scratch, { recursive: true });
const details = [];
for (const [index, episode] of episodes.entries()) {
  const place = episode.index ?? index, item = items[place], output = episode.output;
  const task = /miniwob\/(.*)\.html/.exec(item.url)[1], seed = /seed=(\d+)/.exec(item.url)[1];
  const verdict = output && output.verdict, ended = verdict && verdict.reason !== "timed out";
  const kind = !output ? "failed" : ended && verdict.raw === 1 ? "success" : ended && verdict.raw > 0 ? "partial"
    : ended ? "wrong" : output.refusal ? "refused" : "unfinished";
  rows.get(task)[kind]++;
  details.push({ task, seed, kind, instruction: output && output.instruction, raw: verdict && verdict.raw,
    ms: verdict && verdict.ms, refusal: output ? output.refusal && output.refusal.message : episode.error });
}
if (given.out) writeFileSync(given.out, details.map((row) => JSON.stringify(row)).join("\n") + "\n");

const kinds = ["success", "partial", "wrong", "refused", "unfinished", "failed"];
const percent = (part, whole) => ((100 * part) / whole).toFixed(1);
const whole = Object.fromEntries(kinds.map((kind) => [kind, 0]));
console.log(`| task | ${kinds.join(" | ")} |\n|---|${kinds.map(() => "---|").join("")}`);
for (const [task, row] of rows) {
  const count = kinds.reduce((sum, kind) => sum + row[kind], 0);
  for (const kind of kinds) whole[kind] += row[kind];
  console.log(`| ${task} | ${kinds.map((kind) => percent(row[kind], count || 1)).join(" | ")} |`);
}
const count = details.length;
// BrowserGym leaves out what is a race against time.
const RACES = new Set(["button-delay", "chase-circle", "hover-shape", "moving-items", "simon-says"]);
const shared = details.filter((row) => !RACES.has(row.task));
const positive = shared.filter((row) => row.kind === "success" || row.kind === "partial").length;
console.log(`| **all ${tasks.length}** | ${kinds.map((kind) => percent(whole[kind], count)).join(" | ")} |`);
console.log(`${count} episodes in ${seconds.toFixed(1)} s: ${(count / seconds).toFixed(1)} per second at ${given.sessions} sessions`);
console.log(`of the ${new Set(shared.map((row) => row.task)).size} that BrowserGym has, raw reward over 0: ${percent(positive, shared.length)} %`);
