// MiniWoB++'s pages on a server of their own, each changed so that the episode starts by itself and
// tells its instruction, its verdict and what was done.
import { createServer } from "node:http";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const REWORD = readFileSync(fileURLToPath(new URL("reword.mjs", import.meta.url)), "utf8").replace("export function", "function");

// In each task's page: starts the episode, hides the benchmark's own parts, tells the verdict.
const STAGE = `<style>#query,#reward-display,#click-canvas,#sync-task-cover{visibility:hidden!important;
pointer-events:none!important}</style><script>(() => {
  ${REWORD}
  const params = new URLSearchParams(location.search), task = location.pathname.split('/').pop();
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  let ended = null, tell;
  // What was done, as events tell it: for a replay by another driver.
  const steps = [], path = (e) => {
    const parts = [];
    for (let n = e; n && n.localName !== 'html'; n = n.parentElement)
      parts.unshift(n.localName + (n.parentElement ? ':nth-child(' + ([...n.parentElement.children].indexOf(n) + 1) + ')' : ''));
    return parts.join(' > ');
  };
  const note = (step) => {
    const last = steps[steps.length - 1];
    if (last && step.fill && last.fill === step.fill) steps.pop();
    steps.push(step);
  };
  let down = null;
  addEventListener('pointerdown', (e) => {
    if (!e.isTrusted) return;
    const b = e.target.getBoundingClientRect();
    down = { click: path(e.target), x: e.clientX - b.left, y: e.clientY - b.top, line: [[e.clientX, e.clientY]] };
  }, true);
  addEventListener('pointermove', (e) => { if (down && e.isTrusted) down.line.push([e.clientX, e.clientY]); }, true);
  addEventListener('pointerup', (e) => {
    if (!down || !e.isTrusted) return;
    const far = down.line.some(([x, y]) => Math.hypot(x - down.line[0][0], y - down.line[0][1]) > 4);
    note(far ? { drag: down.line } : { click: down.click, x: down.x, y: down.y });
    down = null;
  }, true);
  addEventListener('input', (e) => {
    if (e.target.localName !== 'select' && !/^(checkbox|radio)$/.test(e.target.type) && 'value' in e.target) note({ fill: path(e.target), value: e.target.value });
  }, true);
  addEventListener('change', (e) => {
    if (e.target.localName === 'select') note({ select: path(e.target), value: [...e.target.selectedOptions].map((o) => o.value) });
  }, true);
  addEventListener('keydown', (e) => {
    if (e.isTrusted && (e.key.length > 1 || e.ctrlKey)) note({ press: (e.ctrlKey ? 'Control+' : '') + e.key });
  }, true);
  const said = new Promise((done) => (tell = done));
  window.wob = {
    instruction: said,
    verdict: async () => {
      for (let i = 0; i < 20 && !ended; i++) await pause(50);
      return ended && { ...ended, steps };
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
    const words = params.get('reword');
    tell(words ? reword(core.getUtterance(), words + ' ' + task + ' ' + params.get('seed')) : core.getUtterance());
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
/// {server, origin, tasks}: `folder` is miniwob/html, `tasks` a pattern.
export async function serve(folder, pattern) {
  const server = createServer((request, response) => {
    const body = read(join(folder, normalize(decodeURIComponent(request.url.split("?")[0]))));
    response.writeHead(body ? 200 : 404, { "Content-Type": KINDS[extname(request.url.split("?")[0])] || "text/plain",
      "Cache-Control": "max-age=3600" });
    response.end(body);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const wanted = new RegExp(`^(?:${pattern})$`);
  const tasks = readdirSync(join(folder, "miniwob")).filter((name) => name.endsWith(".html"))
    .map((name) => name.slice(0, -5)).filter((name) => wanted.test(name));
  return { server, tasks, origin: `http://127.0.0.1:${server.address().port}` };
}
