// Serves bench/pages on loopback, in a process of its own so that its CPU is not the client's. Started
// by start(); prints its port.
import { fork } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);

/// Gives { url, stop } once the server listens.
export function start() {
  const child = fork(self, ["--serve"]);
  return new Promise((resolve, reject) => {
    child.once("message", (port) => resolve({ url: `http://127.0.0.1:${port}`, stop: () => child.kill() }));
    child.once("exit", (code) => reject(new Error(`static server: ended with ${code} before it listened`)));
  });
}

if (process.argv[1] === self && process.argv[2] === "--serve") {
  const folder = fileURLToPath(new URL("pages/", import.meta.url));
  const pages = new Map(readdirSync(folder).map((name) => [`/${name}`, readFileSync(folder + name)]));
  const server = createServer((request, response) => {
    const page = pages.get(request.url);
    response.writeHead(page ? 200 : 404, { "Content-Type": "text/html; charset=utf-8" });
    response.end(page);
  });
  server.listen(0, "127.0.0.1", () => process.send(server.address().port));
  process.on("disconnect", () => process.exit());
}
