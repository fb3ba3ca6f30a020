// The last events of a client, for any number of readers at their own pace.

/** What the ring keeps. */
export interface Numbered {
  seq: number;
}

/** The last events, each with a number that only rises; so many, and so many bytes of them, but always the last one. */
export class Ring<T extends Numbered> {
  readonly #events: (T | undefined)[];
  readonly #sizes: number[];
  readonly #most: number;
  readonly #mostBytes: number;
  #bytes = 0;
  /** Where the next event goes, and where the oldest stands. */
  #next = 0;
  #oldest = 0;
  /** The number of the oldest event that is kept. */
  front = 1;
  /** The number of the newest event. */
  last = 0;

  constructor(events: number, bytes: number) {
    this.#most = Math.max(1, events);
    this.#mostBytes = bytes;
    this.#events = new Array<T | undefined>(this.#most);
    this.#sizes = new Array<number>(this.#most).fill(0);
  }

  /** Appends an event of about this size, whose number is the next one. */
  push(event: T, size: number): void {
    if (this.last - this.front + 1 >= this.#most) this.#evict();
    const place = this.#next;
    this.#next = place + 1 === this.#most ? 0 : place + 1;
    this.last = event.seq;
    this.#events[place] = event;
    this.#sizes[place] = size;
    this.#bytes += size;
    while (this.#bytes > this.#mostBytes && this.front < this.last) this.#evict();
  }

  /** The event of this number; undefined if it is gone or not there yet. */
  get(seq: number): T | undefined {
    return seq >= this.front && seq <= this.last ? this.#events[(this.#oldest + seq - this.front) % this.#most] : undefined;
  }

  #evict(): void {
    const place = this.#oldest;
    this.#oldest = place + 1 === this.#most ? 0 : place + 1;
    this.#events[place] = undefined;
    this.#bytes -= this.#sizes[place] ?? 0;
    this.front++;
  }
}
