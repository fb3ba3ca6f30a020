// What all parts of the page use: elements, requests, lists. Everything the page shows came from strangers: it goes into
// the document as text only.

/** What happened, in words. */
export const WORDS = {
  open: 'open', refused: 'refused', upgraded: 'upgraded', authenticated: 'authenticated', auth_failed: 'token refused', subscribed: 'subscribed', denied: 'denied',
  unsubscribed: 'unsubscribed', emptied: 'topic empty', ping: 'ping', pong: 'pong', request: 'request', fault: 'fault', close: 'close',
};

/** What a button's deed is followed by; the page sets it. */
export const hooks = { refresh() {} };

export const $ = (id) => document.getElementById(id);
/** An element; strings among its children become text. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(key, value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}
export function draw(name, attributes, text) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// ---- what the server can be asked

export async function ask(method, path, body) {
  const response = await fetch(`/_mock/${path}`, { method, body: body === undefined ? undefined : JSON.stringify(body) });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.error ?? `HTTP ${response.status}`), { status: response.status });
  return answer;
}
let quiet;
export function say(text, bad = false) {
  clearTimeout(quiet);
  $('said').textContent = text;
  $('said').className = bad ? 'on bad' : 'on';
  quiet = setTimeout(() => ($('said').className = ''), bad ? 9000 : 3500);
}
/** Does what a button asks, and says what came of it. */
export async function act(run) {
  try {
    const text = await run();
    if (text) say(text);
  } catch (error) {
    say(error.message, true);
  }
  hooks.refresh();
}

/** Fills a list again where something has changed, so that the focus stays where it is. */
export function fill(list, items, key, build) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const children = items.map((item) => {
    const text = JSON.stringify(item);
    const old = known.get(key(item));
    if (old?.source === text) return old;
    const fresh = build(item);
    fresh.dataset.key = key(item);
    fresh.source = text;
    if (old?.contains(document.activeElement)) {
      const at = [...old.querySelectorAll('button, summary')].indexOf(document.activeElement);
      queueMicrotask(() => [...fresh.querySelectorAll('button, summary')][at]?.focus());
    }
    for (const [i, box] of [...(old?.querySelectorAll('details') ?? [])].entries()) if (box.open) fresh.querySelectorAll('details')[i]?.setAttribute('open', '');
    return fresh;
  });
  if (children.length !== list.children.length || children.some((child, i) => list.children[i] !== child)) list.replaceChildren(...children);
}
export function options(select, items, first) {
  const value = select.value;
  const wanted = [['', first], ...items];
  if (value && !wanted.some(([key]) => key === value)) wanted.push([value, `#${value} (gone)`]);
  const same = wanted.length === select.options.length && wanted.every(([key, text], i) => select.options[i].value === key && select.options[i].text === text);
  if (same) return;
  select.replaceChildren(...wanted.map(([key, text]) => make('option', { value: key }, text)));
  select.value = value;
}

export const clock = (at) => {
  const time = new Date(at);
  const two = (n) => String(n).padStart(2, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
};

/** Copies a text, if the browser lets a page do so. */
export async function copy(text) {
  if (!navigator.clipboard) throw new Error('This browser lets a page copy over https or from localhost only');
  await navigator.clipboard.writeText(text);
  return 'Copied';
}
