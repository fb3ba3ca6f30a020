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
export async function* readEvents(source: Source): AsyncGenerator<AnyEvent, void, undefined> {
  const { driver } = source;
  const { ring } = driver;
  let at = source.after;
  for (const event of source.first) yield event;
  for (;;) {
    if (source.closed()) return;
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
        driver.waiting.add(resolve);
        driver.rearm();
      });
    }
  }
}

/** Listeners by type, `'*'` for all. */
export class Listeners {
  readonly #driver: Driver;
  readonly #byType = new Map<string, Set<(event: never) => void>>();

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** Adds a listener. Gives the function that removes it. */
  on(type: string, listener: (event: never) => void): () => void {
    let set = this.#byType.get(type);
    if (!set) this.#byType.set(type, (set = new Set()));
    // One entry for each call, so that a listener added twice is called twice and removed one by one.
    const entry = (event: never): void => listener(event);
    set.add(entry);
    return () => void set.delete(entry);
  }

  /** Calls those that want this event. */
  deliver(event: AnyEvent): void {
    for (const key of [event.type, '*']) {
      const set = this.#byType.get(key);
      if (set) for (const listener of set) this.#driver.call(listener, event);
    }
  }

  /** Removes all. */
  clear(): void {
    this.#byType.clear();
  }
}
