// The loop between the machine and the world: it carries sockets, requests, tokens and time, and hands events on.
// Every decision is the machine's.

import type { Core, ErrorOutput, EventOutput, Output, Text } from './core.js';
import { Picked, Unreadable } from './envelope.js';
import { type Reader, excerpt, readers } from './frame.js';
import { type Answer, request } from './http.js';
import { Log } from './log.js';
import { optionName, ours, settings } from './options.js';
import { Ring } from './ring.js';
import { type Emitter, Sockets, webSocketClass } from './sockets.js';
import { watch } from './surroundings.js';
import { askToken, expiry } from './token.js';
import { type ClientOptions, ConfigError, type ConnectionState, type Service, type Snapshot, SteadfastError } from './types.js';

// The bits of a verdict; see envelope.rs.
const [DELIVER, HOLD, OUTDATED, RECOVERED, SNAPSHOT, POLL] = [1, 2, 4, 8, 16, 32] as const;

/** An event before its type is known to the compiler. */
export interface AnyEvent {
  seq: number;
  type: string;
  topic?: string | undefined;
  [key: string]: unknown;
}

/** Somebody who is told of events. */
export interface Target {
  deliver(event: AnyEvent): void;
}

/** The good outcome of a command. */
export interface Confirmed {
  event: AnyEvent | undefined;
  body: unknown;
  elapsedMs: number;
}

interface Pending {
  resolve(confirmed: Confirmed): void;
  reject(error: SteadfastError): void;
}

/** What is known of a topic that somebody follows. */
interface Topic {
  /** Empty when nobody follows it any more. */
  name: string;
  /** The topic whose frame came after the last of this one's. */
  next: Topic | undefined;
  /** Replaced, never changed. */
  targets: readonly Target[];
  slot: Slot | undefined;
  raw: unknown;
  snapshot: Snapshot | undefined;
  fresh: boolean;
}

/** Texts that the machine keeps for a topic. */
interface Slot {
  number: number;
  told: boolean;
  text: Text;
  item: Text;
  code: Text;
  question: Text;
  request: Text;
}

/** A clock that never jumps, ms. */
const mono = (): number => performance.now();

let arrived = NaN;
/** When a frame without a time of its own arrived. All that are handed over in one go have arrived with one read. */
function arrival(): number {
  if (arrived !== arrived) {
    arrived = mono();
    queueMicrotask(() => (arrived = NaN));
  }
  return arrived;
}

/** The part of a client that nobody sees. */
export class Driver {
  readonly options: ClientOptions;
  readonly ring: Ring<AnyEvent>;
  readonly log: Log;
  /** Who is told of all events, before those who follow a topic; nobody as long as nobody has asked. */
  target: Target | undefined;
  /** Is told the connection's state before anybody else. */
  onState: (state: ConnectionState) => void = () => {};
  /** Readers that wait for an event. */
  readonly waiting = new Set<() => void>();
  skipped = 0;
  ended = false;
  readonly #core: Core;
  readonly #client: number;
  readonly #full: number;
  readonly #read: Reader;
  readonly #picked = new Picked();
  readonly #sockets: Sockets;
  readonly #fetch: typeof fetch | undefined;
  readonly #calls = new Map<number, AbortController>();
  readonly #bodies = new Map<number, Answer>();
  readonly #pending = new Map<number, Pending>();
  readonly #topics = new Map<string, Topic>();
  #lastName = '';
  #lastTopic: Topic | undefined;
  readonly #held = new Map<number, { event: AnyEvent; size: number }>();
  readonly #queue: AnyEvent[] = [];
  readonly #stop: () => void;
  #token: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = NaN;
  #frames = 0;
  #commands = 0;
  #seq = 0;
  #current: { frame: number; event: AnyEvent } | undefined;
  #running = false;
  #ending = false;
  #dispatching = false;
  #last: Record<number, unknown> = {};

