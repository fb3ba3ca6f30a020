// The options of a client as the machine takes them: numbers by place, and texts. A wrong one is an error that names it.

import type { Text } from './core.js';
import { expiry } from './token.js';
import { type ClientOptions, ConfigError, type Service, type WebSocketClass } from './types.js';

const services = ['charisma', 'therapybridge', 'saga', 'docproc', 'devcontext'];
const ways = ['auto', 'header', 'query', 'message', 'subprotocol'];

// In the order of options.rs.
const flags = ['allowInsecure', 'answerPings', 'fetchOnStage', 'reconnect', 'jitter'] as const;
const counts = [
  'attemptsPerMinute', 'messagesPerMinute', 'messagesReserved', 'messagesPerSecond',
  'queueEntries', 'queueBytes', 'connections', 'items', 'maxAttempts', 'maxIncoming', 'maxOutgoing',
  'silenceLimit', 'baseDelay', 'maxDelay', 'dialTimeout', 'handshakeTimeout', 'stableAfter', 'maxRetryAfter',
  'restartSpread', 'hiddenSilenceLimit', 'pingInterval', 'pongTimeout', 'probeTimeout', 'browserProbeInterval',
  'overdueGrace', 'clockJump', 'backgroundGrace', 'confirmTimeout', 'linger', 'commandTimeout', 'tokenTimeout',
  'refreshMargin', 'refreshInterval', 'completionWait', 'rotateAfter', 'drainLimit', 'closeAfterEnd', 'wakeInterval',
] as const;
const pairs = ['query', 'headers', 'connectFields'] as const;
const texts = ['url', 'restUrl'] as const;
const functions = ['WebSocket', 'fetch', 'onListenerError'] as const;
const switches = ['autoConnect', 'debug', 'debugFrames'] as const;
/** More of them no page can keep. */
const sizes = [['ringEvents', 1e6], ['ringBytes', 1e9]] as const;
const others = ['service', 'environment', 'token', 'auth', 'seed', 'ringEvents', 'ringBytes'];
const known = new Set<string>([...flags, ...counts, ...pairs, ...texts, ...functions, ...switches, ...others]);

function check(right: boolean, field: string, message: string): void {
  if (!right) throw new ConfigError(field, message);
}

/** What the machine is told of the options. */
export interface Settings {
  numbers: number[];
  texts: Text[];
}

/** Checks the options and puts them in the machine's form. */
export function settings(options: ClientOptions<Service>): Settings {
  check(typeof options === 'object' && options !== null, 'options', 'give an object with at least `service`');
  const o = options as unknown as Record<string, unknown>;
  for (const name of Object.keys(o)) check(known.has(name), name, 'there is no such option; is it misspelled?');
  const service = services.indexOf(options.service);
  check(service >= 0, 'service', `give one of ${services.join(', ')}`);
  for (const name of texts) check(o[name] === undefined || typeof o[name] === 'string', name, 'give a text');
  for (const name of functions) check(o[name] === undefined || typeof o[name] === 'function', name, 'give a function');
  check(options.WebSocket === undefined || isClass(options.WebSocket), 'WebSocket', 'give a class');
  for (const name of [...flags, ...switches] as const) {
    const called = name === 'debug' && typeof o[name] === 'function';
    check(called || o[name] === undefined || typeof o[name] === 'boolean', name, 'give true or false');
  }
  for (const [name, most] of sizes) {
    const value = options[name] ?? 1;
    check(Number.isInteger(value) && value > 0 && value <= most, name, `give a whole number from 1 to ${most}`);
  }
  const { environment, token, auth = 'auto' } = options;
  check(options.url !== undefined || environment !== undefined, 'url', 'give the base URL of the service, or `environment`');
  check(
    environment === undefined || environment === 'production' || environment === 'development',
    'environment', "give 'production' or 'development'",
  );
  check(token === undefined || typeof token === 'string' || typeof token === 'function', 'token', 'give a text or a function');
  check(ways.includes(auth), 'auth', `give one of ${ways.join(', ')}`);

  const fixed = typeof token === 'string' ? token : undefined;
  const numbers = [
    service,
    environment === 'production' ? 1 : NaN,
    typeof token === 'function' ? 1 : NaN,
    fixed === undefined ? NaN : expiry(fixed),
    ways.indexOf(auth),
    options.seed ?? 1 + Math.floor(Math.random() * Number.MAX_SAFE_INTEGER),
  ];
  for (const name of flags) {
    const value = o[name];
    numbers.push(value === undefined ? NaN : Number(value));
  }
  for (const name of [...counts, 'seed'] as const) {
    const value = o[name];
    const right = value === undefined || (typeof value === 'number' && value >= 0 && Number.isFinite(value));
    check(right || (value === Infinity && name === 'maxAttempts'), name, 'give a number that is not negative');
  }
  for (const name of counts) {
    const value = o[name];
    numbers.push(typeof value === 'number' && value !== Infinity ? value : NaN);
  }
  const [query, headers, fields] = pairs.map((name) => joined(name, o[name]));
  return { numbers, texts: [fixed, options.url, options.restUrl, query, headers, fields] };
}

function joined(name: string, value: unknown): Text {
  if (value === undefined) return undefined;
  const listed = typeof value === 'object' && value !== null && Symbol.iterator in value;
  // Of a class of its own it may hold what is no entry.
  check(listed || {}.toString.call(value) === '[object Object]', name, 'give an object of texts, or pairs of them');
  let out = '';
  for (const pair of listed ? (value as Iterable<unknown>) : Object.entries(value as object)) {
    const [key, text] = Array.isArray(pair) ? pair : [];
    check(typeof key === 'string' && typeof text === 'string' && !(key + text).includes('\0'), name, `${String(key)}: give a text`);
    out += `${key as string}\0${text as string}\0`;
  }
  return out;
}

function isClass(value: WebSocketClass): boolean {
  try {
    return !!Reflect.construct(Object, [], value);
  } catch {
    return false;
  }
}

/** The machine's names of options that are called otherwise here. */
export function optionName(field: string): string {
  return field === 'endpoint' ? 'url' : ours(field);
}

/** The machine's words, which call options and functions as Rust does. */
export function ours(words: string): string {
  return words.replace(/([a-z])_([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase());
}
