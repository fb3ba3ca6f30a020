// The mock server's own page in headless Chromium: what it shows, what its buttons do, and that it can be used.
import assert from 'node:assert/strict';
import { afterAll, beforeAll, test } from 'vitest';
import WebSocket from 'ws';
import { launch } from '../support/chromium.mjs';
import { startMock } from '../support/mock.mjs';

let mock;
let base;
let browser;
let page;
const errors = [];
const sockets = [];
beforeAll(async () => {
  mock = await startMock();
  base = `http://127.0.0.1:${mock.port}`;
  browser = await launch();
  page = await open({ width: 1280, height: 860 }, 'light');
});
afterAll(async () => {
  sockets.forEach((socket) => socket.close());
  await browser?.close();
  mock?.stop();
});
const it = (name, run) => test(name, { timeout: 60_000 }, run);

async function open(viewport, colorScheme) {
  const context = await browser.newContext({ viewport, colorScheme, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && !/HTTP|status of/.test(message.text()) && errors.push(message.text()));
  await page.goto(base);
  await page.locator('#verdicts').waitFor();
  return page;
}
const ask = async (method, path, body) => (await fetch(`${base}/_mock/${path}`, { method, body: body && JSON.stringify(body) })).json();
const press = (name) => page.getByRole('button', { name, exact: true }).click();
const says = (text) => page.locator('#said.on', { hasText: text }).waitFor();
const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
/** A client of Charisma with a token of this user. */
async function client(user) {
  const { token } = await ask('POST', 'tokens', { sub: user });
  const socket = new WebSocket(`${base.replace('http', 'ws')}/charisma/ws?token=${token}`);
  sockets.push(socket);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return { socket, token };
}

it('what is copied opens a connection and follows a topic', async () => {
  const charisma = page.locator('#services li', { hasText: 'charisma' });
  await charisma.getByRole('button', { name: 'Copy what opens charisma' }).click();
  await says('Copied');
  const url = await clipboard();
  assert.equal(url, `${base.replace('http', 'ws')}/charisma/ws`);
  await charisma.getByRole('button', { name: 'Copy a new token' }).click();
  await says('A token of u1');
  const socket = new WebSocket(`${url}?token=${await clipboard()}`);
  sockets.push(socket);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  await charisma.getByRole('button', { name: 'Copy what follows a topic' }).click();
  await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith('{'));
  socket.send(await clipboard());
  await page.locator('#topics .name', { hasText: 'session_1' }).waitFor();
  await page.locator('#services li', { hasText: 'saga' }).getByRole('button', { name: 'Copy what opens saga' }).click();
  await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith('io('));
  assert.equal(await clipboard(), `io("${base}", { path: "/saga/socket.io/", auth: { token } })`);
  socket.close();
  await page.locator('#no-connections').waitFor();
});

it('what cannot be done is said and not called done', async () => {
  await press('Drop, RST');
  await says('Nobody is connected');
  await press('Kick');
  await says('Nobody is connected');
  const rules = (await ask('GET', 'faults')).length;
  await page.getByLabel('Close code').fill('5');
  await press('Close');
  assert.equal(await page.getByLabel('Close code').evaluate((input) => input.validity.rangeUnderflow), true);
  await page.getByLabel('Close code').fill('1011');
  await page.getByLabel('Delay by').fill('abc');
  await press('Delay');
  assert.match(await page.getByLabel('Delay by').evaluate((input) => input.validationMessage), /200ms or 2s/);
  assert.equal((await ask('GET', 'faults')).length, rules, 'no rule was put in force');
  await page.getByLabel('Delay by').fill('200ms');
  await press('Delay');
  await says('in force');
  await page.locator('#rules li', { hasText: 'delay by 200ms, at a message to the client; done 0 times of 1' }).waitFor();
  await page.getByRole('button', { name: 'Remove the fault delay' }).click();
  await says('Removed');
});

it('a kick ends the tokens of those who are connected', async () => {
  const { socket, token } = await client('kicked');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await page.locator('#connections li', { hasText: 'kicked' }).waitFor();
  await press('Kick');
  await says('Kicked kicked');
  await closed;
  const again = new WebSocket(`${base.replace('http', 'ws')}/charisma/ws?token=${token}`);
  again.on('error', () => {});
  await page.locator('.row[data-what=auth_failed]', { hasText: 'ended by POST /_mock/kick' }).waitFor();
});

