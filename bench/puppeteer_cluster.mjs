// The peer: puppeteer-cluster with a context per task, doing what floor.mjs does. Its packages are
// installed outside the source tree:
//   PUPPETEER_SKIP_DOWNLOAD=1 npm install --prefix build/bench puppeteer-cluster puppeteer-core
//   node bench/puppeteer_cluster.mjs --sessions 100 --parallel 5
import { createRequire } from "node:module";
import { EXTRACT, measure, readArguments, verify } from "./measure.mjs";

const require = createRequire(new URL("../build/bench/package.json", import.meta.url));
const { Cluster } = require("puppeteer-cluster");
const puppeteer = require("puppeteer-core");

const given = readArguments(process.argv.slice(2));
let browserPid = 0;
const recording = { // the cluster launches the browser itself; its process is needed for the CPU
  launch: async (options) => {
    const browser = await puppeteer.launch(options);
    browserPid = browser.process().pid;
    return browser;
  },
};
const cluster = await Cluster.launch({
  concurrency: Cluster.CONCURRENCY_CONTEXT,
  maxConcurrency: given.parallel,
  puppeteer: recording,
  puppeteerOptions: {
    executablePath: given.browser, headless: "shell", pipe: true,
    defaultViewport: { width: 1280, height: 720 },
    args: process.getuid() === 0 ? ["--no-sandbox"] : [],
  },
});
await cluster.task(async ({ page, data: { url, text } }) => {
  await page.goto(url, { waitUntil: "load" });
  await page.focus("#name");
  await page.keyboard.sendCharacter(text); // one Input.insertText, as the floor does it
  await page.click("#go");
  verify(await page.evaluate(EXTRACT), text);
});
try {
  await measure(given, () => browserPid, (url, sessions) =>
    Promise.all(Array.from({ length: sessions }, (_, i) => cluster.execute({ url, text: `visitor ${i}` }))));
} finally {
  await cluster.close();
}
