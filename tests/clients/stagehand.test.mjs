// Stagehand: its extension is uploaded, dials the session from inside its browser, and works there.
// What asks a language model is left out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import Browserbase from '@browserbasehq/sdk';
import { browserbase, Stagehand } from '@browserbasehq/stagehand';
import { apiKey, eventually, startDemoSite, startService } from './support.mjs';

let service;
let site;
let client;
let access;

before(async () => {
  [service, site] = await Promise.all([startService(), startDemoSite()]);
  access = { apiKey, baseUrl: service.url };
  client = new Browserbase({ apiKey, baseURL: service.url, maxRetries: 0 });
});
after(() => Promise.all([service?.stop(), site?.stop()]));

const completed = (id) =>
  eventually(
    async () => (await client.sessions.retrieve(id)).status === 'COMPLETED',
    `the end of session ${id}`,
  );

async function withStagehand(browser, work) {
  const stagehand = await Stagehand.create({ browser, logging: { level: 'off' } });
  try {
    await work(stagehand);
  } finally {
    await stagehand.close();
  }
}

test('launches, works on pages, and releases', async () => {
  const browser = await browserbase.launch(access);
  const id = browser.sessionId;
  const [known] = await client.sessions.list({ q: "user_metadata['stagehand']:'true'" });
  assert.equal(known.id, id);
  await withStagehand(browser, async () => {
    const [page] = await browser.context.pages();
    const reply = await page.goto(`${site.url}/login`);
    assert.equal(reply.status(), 200);
    await page.locator('input[name=user]').fill('Ida');
    await page.locator('input[name=password]').fill('curtain');
    await page.locator('button[type=submit]').click();
    await page.waitForFunction(() => document.body.innerText.includes('Ida'));

    const second = await browser.context.newPage(`${site.url}/table`);
    await second.waitForLoadState('load');
    assert.equal(await second.evaluate(() => location.pathname), '/table');
    assert.equal((await browser.context.pages()).length, 2);
    assert.ok((await second.screenshot()).length > 1_000);
  });
  await browser.close();
  await completed(id);
});

test('takes up a session that was kept', async () => {
  const first = await browserbase.launch({ ...access, keepAlive: true });
  const sessionId = first.sessionId;
  await withStagehand(first, async () => {
    const [page] = await first.context.pages();
    await page.goto(`${site.url}/table`);
  });
  await first.disconnect();
  assert.equal((await client.sessions.retrieve(sessionId)).status, 'RUNNING');

  const second = await browserbase.connect({ ...access, sessionId });
  await withStagehand(second, async () => {
    const pages = await second.context.pages();
    const paths = await Promise.all(pages.map(async (page) => new URL(await page.url()).pathname));
    assert.ok(paths.includes('/table'), paths.join(' '));
  });
  await second.close();
  await completed(sessionId);
});

test('fetches a page without a session', async () => {
  const url = `${site.url}/table`;
  const page = await browserbase.fetch({ ...access, url, format: 'markdown' });
  assert.equal(page.statusCode, 200);
  assert.match(page.content, /\|/);
});
