// The same episodes by Troupe, which reads each instruction and finds what it means, and by
// playwright-core, which is told the elements: what Troupe did, as the page heard it, is replayed.
//   MINIWOB_HTML=…/miniwob/html node bench/miniwob/playwright.mjs --binary build/release/bin/troupe
//     --playwright …/node_modules/playwright-core --chromium /usr/bin/chromium
//     [--seeds 1] [--first 1] [--sessions 1,2,5] [--rounds 1] [--tasks 'click-.*']
// Only episodes that both solve count; they are found out first. Each session has one page, which goes
// to each episode's address. Prints episodes per second for each number of sessions.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { serve } from "./pages.mjs";

const given = { binary: "build/release/bin/troupe", playwright: "", chromium: "", seeds: "1", first: "1",
  sessions: "1,2,5", rounds: "1", tasks: ".*" };
for (let i = 2; i + 1 < process.argv.length; i += 2) given[process.argv[i].slice(2)] = process.argv[i + 1];
const folder = process.env.MINIWOB_HTML || "", entry = join(given.playwright, "index.mjs");
if (!existsSync(join(folder, "miniwob")) || !existsSync(entry) || !existsSync(given.chromium)) {
  console.error("MINIWOB_HTML, --playwright and --chromium must name what is there");
  process.exit(2);
}
const { chromium } = await import(pathToFileURL(resolve(entry)));
const here = fileURLToPath(new URL(".", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "troupe-miniwob-peer-"));
const { server, origin } = await serve(folder, given.tasks);

function troupe(more) {
  const out = join(scratch, "out.jsonl");
  const run = spawnSync(process.execPath, [join(here, "run.mjs"), "--binary", given.binary, "--out", out, ...more],
    { encoding: "utf8", maxBuffer: 1 << 26 });
  const said = /^(\d+) episodes in ([\d.]+) s/m.exec(run.stdout || "");
  if (!said) throw new Error(`troupe: ${run.stderr}`);
  return { seconds: +said[2], rows: readFileSync(out, "utf8").trim().split("\n").map((line) => JSON.parse(line)) };
}

async function replay(page, episode) {
  await page.goto(`${origin}/miniwob/${episode.task}.html?seed=${episode.seed}`);
  await page.evaluate("wob.instruction");
  for (const step of episode.steps) {
    const options = { timeout: 3000 };
    if (step.click) await page.locator(step.click).click({ ...options, position: { x: step.x, y: step.y } });
    if (step.fill) await page.locator(step.fill).fill(step.value, options);
    if (step.select) await page.locator(step.select).selectOption(step.value, options);
    if (step.press) await page.keyboard.press(step.press);
    if (!step.drag) continue;
    await page.mouse.move(...step.drag[0]);
    await page.mouse.down();
    for (const [x, y] of step.drag.slice(1)) await page.mouse.move(x, y);
    await page.mouse.up();
  }
  const verdict = await page.evaluate("wob.verdict()");
  return Boolean(verdict && verdict.raw === 1);
}

// All episodes on `sessions` pages, each in a context of its own.
async function peer(browser, episodes, sessions) {
  const solved = [], pages = [];
  for (let i = 0; i < sessions; i++) pages.push(await (await browser.newContext()).newPage());
  let next = 0;
  await Promise.all(pages.map(async (page) => {
    while (next < episodes.length) {
      const episode = episodes[next++];
      if (await replay(page, episode).catch(() => false)) solved.push(episode);
    }
  }));
  for (const page of pages) await page.context().close();
  return solved;
}

const launch = () => chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox"] });
const first = troupe(["--seeds", given.seeds, "--first", given.first, "--sessions", "2", "--tasks", given.tasks]);
const candidates = first.rows.filter((row) => row.kind === "success" && row.steps && row.steps.length);
let browser = await launch();
let both = await peer(browser, candidates, 2);
await browser.close();
const only = join(scratch, "only.jsonl");
const save = () => writeFileSync(only, both.map(({ task, seed }) => JSON.stringify({ task, seed })).join("\n"));
save();
console.log(`${first.rows.length} episodes: Troupe solves ${candidates.length}, the replay ${both.length} of them`);

console.log("| sessions | playwright-core, told what to do | solved | Troupe, told the sentence | solved |\n|---|---|---|---|---|");
for (const sessions of given.sessions.split(",")) {
  const peers = [], ours = [];
  for (let round = 0; round < +given.rounds; round++) {
    // Both begin with starting their browser, as a user of either does.
    const began = Date.now();
    browser = await launch();
    const solved = await peer(browser, both, +sessions);
    await browser.close();
    peers.push([both.length / ((Date.now() - began) / 1000), solved.length]);
    const run = troupe(["--only", only, "--sessions", sessions]);
    ours.push([both.length / run.seconds, run.rows.filter((row) => row.kind === "success").length]);
  }
  const middle = (list) => list.sort((a, b) => a[0] - b[0])[Math.floor(list.length / 2)];
  const [p, t] = [middle(peers), middle(ours)];
  console.log(`| ${sessions} | ${p[0].toFixed(1)}/s | ${p[1]} of ${both.length} | ${t[0].toFixed(1)}/s | ${t[1]} of ${both.length} |`);
}
server.close();
rmSync(scratch, { recursive: true });
