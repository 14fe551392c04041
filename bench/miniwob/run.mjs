// MiniWoB++ (Farama-Foundation/miniwob-plusplus, which is not part of this tree): all tasks x seeds on
// parallel sessions, one instruction each, no model. Prints success, wrong acts and refusals per task.
//   MINIWOB_HTML=…/miniwob/html node bench/miniwob/run.mjs --binary build/release/bin/troupe
//     [--seeds 3] [--first 1] [--sessions 5] [--tasks 'click-.*'] [--out results.jsonl] [--only episodes.jsonl]
// success: raw reward 1. partial: more than 0 (BrowserGym counts that as a success). wrong: the episode ended with a reward of 0 or less before its time was up.
// --only: the episodes of that file ({task, seed} a line) instead. refused: act failed. unfinished: act reported success, the episode went on. The time limit is that
// of each page.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./pages.mjs";

const given = { binary: "build/release/bin/troupe", seeds: "3", first: "1", sessions: "5", tasks: ".*",
  out: "", only: "" };
for (let i = 2; i + 1 < process.argv.length; i += 2) given[process.argv[i].slice(2)] = process.argv[i + 1];
const folder = process.env.MINIWOB_HTML || "";
if (!existsSync(join(folder, "miniwob"))) {
  console.error("MINIWOB_HTML names no folder with MiniWoB++'s html pages");
  process.exit(2);
}
const here = fileURLToPath(new URL(".", import.meta.url));

const { server, tasks, origin } = await serve(folder, given.tasks);
const items = [];
const page = (task, seed) => ({ url: `${origin}/miniwob/${task}.html?seed=${seed}` });
if (given.only)
  for (const line of readFileSync(given.only, "utf8").trim().split("\n")) {
    const { task, seed } = JSON.parse(line);
    items.push(page(task, seed));
  }
for (let seed = +given.first; !given.only && seed < +given.first + +given.seeds; seed++)
  for (const task of tasks) items.push(page(task, seed));

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
    ms: verdict && verdict.ms, steps: verdict && verdict.steps, refusal: output ? output.refusal && output.refusal.message : episode.error });
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
