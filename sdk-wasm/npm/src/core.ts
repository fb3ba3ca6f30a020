// The machine in WASM: a few exports over one buffer.

import type { Picked } from './envelope.js';

interface Exports {
  memory: { readonly buffer: ArrayBuffer };
  room(bytes: number): number;
  text(): number;
  clock(offset: number): void;
  create(caps: number): number;
  free(client: number): void;
  input(client: number, code: number, a: number, b: number, c: number, mono: number): void;
  keep(client: number, slot: number): void;
  accept(
    client: number, socket: number, bytes: number, slot: number, what: number, bits: number,
    progress: number, at: number, eta: number, sequence: number, mono: number,
  ): number;
  drain(client: number): number;
  deadline(client: number): number;
  look(client: number, what: number): number;
}

/** Where the lengths of texts stand in the buffer, and the texts themselves; see buffer.rs. */
const LENGTHS = 512;
const TEXTS = 640;
/** How many texts are always told, be they there or not. */
const MOST = 7;

/** A text or nothing. */
export type Text = string | undefined;

/** The module, shared by all clients of this page. */
export class Core {
  readonly #exports: Exports;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  #bytes = new Uint8Array(0);
  #view: DataView;
  #offset = NaN;
  #clockRead = -Infinity;

  /** Its exports are those of the module; where there is no DOM, TypeScript knows no WebAssembly. */
  constructor(instance: { readonly exports: object }) {
    this.#exports = instance.exports as Exports;
    this.#view = new DataView(this.#exports.memory.buffer);
  }

  /** Tells the machine the time of the day, which may have been set since. */
  clock(mono: number): void {
    this.#clockRead = mono;
    const offset = Date.now() - mono;
    // Half a millisecond is rounding, not a new time.
    if (!(Math.abs(offset - this.#offset) < 2)) this.#exports.clock((this.#offset = offset));
  }

  /** Makes a client. Gives its handle, or the error that names a field. */
  create(caps: number, numbers: readonly number[], texts: readonly Text[]): number | { field: string; message: string } {
    this.#write(texts, numbers);
    const handle = this.#exports.create(caps);
    return handle || (this.#json(Infinity) as { field: string; message: string });
  }

  /** Forgets a client. */
  free(client: number): void {
    this.#exports.free(client);
  }

  /** Something happened; see input.rs for the codes. */
  input(client: number, code: number, a: number, b: number, c: number, mono: number, texts: readonly Text[], number = NaN): void {
    this.clock(mono);
    if (texts.length > 0 || code >= 9) this.#write(texts, [number]);
    this.#exports.input(client, code, a, b, c, mono);
  }

  /** Keeps the texts of an envelope. */
  keep(client: number, slot: number, p: Picked): void {
    this.#write([p.topic, p.item, p.question, p.request, p.text, p.code, p.name]);
    this.#exports.keep(client, slot);
  }

  /** A frame whose texts are kept. Gives the verdict. */
  accept(client: number, socket: number, bytes: number, slot: number, p: Picked, mono: number): number {
    if (mono - this.#clockRead > 250) this.clock(mono);
    const what = p.kind | (p.status << 8) | (p.head << 16);
    return this.#exports.accept(client, socket, bytes, slot, what, p.bits, p.progress, p.at, p.eta, p.sequence, mono);
  }

  /** What the machine wants done, in order. */
  drain(client: number): readonly Output[] | undefined {
    return this.#json(this.#exports.drain(client)) as readonly Output[] | undefined;
  }

  /** When the machine wants to be asked again, on the steady clock; NaN for never. */
  deadline(client: number): number {
    return this.#exports.deadline(client);
  }

  /** Something to read; see output.rs. */
  look(client: number, what: number, topic?: string): unknown {
    this.#write([topic]);
    return this.#json(this.#exports.look(client, what));
  }

  #json(length: number): unknown {
    if (!length) return undefined;
    const at = this.#exports.text();
    const bytes = new Uint8Array(this.#exports.memory.buffer);
    // The length of a wrong option's report is not told; a NUL ends it.
    const end = length === Infinity ? bytes.indexOf(0, at) : at + length;
    return JSON.parse(this.#decoder.decode(bytes.subarray(at, end)));
  }

  #write(texts: readonly Text[], numbers: readonly number[] = []): void {
    let most = 0;
    for (const text of texts) if (text !== undefined) most += text.length * 3;
    const start = this.#exports.room(most);
    const buffer = this.#exports.memory.buffer;
    if (this.#bytes.buffer !== buffer) {
      this.#bytes = new Uint8Array(buffer);
      this.#view = new DataView(buffer);
    }
    numbers.forEach((number, index) => this.#view.setFloat64(start + index * 8, number, true));
    let at = start + TEXTS;
    for (let index = 0; index < MOST; index++) {
      const text = texts[index];
      let length = 0xffff_ffff;
      if (text !== undefined) {
        length = text === '' ? 0 : this.#encoder.encodeInto(text, this.#bytes.subarray(at, at + text.length * 3)).written;
        at += length;
      }
      this.#view.setUint32(start + LENGTHS + index * 4, length, true);
    }
  }
}

/** What the machine asks of its host; see output.rs. */
export type Output =
  | { do: 'open'; id: number; url: string; protocols: string[]; max: number }
  | { do: 'send'; id: number; text: string }
  | { do: 'ping'; id: number }
  | { do: 'close'; id: number; why: string }
  | { do: 'http'; id: number; method: string; url: string; headers: [string, string][]; body?: string; max: number; expect: string }
  | { do: 'abort'; id: number }
  | { do: 'token'; id: number; force: boolean }
  | { do: 'done'; id: number; elapsed?: number; frame?: number; http?: number; error?: never }
  | { do: 'done'; id: number; error: ErrorOutput }
  | { do: 'release'; id: number; verdict: number }
  | ({ do: 'event' } & EventOutput);

/** The bad outcome of a command. */
export interface ErrorOutput {
  kind: never;
  code?: string;
  message: string;
  retryable: boolean;
  sent: 'no' | 'yes' | 'unknown';
}

/** An event of the machine, which becomes one of the client's. */
export interface EventOutput {
  type: string;
  topic?: string;
  stage?: string;
  progress?: number;
  at?: number;
  http?: number;
  [key: string]: unknown;
}
