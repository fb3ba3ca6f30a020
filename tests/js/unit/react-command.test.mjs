// A command that fails, run by a click that waits for nothing.
import assert from 'node:assert/strict';
import { show, shows, unmountAll } from '../support/react.mjs';
import { createElement } from 'react';
import { useCommand } from 'steadfast/react';
import { afterEach, test } from 'vitest';

afterEach(unmountAll);

test('a command that fails shows its error, and is no unhandled rejection', { timeout: 12_000 }, async () => {
  const unhandled = [];
  const note = (error) => unhandled.push(error.message);
  process.on('unhandledRejection', note);
  let command;
  function Button() {
    command = useCommand(async () => { throw new Error('no luck'); });
    return createElement('button', { onClick: () => command.run() }, command.error?.message ?? 'go');
  }
  const place = show(createElement(Button));
  await shows(place, /^go$/);
  place.querySelector('button').dispatchEvent(new window.MouseEvent('click', { bubbles: true }));
  await shows(place, /^no luck$/);
  // Who waits hears of it as before; an unhandled one would have been told before a timer rings.
  await assert.rejects(command.run(), /no luck/);
  await new Promise((resolve) => setTimeout(resolve, 0));
  process.off('unhandledRejection', note);
  assert.deepEqual(unhandled, []);
});
