// React in jsdom. To be imported before anything that renders.
import assert from 'node:assert/strict';
import { JSDOM } from 'jsdom';

const dom = new JSDOM('<!doctype html>');
Object.assign(globalThis, { window: dom.window, document: dom.window.document, navigator: dom.window.navigator, IS_REACT_ACT_ENVIRONMENT: false });
const { createElement, StrictMode } = await import('react');
const { createRoot } = await import('react-dom/client');

const roots = new Set();

/** Renders under StrictMode. Gives the place, with `again(element)` and `end()`. */
export function show(element) {
  const place = document.createElement('div');
  const root = createRoot(place);
  roots.add(root);
  const again = (next) => root.render(createElement(StrictMode, null, next));
  const texts = [''];
  new window.MutationObserver(() => texts.push(place.textContent)).observe(place, { subtree: true, childList: true, characterData: true });
  again(element);
  return Object.assign(place, { again, end: () => (roots.delete(root), root.unmount()), texts, from: 0 });
}

/** Waits for a text, however short it was there, after the one that was waited for last. Gives the texts until then. */
export async function shows(place, pattern) {
  for (const end = Date.now() + 8000; ; await new Promise((resolve) => setTimeout(resolve, 5))) {
    const seen = place.texts.slice(place.from);
    const at = seen.findIndex((text) => pattern.test(text));
    if (at >= 0) {
      place.from += at;
      return seen.slice(0, at + 1);
    }
    if (Date.now() > end) assert.fail(`${pattern} did not appear: ${seen.join(' | ')}`);
  }
}

/** Unmounts everything. */
export function unmountAll() {
  for (const root of roots) root.unmount();
  roots.clear();
}
