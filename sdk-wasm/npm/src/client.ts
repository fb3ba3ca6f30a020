/// <reference lib="esnext.disposable" preserve="true" />
// The client for apps.

import type { Core } from './core.js';
import { type Confirmed, type AnyEvent, Driver, closed, invalid } from './driver.js';
import type {
  DevContextAnalysis, DevContextAnswerEvaluated, DevContextInterviewPaused, DevContextInterviewResumed,
  DevContextInterviewStarted, DevContextState, DocProcClarificationReply, DocProcProgress, SagaServerHealth, SagaServerStats,
  TherapyBridgeLogin,
} from './generated/types.js';
import { Listeners, readEvents } from './reader.js';
import { Subscription } from './subscription.js';
import { expiry, message } from './token.js';
import {
  type ClientOptions, type CommandOptions, type ConnectionState, type Diagnosis, type EventOf, type EventType, type Service,
  type ServiceEvent, type Stats, SteadfastError, type SubscriptionState,
} from './types.js';

/** What every client can do. */
export class BaseClient<S extends Service> implements AsyncIterable<ServiceEvent<S>> {
  /** Which service this is a client of. */
  readonly service: S;
  readonly #driver: Driver;
  readonly #listeners: Listeners;
  #state: ConnectionState;

  /** @internal */
  constructor(core: Core, options: ClientOptions<S>) {
    this.#driver = new Driver(core, options as unknown as ClientOptions);
    this.service = options.service;
    this.#listeners = new Listeners(this.#driver);
    this.#state = { status: 'idle' };
    this.#driver.onState = (state) => (this.#state = state);
    if (options.autoConnect !== false) this.connect();
  }

  /** The state of the connection; the same object until it changes. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** Connects now: skips any wait and re-arms a client that has failed. */
  connect(): void {
    this.#driver.fire(20);
  }

  /** As {@link connect}, also when another connection of this user has the place. */
  takeOver(): void {
    this.#driver.fire(21);
  }

  /** Uses this token from now on; re-arms a client whose authentication failed. */
  setToken(token: string): void {
    if (typeof token !== 'string' || token === '') throw invalid('token: give a text that is not empty; to sign out, close the client');
    this.#driver.log.secret(token);
    this.#driver.fire(22, expiry(token), [token]);
  }

  /** Waits until messages flow. Rejects with the reason if that won't happen by itself. */
  async ready(options?: { signal?: AbortSignal }): Promise<void> {
    await this.#driver.command(25, [], NaN, options?.signal);
  }

