// The few fields of a frame that a decision needs, and how a value is read as one of them. What a field of a message
// means is in generated/pick.ts.

/** The fields of a JSON object. */
export type Fields = Record<string, unknown>;

/** A frame that can't be read; the message says why, without its content. */
export class Unreadable extends Error {}

function bad(label: string, expected: string): never {
  throw new Unreadable(`${label}: expected ${expected}`);
}

/** One frame as the machine sees it. One object is used for all frames, so that reading one makes no garbage. */
export class Picked {
  kind = 0;
  /** The kind's number in the head of a Socket.IO packet; 0 for plain JSON. */
  head = 0;
  status = 0;
  bits = 0;
  name = '';
  topic: string | undefined;
  item: string | undefined;
  question: string | undefined;
  request: string | undefined;
  text: string | undefined;
  code: string | undefined;
  progress = NaN;
  at = NaN;
  eta = NaN;
  sequence = NaN;
  /** Whether there is something for the app in it. */
  message = false;
  /** The payload. */
  data: unknown;

  /** Makes it empty. */
  clear(): void {
    this.kind = this.head = this.status = this.bits = 0;
    this.name = '';
    this.topic = this.item = this.question = this.request = this.text = this.code = undefined;
    this.progress = this.at = this.eta = this.sequence = NaN;
    this.message = false;
    this.data = undefined;
  }
}

/** A text, if it is there. */
export function text(value: unknown, label: string): string | undefined {
  return typeof value === 'string' ? value : value == null ? undefined : bad(label, 'a text');
}

/** A text that must be there. */
export function needText(value: unknown, label: string): string {
  return typeof value === 'string' ? value : bad(label, 'a text');
}

/** A number, NaN if it is not there. */
export function number(value: unknown, label: string): number {
  return typeof value === 'number' ? value : value == null ? NaN : bad(label, 'a number');
}

/** A number that must be there. */
export function needNumber(value: unknown, label: string): number {
  return typeof value === 'number' ? value : bad(label, 'a number');
}

/** 2 for true, 1 for false, 0 if it is not there. */
export function flag(value: unknown, label: string): number {
  return value === true ? 2 : value === false ? 1 : value == null ? 0 : bad(label, 'true or false');
}

/** An object, if it is there. */
export function object(value: unknown, label: string): Fields | undefined {
  return value == null ? undefined : needObject(value, label);
}

/** An object that must be there. */
export function needObject(value: unknown, label: string): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : bad(label, 'an object');
}

/** A list that must be there. */
export function needList(value: unknown, label: string): readonly unknown[] {
  return Array.isArray(value) ? value : bad(label, 'a list');
}

/** The flag of a result, if there is one. */
export function present(value: unknown): number {
  return value == null ? 0 : 512;
}

/** The later of two numbers that is there. */
export function later(value: number, before: number): number {
  return value === value ? value : before;
}

let lastText = '';
let lastInstant = NaN;
let day = '?';
let dayStart = 0;

/** Reads an ISO 8601 instant as Unix time in ms; one without a zone is UTC. NaN if it is none. */
export function instant(value: string | undefined): number {
  if (value === undefined) return NaN;
  if (value === lastText) return lastInstant;
  lastText = value;
  const quick = quickInstant(value);
  return (lastInstant = quick === quick ? quick : slowInstant(value));
}

/** A time of the day that was last read, in UTC, with or without milliseconds. */
function quickInstant(t: string): number {
  const length = t.length;
  if ((length !== 20 && length !== 24) || t.charCodeAt(length - 1) !== 90 || !t.startsWith(day)) return NaN;
  const two = (at: number): number => {
    const a = t.charCodeAt(at) - 48;
    const b = t.charCodeAt(at + 1) - 48;
    return a >= 0 && a <= 9 && b >= 0 && b <= 9 ? a * 10 + b : NaN;
  };
  const hour = two(11);
  const minute = two(14);
  const second = two(17);
  const marks = t.charCodeAt(10) === 84 && t.charCodeAt(13) === 58 && t.charCodeAt(16) === 58;
  if (!marks || !(hour < 24 && minute < 60 && second < 60)) return NaN;
  let millis = ((hour * 60 + minute) * 60 + second) * 1000;
  if (length === 24) {
    const tail = two(21) * 10 + (t.charCodeAt(19) === 46 ? two(22) % 10 : NaN);
    millis += tail;
  }
  return dayStart + millis;
}

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d))?(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d)?)?)?$/;

function slowInstant(t: string): number {
  const found = pattern.exec(t);
  if (!found) return NaN;
  const part = (index: number): number => Number(found[index] ?? 0);
  const [year, month, date] = [part(1), part(2), part(3)];
  const start = new Date(0);
  start.setUTCFullYear(year, month - 1, date);
  if (start.getUTCMonth() !== month - 1 || start.getUTCDate() !== date) return NaN;
  const [hour, minute, second] = [part(4), part(5), part(6)];
  if (hour > 24 || minute > 59 || second > 60 || part(9) > 23 || part(10) > 59) return NaN;
  day = t.slice(0, 10);
  dayStart = start.getTime();
  const fraction = found[7] ? Number(`0.${found[7]}`) * 1000 : 0;
  const offset = (part(9) * 60 + part(10)) * (found[8] === '-' ? -60_000 : 60_000);
  return dayStart + ((hour * 60 + minute) * 60 + second) * 1000 + fraction - offset;
}
