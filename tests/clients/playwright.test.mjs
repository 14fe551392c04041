// Playwright over `connectOverCDP`, as its users write it for Browserbase.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import Browserbase, { toFile } from '@browserbasehq/sdk';
import { chromium } from 'playwright-core';
import {
  apiKey,
  eventually,
  markingExtension,
  startDemoSite,
  startService,
  unzip,
} from './support.mjs';

let service;
let site;
let client;

before(async () => {
  [service, site] = await Promise.all([startService(), startDemoSite()]);
  client = new Browserbase({ apiKey, baseURL: service.url, maxRetries: 0 });
});
after(() => Promise.all([service?.stop(), site?.stop()]));

const statusOf = async (id) => (await client.sessions.retrieve(id)).status;
const ended = (id) =>
  eventually(async () => (await statusOf(id)) !== 'RUNNING' && statusOf(id), `the end of ${id}`);

async function withSession(body, work) {
  const session = await client.sessions.create(body);
  const browser = await chromium.connectOverCDP(session.connectUrl);
  try {
    await work({ session, browser, page: browser.contexts()[0].pages()[0] });
  } finally {
    await browser.close();
    await client.sessions.update(session.id, { status: 'REQUEST_RELEASE' });
  }
}

test('finds one open page, navigates, and opens more', () =>
  withSession({}, async ({ session, browser, page }) => {
    assert.equal(browser.contexts().length, 1);
    await page.goto(`${site.url}/results?search_query=comedy`);
    assert.match(await page.title(), /comedy/i);
    await page.getByRole('button', { name: 'Accept all' }).click();
    await page.locator('a[href^="/watch"]').first().click();
    await page.waitForURL(/\/watch\?v=/);

    const second = await browser.contexts()[0].newPage();
    await second.goto(`${site.url}/table`);
    assert.ok((await second.locator('table').count()) > 0);
    assert.equal(browser.contexts()[0].pages().length, 2);
    const live = await client.sessions.debug(session.id);
    assert.deepEqual(live.pages.map((one) => new URL(one.url).pathname).sort(), ['/table', '/watch']);
    await second.close();
  }));

test('makes contexts of its own', () =>
  withSession({}, async ({ browser, page }) => {
    await page.goto(site.url);
    await page.evaluate(() => localStorage.setItem('mine', 'first'));
    const context = await browser.newContext({ viewport: { width: 640, height: 480 } });
    const other = await context.newPage();
    await other.goto(site.url);
    assert.equal(await other.evaluate(() => localStorage.getItem('mine')), null);
    assert.equal(await other.evaluate(() => innerWidth), 640);
    await context.close();
  }));

test('carries large messages both ways', () =>
  withSession({}, async ({ page }) => {
    const text = 'a film of many reels, '.repeat(400_000);
    assert.equal(await page.evaluate((given) => given.length, text), text.length);
    assert.equal(await page.evaluate((n) => 'x'.repeat(n), 5_000_000).then((t) => t.length), 5e6);
    await page.goto(site.url);
    assert.ok((await page.screenshot({ fullPage: true })).length > 1_000);
  }));

test('downloads go to the session and come out of the archive', () =>
  withSession({ keepAlive: true }, async ({ session, browser, page }) => {
    const cdp = await browser.newBrowserCDPSession();
    await cdp.send('Browser.setDownloadBehavior', {
      behavior: 'allow',
      downloadPath: 'downloads',
      eventsEnabled: true,
    });
    await page.goto(site.url);
    const started = page.waitForEvent('download');
    await page.evaluate(() => {
      const link = document.createElement('a');
      link.href = '/download/metropo1927.txt';
      document.body.append(link);
      link.click();
    });
    assert.equal((await started).suggestedFilename(), 'metropo1927.txt');

    const files = await eventually(async () => {
      const reply = await client.sessions.downloads.list(session.id);
      const archive = Buffer.from(await reply.arrayBuffer());
      return archive.length > 22 && unzip(archive);
    }, 'the downloaded file');
    const [name] = Object.keys(files);
    assert.match(name, /^metropo1927-\d{13}\.txt$/);
    assert.match(files[name].toString(), /Metropolis/);

    const list = await client.get(`/v1/downloads?sessionId=${session.id}`);
    assert.equal(list.total, 1);
    const [one] = list.downloads;
    assert.equal(one.filename, 'metropo1927.txt');
    assert.equal(one.size, files[name].length);
    const headers = { Accept: 'application/octet-stream' };
    const reply = await client.get(`/v1/downloads/${one.id}`, { headers, __binaryResponse: true });
    assert.deepEqual(Buffer.from(await reply.arrayBuffer()), files[name]);
    await client.delete(`/v1/downloads/${one.id}`);
    assert.equal((await client.get(`/v1/downloads?sessionId=${session.id}`)).total, 0);
  }));

test('downloads keep their names without any setting, and outlive their session', () =>
  withSession({}, async ({ session, browser, page }) => {
    await page.setContent('<a id="a" download="facts.txt" href="data:text/plain,hello">get</a>');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#a')]);
    assert.equal(download.suggestedFilename(), 'facts.txt');
    const names = async () => {
      const { downloads } = await client.get(`/v1/downloads?sessionId=${session.id}`);
      return downloads.map((one) => one.filename);
    };
    await eventually(async () => (await names()).length === 1, 'the download');
    assert.deepEqual(await names(), ['facts.txt']);
    await browser.close();
    await eventually(async () => (await client.sessions.retrieve(session.id)).endedAt, 'the end');
    assert.deepEqual(await names(), ['facts.txt']);
  }));

