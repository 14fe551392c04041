// The official SDK against `troupe serve`: every call that Troupe offers, and what it refuses.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import Browserbase, { toFile } from '@browserbasehq/sdk';
import { answered, checkedFetch, violations } from './contract.mjs';
import { apiKey, eventually, markingExtension, startDemoSite, startService } from './support.mjs';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const unknown = '00000000-0000-4000-8000-000000000000';
const run = promisify(execFile);

let service;
let site;
let client;

before(async () => {
  [service, site] = await Promise.all([startService(), startDemoSite()]);
  client = clientWith({});
});
after(() => Promise.all([service?.stop(), site?.stop()]));

function clientWith(options) {
  return new Browserbase({
    apiKey,
    baseURL: service.url,
    maxRetries: 0,
    fetch: checkedFetch(),
    ...options,
  });
}

const release = (id) => client.sessions.update(id, { status: 'REQUEST_RELEASE' });

async function refusal(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: 'the call was not refused' });
}

describe('sessions', () => {
  test('are created with nothing said, and released', async () => {
    const created = await client.sessions.create();
    assert.match(created.id, uuid);
    assert.equal(created.status, 'RUNNING');
    assert.equal(created.keepAlive, false);
    assert.match(created.connectUrl, /^ws:\/\/127\.0\.0\.1:/);
    assert.ok(created.signingKey);
    assert.ok(Date.parse(created.expiresAt) > Date.parse(created.createdAt));

    const found = await client.sessions.retrieve(created.id);
    assert.equal(found.status, 'RUNNING');
    assert.ok(found.connectUrl);

    const released = await release(created.id);
    assert.equal(released.id, created.id);
    const ended = await eventually(async () => {
      const now = await client.sessions.retrieve(created.id);
      return now.status === 'COMPLETED' && now;
    }, 'the end of the session');
    assert.ok(Date.parse(ended.endedAt) >= Date.parse(ended.createdAt));
    assert.equal(ended.connectUrl, undefined);
    assert.equal(ended.signingKey, undefined);
    assert.equal((await release(created.id)).status, 'COMPLETED', 'a release twice');
  });

  test('take every documented setting, and ones not known here', async () => {
    const created = await client.sessions.create({
      api_timeout: 120,
      keepAlive: true,
      region: 'eu-central-1',
      userMetadata: { team: { name: 'films' }, run: '7' },
      browserSettings: {
        viewport: { width: 900, height: 700 },
        blockAds: true,
        logSession: false,
        recordSession: false,
        solveCaptchas: false,
        allowedDomains: ['127.0.0.1'],
        ignoreCertificateErrors: true,
        fingerprint: { devices: ['desktop'] },
      },
    });
    try {
      assert.equal(created.keepAlive, true);
      assert.equal(created.region, 'eu-central-1');
      assert.deepEqual(created.userMetadata, { team: { name: 'films' }, run: '7' });
      const life = Date.parse(created.expiresAt) - Date.parse(created.createdAt);
      assert.ok(Math.abs(life - 120_000) < 2_000, `${life} ms`);
    } finally {
      await release(created.id);
    }
  });

  test('are found by status and by metadata', async () => {
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) => client.sessions.create({ userMetadata: { query: { name } } })),
    );
    try {
      const running = await client.sessions.list({ status: 'RUNNING' });
      const ids = running.map((session) => session.id);
      assert.ok(ids.includes(one.id) && ids.includes(two.id));
      const found = await client.sessions.list({ q: "user_metadata['query']['name']:'two'" });
      assert.deepEqual(found.map((session) => session.id), [two.id]);
      const none = await client.sessions.list({ q: "user_metadata['query']['name']:'three'" });
      assert.deepEqual(none, []);
    } finally {
      await Promise.all([release(one.id), release(two.id)]);
    }
    const wrong = await refusal(client.sessions.list({ q: 'name=two' }));
    assert.ok(wrong instanceof Browserbase.BadRequestError, wrong.message);
  });

  test('tell of their pages and of what was logged', async () => {
    const session = await client.sessions.create({ keepAlive: true });
    try {
      const live = await client.sessions.debug(session.id);
      assert.ok(URL.canParse(live.debuggerUrl) && URL.canParse(live.debuggerFullscreenUrl));
      assert.match(live.wsUrl, /^ws/);
      assert.equal(live.pages.length, 1);
      assert.ok(Array.isArray(await client.sessions.logs.list(session.id)));
    } finally {
      await release(session.id);
    }
    await eventually(
      async () => (await client.sessions.retrieve(session.id)).status === 'COMPLETED',
      'the end of the session',
    );
    assert.equal((await refusal(client.sessions.debug(session.id))).status, 410);
  });

  test('are not recorded when nobody wants that', async () => {
    const session = await client.sessions.create({ browserSettings: { recordSession: false } });
    await release(session.id);
    assert.equal((await client.sessions.replays.retrieve(session.id)).pageCount, 0);
    assert.deepEqual(await client.sessions.recording.retrieve(session.id), []);
    const asked = await refusal(client.sessions.recording.downloads.create(session.id));
    assert.ok(asked instanceof Browserbase.UnprocessableEntityError, asked.message);
  });

  test('are recorded unless they say otherwise, and give videos', async () => {
    const session = await client.sessions.create();
    let replay;
    await eventually(async () => {
      replay = await client.sessions.replays.retrieve(session.id);
      return replay.pageCount > 0;
    }, 'a recorded page without any client');
    const early = await refusal(client.sessions.recording.downloads.create(session.id));
    assert.ok(early instanceof Browserbase.ConflictError, early.message);
    await release(session.id);
    const events = await client.sessions.recording.retrieve(session.id);
    assert.equal(events.length, replay.pageCount);

    const { pageId } = replay.pages[0];
    const asked = await client.sessions.recording.downloads.create(session.id).catch((error) => error);
    if (asked instanceof Error) {
      // No encoder on this machine: then the service says which package it is.
      assert.equal(asked.status, 501);
      assert.match(asked.message, /video encoder/);
      return;
    }
    assert.equal(asked.downloads[0].status, 'PENDING');
    let row;
    await eventually(async () => {
      const list = await client.sessions.recording.downloads.list(session.id);
      row = list.downloads.find((one) => one.pageId === pageId);
      return row.status !== 'PENDING';
    }, 'the video');
    assert.equal(row.status, 'COMPLETED', JSON.stringify(row));
    const video = Buffer.from(await (await fetch(row.downloadUrl)).arrayBuffer());
    assert.equal(video.subarray(4, 8).toString(), 'ftyp');
    const playlist = await (await client.sessions.replays.retrievePage(session.id, pageId)).text();
    assert.match(playlist, /^#EXTM3U/);
    const segment = await fetch(playlist.split('\n').find((line) => line.startsWith('http')));
    assert.equal(segment.status, 200);
    assert.equal(segment.headers.get('content-type'), 'video/mp2t');
    assert.ok((await segment.arrayBuffer()).byteLength > 0);
  });

  test('are refused with what is wrong', async () => {
    const timeout = await refusal(client.sessions.create({ api_timeout: 1_000_000 }));
    assert.ok(timeout instanceof Browserbase.BadRequestError);
    assert.match(timeout.message, /timeout/);
    const missing = await refusal(client.sessions.retrieve(unknown));
    assert.ok(missing instanceof Browserbase.NotFoundError);
    assert.match(missing.message, new RegExp(unknown));
    const stranger = await refusal(clientWith({ apiKey: 'of nobody' }).sessions.list());
    assert.ok(stranger instanceof Browserbase.AuthenticationError);
    const context = await refusal(
      client.sessions.create({ browserSettings: { context: { id: unknown } } }),
    );
    assert.ok(context instanceof Browserbase.NotFoundError, context.message);
    const extension = await refusal(client.sessions.create({ extensionId: unknown }));
    assert.ok(extension instanceof Browserbase.NotFoundError, extension.message);
  });
});

