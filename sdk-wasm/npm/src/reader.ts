// Events one after another, for `for await`.

import type { AnyEvent, Driver } from './driver.js';

/** Whose events are read, and until when. */
export interface Source {
  /** The driver. */
  driver: Driver;
  /** What comes before the first event. */
  first: AnyEvent[];
  /** Reading begins behind this number. */
  after: number;
  /** What of an event is for this reader: it, or nothing. */
  wanted(event: AnyEvent): boolean;
  /** Whether nothing comes after this event; throws if it is a bad end. */
  last(event: AnyEvent): boolean;
  /** Whether the reader's owner has ended it. */
  closed(): boolean;
  /** What makes up for missed events. */
  catchUp(): AnyEvent[];
}

/** Reads. Leaving the loop loses nothing but this reader's place. */
export function readEvents(source: Source): AsyncGenerator<AnyEvent, void, undefined> {
  const place: Place = { over: false };
  const events = read(source, place);
  const end = events.return.bind(events);
  // A generator hears of its end only when it has something to give.
  events.return = (value) => {
    place.over = true;
    place.wake?.();
    return end(value);
  };
  return events;
}

/** A reader's wait, and whether it has been told to end. */
interface Place {
  over: boolean;
  wake?: () => void;
}

async function* read(source: Source, place: Place): AsyncGenerator<AnyEvent, void, undefined> {
  const { driver } = source;
  const { ring } = driver;
  let at = source.after;
  for (const event of source.first) yield event;
  for (;;) {
    if (place.over || source.closed()) return;
    if (at + 1 < ring.front) {
      const skipped = ring.front - 1 - at;
      at = ring.last;
      const missed = skipped + at - ring.front + 1;
      driver.skipped += missed;
      yield { seq: at, type: 'lagged', skipped: missed };
      for (const event of source.catchUp()) {
        yield event;
        if (source.last(event)) return;
      }
      continue;
    }
    const event = ring.get(at + 1);
    if (event) {
      at++;
      if (!source.wanted(event)) continue;
      yield event;
      if (source.last(event)) return;
    } else if (driver.ended) {
      return;
    } else {
      await new Promise<void>((resolve) => {
        driver.waiting.add((place.wake = resolve));
        driver.rearm();
      });
      if (driver.waiting.delete(place.wake as () => void)) driver.rearm();
    }
  }
}

type Listener = (event: never) => unknown;

/** One call of `on`, so that a listener added twice is called twice and removed one by one. */
interface Entry {
  readonly listener: Listener;
}
const none: readonly Entry[] = [];

/** Listeners by type, `'*'` for all. Lists are replaced, never changed, so that one being walked stays as it is. */
export class Listeners {
  readonly #driver: Driver;
  #byType = new Map<string, readonly Entry[]>();
  #all: readonly Entry[] = none;
  #lastType = '';
  #last: readonly Entry[] = none;
  #cleared = false;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** Adds a listener. Gives the function that removes it. */
  on(type: string, listener: Listener): () => void {
    const entry: Entry = { listener };
    this.#set(type, [...this.#of(type), entry]);
    return () => this.#set(type, this.#of(type).filter((own) => own !== entry));
  }

  /** Calls those that want this event. */
  deliver(event: AnyEvent): void {
    if (event.type !== this.#lastType) this.#last = this.#byType.get((this.#lastType = event.type)) ?? none;
    // Both lists as they are now: what a listener adds or removes holds from the next event on.
    const own = this.#last;
    const all = this.#all;
    for (let at = 0; at < own.length && !this.#cleared; at++) this.#call((own[at] as Entry).listener, event);
    for (let at = 0; at < all.length && !this.#cleared; at++) this.#call((all[at] as Entry).listener, event);
  }

  /** Removes all at once: also those that an event has not reached yet. */
  clear(): void {
    this.#cleared = true;
    this.#byType = new Map();
    this.#all = this.#last = none;
    this.#lastType = '';
  }

  /** Calls a listener. What it throws, at once or later, goes where uncaught errors go, not here. */
  #call(listener: Listener, event: AnyEvent): void {
    try {
      const result = listener(event as never) as Partial<Promise<unknown>> | null | undefined;
      // Nearly all give nothing, or a number that nobody asked for.
      if (typeof result === 'object') void result?.then?.(undefined, (error: unknown) => this.#driver.report(error));
    } catch (error) {
      this.#driver.report(error);
    }
  }

  #of(type: string): readonly Entry[] {
    return type === '*' ? this.#all : (this.#byType.get(type) ?? none);
  }

  #set(type: string, list: readonly Entry[]): void {
    if (type === '*') this.#all = list;
    else this.#byType.set(type, list);
    this.#lastType = '';
  }
}