  constructor(core: Core, options: ClientOptions) {
    const { numbers, texts } = settings(options);
    this.options = options;
    this.log = new Log(options);
    this.#fetch = options.fetch ?? (globalThis as { fetch?: typeof fetch }).fetch?.bind(globalThis);
    const socket = webSocketClass(options.WebSocket);
    core.clock(mono());
    // `ws` tells the HTTP status of a refused upgrade.
    const status = (socket.prototype as Partial<Emitter> | undefined)?.on ? 4 : 0;
    const created = core.create((this.#fetch ? 8 : 0) | status, numbers, texts);
    if (typeof created !== 'number') throw new ConfigError(optionName(created.field), ours(created.message));
    this.#core = core;
    this.#client = created;
    this.#full = Math.round(2 ** 52 / (core.look(created, 4) as { half: number }).half);
    this.#read = readers[options.service];
    this.ring = new Ring(options.ringEvents ?? 1024, options.ringBytes ?? 1024 * 1024);
    if (typeof options.token === 'string') this.log.secret(options.token);
    this.#sockets = new Sockets(
      {
        opened: (id) => this.input(1, id),
        frame: (id, text, bytes, stamp) => this.#frame(id, text, bytes, stamp),
        binary: (id, bytes) => this.input(8, id, bytes),
        closed: (id, code, reason) => {
          this.log.debug(`socket ${id} closed: ${code} ${reason}`);
          this.input(3, id, code, NaN, [reason]);
        },
        refused: (id, status, retryAfter) => this.input(6, id, status, retryAfter),
        tooLarge: (id) => this.input(5, id),
        lost: (id, why) => this.input(4, id, NaN, NaN, [why]),
      },
      socket,
    );
    this.#stop = watch({
      network: (online) => this.input(14, Number(online)),
      visible: (visible) => this.input(15, Number(visible)),
      background: () => this.input(16),
    });
  }

  // --- what goes in -------------------------------------------------------------------------------------------------

  /** Tells the machine that something happened, and does what it wants. */
  input(code: number, a = 0, b = NaN, c = NaN, texts: readonly Text[] = [], number = NaN): void {
    if (this.ended) return;
    this.#core.input(this.#client, code, a, b, c, mono(), texts, number);
    this.#run();
  }

  /** A command that is done when it is handed in. */
  fire(code: number, b = NaN, texts: readonly Text[] = []): void {
    this.input(code, ++this.#commands, b, NaN, texts);
  }

  /** A command with an outcome. */
  command(code: number, texts: readonly Text[], b = NaN, signal?: AbortSignal): Promise<Confirmed> {
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(closed());
      if (signal?.aborted) return reject(new SteadfastError({ kind: 'Cancelled', message: 'the caller gave up before it was sent' }));
      const id = ++this.#commands;
      const abort = (): void => this.input(17, id);
      const done = (): void => signal?.removeEventListener('abort', abort);
      signal?.addEventListener('abort', abort);
      this.#pending.set(id, {
        resolve: (confirmed) => (done(), resolve(confirmed)),
        reject: (error) => (done(), reject(error)),
      });
      this.input(code, id, b, NaN, texts);
    });
  }

  /** One more wants to hear of a topic. */
  follow(name: string, target: Target): void {
    let topic = this.#topics.get(name);
    if (!topic) this.#topics.set(name, (topic = { name, next: undefined, targets: [], slot: undefined, raw: undefined, snapshot: undefined, fresh: false }));
    topic.targets = [...topic.targets, target];
    this.#lastName = '';
  }

  /** One fewer does. */
  unfollow(name: string, target: Target): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    topic.targets = topic.targets.filter((own) => own !== target);
    if (topic.targets.length > 0) return;
    this.#topics.delete(name);
    topic.name = '';
    this.#lastName = '';
  }

  /** How many topics are followed. */
  get followed(): number {
    return this.#topics.size;
  }

  /** Something to read from the machine, or what it last was. */
  look(what: number, topic?: string): unknown {
    return this.ended ? this.#last[what] : this.#core.look(this.#client, what, topic);
  }

  /** The last known picture of a topic; the same object until it changes. */
  snapshot(name: string): Snapshot | undefined {
    const topic = this.#topics.get(name);
    if (topic?.fresh) return topic.snapshot;
    if (this.ended) return topic?.snapshot;
    const snapshot = this.#core.look(this.#client, 0, name) as Snapshot | undefined;
    if (snapshot) exact(snapshot);
    if (snapshot && topic?.raw !== undefined) snapshot.raw = topic.raw as never;
    if (topic) {
      topic.snapshot = snapshot;
      topic.fresh = true;
    }
    return snapshot;
  }

  #frame(socket: number, text: string, bytes: number, stamp: number): void {
    if (this.ended) return;
    const p = this.#picked;
    p.clear();
    try {
      this.#read(p, text);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      return this.input(7, socket, NaN, NaN, [excerpt(error.message), excerpt(text)]);
    }
    // A frame's own time costs nothing to know; it is on the same clock, but not everywhere.
    const now = stamp > 0 && stamp < 1e12 ? stamp : arrival();
    const topic = this.#followed(p.topic);
    const verdict = this.#core.accept(this.#client, socket, bytes, this.#slot(p, topic), p, now);
    const frame = this.#frames++;
    if (this.log.on) this.log.frame(socket, p.name, p.topic, bytes, text);
    let event: AnyEvent | undefined;
    if (p.message && verdict & (DELIVER | HOLD | SNAPSHOT | POLL)) {
      event = {
        seq: 0,
        type: p.kind ? p.name : 'unknown',
        topic: p.topic,
        progress: p.progress === p.progress ? this.#share(p.progress) : undefined,
        at: p.at === p.at ? p.at : undefined,
        outdated: (verdict & OUTDATED) !== 0,
        recovered: (verdict & RECOVERED) !== 0,
        data: p.data,
      };
      if (!p.kind) event.name = p.name;
      if (verdict & SNAPSHOT) this.#keep(event, topic);
      if (verdict & HOLD) this.#held.set(frame, { event, size: bytes });
      else if (verdict === (DELIVER | SNAPSHOT) && !this.#dispatching && !this.#running && this.#queue.length === 0) {
        return this.#hand(event, topic, 128 + 2 * bytes);
      } else if (verdict & DELIVER) this.#push(event, 128 + 2 * bytes);
    }
    if (verdict & POLL) {
      if (event) this.#current = { frame, event };
      this.#run();
      this.#current = undefined;
    } else {
      this.#flush();
    }
  }

  /** A topic that somebody follows; the last one that was asked for is remembered. */
  #followed(name: string | undefined): Topic | undefined {
    if (name === undefined) return undefined;
    const last = this.#lastTopic;
    if (name !== this.#lastName) {
      // Topics tend to speak in turns: what followed this one the last time is tried before it is looked up.
      const next = last?.next;
      const found = next !== undefined && next.name === name ? next : this.#topics.get(name);
      if (last) last.next = found;
      this.#lastName = name;
      this.#lastTopic = found;
    }
    return this.#lastTopic;
  }

  /** The slot where the machine keeps this frame's texts; they are told only if they are not the last ones there. */
  #slot(p: Picked, topic: Topic | undefined): number {
    if (!topic) {
      this.#core.keep(this.#client, 0, p);
      return 0;
    }
    const slot = (topic.slot ??= this.#newSlot());
    const known =
      same(slot.text, p.text) && same(slot.item, p.item) && same(slot.code, p.code) && same(slot.question, p.question) && same(slot.request, p.request);
    if (known && slot.told && p.kind) return slot.number;
    slot.told = true;
    ({ text: slot.text, item: slot.item, code: slot.code, question: slot.question, request: slot.request } = p);
    this.#core.keep(this.#client, slot.number, p);
    return slot.number;
  }

  #newSlot(): Slot {
    const used = new Set<number>();
    for (const topic of this.#topics.values()) if (topic.slot) used.add(topic.slot.number);
    let number = 1;
    while (used.has(number)) number++;
    return { number, told: false, text: undefined, item: undefined, code: undefined, question: undefined, request: undefined };
  }

  #share(raw: number): number {
    const share = raw / this.#full;
    return share > 0 ? Math.min(share, 1) : 0;
  }

  #keep(event: AnyEvent, topic = this.#followed(event.topic)): void {
    if (!topic) return;
    topic.raw = event.data;
    topic.fresh = false;
  }

  // --- what comes out -----------------------------------------------------------------------------------------------

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    const ending = this.#ending;
    try {
      for (let outputs; (outputs = this.ended ? undefined : this.#core.drain(this.#client)); ) {
        for (const output of outputs) this.#carry(output);
      }
    } finally {
      this.#running = false;
      // Somebody who was called on the way has closed the client.
      if (this.#ending && !ending) this.#end();
    }
    this.#arm();
    this.#flush();
  }

  #carry(output: Output): void {
    switch (output.do) {
      case 'event':
        return this.#tell(output);
      case 'send':
        return this.#sockets.send(output.id, output.text);
      case 'open':
        this.log.debug(`socket ${output.id} opens ${output.url.split('?')[0]}`);
        return this.#sockets.open(output);
      case 'close':
        return this.#sockets.close(output.id, output.why === 'dead' ? 4000 : 1000);
      case 'done':
        return output.error ? this.#done(output.id, output.error, {}) : this.#done(output.id, undefined, output);
      case 'release': {
        const held = this.#held.get(output.id);
        this.#held.delete(output.id);
        if (!held) return;
        if (output.verdict & SNAPSHOT) this.#keep(held.event);
        if (output.verdict & DELIVER) this.#push(held.event, 128 + 2 * held.size);
        return;
      }
      case 'http':
        return this.#call(output);
      case 'abort':
        this.#calls.get(output.id)?.abort();
        return;
      case 'token':
        return this.#askToken(output.id, output.force);
      case 'ping':
    }
  }

  #done(id: number, error: ErrorOutput | undefined, reply: { elapsed?: number; frame?: number; http?: number }): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    if (error) {
      if ((error.kind as string) === 'Invalid') error.message = ours(error.message);
      return pending.reject(new SteadfastError(error));
    }
    const current = this.#current;
    pending.resolve({
      event: current && current.frame === reply.frame ? current.event : undefined,
      body: this.#bodies.get(reply.http ?? NaN)?.body,
      elapsedMs: reply.elapsed ?? 0,
    });
  }

  #tell(output: { do: 'event' } & EventOutput): void {
    const { do: _, ...event } = output;
    const topic = this.#followed(event.topic);
    if (topic) topic.fresh = false;
    switch (event.type) {
      case 'derived': {
        const { stage, topic: analysisId } = event;
        const progress = fraction(event.progress);
        const at = event.at === undefined ? undefined : event.at / 1000;
        const data = { analysisId, stage };
        return this.#push({ seq: 0, type: 'stage_completed', topic: analysisId, progress, at, outdated: false, recovered: true, data });
      }
      case 'snapshot': {
        const snapshot = this.snapshot(event.topic ?? '');
        // Its data was weighed when it came.
        return snapshot && this.#push({ seq: 0, ...event, snapshot }, 1024 + 256 * snapshot.items.length);
      }
      case 'fetched': {
        const { body: data, size = 0 } = this.#bodies.get(event.http ?? NaN) ?? {};
        return data === undefined ? undefined : this.#push({ seq: 0, type: 'fetched', topic: event.topic, data }, 128 + 2 * size);
      }
    }
    const { why } = (event.state ?? {}) as { why?: { help: string } };
    if (why) why.help = ours(why.help);
    if (this.log.on) this.log.event(event);
    this.#push({ seq: 0, ...event });
  }

  #call(ask: Extract<Output, { do: 'http' }>): void {
    const { id } = ask;
    const call = new AbortController();
    this.#calls.set(id, call);
    this.log.debug(`${ask.method} ${ask.url.split('?')[0]}`);
    void request(this.#fetch ?? fetch, ask, call.signal).then((answer: Answer) => {
      this.#calls.delete(id);
      if (call.signal.aborted) return;
      if (answer.status === 0) return this.input(10, id, 1, NaN, [answer.error]);
      this.#bodies.set(id, answer);
      this.input(9, id, answer.status, answer.retryAfter, [answer.error], answer.readable ? 1 : NaN);
      this.#bodies.delete(id);
    });
  }

  #askToken(generation: number, force: boolean): void {
    this.#token?.abort();
    const call = (this.#token = new AbortController());
    this.log.debug(force ? 'another token is asked for' : 'a token is asked for');
    void askToken(this.options.token, force, call.signal).then((answer) => {
      if (this.#token === call) this.#token = undefined;
      if (answer.code !== 11) return this.input(answer.code, generation, NaN, NaN, [answer.reason]);
      this.log.secret(answer.token);
      this.input(11, generation, expiry(answer.token), NaN, [answer.token]);
    });
  }

  /** Sets the timer to what the machine wants. */
  #arm(): void {
    if (this.ended) return;
    const held = this.#pending.size > 0 || this.#topics.size > 0 || this.waiting.size > 0;
    this.#sockets.hold(held);
    const due = this.#core.deadline(this.#client);
    if (due !== this.#due || (this.#timer === undefined && due === due)) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#due = due;
      if (due === due) this.#timer = setTimeout(this.#tick, Math.min(Math.max(0, Math.ceil(due - mono())), 0x7fff_ffff));
    }
    const timer = this.#timer as { ref?(): void; unref?(): void } | undefined;
    if (held) timer?.ref?.();
    else timer?.unref?.();
  }

  readonly #tick = (): void => {
    this.#timer = undefined;
    this.input(0);
  };

  // --- events -------------------------------------------------------------------------------------------------------

  /** Of an event that is the machine's alone the size is what it would be as a text: there are few of them. */
  #push(event: AnyEvent, size = 128 + 2 * JSON.stringify(event).length): void {
    event.seq = ++this.#seq;
    this.ring.push(event, size);
    this.#queue.push(event);
  }

  /** Hands out what there is, in order, while the machine rests: a listener may call anything. */
  #flush(): void {
    if (this.#dispatching || this.#running || this.#queue.length === 0) return;
    this.#dispatching = true;
    try {
      for (let event; (event = this.#queue.shift()); ) this.#dispatch(event, this.#followed(event.topic));
    } finally {
      this.#dispatching = false;
    }
  }

  /** The usual event: nothing waits before it, so it need not wait either. */
  #hand(event: AnyEvent, topic: Topic | undefined, size: number): void {
    event.seq = ++this.#seq;
    this.ring.push(event, size);
    this.#dispatching = true;
    try {
      this.#dispatch(event, topic);
    } finally {
      this.#dispatching = false;
    }
    if (this.#queue.length > 0) this.#flush();
  }

  #dispatch(event: AnyEvent, topic: Topic | undefined): void {
    if (event.type === 'state') this.onState(event.state as ConnectionState);
    this.target?.deliver(event);
    if (topic) {
      const targets = topic.targets;
      for (let at = 0; at < targets.length; at++) (targets[at] as Target).deliver(event);
    }
    if (this.waiting.size > 0) this.wake();
  }

  /** Wakes the readers that wait. */
  wake(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const wake of waiting) wake();
  }

  /** A reader waits: a Node process is to live for it. */
  rearm(): void {
    this.#arm();
  }

  /** What a listener throws goes where the app wants it; what that throws goes with it to where uncaught errors go. */
  report(error: unknown): void {
    const { onListenerError } = this.options;
    const errors = [error];
    try {
      if (onListenerError) return onListenerError(error);
    } catch (own) {
      errors.push(own);
    }
    const { reportError } = globalThis as { reportError?: (error: unknown) => void };
    for (const one of errors) {
      if (reportError) reportError(one);
      else console.error('steadfast: a listener failed:', one);
    }
  }

  /** Ends everything, as soon as the machine rests. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    if (!this.#running) this.#end();
  }

  #end(): void {
    for (const name of this.#topics.keys()) this.snapshot(name);
    this.fire(27);
    for (const what of [3, 5]) this.#last[what] = this.#core.look(this.#client, what);
    this.ended = true;
    clearTimeout(this.#timer);
    this.#token?.abort();
    for (const call of this.#calls.values()) call.abort();
    for (const pending of this.#pending.values()) pending.reject(closed());
    this.#pending.clear();
    this.#stop();
    this.#core.free(this.#client);
    this.#flush();
    this.wake();
  }
}

/** What a closed client says, or a subscription that was taken back. */
export function closed(what = 'client'): SteadfastError {
  return new SteadfastError({ kind: 'Closed', message: `the ${what} is closed` });
}

/** What an argument that can't be right gets. */
export function invalid(message: string): SteadfastError {
  return new SteadfastError({ kind: 'Invalid', message });
}

/** Whether two texts are alike. Absent ones are told apart first: an engine is quick at comparing texts alone. */
function same(a: Text, b: Text): boolean {
  return a === undefined ? b === undefined : b !== undefined && a === b;
}

/** Shares come as parts of 2^53 and times in µs, which are whole numbers. */
function fraction(parts: number | undefined): number | undefined {
  return parts === undefined ? undefined : parts / 2 ** 53;
}

function exact(snapshot: Snapshot): void {
  for (const part of [snapshot, ...snapshot.items]) {
    if (part.progress !== undefined) part.progress /= 2 ** 53;
    if (part.updatedAt !== undefined) part.updatedAt /= 1000;
  }
}

/** @internal */
export type AnyService = Service;
