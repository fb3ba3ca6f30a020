// A browser's page: jsdom's window, document, WebSocket and XMLHttpRequest as the globals that browser code expects.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { JSDOM } from 'jsdom';

const { resolve } = createRequire(import.meta.url);

/** Opens the page. React must be imported after it. */
export function openPage() {
  const { window } = new JSDOM('<!doctype html><div id="root"></div>', {
    url: 'http://localhost:5173/',
    pretendToBeVisual: true,
    runScripts: 'outside-only',
  });
  for (const name of ['window', 'document', 'navigator', 'WebSocket', 'XMLHttpRequest', 'HTMLElement']) {
    const value = name === 'window' ? window : window[name];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return window;
}

/** The official client's build for browsers, as a page loads it by a script element. */
export function loadSocketIo(window) {
  window.eval(readFileSync(resolve('socket.io-client/dist/socket.io.js'), 'utf8'));
  return window.io;
}