describe('contexts', () => {
  test('are created, found, renewed and deleted', async () => {
    const created = await client.contexts.create({ name: 'Signed in' });
    assert.match(created.id, uuid);
    assert.equal(created.cipherAlgorithm, 'AES-256-CBC');
    const found = await client.contexts.retrieve(created.id);
    assert.equal(found.id, created.id);
    assert.equal((await client.contexts.update(created.id)).id, created.id);

    const twin = await refusal(client.contexts.create({ name: ' SIGNED in ' }));
    assert.ok(twin instanceof Browserbase.ConflictError, twin.message);

    await client.contexts.delete(created.id);
    const gone = await refusal(client.contexts.retrieve(created.id));
    assert.ok(gone instanceof Browserbase.NotFoundError);
  });

  test('need no name', async () => {
    const created = await client.contexts.create();
    await client.contexts.delete(created.id);
  });
});

describe('extensions', () => {
  test('are uploaded, found and deleted', async () => {
    const file = await toFile(markingExtension(), 'märk.zip');
    const created = await client.extensions.create({ file });
    assert.match(created.id, uuid);
    assert.equal(created.fileName, 'märk.zip');
    assert.deepEqual(await client.extensions.retrieve(created.id), created);
    await client.extensions.delete(created.id);
    const gone = await refusal(client.extensions.retrieve(created.id));
    assert.ok(gone instanceof Browserbase.NotFoundError);
  });

  test('must be archives', async () => {
    const file = await toFile(Buffer.from('no archive'), 'extension.zip');
    const wrong = await refusal(client.extensions.create({ file }));
    assert.ok(wrong instanceof Browserbase.BadRequestError, wrong.message);
  });
});

