// The mock server's own page in headless Chromium: it shows what clients do, its buttons do what they say, and it can be used.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterAll, beforeAll, test } from 'vitest';
import WebSocket from 'ws';
import { launch } from '../support/chromium.mjs';
import { startMock, token } from '../support/mock.mjs';

let mock;
let browser;
let page;
const errors = [];
beforeAll(async () => {
  mock = await startMock('--set', 'charisma.ocr_confirm=manual');
  browser = await launch();
  page = await open({ width: 1280, height: 900 });
});
afterAll(async () => {
  await browser?.close();
  mock?.stop();
});
const it = (name, run) => test(name, { timeout: 60_000 }, run);

async function open(viewport) {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`http://127.0.0.1:${mock.port}/`);
  await page.locator('#link[data-state="on"]').waitFor();
  return page;
}
/** A client on Charisma that follows a session. */
async function client(sessionId, sub = 'u1') {
  const key = token({ sub });
  const socket = new WebSocket(`ws://127.0.0.1:${mock.port}/charisma/ws`, { headers: { authorization: `Bearer ${key}` } });
  await once(socket, 'open');
  const closed = once(socket, 'close');
  const say = (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  say({ action: 'authenticate', payload: { token: key } });
  say({ action: 'subscribe', payload: { sessionId } });
  return { socket, say, closed };
}
const rows = (text) => page.locator('.row', { hasText: text });
const press = (name) => page.getByRole('button', { name, exact: true }).click();
const choice = (form, name) => page.locator(`#${form} [name="${name}"]`);
/** The messages of a client from here on, until one passes. */
const next = (socket, passes) =>
  new Promise((resolve) => {
    const hear = (data) => {
      if (!passes(String(data))) return;
      socket.off('message', hear);
      resolve(String(data));
    };
    socket.on('message', hear);
  });

it('a connection, its topic and its frames appear; a frame that looks like HTML stays text', async () => {
  const { socket, say, closed } = await client('quiet-1');
  const one = page.locator('#connections li', { hasText: 'u1' });
  await one.getByText('quiet-1').waitFor();
  await page.locator('#topics li', { hasText: 'quiet-1' }).getByText('1 follower').waitFor();
  await rows('subscribe').first().waitFor();
  const text = '{"action":"<script>document.title=1</script><img src=x onerror=document.title=1>"}';
  say(text);
  const row = page.locator('.row[data-what="in"]', { hasText: '<script>' }).first();
  await row.click();
  await page.locator('#body', { hasText: '<img src=x' }).waitFor();
  assert.deepEqual(JSON.parse(await page.locator('#body').textContent()), JSON.parse(text));
  assert.equal(await page.locator('#rows script, #rows img, #detail script, #detail img').count(), 0);
  assert.equal(await page.title(), 'mock-server');
  await page.keyboard.press('Escape');
  await page.locator('#detail').waitFor({ state: 'hidden' });
  socket.close();
  await closed;
  await one.waitFor({ state: 'detached' });
});

it('filters by connection, direction, topic and text', async () => {
  const a = await client('quiet-a', 'ann');
  const b = await client('quiet-b', 'bob');
  await page.locator('#connections li', { hasText: 'ann' }).getByText('quiet-a').waitFor();
  await page.locator('#connections li', { hasText: 'bob' }).getByText('quiet-b').waitFor();
  const topics = () => page.locator('.row').evaluateAll((all) => all.map((row) => row.textContent));
  await page.locator('#connections li', { hasText: 'ann' }).getByRole('button').click();
  await rows('quiet-b').first().waitFor({ state: 'detached' });
  await rows('quiet-a').first().waitFor();
  assert.ok((await topics()).every((text) => !text.includes('quiet-b')));
  await page.locator('#connections li', { hasText: 'ann' }).getByRole('button').click();
  await rows('quiet-b').first().waitFor();
  await choice('filter', 'topic').fill('quiet-b');
  await rows('quiet-a').first().waitFor({ state: 'detached' });
  await choice('filter', 'direction').selectOption('in');
  await page.locator('.row[data-what="subscribed"]').first().waitFor({ state: 'detached' });
  await page.locator('.row[data-what="in"]').first().waitFor();
  assert.deepEqual([...new Set(await page.locator('.row').evaluateAll((all) => all.map((row) => row.dataset.what)))], ['in']);
  await choice('filter', 'text').fill('no such thing');
  await page.getByText('Nothing passes the filter.').waitFor();
  await choice('filter', 'service').selectOption('saga');
  for (const [name, value] of [['text', ''], ['topic', '']]) await choice('filter', name).fill(value);
  await choice('filter', 'direction').selectOption('');
  await page.getByText('Nothing passes the filter.').waitFor();
  await choice('filter', 'service').selectOption('');
  await rows('quiet-a').first().waitFor();
  a.socket.close();
  b.socket.close();
  await Promise.all([a.closed, b.closed]);
});

it('a pause holds frames back and gives them all', async () => {
  const { socket, closed } = await client('quiet-p');
  await rows('quiet-p').first().waitFor();
  await press('Pause');
  await mock.emit('charisma', 'quiet-p', { status: 'held back' });
  await page.getByRole('button', { name: /^Resume \([1-9]/ }).waitFor();
  assert.equal(await rows('held back').count(), 0);
  await page.locator('#pause').click();
  await rows('held back').first().waitFor();
  socket.close();
  await closed;
});

it('faults: a close code, a lost connection, a spoilt message, a refused connect', async () => {
  const one = await client('quiet-f', 'fay');
  const pick = page.locator('#connections li', { hasText: 'fay' }).getByRole('button');
  await pick.getByText('quiet-f').waitFor();
  await pick.click();
  await press('Malformed');
  await page.locator('#rules li', { hasText: 'malformed' }).waitFor();
  const spoilt = next(one.socket, (text) => text === '{"type":');
  await mock.emit('charisma', 'quiet-f', { status: 'complete' });
  await spoilt;
  await choice('faults', 'code').fill('4321');
  await press('Close');
  assert.equal((await one.closed)[0], 4321);
  await page.locator('.row[data-what="close"]', { hasText: '4321' }).waitFor();
  await choice('filter', 'connection').selectOption('');
  await choice('faults', 'target').selectOption('');

  const two = await client('quiet-f', 'gil');
  await page.locator('#connections li', { hasText: 'gil' }).getByText('quiet-f').waitFor();
  await press('Drop, FIN');
  assert.equal((await two.closed)[0], 1006);

  await choice('faults', 'status').fill('429');
  await press('Refuse');
  await page.locator('#rules li', { hasText: 'refuse' }).waitFor();
  const refused = new WebSocket(`ws://127.0.0.1:${mock.port}/charisma/ws`);
  const [error] = await once(refused, 'error');
  assert.match(error.message, /429/);
  await page.locator('.row[data-what="refused"]', { hasText: '429' }).waitFor();
});

it('emits, says what is wrong with what it is given, and confirms the OCR', async () => {
  const quiet = await client('quiet-e');
  await rows('quiet-e').first().waitFor();
  await choice('emit', 'topic').fill('quiet-e');
  await choice('emit', 'data').fill('{"status": oops');
  await press('Emit');
  await page.locator('#said.bad', { hasText: 'not JSON' }).waitFor();
  await choice('emit', 'data').fill('{"status":"complete","message":"by hand"}');
  const heard = next(quiet.socket, (text) => text.includes('by hand'));
  await press('Emit');
  assert.equal(JSON.parse(await heard).sessionId, 'quiet-e');
  await page.locator('#said', { hasText: 'Sent to 1 connection' }).waitFor();

  const session = await client('session_ocr');
  const done = next(session.socket, (text) => JSON.parse(text).status === 'complete');
  await page.locator('#topics li', { hasText: 'session_ocr' }).getByRole('button', { name: 'Confirm OCR' }).click();
  await done;
  const topic = page.locator('#topics li', { hasText: 'session_ocr' });
  await topic.getByText('100 %').waitFor();
  assert.equal(await topic.getByRole('progressbar').getAttribute('value'), '1');
  for (const { socket, closed } of [quiet, session]) {
    socket.close();
    await closed;
  }
});

it('shows verdicts with the entries that prove them', async () => {
  const { socket, say, closed } = await client('quiet-v');
  say({ action: 'subscribe', payload: { sessionId: 'quiet-v' } });
  const ruling = page.locator('#rulings li', { hasText: 'duplicate subscribe' });
  await ruling.locator('summary').click();
  await ruling.locator('.proof button').last().click();
  await page.locator('#body', { hasText: 'quiet-v' }).waitFor();
  socket.close();
  await closed;
});

it('the keyboard reaches every control, and chooses frames', async () => {
  // Nothing that is still to come shall change the lists meanwhile.
  await page.getByText('Nobody is connected.').waitFor();
  await page.locator('#topics li', { hasText: 'quiet-v' }).getByText('0 followers').waitFor();
  const wanted = await page.evaluate(() => {
    const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')];
    const seen = all.filter((one) => one.checkVisibility() && !one.disabled);
    seen.forEach((one, i) => (one.dataset.stop = i));
    document.activeElement?.blur();
    return seen.length;
  });
  const reached = new Set();
  for (let i = 0; i < wanted + 10; i += 1) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate(() => document.activeElement?.dataset.stop));
  }
  const unreached = await page.evaluate(
    (reached) => [...document.querySelectorAll('[data-stop]')].filter((one) => !reached.includes(one.dataset.stop)).map((one) => one.outerHTML.slice(0, 200)),
    [...reached],
  );
  assert.deepEqual(unreached, []);
  assert.ok(wanted > 30);
  await page.locator('#chart').focus();
  await page.keyboard.press('End');
  const chosen = (fromEnd) =>
    page.waitForFunction((fromEnd) => {
      const row = document.querySelector('.row[aria-selected="true"]');
      return row && Number(row.ariaSetSize) - Number(row.ariaPosInSet) === fromEnd;
    }, fromEnd);
  await chosen(0);
  await page.keyboard.press('ArrowUp');
  await chosen(1);
  await page.keyboard.press('Escape');
  await page.locator('#detail').waitFor({ state: 'hidden' });
});

it('fits on a phone', async () => {
  const { socket, closed } = await client('quiet-with-a-rather-long-name-that-does-not-fit-anywhere-550e8400-e29b-41d4');
  const phone = await open({ width: 390, height: 844 });
  await phone.locator('.row').first().waitFor();
  await phone.locator('#topics li').first().waitFor();
  await phone.locator('.row').first().click();
  const [wide, room] = await phone.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.equal(room, 390);
  assert.ok(wide <= 390, `${wide} px`);
  socket.close();
  await closed;
});

it('only its own files run and load, and nothing complained', async () => {
  const policy = (await fetch(`http://127.0.0.1:${mock.port}/`)).headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
  const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map((one) => new URL(one.name).origin));
  assert.deepEqual([...new Set(loaded)], [`http://127.0.0.1:${mock.port}`]);
  assert.deepEqual(errors, []);
});
