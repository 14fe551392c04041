// MiniWoB++ (Farama-Foundation/miniwob-plusplus, which is not part of this tree): tasks x seeds on parallel
// sessions, no model. Prints success, wrong acts and refusals per task.
//   MINIWOB_HTML=…/miniwob/html node bench/miniwob/run.mjs --binary build/release/bin/troupe
//     [--seeds 3] [--first 1] [--sessions 5] [--set direct] [--tasks 'click-.*'] [--reword 7]
//     [--workflows yes] [--out results.jsonl] [--only episodes.jsonl]
// --set: direct, loops or compute (sets.mjs); otherwise all tasks. --reword: the instructions in other words, by
// the rules of reword.mjs and this seed. --workflows: instead of one `act`, the workflow that sets.mjs names for
// the task (folder workflows/). --only: the episodes of that file ({task, seed} a line).
// success: raw reward 1. partial: more than 0 (BrowserGym counts that as a success). wrong: the episode ended with a
// reward of 0 or less before its time was up. refused: act, or the workflow, failed. unfinished: it
// reported success, the episode went on. The time limit is that of each page.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./pages.mjs";
import { SETS, workflowOf } from "./sets.mjs";

const given = { binary: "build/release/bin/troupe", seeds: "3", first: "1", sessions: "5", tasks: ".*",
  set: "", reword: "", workflows: "", out: "", only: "" };
for (let i = 2; i + 1 < process.argv.length; i += 2) given[process.argv[i].slice(2)] = process.argv[i + 1];
const folder = process.env.MINIWOB_HTML || "";
if (!existsSync(join(folder, "miniwob")) || (given.set && !SETS[given.set])) {
  console.error("MINIWOB_HTML names no folder with MiniWoB++'s html pages, or --set is none of: " + Object.keys(SETS).join(", "));
  process.exit(2);
}
const here = fileURLToPath(new URL(".", import.meta.url));
const { server, tasks: served, origin } = await serve(folder, given.tasks);
const tasks = served.filter((task) => !given.set || SETS[given.set].includes(task));
const scratch = mkdtempSync(join(tmpdir(), "troupe-miniwob-"));

function episodes() {
  if (given.only) return readFileSync(given.only, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const all = [];
  for (let seed = +given.first; seed < +given.first + +given.seeds; seed++) for (const task of tasks) all.push({ task, seed });
  return all;
}

/// The episodes' results, in their order: the workflow of that name does them; empty: `act` does.
async function play(name, some) {
  const text = readFileSync(join(here, "episode.yaml"), "utf8"), file = join(scratch, `episode_${name}.yaml`);
  writeFileSync(file, name ? text.replace(/- act:.*\n.*\n/, `- call: ${name}\n    with: {instruction: "{{ instruction }}"}\n    timeout: 30s\n`) : text);
  const words = given.reword ? `&reword=${encodeURIComponent(given.reword)}` : "";
  const items = join(scratch, `items_${name}.jsonl`), results = join(scratch, `results_${name}.jsonl`);
  writeFileSync(items, some.map(({ task, seed }) => JSON.stringify({ url: `${origin}/miniwob/${task}.html?seed=${seed}${words}` })).join("\n"));
  const child = spawn(given.binary, ["run", file, "--items", items, "--sessions", given.sessions,
    "--isolation", "reuse", "--attempts", "1", "--ephemeral", "--quiet", "--task-timeout", "60s",
    "--data-dir", join(scratch, "data"), "--output", results], {
    stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, TROUPE_WORKFLOW_DIRS: join(here, "workflows") } });
  let complaint = "";
  child.stderr.on("data", (part) => (complaint = (complaint + part).slice(-4000)));
  await new Promise((done) => child.on("exit", done));
  if (!existsSync(results)) throw new Error(`${name || "act"}: no results: ${complaint}`);
  const out = [];
  for (const [index, line] of readFileSync(results, "utf8").trim().split("\n").entries()) {
    const result = JSON.parse(line);
    out[result.index ?? index] = result;
  }
  return out;
}

function judged({ task, seed }, result) {
  const output = result && result.output, verdict = output && output.verdict, ended = verdict && verdict.reason !== "timed out";
  const kind = !output ? "failed" : ended && verdict.raw === 1 ? "success" : ended && verdict.raw > 0 ? "partial"
    : ended ? "wrong" : output.refusal ? "refused" : "unfinished";
  return { task, seed: String(seed), kind, instruction: output && output.instruction, raw: verdict && verdict.raw,
    ms: verdict && verdict.ms, steps: verdict && verdict.steps, refusal: output ? output.refusal && output.refusal.message : result && result.error };
}

const groups = new Map(), began = Date.now(), details = [];
for (const episode of episodes()) {
  const name = given.workflows ? workflowOf(episode.task) : "";
  groups.set(name, [...(groups.get(name) || []), episode]);
}
for (const [name, some] of groups) {
  const results = await play(name, some);
  some.forEach((episode, i) => details.push(judged(episode, results[i])));
}
const seconds = (Date.now() - began) / 1000;
server.close();
rmSync(scratch, { recursive: true });
if (given.out) writeFileSync(given.out, details.map((row) => JSON.stringify(row)).join("\n") + "\n");

const kinds = ["success", "partial", "wrong", "refused", "unfinished", "failed"];
const percent = (part, whole) => ((100 * part) / (whole || 1)).toFixed(1);
const line = (label, some) => `| ${label} | ${kinds.map((kind) => percent(some.filter((row) => row.kind === kind).length, some.length)).join(" | ")} |`;
const names = [...new Set(details.map((row) => row.task))].sort();
console.log(`| task | ${kinds.join(" | ")} |\n|---|${kinds.map(() => "---|").join("")}`);
for (const task of names) console.log(line(task, details.filter((row) => row.task === task)));
console.log(line(`**all ${names.length}**`, details));
console.log(`${details.length} episodes in ${seconds.toFixed(1)} s: ${(details.length / seconds).toFixed(1)} per second at ${given.sessions} sessions`);
// BrowserGym leaves out what is a race against time.
const RACES = new Set(["button-delay", "chase-circle", "hover-shape", "moving-items", "simon-says"]);
const shared = details.filter((row) => !RACES.has(row.task)), positive = shared.filter((row) => row.kind === "success" || row.kind === "partial");
console.log(`of the ${new Set(shared.map((row) => row.task)).size} that BrowserGym has, raw reward over 0: ${percent(positive.length, shared.length)} %`);
