// A frame's text, read once: what stands before its JSON, the JSON, and the fields that the machine needs.

import { type Fields, type Picked, Unreadable, flag, instant, needObject, needText, number, object, text } from './envelope.js';
import * as generated from './generated/pick.js';
import type { Service } from './types.js';

/** Reads a frame into `p`, which is empty. Throws {@link Unreadable}. */
export type Reader = (p: Picked, frame: string) => void;

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // The engine's own words would quote the frame.
    throw new Unreadable(/\S/.test(json) ? 'not JSON' : 'not JSON: there is no text');
  }
}

function fields(json: string): Fields {
  return needObject(parse(json), 'the frame');
}

type Pick = (p: Picked, kind: number, v: Fields) => void;

/**
 * Sets a frame's name and kind. The last name is remembered: most frames have it too. A known name becomes the one that
 * stands in this program, which an engine compares by its place and not by its letters.
 */
function finder(kinds: Map<string, number>): (p: Picked, name: string) => void {
  const names = new Map([...kinds.keys()].map((name) => [name, name]));
  let last = '';
  let own = '';
  let number = 0;
  return (p, name) => {
    if (name !== last) {
      last = name;
      own = names.get(name) ?? name;
      number = kinds.get(name) ?? 0;
    }
    p.name = own;
    p.kind = number;
  };
}

const charismaKind = finder(generated.charismaKinds);
const charisma: Reader = (p, frame) => {
  const v = fields(frame);
  charismaKind(p, needText(v.type, 'type'));
  generated.charisma(p, p.kind, v);
  p.data = v;
  p.message = true;
};

const therapybridge: Reader = (p, frame) => {
  const v = fields(frame);
  const name = typeof v.type === 'string' ? v.type : undefined;
  if (name === 'ping' || v.session_id != null) {
    p.name = name === 'ping' ? name : 'progress';
    p.kind = generated.therapybridgeKinds.get(p.name) ?? 0;
    generated.therapybridge(p, p.kind, v);
  } else if (name === undefined) {
    throw new Unreadable('neither a `type` nor a `session_id`');
  } else {
    p.name = name;
  }
  p.data = v;
  p.message = true;
};

const devcontextKind = finder(generated.devcontextKinds);
const devcontext: Reader = (p, frame) => {
  const v = fields(frame);
  p.message = true;
  if (v.type == null) {
    if (typeof v.message !== 'string' || typeof v.connectionId !== 'string') throw new Unreadable('type: it is missing');
    p.name = 'gateway';
    p.kind = 39;
    generated.devcontext(p, p.kind, v);
    p.data = v;
    return;
  }
  devcontextKind(p, needText(v.type, 'type'));
  if (p.kind) {
    generated.devcontext(p, p.kind, v);
    p.data = v.payload;
  } else {
    p.at = instant(text(v.timestamp, 'timestamp'));
    p.request = text(v.requestId, 'requestId');
    p.data = v;
  }
};

const [OPEN, CLOSE, PING, PONG, UPGRADE, NOOP, CONNECT] = [1, 2, 3, 4, 5, 6, 7] as const;
const [EVENT, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK, PROBE_PING, PROBE_PONG] = [9, 11, 12, 13, 14, 15] as const;
const empty: Fields = {};

/** Splits an Engine.IO packet into its head and what follows. The numbers are those that the machine is told. */
function split(p: Picked, frame: string): string {
  const rest = frame.slice(1);
  switch (frame.charCodeAt(0) - 48) {
    case 0:
      p.head = OPEN;
      return rest;
    case 1:
      p.head = CLOSE;
      return '';
    case 2:
      p.head = rest === 'probe' ? PROBE_PING : PING;
      return '';
    case 3:
      p.head = rest === 'probe' ? PROBE_PONG : PONG;
      return '';
    case 4:
      return splitPacket(p, frame);
    case 5:
      p.head = UPGRADE;
      return '';
    case 6:
      p.head = NOOP;
      return '';
  }
  throw new Unreadable(frame === '' ? 'the message is empty' : 'the message begins with no Engine.IO packet type');
}

