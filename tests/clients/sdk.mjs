// Every session, context, extension, project, upload, download and certificate call of the official
// SDK, unchanged, against a service of this machine.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import Browserbase, { toFile } from '@browserbasehq/sdk';

import { namesIn, zip } from './archive.mjs';
import { apiKey, check, failure, finish, until, withService } from './harness.mjs';

const manifest = JSON.stringify({ manifest_version: 3, name: 'Test', version: '1.0' });

function certificate() {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-ca-'));
  try {
    const file = join(folder, 'ca.pem');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                             '-nodes', '-days', '1', '-subj', '/CN=Test CA', '-keyout',
                             join(folder, 'key.pem'), '-out', file], { stdio: 'ignore' });
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function sessions(client) {
  await check('sessions: create, retrieve, list by status and metadata, release', async () => {
    const metadata = { order: { id: `n-${Date.now()}` } };
    const session = await client.sessions.create({
      keepAlive: true, userMetadata: metadata, api_timeout: 120,
      browserSettings: { viewport: { width: 800, height: 600 } } });
    assert.equal(session.status, 'RUNNING');
    assert.match(session.connectUrl, /^ws:\/\/.*signingKey=/);
    assert.equal(session.keepAlive, true);

    const again = await client.sessions.retrieve(session.id);
    assert.equal(again.connectUrl, session.connectUrl);
    assert.deepEqual(again.userMetadata, metadata);

    const q = `user_metadata['order']['id']:'${metadata.order.id}'`;
    const found = await client.sessions.list({ q, status: 'RUNNING' });
    assert.deepEqual(found.map((one) => one.id), [session.id]);
    assert.deepEqual(await client.sessions.list({ q, status: 'ERROR' }), []);

    const released = await client.sessions.update(session.id, { status: 'REQUEST_RELEASE' });
    assert.equal(released.id, session.id);
    await client.sessions.update(session.id, { status: 'REQUEST_RELEASE' });
    const ended = await until(10_000, 'COMPLETED', async () => {
      const now = await client.sessions.retrieve(session.id);
      return now.status === 'COMPLETED' && now;
    });
    assert.ok(ended.endedAt);
    assert.equal(ended.connectUrl, undefined);
  });

  await check('sessions: debug, logs, recording, replays', async () => {
    const session = await client.sessions.create({ keepAlive: true });
    const live = await client.sessions.debug(session.id);
    assert.equal(live.pages.length, 1);
    assert.match(live.debuggerUrl, /^http:/);
    assert.match(live.wsUrl, /^ws:/);
    assert.ok(Array.isArray(await client.sessions.logs.list(session.id)));
    assert.ok(Array.isArray(await client.sessions.recording.retrieve(session.id)));
    const replay = await client.sessions.replays.retrieve(session.id);
    assert.equal(replay.pages.length, replay.pageCount);
    await client.sessions.update(session.id, { status: 'REQUEST_RELEASE' });
    const gone = await failure(client.sessions.debug(session.id));
    assert.equal(gone.status, 410);
  });

  await check('errors: classes and messages as the SDK expects them', async () => {
    assert.ok(await failure(client.sessions.retrieve('nobody')) instanceof Browserbase.NotFoundError);
    const bad = await failure(client.sessions.create({ api_timeout: 0 }));
    assert.ok(bad instanceof Browserbase.BadRequestError);
    assert.match(bad.message, /timeout/);
    const stranger = new Browserbase({ apiKey: 'wrong-key-1234', baseURL: client.baseURL });
    assert.ok(await failure(stranger.projects.list()) instanceof Browserbase.AuthenticationError);
    for (const method of ['get', 'post', 'put', 'patch', 'delete']) {
      const unknown = await failure(client[method]('/v1/nothing/here'));
      assert.equal(unknown.status, 404, method);
      assert.equal(unknown.error.statusCode, 404);
    }
  });
}