describe('certificates', () => {
  test('are uploaded, listed, found and deleted', async () => {
    const path = join(service.folder, 'authority.pem');
    const subject = ['-nodes', '-subj', '/CN=films', '-days', '1'];
    const files = ['-keyout', '/dev/null', '-out', path];
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', ...subject, ...files]);
    const file = await toFile(await readFile(path), 'authority.pem');
    const created = await client.certificates.create({ file });
    assert.match(created.id, uuid);
    assert.deepEqual(await client.certificates.retrieve(created.id), created);
    const listed = await client.certificates.list();
    assert.ok(listed.some((certificate) => certificate.id === created.id));
    await client.certificates.delete(created.id);
    const gone = await refusal(client.certificates.retrieve(created.id));
    assert.ok(gone instanceof Browserbase.NotFoundError);
  });

  test('must be certificates', async () => {
    const file = await toFile(Buffer.from('no certificate'), 'authority.pem');
    const wrong = await refusal(client.certificates.create({ file }));
    assert.ok(wrong instanceof Browserbase.BadRequestError, wrong.message);
  });
});

describe('projects', () => {
  test('are listed, found, and know their usage', async () => {
    const [project] = await client.projects.list();
    assert.ok(project.concurrency >= 1);
    assert.ok(project.defaultTimeout >= 60 && project.defaultTimeout <= 21_600);
    assert.equal((await client.projects.retrieve(project.id)).id, project.id);
    const usage = await client.projects.usage(project.id);
    assert.ok(usage.browserMinutes >= 0 && usage.proxyBytes >= 0);
    const missing = await refusal(client.projects.retrieve('nowhere'));
    assert.ok(missing instanceof Browserbase.NotFoundError);
  });
});

describe('files', () => {
  test('are uploaded for a session', async () => {
    const session = await client.sessions.create({ keepAlive: true });
    try {
      const file = await toFile(Buffer.alloc(3_000_000, 'film'), 'long film.txt');
      const uploaded = await client.sessions.uploads.create(session.id, { file });
      assert.ok(uploaded.message);
      const empty = await client.sessions.downloads.list(session.id);
      assert.equal(empty.headers.get('content-type'), 'application/zip');
      assert.equal((await empty.arrayBuffer()).byteLength, 22);
    } finally {
      await release(session.id);
    }
  });

  test('are not taken for a session that is not there', async () => {
    const file = await toFile(Buffer.from('film'), 'film.txt');
    const missing = await refusal(client.sessions.uploads.create(unknown, { file }));
    assert.ok(missing instanceof Browserbase.NotFoundError, missing.message);
  });
});