it('verdicts are reached from the header, findings of a kind are one, and their entries are found in the journal', async () => {
  await ask('POST', 'reset', {});
  const { socket } = await client('u2');
  for (let round = 0; round < 3; round++) socket.send(`{"type":"wrong","round":${round}}`);
  const link = page.locator('#to-verdicts', { hasText: '3 found' });
  await link.waitFor();
  await link.click();
  assert.equal(await page.evaluate(() => location.hash), '#verdicts');
  const ruling = page.locator('#rulings details', { hasText: 'unknown message' });
  await ruling.locator('summary').click();
  await ruling.getByText('(3 such)').waitFor();
  assert.equal(await ruling.locator('p').count(), 1);
  const proof = ruling.locator('.proof button').first();
  const [seq] = (await proof.textContent()).split(' ');
  await proof.click();
  const row = page.locator('.row[aria-selected=true]');
  assert.equal(await row.locator('.seq').textContent(), seq);
  // One line of text takes no half of the journal.
  const [pane, journal] = await Promise.all(['#detail', '#journal'].map((one) => page.locator(one).evaluate((element) => element.clientHeight)));
  assert.ok(pane < journal / 3, `${pane} of ${journal}`);
  await page.getByRole('button', { name: 'Copy text' }).focus();
  await page.keyboard.press('Escape');
  await page.locator('#detail').waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'chart');
  socket.close();
});

it('a reset is asked about, by keyboard too', async () => {
  const reset = page.getByRole('button', { name: 'Reset server' });
  await reset.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  await page.keyboard.press('Enter'); // the first choice keeps it
  await dialog.waitFor({ state: 'hidden' });
  assert.ok((await ask('GET', 'log?limit=1')).length === 1, 'nothing is forgotten');
  await reset.click();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.ok((await ask('GET', 'log?limit=1')).length === 1, 'nothing is forgotten');
  await reset.click();
  await dialog.getByRole('button', { name: 'Reset' }).click();
  await says('as at its start');
  assert.deepEqual(await ask('GET', 'log?limit=1'), []);
});

for (const scheme of ['light', 'dark']) {
  it(`${scheme}: nothing sticks out at 1280 and 420 px, and what is said covers nothing`, async () => {
    const own = await open({ width: 1280, height: 860 }, scheme);
    for (const width of [1280, 420]) {
      await own.setViewportSize({ width, height: 860 });
      const [scroll, client] = await own.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(scroll <= client, `${width}: ${scroll} px wide`);
      await own.getByRole('button', { name: 'Drop, FIN' }).click();
      await own.locator('#said.on').waitFor();
      const [main, said] = await Promise.all(['main', '#said'].map((one) => own.locator(one).boundingBox()));
      assert.ok(said.y >= main.y + main.height, JSON.stringify({ width, main, said }));
      await own.locator('#said').click();
      await own.locator('#said').waitFor({ state: 'hidden' });
    }
    await own.context().close();
  });
}

it('of a project in Saga it shows a progress and a status of the same export', async () => {
  const project = page.locator('#topics li', { hasText: 'project_page' });
  const emit = (event, data) => ask('POST', 'emit', { service: 'saga', topic: 'project_page', event, data });
  for (const [event, data, shown, progress] of [
    ['transcript_updated', { storyId: 's', transcript: 'x' }, 'transcript_updated', ''],
    ['export_started', { exportId: 'a' }, 'export_started', ''],
    ['export_progress', { exportId: 'a', progress: 40 }, 'export_progress', '40 %'],
    ['export_ready', { exportId: 'a', downloadUrl: 'https://files.example/a' }, 'export_ready', '100 %'],
    ['export_started', { exportId: 'b' }, 'export_started', ''],
  ]) {
    await emit(event, data);
    // Where nobody listens nothing comes into the journal, and the page looks again only after a while.
    await page.reload();
    await project.getByText(`saga · ${shown}`, { exact: true }).waitFor();
    assert.equal(await project.locator('.done').textContent(), progress, event);
  }
});

it('at 420 px the length of a pause stands clear of the numbers', async () => {
  const { socket } = await client('pauses');
  await new Promise((resolve) => setTimeout(resolve, 1100));
  socket.close();
  const own = await open({ width: 420, height: 860 }, 'light');
  const late = own.locator('.row.late').last();
  await late.waitFor();
  const [label, time] = await late.evaluate((row) => {
    const left = row.getBoundingClientRect().left + parseFloat(getComputedStyle(row, '::before').left);
    return [left, row.querySelector('time').getBoundingClientRect().right];
  });
  assert.ok(label > time, JSON.stringify({ label, time }));
  await own.context().close();
});

it('no error was thrown in the page', () => assert.deepEqual(errors, []));
