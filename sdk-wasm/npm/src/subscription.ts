/// <reference lib="esnext.disposable" preserve="true" />
// A subscription to one topic.

import { type AnyEvent, type Driver, type Target, closed, invalid } from './driver.js';
import { Listeners, readEvents } from './reader.js';
import {
  type ConnectionState, type EventOf, type EventType, type Service, type ServiceEvent, type Snapshot, SteadfastError, type SubscriptionState,
} from './types.js';

/**
 * A subscription to one topic. It is asked for as soon as there is a connection, and again after every reconnect, until
 * {@link unsubscribe} is called or it has ended. Its last state and picture stay.
 *
 * ```ts
 * for await (const event of client.subscribe('session_1')) console.log(event.type);
 * ```
 */
export class Subscription<S extends Service = Service> implements AsyncIterable<ServiceEvent<S>> {
  /** The topic. */
  readonly topic: string;
  readonly #driver: Driver;
  readonly #listeners: Listeners;
  readonly #target: Target;
  readonly #first: AnyEvent[];
  readonly #after: number;
  #state: SubscriptionState;
  /** Whether it was taken back. */
  #over = false;
  /** Whether it has come to its end: nothing more is to be heard. */
  #done = false;
  #last: Snapshot<S> | undefined;

  /** @internal */
  constructor(driver: Driver, topic: string, keep: boolean) {
    if (driver.ended) throw closed();
    const wrong = typeof topic !== 'string' ? 'the topic is no text' : badTopic(topic);
    if (wrong) throw invalid(wrong);
    this.topic = topic;
    this.#driver = driver;
    this.#listeners = new Listeners(driver);
    this.#after = driver.ring.last;
    // What others know of the topic already is where this one begins.
    const known = driver.look(2, topic) === undefined ? undefined : driver.snapshot(topic);
    this.#target = { deliver: (event) => this.#deliver(event) };
    driver.follow(topic, this.#target);
    driver.fire(23, Number(keep), [topic]);
    this.#state = (driver.look(2, topic) as SubscriptionState | undefined) ?? { status: 'pending' };
    const seq = this.#after;
    this.#first = [];
    if (this.#state.status === 'live') this.#first.push({ seq, type: 'subscription', topic, state: this.#state });
    if (known && !known.terminal && known.raw !== undefined) this.#first.push({ seq, type: 'snapshot', topic, snapshot: known });
  }

  /** The state of the subscription. */
  get state(): SubscriptionState {
    return this.#state;
  }

  /** The last known picture of the topic; the same object until it changes. */
  get snapshot(): Snapshot<S> | undefined {
    if (!this.#over && !this.#done) this.#last = this.#driver.snapshot(this.topic) as Snapshot<S> | undefined;
    return this.#last;
  }

  /** Waits until the server has confirmed it. Rejects with the reason if it refuses, or if the topic has ended. */
  async live(options?: { signal?: AbortSignal }): Promise<void> {
    if (this.#done && ends(this.#state)) throw new SteadfastError({ kind: 'Rejected', message: 'the topic has ended', sent: 'yes' });
    if (!this.#over) await this.#driver.command(26, [this.topic], NaN, options?.signal);
    // Others may still follow the topic, or the answer was on its way.
    if (this.#over) throw closed('subscription');
  }

  /** Calls the listener at each event of this type, `'*'` for all. Gives the function that removes it. */
  on<T extends EventType<S>>(type: T, listener: (event: EventOf<S, T>) => void): () => void;
  on(type: '*', listener: (event: ServiceEvent<S>) => void): () => void;
  on(type: string, listener: (event: never) => void): () => void {
    return this.#listeners.on(type, listener);
  }

  /** Ends it at once: nothing is delivered any more. */
  unsubscribe(): void {
    if (this.#over) return;
    this.#last = this.snapshot;
    this.#over = true;
    this.#listeners.clear();
    if (!this.#done) this.#release();
    this.#driver.wake();
  }

  /** As {@link unsubscribe}, for `using`. */
  [Symbol.dispose](): void {
    this.unsubscribe();
  }

  /** As {@link unsubscribe}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.unsubscribe();
    return Promise.resolve();
  }

  /** Reads all events since it was made, then waits for more; ends with the topic, and throws if it was refused. */
  [Symbol.asyncIterator](): AsyncGenerator<ServiceEvent<S>, void, undefined> {
    const driver = this.#driver;
    const events = readEvents({
      driver,
      first: this.#first,
      after: this.#after,
      wanted: (event) => event.topic === this.topic,
      last: (event) => event.type === 'subscription' && ends(event.state as SubscriptionState),
      closed: () => this.#over,
      catchUp: () => {
        const seq = driver.ring.last;
        const { topic, snapshot, state } = this;
        const all: AnyEvent[] = snapshot ? [{ seq, type: 'snapshot', topic, snapshot }] : [];
        all.push({ seq, type: 'subscription', topic, state });
        return all;
      },
    });
    return events as unknown as AsyncGenerator<ServiceEvent<S>, void, undefined>;
  }

  #deliver(event: AnyEvent): void {
    if (this.#over || event.seq <= this.#after) return;
    if (event.type === 'subscription') this.#state = event.state as SubscriptionState;
    this.#listeners.deliver(event);
    if (this.#over || (this.#state.status !== 'ended' && this.#state.status !== 'refused')) return;
    this.#last = this.snapshot;
    this.#done = true;
    // What has ended is kept here alone, and keeps no Node process alive.
    this.#release();
  }

  #release(): void {
    this.#driver.unfollow(this.topic, this.#target);
    this.#driver.fire(24, NaN, [this.topic]);
  }
}

function ends(state: SubscriptionState): boolean {
  if (state.status === 'refused') {
    const { text, code, help } = state.why;
    const error: ConstructorParameters<typeof SteadfastError>[0] = { kind: 'Rejected', message: help ? `${text}. ${help}` : text };
    if (code !== undefined) error.code = code;
    throw new SteadfastError({ ...error, sent: 'yes' });
  }
  return state.status === 'ended';
}

function badTopic(topic: string): string | undefined {
  if (topic === '') return 'the topic is empty';
  if (new TextEncoder().encode(topic).length > 256) return 'the topic is longer than 256 bytes';
  return /[\p{Cc}\p{Cs}]/u.test(topic) ? 'the topic contains a control character, or half of a surrogate pair' : undefined;
}

/** @internal */
export type AnyState = ConnectionState;
