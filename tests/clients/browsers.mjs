// Playwright and Puppeteer, unchanged, on sessions of a service: pages, downloads, uploads,
// keep-alive, release, contexts and extensions.
import assert from 'node:assert/strict';

import Browserbase, { toFile } from '@browserbasehq/sdk';
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

import { namesIn, zip } from './archive.mjs';
import { apiKey, check, failure, finish, until, withService } from './harness.mjs';

async function ended(client, id) {
  return until(15_000, 'end of the session', async () => {
    const session = await client.sessions.retrieve(id);
    return session.endedAt && session;
  });
}

async function zipOf(client, id) {
  return until(15_000, 'downloads', async () => {
    const archive = Buffer.from(await (await client.sessions.downloads.list(id)).arrayBuffer());
    return archive.length > 22 && archive;
  });
}

async function playwright(client, siteURL) {
  await check('Playwright: connect, the open page, navigate, new pages, leave', async () => {
    const session = await client.sessions.create();
    const browser = await chromium.connectOverCDP(session.connectUrl);
    const [context] = browser.contexts();
    const [page] = context.pages();
    await page.goto(siteURL);
    assert.ok(await page.title());
    const second = await context.newPage();
    await second.goto(siteURL);
    assert.equal(context.pages().length, 2);
    const other = await browser.newContext();
    await (await other.newPage()).goto(siteURL);
    await other.close();
    const live = await client.sessions.debug(session.id);
    assert.equal(live.pages.length, 2);
    const log = await client.sessions.logs.list(session.id);
    assert.ok(log.some((entry) => entry.method.startsWith('Page.')));
    await browser.close();
    assert.equal((await ended(client, session.id)).status, 'COMPLETED');
    const late = await failure(chromium.connectOverCDP(session.connectUrl));
    assert.match(late.message, /410/);
  });

  await check('Playwright: downloads end in the session\'s archive, under their names', async () => {
    const session = await client.sessions.create();
    const browser = await chromium.connectOverCDP(session.connectUrl);
    const page = browser.contexts()[0].pages()[0];
    await page.setContent('<a id="a" download="facts.txt" href="data:text/plain,hello">get</a>');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#a')]);
    assert.equal(download.suggestedFilename(), 'facts.txt');
    const names = namesIn(await zipOf(client, session.id));
    assert.match(names[0], /^facts-\d{13}\.txt$/);
    const { downloads, total } = await client.get(`/v1/downloads?sessionId=${session.id}`);
    assert.equal(total, 1);
    assert.equal(downloads[0].filename, 'facts.txt');
    await browser.close();
    await ended(client, session.id);
    assert.match(namesIn(await zipOf(client, session.id))[0], /^facts-\d{13}\.txt$/);
    const bytes = await client.get(`/v1/downloads/${downloads[0].id}`, {
      headers: { Accept: 'application/octet-stream' }, __binaryResponse: true });
    assert.equal(await bytes.text(), 'hello');
    await client.delete(`/v1/downloads/${downloads[0].id}`, { headers: { Accept: '*/*' } });
    assert.equal((await client.get(`/v1/downloads?sessionId=${session.id}`)).total, 0);
  });

  await check('Playwright: an uploaded file is there for the page', async () => {
    const session = await client.sessions.create();
    const file = await toFile(Buffer.from('a,b\n1,2\n'), 'table.csv');
    await client.sessions.uploads.create(session.id, { file });
    const browser = await chromium.connectOverCDP(session.connectUrl);
    const page = browser.contexts()[0].pages()[0];
    await page.setContent('<input type="file" id="f">');
    const cdp = await page.context().newCDPSession(page);
    const { root } = await cdp.send('DOM.getDocument');
    const { nodeId } = await cdp.send('DOM.querySelector', { nodeId: root.nodeId, selector: '#f' });
    await cdp.send('DOM.setFileInputFiles', { nodeId, files: ['/tmp/.uploads/table.csv'] });
    const text = await page.evaluate(() => document.querySelector('#f').files[0].text());
    assert.equal(text, 'a,b\n1,2\n');
    await browser.close();
  });

  await check('Playwright: keep-alive keeps the pages for the next client', async () => {
    const session = await client.sessions.create({ keepAlive: true });
    const first = await chromium.connectOverCDP(session.connectUrl);
    await first.contexts()[0].pages()[0].goto(siteURL);
    await first.close();
    const { connectUrl } = await client.sessions.retrieve(session.id);
    const second = await chromium.connectOverCDP(connectUrl);
    assert.ok(second.contexts()[0].pages()[0].url().startsWith(siteURL));
    await client.sessions.update(session.id, { status: 'REQUEST_RELEASE' });
    await until(5_000, 'the end seen by the client', () => !second.isConnected());
    await ended(client, session.id);
  });

  await check('Playwright: a persisted context brings its cookies and storage back', async () => {
    const context = await client.contexts.create();
    const settings = { context: { id: context.id, persist: true } };
    const first = await client.sessions.create({ browserSettings: settings });
    const browser = await chromium.connectOverCDP(first.connectUrl);
    const page = browser.contexts()[0].pages()[0];
    await page.goto(siteURL);
    await page.evaluate(() => {
      localStorage.setItem('kept', 'yes');
      document.cookie = 'kept=yes; max-age=3600';
    });
    await browser.close();
    await ended(client, first.id);
    const second = await client.sessions.create({ browserSettings: settings });
    const again = await chromium.connectOverCDP(second.connectUrl);
    const restored = again.contexts()[0].pages()[0];
    await restored.goto(siteURL);
    assert.equal(await restored.evaluate(() => localStorage.getItem('kept')), 'yes');
    assert.match(await restored.evaluate(() => document.cookie), /kept=yes/);
    await again.close();
  });

  await check('Playwright: an uploaded extension runs in its session', async () => {
    const archive = zip({
      'manifest.json': JSON.stringify({ manifest_version: 3, name: 'Marker', version: '1',
        content_scripts: [{ matches: ['<all_urls>'], js: ['mark.js'] }] }),
      'mark.js': 'document.documentElement.dataset.marked = "yes";' });
    const extension = await client.extensions.create({ file: await toFile(archive, 'marker.zip') });
    const session = await client.sessions.create({ extensionId: extension.id });
    const browser = await chromium.connectOverCDP(session.connectUrl);
    const page = browser.contexts()[0].pages()[0];
    await page.goto(siteURL);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.marked), 'yes');
    await browser.close();
    await client.extensions.delete(extension.id);
  });
}