  /** Subscribes to a topic. `keep`: go on through the topic's end. */
  subscribe(topic: string, options?: { keep?: boolean }): Subscription<S> {
    return new Subscription<S>(this.#driver, topic, options?.keep ?? false);
  }

  /** Calls the listener at each event of this type, `'*'` for all. Gives the function that removes it. */
  on<T extends EventType<S>>(type: T, listener: (event: EventOf<S, T>) => void): () => void;
  on(type: '*', listener: (event: ServiceEvent<S>) => void): () => void;
  on(type: string, listener: (event: never) => void): () => void {
    this.#driver.target = this.#listeners;
    return this.#listeners.on(type, listener);
  }

  /** All events from now on, until the client is closed. */
  [Symbol.asyncIterator](): AsyncGenerator<ServiceEvent<S>, void, undefined> {
    const driver = this.#driver;
    const events = readEvents({
      driver,
      first: [],
      after: driver.ring.last,
      wanted: () => true,
      last: () => false,
      closed: () => false,
      catchUp: () => {
        const seq = driver.ring.last;
        const all: AnyEvent[] = [{ seq, type: 'state', state: this.#state }];
        for (const topic of (driver.look(6) as string[] | undefined) ?? []) {
          all.push({ seq, type: 'snapshot', topic, snapshot: driver.snapshot(topic) });
          all.push({ seq, type: 'subscription', topic, state: driver.look(2, topic) as SubscriptionState });
        }
        return all;
      },
    });
    return events as unknown as AsyncGenerator<ServiceEvent<S>, void, undefined>;
  }

  /**
   * Sends a message that this SDK does not know. Resolves when it is written; a reply arrives as an event. Left out,
   * there is no payload.
   */
  async sendRaw(kind: string, payload?: unknown, options?: CommandOptions): Promise<void> {
    let json: string | undefined;
    try {
      json = payload === undefined ? '' : JSON.stringify(payload);
    } catch (error) {
      throw invalid(`payload: it can't be written as JSON: ${message(error)}`);
    }
    if (json === undefined) throw invalid("payload: it can't be written as JSON");
    await this.request(46, [kind, json], { delivery: 'fail-fast', ...options });
  }

  /** Why the client is in the state it is in, for people and as data, without secrets. */
  diagnose(): Diagnosis {
    // The machine doesn't see the iterators.
    const { skipped } = this.#driver;
    const text = (this.#driver.look(3) as string).replace(/(events skipped )\d+/, `$1${skipped}`);
    const report = this.#driver.look(5) as { stats: Record<string, unknown> };
    return { text, report: { ...report, stats: { ...report.stats, skipped } } };
  }

  /** What the client has counted. */
  stats(): Stats {
    const counted = (this.#driver.look(5) as { stats: Record<string, unknown> }).stats;
    const stats: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(counted)) {
      stats[name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())] = value;
    }
    stats.skipped = this.#driver.skipped;
    return stats as unknown as Stats;
  }

  /** Closes everything; every waiting command ends `Closed`. */
  close(): Promise<void> {
    this.#driver.end();
    return Promise.resolve();
  }

  /** As {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  protected look(what: number): unknown {
    return this.#driver.look(what);
  }

  /** @internal */
  protected async request(code: number, texts: string[], options?: CommandOptions): Promise<Confirmed> {
    const wrong = texts.findIndex((text) => typeof text !== 'string');
    if (wrong >= 0) throw invalid(`argument ${wrong + 1}: give a text`);
    const delivery = options?.delivery ?? 30_000;
    const fast = delivery === 'fail-fast';
    if (!fast && !(typeof delivery === 'number' && delivery >= 0)) throw invalid("delivery: give 'fail-fast' or a number that is not negative");
    return this.#driver.command(code, texts, fast ? NaN : delivery, options?.signal);
  }
}

/** The commands of all services; each client's type shows those of its own. */
export class AllCommands<S extends Service> extends BaseClient<S> {
  /** Authenticates again on the open connection, with the newest token. */
  async authenticate(options?: CommandOptions): Promise<void> {
    await this.request(40, [], options);
  }

  /** Asks the server for a `pong`. Gives the round trip in ms. Fails at once when not connected. */
  async ping(options?: CommandOptions): Promise<number> {
    return (await this.request(41, [], { delivery: 'fail-fast', ...options })).elapsedMs;
  }

  /** Signs in by email and password. The token is not used by itself: hand it to `setToken`. */
  async login(email: string, password: string, options?: CommandOptions): Promise<TherapyBridgeLogin> {
    return body(await this.request(47, [email, password], options));
  }

  /** The server's health, by REST, without a token. */
  async serverHealth(options?: CommandOptions): Promise<SagaServerHealth> {
    return body(await this.request(51, [], options));
  }

  /** The server's statistics, by REST. */
  async serverStats(options?: CommandOptions): Promise<SagaServerStats> {
    return body(await this.request(52, [], options));
  }

  /** Answers a clarification, by REST. */
  async respondToClarification(clarificationId: string, answer: string, options?: CommandOptions): Promise<DocProcClarificationReply> {
    return body(await this.request(48, [clarificationId, answer], options));
  }

  /** The latest progress of a session, by REST. */
  async fetchSession(sessionId: string, options?: CommandOptions): Promise<DocProcProgress> {
    return body(await this.request(49, [sessionId], options));
  }

  /** Begins an interview about an analysis. Follow it by `subscribe` with its `sessionId`; it is resumed after a reconnect. */
  async startInterview(
    analysisId: string, sessionType: 'live' | 'practice' = 'live', options?: CommandOptions,
  ): Promise<DevContextInterviewStarted> {
    if (sessionType !== 'live' && sessionType !== 'practice') throw invalid("sessionType: give 'live' or 'practice'");
    return data(await this.request(42, [analysisId, sessionType], options), 'interview_started');
  }

  /** Answers a question and waits for the evaluation. Never sent twice. */
  async submitAnswer(
    sessionId: string, questionId: string, answer: string, options?: CommandOptions,
  ): Promise<DevContextAnswerEvaluated> {
    return data(await this.request(43, [sessionId, questionId, answer], options), 'answer_evaluated');
  }

  /** Pauses an interview; it stays paused through reconnects. */
  async pauseInterview(sessionId: string, options?: CommandOptions): Promise<DevContextInterviewPaused> {
    return data(await this.request(44, [sessionId], options), 'interview_paused');
  }

  /** Goes on with an interview, also one of an earlier visit. */
  async resumeInterview(sessionId: string, options?: CommandOptions): Promise<DevContextInterviewResumed> {
    return data(await this.request(45, [sessionId], options), 'interview_resumed');
  }

  /** The client's state in the words of DevContext's documentation, a view of connection, subscriptions and interviews. */
  get connectionState(): DevContextState {
    return (this.look(1) as DevContextState | undefined) ?? 'disconnected';
  }

  /** An analysis with the data of its stages, by REST. */
  async fetchAnalysis(analysisId: string, options?: CommandOptions): Promise<DevContextAnalysis> {
    return body(await this.request(50, [analysisId], options));
  }
}

/** Which commands a service has. */
export interface CommandNames {
  charisma: 'authenticate';
  therapybridge: 'login';
  saga: 'ping' | 'serverHealth' | 'serverStats';
  docproc: 'respondToClarification' | 'fetchSession';
  devcontext:
    | 'authenticate' | 'ping' | 'startInterview' | 'submitAnswer' | 'pauseInterview' | 'resumeInterview' | 'fetchAnalysis'
    | 'connectionState';
}

/** A client of service `S`: what every client can do, and the commands of its service. */
export type Client<S extends Service = Service> = BaseClient<S> & (S extends Service ? Pick<AllCommands<S>, CommandNames[S]> : never);

function unexpected(what: string): SteadfastError {
  return new SteadfastError({ kind: 'Rejected', message: `the server confirmed the command, but not by ${what}`, sent: 'yes' });
}

function body<T>(confirmed: Confirmed): T {
  if (confirmed.body === undefined) throw unexpected('an answer');
  return confirmed.body as T;
}

function data<T>(confirmed: Confirmed, type: string): T {
  if (confirmed.event?.type !== type) throw unexpected(type);
  return confirmed.event.data as T;
}

/** @internal */
export { closed };
