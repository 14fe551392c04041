// What the session benchmarks share: arguments, CPU of a process tree, the workers, the report.
import { readFileSync, readdirSync } from "node:fs";
import * as statics from "./static_server.mjs";

const TICKS_PER_SECOND = 100; // USER_HZ on every Linux this runs on

/// `--sessions 100 --parallel 5 --url http://… --browser PATH`; throws for anything else.
export function readArguments(argv) {
  const given = {
    sessions: 100, parallel: 5, url: "",
    browser: process.env.TROUPE_BROWSER || "/usr/lib/chromium/chromium-headless-shell",
  };
  for (let i = 0; i < argv.length; i += 2) {
    const name = argv[i].replace(/^--/, "");
    if (!(name in given) || argv[i + 1] === undefined) throw new Error(`unknown argument: ${argv[i]}`);
    given[name] = typeof given[name] === "number" ? Number(argv[i + 1]) : argv[i + 1];
  }
  for (const name of ["sessions", "parallel"])
    if (!(given[name] >= 1 && given[name] <= 100_000)) throw new Error(`${name}: not in 1..100000`);
  return given;
}

/// CPU in ms of a process, its living descendants, and the ended ones that their parents waited for.
export function treeCpuMs(root) {
  const children = new Map();
  const ticks = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    let stat;
    try {
      stat = readFileSync(`/proc/${name}/stat`, "latin1");
    } catch {
      continue; // ended meanwhile
    }
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) || []), Number(name)]);
    ticks.set(Number(name), fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0));
  }
  let sum = 0;
  const open = [root];
  while (open.length) {
    const pid = open.pop();
    sum += ticks.get(pid) || 0;
    open.push(...(children.get(pid) || []));
  }
  return (sum * 1000) / TICKS_PER_SECOND;
}

/// Throws unless the page showed the text after a trusted click, and 50 items were read.
export function verify(found, text) {
  if (found.shown !== `${text} true`) throw new Error(`the page shows '${found.shown}' after the click`);
  if (found.items.length !== 50) throw new Error(`${found.items.length} items instead of 50`);
  if (!found.items.every((item) => item.id && item.title && /^\$\d+\.\d\d$/.test(item.price)))
    throw new Error("an item has an empty or wrong field");
}

/// Runs in the page: what a session extracts.
export const EXTRACT = `({
  shown: document.getElementById("shown").textContent,
  items: [...document.querySelectorAll(".item")].map((item) => ({
    id: item.dataset.id,
    title: item.querySelector(".item-title").textContent,
    price: item.querySelector(".item-price").textContent })) })`;

/// Measures `run(url, sessions, parallel)` and prints the figures as JSON. `browserPid()` gives the
/// process whose tree is Chromium.
export async function measure(given, browserPid, run) {
  const server = given.url ? null : await statics.start();
  const url = given.url || `${server.url}/session.html`;
  try {
    await run(url, given.parallel, given.parallel); // warm up: one session per worker
    const chromium = treeCpuMs(browserPid());
    const client = process.cpuUsage();
    const began = performance.now();
    await run(url, given.sessions, given.parallel);
    const seconds = (performance.now() - began) / 1000;
    const used = process.cpuUsage(client);
    const per = (ms) => Number((ms / given.sessions).toFixed(2));
    console.log(JSON.stringify({
      sessions: given.sessions, parallel: given.parallel, seconds: Number(seconds.toFixed(3)),
      sessions_per_s: Number((given.sessions / seconds).toFixed(2)),
      chromium_cpu_ms_per_session: per(treeCpuMs(browserPid()) - chromium),
      client_cpu_ms_per_session: per((used.user + used.system) / 1000),
    }));
  } finally {
    server?.stop();
  }
}
