// Puppeteer over `connect`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import Browserbase from '@browserbasehq/sdk';
import puppeteer from 'puppeteer-core';
import { apiKey, eventually, startDemoSite, startService } from './support.mjs';

let service;
let site;
let client;

before(async () => {
  [service, site] = await Promise.all([startService(), startDemoSite()]);
  client = new Browserbase({ apiKey, baseURL: service.url, maxRetries: 0 });
});
after(() => Promise.all([service?.stop(), site?.stop()]));

const statusOf = async (id) => (await client.sessions.retrieve(id)).status;
const completed = (id) =>
  eventually(async () => (await statusOf(id)) === 'COMPLETED', `the end of session ${id}`);
const connect = (session) => puppeteer.connect({ browserWSEndpoint: session.connectUrl });

test('navigates, types, clicks, and opens pages', async () => {
  const session = await client.sessions.create();
  const browser = await connect(session);
  const [page] = await browser.pages();
  await page.goto(`${site.url}/login`);
  await page.locator('input[name=user]').fill('Ida');
  await page.locator('input[name=password]').fill('curtain');
  await Promise.all([page.waitForNavigation(), page.locator('button[type=submit]').click()]);
  assert.match(await page.evaluate(() => document.body.innerText), /Ida/);

  const second = await browser.newPage();
  await second.goto(`${site.url}/frames`);
  assert.equal(second.frames().length, 2);
  assert.equal((await browser.pages()).length, 2);
  const own = await browser.createBrowserContext();
  const third = await own.newPage();
  await third.goto(`${site.url}/table`);
  await own.close();
  await browser.close();
  await completed(session.id);
});

test('finds its pages again in a session that is kept', async () => {
  const session = await client.sessions.create({ keepAlive: true });
  const first = await connect(session);
  const [page] = await first.pages();
  await page.goto(`${site.url}/table`);
  await first.disconnect();
  assert.equal(await statusOf(session.id), 'RUNNING');

  const second = await connect(session);
  const [again] = await second.pages();
  assert.equal(new URL(again.url()).pathname, '/table');
  await second.close();
  assert.equal(await statusOf(session.id), 'RUNNING', 'close() of a session that is kept');

  const third = await connect(session);
  assert.equal((await third.pages()).length, 1);
  const gone = new Promise((resolve) => third.once('disconnected', resolve));
  await client.sessions.update(session.id, { status: 'REQUEST_RELEASE' });
  await gone;
  await completed(session.id);
});

test('tells what its pages log and ask for', async () => {
  const session = await client.sessions.create();
  const browser = await connect(session);
  const [page] = await browser.pages();
  const said = new Promise((resolve) => page.once('console', (line) => resolve(line.text())));
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${site.url}/table`);
  await page.evaluate(() => console.log('the curtain rises'));
  assert.equal(await said, 'the curtain rises');
  assert.ok(asked.includes('/table'));
  const entries = await eventually(async () => {
    const logs = await client.sessions.logs.list(session.id);
    return logs.some((entry) => entry.method === 'Page.navigate') && logs;
  }, 'the navigation in the log');
  assert.ok(entries.every((entry) => entry.sessionId === session.id));
  await browser.disconnect();
  await completed(session.id);
});