test('sends files of its own, and files that were uploaded for the session', () =>
  withSession({ keepAlive: true }, async ({ session, browser, page }) => {
    const path = join(service.folder, 'evidence.txt');
    await writeFile(path, 'seen in 1927');
    const fill = async () => {
      await page.goto(`${site.url}/upload`);
      await page.getByLabel('Film title').fill('Metropolis');
      await page.getByLabel('Genre').selectOption('drama');
      await page.getByLabel(/public domain/).check();
    };
    await fill();
    await page.getByLabel('Evidence file').setInputFiles(path);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('evidence.txt (12 bytes)').waitFor();

    const file = await toFile(Buffer.alloc(2_000_000, 'reel'), 'reel.txt');
    await client.sessions.uploads.create(session.id, { file });
    await fill();
    const cdp = await browser.contexts()[0].newCDPSession(page);
    const { root } = await cdp.send('DOM.getDocument');
    const { nodeId } = await cdp.send('DOM.querySelector', {
      nodeId: root.nodeId,
      selector: '#film-file',
    });
    await cdp.send('DOM.setFileInputFiles', { files: ['/tmp/.uploads/reel.txt'], nodeId });
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('reel.txt (2000000 bytes)').waitFor();
  }));

test('ends a session when it leaves, unless that is to be kept', async () => {
  const short = await client.sessions.create();
  const browser = await chromium.connectOverCDP(short.connectUrl);
  await browser.close();
  assert.equal(await ended(short.id), 'COMPLETED');
  await assert.rejects(chromium.connectOverCDP(short.connectUrl), /410/);

  const kept = await client.sessions.create({ keepAlive: true });
  const first = await chromium.connectOverCDP(kept.connectUrl);
  const page = first.contexts()[0].pages()[0];
  await page.goto(`${site.url}/table`);
  await first.close();
  assert.equal(await statusOf(kept.id), 'RUNNING');

  const found = await client.sessions.retrieve(kept.id);
  const second = await chromium.connectOverCDP(found.connectUrl);
  const [again] = second.contexts()[0].pages();
  assert.equal(new URL(again.url()).pathname, '/table');
  const gone = new Promise((resolve) => second.once('disconnected', resolve));
  await client.sessions.update(kept.id, { status: 'REQUEST_RELEASE' });
  await gone;
  assert.equal(await ended(kept.id), 'COMPLETED');
});

test('shares a session among clients', async () => {
  const session = await client.sessions.create();
  const [one, two] = await Promise.all(
    [1, 2].map(() => chromium.connectOverCDP(session.connectUrl)),
  );
  await one.contexts()[0].pages()[0].goto(`${site.url}/table`);
  await one.close();
  assert.equal(await statusOf(session.id), 'RUNNING');
  const [page] = two.contexts()[0].pages();
  assert.equal(await page.evaluate(() => location.pathname), '/table');
  await two.close();
  assert.equal(await ended(session.id), 'COMPLETED');
});

test('keeps what a context is to keep', async () => {
  const context = await client.contexts.create();
  const body = (persist) => ({ browserSettings: { context: { id: context.id, persist } } });
  const visit = (persist, work) =>
    withSession(body(persist), async ({ session, page }) => {
      assert.equal(session.contextId, context.id);
      await page.goto(site.url);
      await work(page);
    });
  await visit(true, (page) =>
    page.evaluate(() => {
      localStorage.setItem('seat', '12');
      document.cookie = 'row=7';
    }),
  );
  const read = () => [localStorage.getItem('seat'), document.cookie];
  await visit(false, async (page) => {
    const [seat, cookie] = await page.evaluate(read);
    assert.equal(seat, '12');
    assert.match(cookie, /row=7/);
    await page.evaluate(() => localStorage.setItem('seat', '13'));
  });
  await visit(false, async (page) => assert.equal((await page.evaluate(read))[0], '12'));
  await client.contexts.delete(context.id);
});

test('has the extension of the session', async () => {
  const file = await toFile(markingExtension(), 'marks.zip');
  const extension = await client.extensions.create({ file });
  await withSession({ extensionId: extension.id }, async ({ page }) => {
    await page.goto(site.url);
    await page.waitForFunction(() => document.documentElement.dataset.mark === 'seen');
  });
  await client.extensions.delete(extension.id);
});

test('obeys the settings of the session', () =>
  withSession(
    {
      browserSettings: { viewport: { width: 913, height: 711 }, allowedDomains: ['127.0.0.1'] },
    },
    async ({ page }) => {
      await page.goto(site.url);
      assert.equal(await page.evaluate(() => innerWidth), 913);
      const elsewhere = site.url.replace('127.0.0.1', 'localhost');
      await assert.rejects(page.goto(elsewhere));
    },
  ));

test('is refused with a key that is not known', async () => {
  const url = `${service.url.replace('http', 'ws')}/?signingKey=nonsense`;
  await assert.rejects(chromium.connectOverCDP(url), /401|403|410/);
});
