// What the tests of the clients share: a `troupe serve` and a demo site of their own, archives, and
// waiting for what comes late.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const binary = process.env.TROUPE_BINARY ?? join(here, '../../build/dev/bin/troupe');
export const apiKey = 'key-of-the-client-tests';

/** A server of the binary. `stop` ends it and removes what it left. */
class Server {
  static async start(args, announces, environment = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-clients-'));
    const child = spawn(binary, args, {
      env: { ...process.env, TROUPE_DATA_DIR: join(folder, 'data'), ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const server = new Server(child, folder);
    server.url = await server.#announced(announces);
    return server;
  }

  constructor(child, folder) {
    this.child = child;
    this.folder = folder;
    this.log = '';
    this.ended = new Promise((resolve) => child.once('exit', resolve));
    child.stderr.setEncoding('utf8').on('data', (text) => (this.log += text));
  }

  async #announced(announces) {
    const line = new RegExp(`${announces}(\\S+) .*\n`);
    const told = eventually(() => line.exec(this.log)?.[1], `'${announces}' of ${binary}`, 30_000);
    const gone = this.ended.then((code) => {
      throw new Error(`${binary} ended with ${code}: ${this.log}`);
    });
    return Promise.race([told, gone]);
  }

  async stop() {
    this.child.kill('SIGINT');
    const late = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
    await this.ended;
    clearTimeout(late);
    await rm(this.folder, { recursive: true, force: true });
  }
}

export const startDemoSite = () =>
  Server.start(['demo-site', '--port', '0'], 'the demo site is at ');

/** `environment` holds more settings, as TROUPE_NAME. */
export const startService = (environment) =>
  Server.start(['serve', '--port', '0'], 'serves ', {
    TROUPE_API_KEYS: apiKey,
    TROUPE_FETCH_ADDRESSES: 'all',
    ...environment,
  });

/** The first value of `fact` that holds. Polls: what it asks cannot be awaited. */
export async function eventually(fact, what, limit = 10_000) {
  const deadline = Date.now() + limit;
  for (;;) {
    const value = await fact();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${limit} ms`);
    await pause(50);
  }
}

/** A zip archive of `{name: text}`. */
export function zip(files) {
  const locals = [];
  const entries = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const content = Buffer.from(text);
    const packed = deflateRawSync(content);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(8, 4);
    shared.writeUInt32LE(crc32(content), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(content.length, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), shared, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    const version = Buffer.from([20, 0]);
    entries.push(Buffer.concat([Buffer.from('PK\x01\x02'), version, shared, rest, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** `{name: content}` of a zip archive without a comment. */
export function unzip(archive) {
  const files = {};
  const end = archive.length - 22;
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; --left) {
    const packedSize = archive.readUInt32LE(at + 20);
    const nameSize = archive.readUInt16LE(at + 28);
    const name = archive.toString('utf8', at + 46, at + 46 + nameSize);
    const local = archive.readUInt32LE(at + 42);
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const packed = archive.subarray(start, start + packedSize);
    files[name] = archive.readUInt16LE(at + 10) === 8 ? inflateRawSync(packed) : packed;
    at += 46 + nameSize + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return files;
}

/** An extension that puts a mark on every page. */
export const markingExtension = () =>
  zip({
    'manifest.json': JSON.stringify({
      manifest_version: 3,
      name: 'Marks pages',
      version: '1.0',
      content_scripts: [{ matches: ['<all_urls>'], js: ['mark.js'], run_at: 'document_end' }],
    }),
    'mark.js': "document.documentElement.dataset.mark = 'seen';",
  });
