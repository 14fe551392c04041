// Stagehand, unchanged but for its base address, on sessions of a service: its runtime is uploaded as
// an extension and dials the session from inside of the browser.
import assert from 'node:assert/strict';

import Browserbase from '@browserbasehq/sdk';
import { Stagehand, browserbase } from '@browserbasehq/stagehand';

import { apiKey, check, finish, until, withService } from './harness.mjs';

async function ended(client, id) {
  return until(15_000, 'end of the session', async () => {
    const session = await client.sessions.retrieve(id);
    return session.endedAt && session;
  });
}

async function running(client) {
  const [session] = await client.sessions.list({ status: 'RUNNING' });
  return session;
}

async function stagehandChecks({ client, baseURL, siteURL }) {
  await check('Stagehand: launch, navigate, new pages, close releases', async () => {
    const browser = await browserbase.launch({ apiKey, baseUrl: baseURL });
    const session = await running(client);
    assert.equal(session.userMetadata.stagehand, 'true');
    const stagehand = await Stagehand.create({ browser });
    const context = browser.context;
    const page = (await context.activePage()) ?? (await context.newPage());
    await page.goto(siteURL);
    assert.ok(await page.title());
    const second = await context.newPage(siteURL);
    assert.ok((await second.url()).startsWith(siteURL));
    await stagehand.close();
    await browser.close();
    assert.equal((await ended(client, session.id)).status, 'COMPLETED');
  });

  await check('Stagehand: keep-alive, disconnect, connect again by id', async () => {
    const browser = await browserbase.launch({ apiKey, baseUrl: baseURL, keepAlive: true });
    const session = await running(client);
    await Stagehand.create({ browser });
    const page = (await browser.context.activePage()) ?? (await browser.context.newPage());
    await page.goto(siteURL);
    await browser.disconnect();
    assert.equal((await client.sessions.retrieve(session.id)).status, 'RUNNING');
    const again = await browserbase.connect({ apiKey, baseUrl: baseURL, sessionId: session.id });
    await Stagehand.create({ browser: again });
    const urls = await Promise.all((await again.context.pages()).map((one) => one.url()));
    assert.ok(urls.some((url) => url.startsWith(siteURL)), urls.join());
    await again.disconnect();
    await client.sessions.update(session.id, { status: 'REQUEST_RELEASE' });
    await ended(client, session.id);
  });

  await check('Stagehand: fetch', async () => {
    const result = await browserbase.fetch({ apiKey, baseUrl: baseURL, url: siteURL,
                                             format: 'markdown' });
    assert.equal(result.statusCode, 200);
  });
}

await withService(async ({ baseURL, siteURL }) => {
  const client = new Browserbase({ apiKey, baseURL });
  await stagehandChecks({ client, baseURL, siteURL });
});
finish();