describe('fetch and search', () => {
  test('get a page, as it is and as markdown', async () => {
    const raw = await client.fetchAPI.create({ url: `${site.url}/table` });
    assert.equal(raw.statusCode, 200);
    assert.match(raw.contentType, /^text\/html/);
    assert.match(raw.content, /<table/);
    const markdown = await client.fetchAPI.create({ url: `${site.url}/table`, format: 'markdown' });
    assert.match(markdown.content, /\|/);
    assert.doesNotMatch(markdown.content, /<table/);
  });

  test('follow redirections when asked', async () => {
    const url = `${site.url}/redirect?to=/table`;
    assert.equal((await client.fetchAPI.create({ url })).statusCode, 302);
    assert.equal((await client.fetchAPI.create({ url, allowRedirects: true })).statusCode, 200);
  });

  test('search asks the search service that is set', async () => {
    const asked = [];
    const answers = createServer((request, reply) => {
      asked.push(request.url);
      const results = [1, 2, 3].map((n) => ({ url: `http://films/${n}`, title: `Film ${n}` }));
      reply.setHeader('Content-Type', 'application/json').end(JSON.stringify({ results }));
    });
    await once(answers.listen(0, '127.0.0.1'), 'listening');
    const { port } = answers.address();
    const searching = await startService({
      TROUPE_SEARCH_URL: `http://127.0.0.1:${port}/search?q={query}`,
    });
    try {
      const found = await clientWith({ baseURL: searching.url }).search.web({
        query: 'silent & short',
        numResults: 2,
      });
      assert.equal(found.query, 'silent & short');
      assert.deepEqual(found.results.map((one) => one.title), ['Film 1', 'Film 2']);
      assert.equal(new URL(asked[0], searching.url).searchParams.get('q'), 'silent & short');
    } finally {
      await searching.stop();
      answers.close();
    }
  });

  test('search says that no search service is set', async () => {
    const refused = await refusal(client.search.web({ query: 'films' }));
    assert.ok([402, 501].includes(refused.status), refused.message);
    assert.match(refused.message, /search/);
  });
});

describe('what does not exist yet', () => {
  const calls = {
    'agents.create': () => client.agents.create({ name: 'critic' }),
    'agents.list': () => client.agents.list(),
    'agents.runs.create': () => client.agents.runs.create({ task: 'watch a film' }),
    'secrets.list': () => client.secrets.list(),
    'webhooks.list': () => client.webhooks.list(),
  };
  for (const [name, call] of Object.entries(calls))
    test(`${name} is refused as not offered`, async () => {
      const refused = await refusal(call());
      assert.equal(refused.status, 501, refused.message);
      assert.ok(refused.error?.message ?? refused.message);
    });

  test('an unknown path is not found, as JSON', async () => {
    const missing = await refusal(client.get('/v1/nowhere'));
    assert.ok(missing instanceof Browserbase.NotFoundError);
    assert.equal(missing.error.statusCode, 404);
  });
});

describe('the contract', () => {
  test('holds for every answer', () => assert.deepEqual(violations, []));

  test('was asked for whatever Troupe offers of it', () => {
    const offered = [
      'POST /v1/sessions',
      'GET /v1/sessions',
      'GET /v1/sessions/{id}',
      'POST /v1/sessions/{id}',
      'GET /v1/sessions/{id}/debug',
      'GET /v1/sessions/{id}/logs',
      'GET /v1/sessions/{id}/downloads',
      'POST /v1/sessions/{id}/uploads',
      'POST /v1/contexts',
      'GET /v1/contexts/{id}',
      'PUT /v1/contexts/{id}',
      'DELETE /v1/contexts/{id}',
      'POST /v1/extensions',
      'GET /v1/extensions/{id}',
      'DELETE /v1/extensions/{id}',
      'POST /v1/certificates',
      'GET /v1/certificates',
      'GET /v1/certificates/{id}',
      'DELETE /v1/certificates/{id}',
      'GET /v1/projects',
      'GET /v1/projects/{id}',
      'GET /v1/projects/{id}/usage',
      'POST /v1/fetch',
      'POST /v1/search',
    ];
    assert.deepEqual(
      offered.filter((name) => !answered.has(name)),
      [],
    );
  });
});
