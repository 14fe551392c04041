// Session throughput side by side: Troupe against the bare floor and puppeteer-cluster, interleaved in
// blocks so that a busy machine hits all alike. Prints a table of medians and the ratio to the floor of
// the same block.
//   node bench/compare.mjs --binary build/release/bin/bench_session [--sessions 60] [--blocks 3]
//                          [--parallel 1,2,5,10] [--peer yes] [--isolation context,reuse,process]
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as statics from "./static_server.mjs";

const given = { binary: "build/release/bin/bench_session", sessions: "60", blocks: "3",
  parallel: "1,2,5,10", peer: "yes", isolation: "context,reuse,process" };
for (let i = 2; i + 1 < process.argv.length; i += 2) given[process.argv[i].slice(2)] = process.argv[i + 1];

const here = fileURLToPath(new URL(".", import.meta.url));
const server = await statics.start();
const url = `${server.url}/session.html`;
const node = (script) => (p) => ["node", [here + script, "--url", url, "--sessions", given.sessions,
  "--parallel", String(p)]];
const troupe = (isolation) => (p) => [given.binary, ["--url", url, "--sessions", given.sessions,
  "--parallel", String(p), "--isolation", isolation]];
const contenders = { floor: node("floor.mjs") };
for (const isolation of given.isolation.split(",")) contenders[`troupe ${isolation}`] = troupe(isolation);
if (given.peer === "yes" && existsSync(`${here}../build/bench/node_modules/puppeteer-cluster`))
  contenders["puppeteer-cluster"] = node("puppeteer_cluster.mjs");

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const rows = [];
for (const p of given.parallel.split(",").map(Number)) {
  const figures = {};
  for (let block = 0; block < Number(given.blocks); ++block) {
    let floor;
    for (const [name, command] of Object.entries(contenders)) {
      const [file, argv] = command(p);
      const { stdout, stderr, status } = spawnSync(file, argv, { encoding: "utf8", timeout: 300_000 });
      if (status !== 0) throw new Error(`${name} at ${p}: ${stderr}`);
      const figure = JSON.parse(stdout);
      if (name === "floor") floor = figure;
      figure.ratio = figure.sessions_per_s / floor.sessions_per_s;
      (figures[name] ||= []).push(figure);
    }
  }
  for (const [name, list] of Object.entries(figures)) {
    const of = (key) => median(list.map((figure) => figure[key]));
    rows.push([p, name, of("sessions_per_s").toFixed(1), of("ratio").toFixed(2),
      of("chromium_cpu_ms_per_session").toFixed(0), of("client_cpu_ms_per_session").toFixed(2)]);
  }
}
server.stop();
console.log("| parallel | who | sessions/s | of the floor | Chromium CPU ms | own CPU ms |");
console.log("|---|---|---|---|---|---|");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