async function stores(client) {
  await check('contexts: create, retrieve, update, delete', async () => {
    const context = await client.contexts.create({ name: 'Login' });
    assert.ok(context.id && context.uploadUrl && context.cipherAlgorithm);
    const taken = await failure(client.contexts.create({ name: 'LOGIN' }, { maxRetries: 0 }));
    assert.equal(taken.status, 409);
    assert.equal((await client.contexts.retrieve(context.id)).name, 'Login');
    assert.equal((await client.contexts.update(context.id)).id, context.id);
    await client.contexts.delete(context.id);
    assert.equal((await failure(client.contexts.retrieve(context.id))).status, 404);
  });

  await check('extensions: upload, retrieve, delete; bad archives are refused once', async () => {
    const file = await toFile(zip({ 'manifest.json': manifest }), 'my extension.zip');
    const extension = await client.extensions.create({ file });
    assert.equal(extension.fileName, 'my extension.zip');
    assert.equal((await client.extensions.retrieve(extension.id)).id, extension.id);
    await client.extensions.delete(extension.id);
    assert.equal((await failure(client.extensions.retrieve(extension.id))).status, 404);
    for (const content of [Buffer.from('no zip'), zip({ 'a/manifest.json': manifest }),
                           zip({ 'manifest.json': manifest, '../evil': 'x' })]) {
      const refused = await failure(client.extensions.create({ file: await toFile(content, 'x.zip') }));
      assert.equal(refused.status, 400);
    }
  });

  await check('certificates: upload, list, retrieve, delete', async () => {
    const made = await client.certificates.create({ file: await toFile(certificate(), 'ca.pem') });
    assert.ok((await client.certificates.list()).some((one) => one.id === made.id));
    assert.equal((await client.certificates.retrieve(made.id)).id, made.id);
    await client.certificates.delete(made.id);
    assert.equal((await failure(client.certificates.retrieve(made.id))).status, 404);
    const bad = await failure(client.certificates.create({ file: await toFile(Buffer.from('x'), 'a') }));
    assert.equal(bad.status, 400);
  });

  await check('projects: list, retrieve, usage', async () => {
    const [project] = await client.projects.list();
    assert.equal((await client.projects.retrieve(project.id)).id, project.id);
    const usage = await client.projects.usage(project.id);
    assert.ok(usage.browserMinutes >= 1);
    assert.equal(usage.proxyBytes, 0);
  });
}

async function files(client) {
  await check('uploads and downloads of a session', async () => {
    const session = await client.sessions.create({ keepAlive: true });
    const file = await toFile(Buffer.from('a,b\n1,2\n'), 'Tabelle ü.csv');
    const answer = await client.sessions.uploads.create(session.id, { file });
    assert.ok(answer.message);
    const empty = Buffer.from(await (await client.sessions.downloads.list(session.id)).arrayBuffer());
    assert.equal(empty.length, 22);
    assert.deepEqual(namesIn(empty), []);
    await client.sessions.update(session.id, { status: 'REQUEST_RELEASE' });
    const late = await failure(client.sessions.uploads.create(
      session.id, { file: await toFile(Buffer.from('x'), 'x') }));
    assert.equal(late.status, 410);
    assert.equal((await failure(client.sessions.downloads.list('nobody'))).status, 404);
  });
}

async function web(client, siteURL) {
  await check('fetch: raw, markdown, json, redirects', async () => {
    const raw = await client.fetchAPI.create({ url: siteURL });
    assert.equal(raw.statusCode, 200);
    assert.match(raw.content, /<html/i);
    const markdown = await client.fetchAPI.create({ url: siteURL, format: 'markdown' });
    assert.doesNotMatch(markdown.content, /<html/i);
    assert.match(markdown.content, /\]\(http/);
    const outline = await client.fetchAPI.create({ url: siteURL, format: 'json' });
    assert.ok(outline.content.title && outline.content.links.length > 0);
    assert.equal((await failure(client.fetchAPI.create({ url: 'ftp://x' }))).status, 400);
    const dead = await failure(client.fetchAPI.create({ url: 'http://127.0.0.1:1/' }, { maxRetries: 0 }));
    assert.equal(dead.status, 502);
  });

  await check('what is not there says so', async () => {
    for (const call of [() => client.search.web({ query: 'x' }, { maxRetries: 0 }),
                        () => client.agents.list({}, { maxRetries: 0 })]) {
      const error = await failure(call());
      assert.equal(error.status, 501);
      assert.equal(error.error.statusCode, 501);
    }
  });
}

await withService(async ({ baseURL, siteURL }) => {
  const client = new Browserbase({ apiKey, baseURL });
  await sessions(client);
  await stores(client);
  await files(client);
  await web(client, siteURL);
});
finish();