async function puppeteerChecks(client, siteURL) {
  await check('Puppeteer: connect, navigate, new pages, close ends the session', async () => {
    const session = await client.sessions.create();
    const browser = await puppeteer.connect({ browserWSEndpoint: session.connectUrl });
    const [page] = await browser.pages();
    await page.goto(siteURL);
    assert.ok(await page.title());
    const second = await browser.newPage();
    await second.goto(siteURL);
    assert.equal((await browser.pages()).length, 2);
    await browser.close();
    assert.equal((await ended(client, session.id)).status, 'COMPLETED');
  });

  await check('Puppeteer: close only detaches with keep-alive; two clients at once', async () => {
    const session = await client.sessions.create({ keepAlive: true });
    const one = await puppeteer.connect({ browserWSEndpoint: session.connectUrl });
    const two = await puppeteer.connect({ browserWSEndpoint: session.connectUrl });
    await (await one.pages())[0].goto(siteURL);
    await one.close();
    assert.ok((await two.pages())[0].url().startsWith(siteURL));
    await two.disconnect();
    assert.equal((await client.sessions.retrieve(session.id)).status, 'RUNNING');
    await client.sessions.update(session.id, { status: 'REQUEST_RELEASE' });
    await ended(client, session.id);
  });
}

await withService(async ({ baseURL, siteURL }) => {
  const client = new Browserbase({ apiKey, baseURL });
  await playwright(client, siteURL);
  await puppeteerChecks(client, siteURL);
});
finish();
