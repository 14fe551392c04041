// Servers of the real binary for the client tests, and checks that are counted.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const binary = process.env.CLIENT_TESTS_BINARY;
if (!binary) throw new Error('set CLIENT_TESTS_BINARY to the troupe binary');

let passed = 0;
let failed = 0;

/** Runs one check; its failure is told and counted, and the rest goes on. */
export async function check(name, body) {
  const began = Date.now();
  try {
    await withLimit(90_000, name, body());
    passed += 1;
    console.log(`ok    ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n${error?.stack ?? error}`);
  }
}

export async function withLimit(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done after ${milliseconds} ms`)),
                       milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `probe` until it gives something, at most for `milliseconds`. */
export async function until(milliseconds, what, probe) {
  const end = Date.now() + milliseconds;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The error that `promise` ends with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail('did not fail');
}

function start(args, announces, environment) {
  const child = spawn(binary, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  const url = new Promise((resolve, reject) => {
    child.stderr.on('data', (piece) => {
      log += piece;
      const found = log.match(new RegExp(`${announces}(http://\\S+)`));
      if (found) resolve(found[1]);
    });
    child.on('exit', (code) => reject(new Error(`${args[0]} ended with ${code}: ${log}`)));
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  return {
    url,
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      const stubborn = setTimeout(() => child.kill('SIGKILL'), 30_000);
      await ended;
      clearTimeout(stubborn);
    },
  };
}

export const apiKey = 'client-tests-key';

/** A service and a demo site for `body`; both are ended whatever happens. */
export async function withService(body) {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-clients-'));
  const service = start(['serve', '--port', '0'], 'serves ', {
    TROUPE_DATA_DIR: folder,
    TROUPE_API_KEYS: `tests:${apiKey}`,
    TROUPE_FETCH_ADDRESSES: 'all',
  });
  const site = start(['demo-site', '--port', '0'], 'the demo site is at ', {});
  try {
    const places = { baseURL: await service.url, siteURL: (await site.url).replace(/\/$/, '') };
    await body({ ...places, folder });
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${error?.stack ?? error}`);
  } finally {
    await site.stop();
    await service.stop();
    if (failed > 0) console.log(service.log().split('\n').slice(-40).join('\n'));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Prints the sum and ends the process with it. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}
