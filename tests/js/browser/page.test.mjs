// The demo page in headless Chromium, as it is built: what it shows, what its buttons do, and that it can be used.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, test } from 'vitest';
import { launch } from '../support/chromium.mjs';
import { startMock } from '../support/mock.mjs';

const folder = fileURLToPath(new URL('../../../sdk-wasm/npm/examples/react-vite/dist', import.meta.url));
const services = ['charisma', 'therapybridge', 'saga', 'docproc', 'devcontext'];
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.woff2': 'font/woff2' };

let mock;
let browser;
let server;
let page;
const errors = [];
beforeAll(async () => {
  mock = await startMock(
    '--step', '300ms', '--ping-interval', '2s', '--ping-timeout', '4s', '--set', 'charisma.heartbeat=json', '--set', 'charisma.ping_interval=2s',
    '--set', 'therapybridge.ping_interval=2s', '--set', 'docproc.auth=on', '--set', 'docproc.clarification=wait',
  );
  server = createServer(async (request, response) => {
    const name = request.url.split('?')[0];
    const path = join(folder, name === '/' ? 'index.html' : name);
    response.setHeader('content-type', types[extname(path)] ?? 'application/octet-stream');
    await readFile(path).then((bytes) => response.end(bytes), () => response.writeHead(404).end());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  browser = await launch();
  page = await open({ width: 1280, height: 900 }, 'light');
});
afterAll(async () => {
  await browser?.close();
  server?.close();
  mock?.stop();
});
const it = (name, run) => test(name, { timeout: 60_000 }, run);
/** A test after which the page's layout must be what it was. */
const still = (name, run) =>
  it(`${name}; nothing moves`, async () => {
    await page.evaluate(() => document.fonts.ready);
    const before = await places();
    await run();
    assert.deepEqual(await places(), before);
  });

async function open(viewport, colorScheme) {
  const context = await browser.newContext({ viewport, colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/?mock=http://127.0.0.1:${mock.port}`);
  return page;
}
/** Where everything is that must stay where it is, whatever happens in it. */
const places = () =>
  page.evaluate(() => {
    const all = [...document.querySelectorAll('.hero, .card, .bar, .steps, .panel, .chat, .connection-line, .strip, .log, .misbehave, .card-foot, .bottom')];
    return all.map((element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return [element.className || element.textContent, x, y + scrollY, width, height].join(' ');
    });
  });
const card = (service) => page.locator(`[data-service=${service}]`);
const press = (service, name) => card(service).getByRole('button', { name, exact: true }).click();
const connected = (service) => card(service).locator('.pill', { hasText: 'Connected' }).waitFor();
/** How often a card has logged these words. */
const count = (service, words) => card(service).locator('.log li', { hasText: words }).count();
/** Does something on every service, and waits until each has logged these words once more. */
async function logs(words, act, all = services) {
  const before = await Promise.all(all.map((service) => count(service, words)));
  for (const service of all) await act?.(service);
  await Promise.all(all.map((service, at) => card(service).locator('.log li', { hasText: words }).nth(before[at]).waitFor({ state: 'attached' })));
}
const start = async (service) => {
  await press(service, 'Start');
  await connected(service);
};

still('every job reaches its end, with an estimate on the way, once the question is answered', async () => {
  const estimate = page.locator('.progress-eta', { hasText: /about (\d+ s|a second) left/ }).first().waitFor();
  const question = card('docproc').locator('.question[data-asks=true]');
  await question.waitFor();
  await question.getByText('Is the amount with or without tax?').waitFor();
  await question.getByRole('textbox').fill('With tax');
  await question.getByRole('button', { name: 'Answer' }).click();
  await card('docproc').getByText('You answered “With tax”').waitFor();
  await estimate;
  for (const service of services) {
    await card(service).locator('.progress[data-outcome=done]').waitFor();
    assert.equal(await card(service).getByRole('progressbar').getAttribute('aria-valuenow'), '100', service);
    assert.equal(await card(service).locator('.steps [data-state=done]').count(), await card(service).locator('.steps li').count(), service);
  }
});

still('the interview: questions, answers with their scores, a pause, the result', async () => {
  const chat = card('devcontext').locator('.chat');
  await press('devcontext', 'Start the interview');
  await chat.locator('.bubble[data-from=them]').first().waitFor();
  await press('devcontext', 'Pause');
  await press('devcontext', 'Go on');
  await card('devcontext').getByRole('button', { name: 'Pause' }).waitFor();
  const over = chat.locator('.bubble', { hasText: 'That was all' });
  for (let round = 1; (await over.count()) === 0; round++) {
    assert.ok(round < 12, 'it ends');
    await card('devcontext').getByRole('textbox').fill(`Because of reason ${round}`);
    await card('devcontext').getByRole('textbox').press('Enter');
    await chat.locator('.bubble[data-from=note]').nth(round - 1).waitFor();
    // Then the next question, or the end.
    await chat.locator('.bubble[data-from=them]:not(.typing)').nth(round).waitFor();
  }
  assert.match(await over.locator('.score').textContent(), /^\d+$/);
});

still('a line that is cut comes back', async () => {
  await start('therapybridge');
  await logs('Connected again after', (service) => press(service, 'Drop'));
  for (const service of services) assert.ok((await count(service, 'You cut the connection')) === 1 && (await count(service, 'was lost')) > 0, service);
});

still('a line that is stalled is noticed and replaced', async () => {
  await start('therapybridge');
  await logs('Connected again', (service) => press(service, 'Stall'));
  for (const service of services) assert.equal(await count(service, 'You stalled the connection'), 1, service);
});

still('a token that expires is replaced', async () => {
  await start('therapybridge');
  const again = logs('Connected again');
  await logs('The token was refused; a new one is fetched', (service) => press(service, 'Expire token'));
  await again;
});

still('a place that is taken is taken back only on demand', async () => {
  await start('therapybridge');
  for (const service of services) await press(service, 'Replace');
  await Promise.all(services.map((service) => card(service).locator('.pill', { hasText: 'Replaced' }).waitFor()));
  await page.getByText('5 of 5 in trouble').waitFor();
  // Nothing can be done to a connection that is not there.
  assert.equal(await card('saga').getByRole('button', { name: 'Drop' }).getAttribute('aria-disabled'), 'true');
  await logs('Connected again', (service) => press(service, 'Take it back'));
});

still('a job that fails, one whose server crashes, and one that is unknown', async () => {
  const choose = async (course) => {
    for (const service of services) await card(service).getByRole('combobox').selectOption(course);
  };
  await choose('missing');
  for (const service of services) await press(service, 'Start');
  for (const service of services) {
    await card(service).locator('.progress[data-outcome=failed] .progress-headline', { hasText: /\w/ }).waitFor();
  }
  await choose('crashes');
  await logs('Connected again', start);
  await choose('fails');
  for (const service of services) await start(service);
  // Saga's project goes on; its book is what fails.
  for (const service of services.filter((one) => one !== 'saga')) await card(service).locator('.progress[data-outcome=failed]').waitFor();
  await card('saga').locator('.steps [data-state=failed]').waitFor();
});

still('cuts all lines at once and starts all jobs again', async () => {
  await page.getByRole('button', { name: 'Start all jobs again' }).click();
  for (const service of services) await connected(service);
  await logs('Connected again after', async (service) => {
    if (service === 'charisma') await page.getByRole('button', { name: 'Cut all five lines' }).click();
  });
});

it('the diagnosis opens and closes by keyboard and holds no token', async () => {
  const button = page.getByRole('button', { name: 'Diagnose Saga' });
  await button.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByText('counted').waitFor();
  const text = await dialog.textContent();
  assert.match(text, /saga.*since/);
  assert.doesNotMatch(text, /eyJ/);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Diagnose Saga');
});

it('everything is reached by Tab, and where the focus is can be seen', async () => {
  const own = await open({ width: 1280, height: 900 }, 'light');
  await own.locator('.card').first().waitFor();
  const reached = [];
  for (let step = 0; step < 120; step++) {
    await own.keyboard.press('Tab');
    const at = await own.evaluate(() => {
      const { activeElement: element } = document;
      if (!element || element === document.body) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { name: element.textContent, outline: outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2 };
    });
    if (!at) break;
    assert.ok(at.outline, `${at.name}: an outline`);
    reached.push(at.name);
  }
  assert.match(reached[0], /To the services/);
  for (const name of ['Drop', 'Stall', 'Expire token', 'Replace', 'Start', 'Diagnose']) {
    assert.equal(reached.filter((one) => one === name).length, 5, name);
  }
  await own.context().close();
});

for (const scheme of ['light', 'dark']) {
  it(`${scheme}: readable, and nothing sticks out at 1280, 390 and 320 px`, async () => {
    const own = await open({ width: 1280, height: 900 }, scheme);
    await own.locator('.progress[data-outcome=done]').first().waitFor();
    const paper = await own.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const lightness = paper.match(/\d+/g).reduce((all, one) => all + Number(one), 0) / 765;
    assert.ok(scheme === 'light' ? lightness > 0.9 : lightness < 0.1, paper);
    for (const width of [1280, 390, 320]) {
      await own.setViewportSize({ width, height: 844 });
      const [scroll, client] = await own.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(scroll <= client, `${width}: ${scroll} px wide`);
    }
    assert.deepEqual(await own.evaluate(tooFaint), []);
    await own.context().close();
  });
}

it('no error was thrown in the page', () => assert.deepEqual(errors, []));

/** Texts with less contrast than 4.5 to 1 to what is behind them; runs in the page. */
function tooFaint() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    const color = rgba(getComputedStyle(element).backgroundColor);
    if (color[3] > 0.99 || !element.parentElement) return color;
    const under = behind(element.parentElement);
    return [0, 1, 2].map((at) => color[at] * color[3] + under[at] * (1 - color[3])).concat(1);
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim() !== '');
    if (!own || element.matches('.visually-hidden, .skip, :disabled, [aria-disabled=true], option')) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${element.textContent}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
