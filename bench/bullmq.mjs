// BullMQ 6.7 in the cases of bench_queue_redis; one JSON line on stdout. Needs `npm i bullmq@6.7.0
// ioredis` in build/bench, from where bench/queue.sh starts it.
//   node bullmq.mjs PORT CASE [COUNT] [CONCURRENCY] [priorities]
import { createRequire } from "node:module";
import { fork } from "node:child_process";

const { Queue, Worker } = createRequire(process.cwd() + "/x.js")("bullmq");
const [port, name, countText = "20000", concurrencyText = "1", priorities = ""] = process.argv.slice(2);
const count = Number(countText), concurrency = Number(concurrencyText);
const connection = { host: "127.0.0.1", port: Number(port) };
const data = {
  url: "https://example.com/catalogue?page=12", steps: ["goto", "click", "extract"],
  note: "about 190 bytes of payload, as a workflow's reference and its inputs would be, no more",
};
const queue = new Queue("bench", { connection });
let added = 0;
const options = () => ({
  removeOnComplete: true, ...(priorities ? { priority: 1 + (added++ % 10) } : {}),
});
const job = () => ({ name: "job", data, opts: options() });
const now = () => Number(process.hrtime.bigint());

function report(seconds, cpu, extra = {}) {
  console.log(JSON.stringify({
    tool: "bullmq", case: name, count, concurrency, priorities: priorities !== "",
    per_second: Math.round(count / seconds), client_cpu_us: Math.round((cpu / count) * 10) / 10, ...extra,
  }));
}

async function measured(work) {
  const cpu = process.cpuUsage(), begin = now();
  await work();
  const used = process.cpuUsage(cpu);
  report((now() - begin) / 1e9, used.user + used.system);
}

async function addMany(loops) {
  let left = count;
  await Promise.all(Array.from({ length: loops }, async () => {
    while (left-- > 0) await queue.add("job", data, options());
  }));
}

async function addBulk(size, total) {
  for (let left = total; left > 0; left -= size)
    await queue.addBulk(Array.from({ length: Math.min(size, left) }, job));
}

function worked(handler) {
  return new Promise((resolve) => {
    let done = 0;
    const worker = new Worker("bench", handler, { connection, concurrency: name === "latency" ? 50 : concurrency });
    worker.on("completed", () => { if (++done === count) resolve(worker); });
  });
}

async function produce() {
  const begin = now(), gap = 1e9 / concurrency;
  const adds = [];
  for (let i = 0; i < count;) {
    for (; i < count && begin + i * gap <= now(); ++i)
      adds.push(queue.add("job", { at: now() }, { removeOnComplete: true }));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(adds);
}

async function latency() {
  const waits = [];
  const producer = fork(process.argv[1], [port, "produce", countText, concurrencyText]);
  const cpu = process.cpuUsage(), begin = now();
  const worker = await worked(async (one) => { waits.push((now() - one.data.at) / 1e6); });
  const used = process.cpuUsage(cpu), seconds = (now() - begin) / 1e9;
  const sorted = waits.slice(200).sort((a, b) => a - b);
  const at = (part) => Math.round(sorted[Math.floor(part * (sorted.length - 1))] * 1000) / 1000;
  report(seconds, used.user + used.system, { p50_ms: at(0.5), p99_ms: at(0.99) });
  producer.kill();
  await worker.close();
}

await queue.waitUntilReady();
if (name === "produce") {
  await new Promise((resolve) => setTimeout(resolve, 500));
  await produce();
} else if (name === "latency") {
  await latency();
} else if (name === "process") {
  await addBulk(500, count);
  let worker;
  await measured(async () => { worker = await worked(async () => null); });
  await worker.close();
} else {
  for (let i = 0; i < 200; ++i) await queue.add("warm", data, { removeOnComplete: true });
  if (name === "add") await measured(() => addMany(1));
  if (name === "add-many") await measured(() => addMany(concurrency));
  if (name === "bulk") await measured(() => addBulk(concurrency, count));
}
process.exit(0);