function splitPacket(p: Picked, frame: string): string {
  const kind = frame.charCodeAt(1) - 48;
  if (!(kind >= 0 && kind <= 6)) throw new Unreadable('the message holds no Socket.IO packet type');
  p.head = CONNECT + kind;
  let at = 2;
  if (p.head === BINARY_EVENT || p.head === BINARY_ACK) {
    const found = /^(\d+)-/.exec(frame.slice(2, 8));
    const count = Number(found?.[1] ?? NaN);
    if (!found || !(count <= 64)) throw new Unreadable('the number of binary attachments can\'t be read');
    p.head |= count << 5;
    at += found[0].length;
  }
  if (frame.charCodeAt(at) === 47) {
    const comma = frame.indexOf(',', at);
    const namespace = frame.slice(at, comma < 0 ? undefined : comma);
    at = comma < 0 ? frame.length : comma + 1;
    // A namespace may carry a query, which the protocol keeps apart from the name.
    if (namespace.split('?')[0] !== '/') p.head |= 16;
  }
  const start = at;
  while (frame.charCodeAt(at) >= 48 && frame.charCodeAt(at) <= 57) at++;
  if (at - start > 19 || (at - start >= 19 && BigInt(frame.slice(start, at)) > 0xffff_ffff_ffff_ffffn)) {
    throw new Unreadable("the acknowledgement id can't be read");
  }
  return frame.slice(at);
}

const whole = (value: unknown, label: string): number => {
  const count = number(value, label);
  return count >= 1 ? Math.min(Math.floor(count), 0xffff_ffff) : NaN;
};

function handshake(p: Picked, kind: number, json: string): void {
  const v = fields(json);
  if (kind === CONNECT_ERROR) {
    p.text = text(v.message, 'message');
    const data = typeof v.data === 'object' && v.data !== null ? (v.data as Fields) : empty;
    if (typeof data.code === 'string') p.code = data.code;
    if (typeof data.retryable === 'boolean') p.bits |= flag(data.retryable, '') << 3;
    return;
  }
  p.bits |= 1 << 10;
  p.name = needText(v.sid, 'sid');
  if (kind !== OPEN) return;
  p.progress = whole(v.pingInterval, 'pingInterval');
  p.at = whole(v.pingTimeout, 'pingTimeout');
  p.eta = whole(v.maxPayload, 'maxPayload');
  const upgrades = v.upgrades ?? [];
  if (!Array.isArray(upgrades)) throw new Unreadable('upgrades: expected a list');
  if (upgrades.includes('websocket')) p.bits |= 1 << 11;
}

function socketio(kinds: Map<string, number>, pick: Pick): Reader {
  const find = finder(kinds);
  return (p, frame) => {
    // The usual packet needs no splitting: an event of the main namespace, without an id.
    const usual = frame.charCodeAt(0) === 52 && frame.charCodeAt(1) === 50 && frame.charCodeAt(2) === 91;
    if (usual) p.head = EVENT;
    const json = usual ? frame.slice(2) : split(p, frame);
    if (p.head & 16) return;
    const kind = p.head & 15;
    if (kind !== EVENT && kind !== BINARY_EVENT) {
      if (kind === OPEN || kind === CONNECT || kind === CONNECT_ERROR) handshake(p, kind, json);
      return;
    }
    const list = parse(json);
    if (!Array.isArray(list)) throw new Unreadable("expected an array that begins with the event's name");
    find(p, needText(list[0], "the event's name"));
    p.data = list[1];
    p.message = true;
    if (p.kind) pick(p, p.kind, p.kind === 9 ? empty : (object(list[1], 'the argument') ?? empty));
  };
}

/** The reader of each service. */
export const readers: Record<Service, Reader> = {
  charisma,
  therapybridge,
  saga: socketio(generated.sagaKinds, generated.saga),
  docproc: socketio(generated.docprocKinds, generated.docproc),
  devcontext,
};

/** Replaces what looks like a token by dots, and cuts at so many bytes, not within a character. */
export function excerpt(frame: string, most = 256): string {
  const blotted = frame
    .slice(0, 2 * most)
    .replace(/eyJ[\w.=-]*/g, '…')
    .replace(/(token"[:\s"]*)[^",}]+/g, '$1…');
  if (blotted.length * 3 <= most) return blotted;
  let bytes = 0;
  let end = 0;
  for (const c of blotted) {
    const code = c.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
    if (bytes > most) break;
    end += c.length;
  }
  return blotted.slice(0, end);
}
