/**
 * Steers a mock server that runs as a program of its own, from tests in Node or in a browser: make it say something,
 * misbehave, wait until a client has done something, and ask what the client did wrong.
 *
 * Needs nothing but `fetch`. Every call is one request; an `AbortSignal` gives it up.
 *
 * @packageDocumentation
 */

/** The five services. */
export type Service = 'charisma' | 'therapybridge' | 'saga' | 'docproc' | 'devcontext' | 'echo';

/** What an entry of the journal tells. */
export type Happening =
  | 'open' | 'refused' | 'upgraded' | 'authenticated' | 'auth_failed' | 'subscribed' | 'denied' | 'unsubscribed' | 'emptied'
  | 'in' | 'out' | 'ping' | 'pong' | 'request' | 'fault' | 'close';

/** One line of the journal. */
export interface Entry {
  /** Rises by one with every entry. */
  seq: number;
  /** When it happened, ISO 8601. */
  at: string;
  what: Happening;
  service: Service;
  /** The connection's number; 0 for a request that belongs to none. */
  connection: number;
  /** The connection's number on its service alone, counted from 1. */
  number: number;
  user?: string;
  /** A frame's message type or event name. */
  type?: string;
  topic?: string;
  /** A frame's text; for the rest, what there is to say. */
  detail: string;
  cut_from?: number;
  /** The code of the close frame, or the status of an HTTP answer. */
  code?: number;
  /** Who ended the connection. */
  by?: 'client' | 'server' | 'loss';
  /** Tells two tokens apart without showing them. */
  token?: string;
  /** The number of the fault that was applied. */
  rule?: number;
}

/** Which entries are meant. What is left out matches everything. */
export interface Filter {
  service?: Service;
  connection?: number;
  number?: number;
  user?: string;
  topic?: string;
  type?: string;
  what?: Happening;
  direction?: 'in' | 'out';
  /** A piece of the text. */
  contains?: string;
  /** Frames with a `progress` of at least this, on the service's own scale. */
  progress?: number;
  /** Not before this time, ISO 8601. */
  since?: string;
  /** Only entries after the one with this number. */
  after?: number;
}

/** A fault: what it concerns, what it does and how often. `mock-server schema` prints all of it. */
export interface Rule {
  match?: {
    service?: Service; connection?: number; number?: number; user?: string; topic?: string; type?: string; nth?: number;
    after?: string | number; chance?: number; when?: 'accept' | 'upgrade' | 'in' | 'out' | 'now';
  };
  action: { do: string } & Record<string, unknown>;
  times?: number;
  seed?: number;
}

/** A fault in force. */
export interface RuleInfo extends Rule {
  id: number;
  matched: number;
  applied: number;
  /** What keeps it from what it is for, where something does. */
  hint?: string;
}

/** Something that a well-behaved client does not do. */
export type Verdict =
  | 'too_many_connects' | 'duplicate_subscribe' | 'unauthenticated_subscribe' | 'early_command' | 'refused_token'
  | 'unanswered_ping' | 'over_limit' | 'unknown_message';

/** What clients did, with the entries that prove what they did wrong. */
export interface Report {
  /** Whether nothing was found. */
  passed: boolean;
  since: string;
  until: string;
  /** Entries that came too fast to be looked at. */
  missed: number;
  connects: Partial<Record<Service, { all: number; most_per_minute: number }>>;
  verdicts: {
    verdict: Verdict;
    passed: boolean;
    count: number;
    findings: { service: Service; connection: number; user?: string; text: string; proof: Entry[] }[];
  }[];
}

/** A topic as the server knows it. */
export interface TopicInfo {
  service: Service;
  topic: string;
  owner: string | null;
  members: string[];
  subscribers: number;
  running: boolean;
  /** In the service's own words. */
  state: unknown;
}

/** An open connection. */
export interface ConnectionInfo {
  connection: number;
  number: number;
  service: Service;
  user: string | null;
  path: string;
  topics: string[];
  since: string;
}

/** A user with open connections. */
export interface UserInfo {
  user: string;
  connections: number[];
  tokens: { fingerprint: string; role: string; expires?: string }[];
}

/** How a service is tried by hand. */
export interface HowTo {
  service: Service;
  /** The URL to open; with Socket.IO the server's, to which `path` belongs. */
  url: string;
  /** Socket.IO's option `path`. */
  path?: string;
  /** The role that a token should name. */
  role: string;
  /** A line that opens a connection; `$TOKEN` or `token` stands for a token. */
  open: string;
  /** What follows a topic then. */
  follow: string;
  /** What a tester would else be surprised by. */
  note?: string;
}

/** A token that was issued, without the token itself. */
export interface IssuedToken {
  /** Tells two tokens apart without showing them; the journal has it too. */
  fingerprint: string;
  sub: string;
  role?: string;
  /** ISO 8601, as is `expires`. */
  issued: string;
  expires: string;
  /** Whether a fault or a kick has ended it. */
  revoked: boolean;
}

/** Why a call failed: the message says what was asked, what was answered and what to change. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  /** The HTTP status; 504 is a wait that was not fulfilled, 0 a server that cannot be reached. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Gives a call up. */
export interface CallOptions {
  signal?: AbortSignal;
}

type Query = Readonly<Record<string, string | number | undefined>>;

/** A span of time in milliseconds, or with its unit: `400ms`, `30s`, `1h`. */
export type Span = number | string;

/** A mock server's control API. */
export class Control {
  readonly #base: string;

  /** @param base the server's base URL, such as `http://127.0.0.1:8090`. Nothing is sent yet. */
  constructor(base: string) {
    if (!/^https?:\/\/[^/\s]+\/?$/.test(base)) {
      throw new TypeError(`"${base}" is no base URL of a mock server: write scheme, host and port, for example http://127.0.0.1:8090`);
    }
    this.#base = base.replace(/\/$/, '');
  }

  /** A service's base URL, for a client's `url`; a client turns http into ws where it has to. */
  url(service: Service): string {
    return `${this.#base}/${service}`;
  }

  /** Where the services are, and how a topic is followed by hand. */
  services(options: CallOptions = {}): Promise<HowTo[]> {
    return this.#get('services', {}, options.signal);
  }

  /** A token for this user; without a role every service takes it. */
  async token(sub: string, options: { role?: string; ttl?: string } & CallOptions = {}): Promise<string> {
    const { signal, ...rest } = options;
    return (await this.#post<{ token: string }>('tokens', { sub, ...rest }, signal)).token;
  }

  /** Sends something to all subscribers of a topic; answers to how many connections it went. */
  async emit(service: Service, topic: string, data: unknown, options: { event?: string; to?: string } & CallOptions = {}): Promise<number> {
    const { signal, ...rest } = options;
    return (await this.#post<{ delivered: number }>('emit', { service, topic, data, ...rest }, signal)).delivered;
  }

  /** Says whose topic it is; without an owner it is everyone's. */
  async own(service: Service, topic: string, owner: string | null, members: readonly string[] = [], options: CallOptions = {}): Promise<void> {
    await this.#post('topics', { service, topic, owner, members }, options.signal);
  }

  /** Lets a topic go on that waits for a confirmation. */
  async confirm(service: Service, topic: string, options: CallOptions = {}): Promise<void> {
    await this.#post('confirm', { service, topic }, options.signal);
  }

  /** Puts a fault in force, by its name or as a rule, or applies it at once if its `when` is `now`. */
  fault(rule: Rule | string, options: CallOptions = {}): Promise<RuleInfo> {
    return this.#post('faults', rule, options.signal);
  }

  /** The faults in force, with how often they were applied. */
  faults(options: CallOptions = {}): Promise<RuleInfo[]> {
    return this.#get('faults', {}, options.signal);
  }

  /** Removes a fault by its number, or all of them; answers how many. */
  async clearFaults(id?: number, options: CallOptions = {}): Promise<number> {
    const path = id === undefined ? 'faults' : `faults/${id}`;
    return (await this.#ask<{ removed: number }>('DELETE', path, undefined, options.signal)).removed;
  }

  /** Changes switches, all or nothing. */
  async set(switches: Readonly<Record<string, string | number>>, options: CallOptions = {}): Promise<void> {
    await this.#post('switches', switches, options.signal);
  }

  /** The entries of the journal that fit, oldest first, a thousand unless told otherwise. */
  log(filter: Filter & { limit?: number } = {}, options: CallOptions = {}): Promise<Entry[]> {
    return this.#get('log', { ...filter }, options.signal);
  }

  /** Waits until so many entries fit, 1 unless told otherwise; fails with status 504 after `within`, 10 s unless told otherwise. */
  async waitFor(filter: Filter & { count?: number; within?: Span }, options: CallOptions = {}): Promise<Entry[]> {
    return (await this.#get<{ entries: Entry[] }>('wait-for', { ...filter }, options.signal)).entries;
  }

  /** Waits until so many connections are open; fails with status 504 after `within`. */
  async waitForOpen(open: number, filter: { service?: Service; user?: string; topic?: string; within?: Span } = {}, options: CallOptions = {}): Promise<void> {
    await this.#get('wait-for', { ...filter, open }, options.signal);
  }

  /** The open connections. */
  connections(options: CallOptions = {}): Promise<ConnectionInfo[]> {
    return this.#get('connections', {}, options.signal);
  }

  /** The topics known so far. */
  topics(options: CallOptions = {}): Promise<TopicInfo[]> {
    return this.#get('topics', {}, options.signal);
  }

  /** The last 1,024 tokens issued, without themselves, the oldest first. */
  tokens(options: CallOptions = {}): Promise<IssuedToken[]> {
    return this.#get('tokens', {}, options.signal);
  }

  /** The users with open connections. */
  users(options: CallOptions = {}): Promise<UserInfo[]> {
    return this.#get('users', {}, options.signal);
  }

  /** Ends connections; answers how many. */
  async drop(
    which: { service?: Service; connection?: number; user?: string; topic?: string; how?: 'close' | 'fin' | 'rst'; code?: number; reason?: string } = {},
    options: CallOptions = {},
  ): Promise<number> {
    return (await this.#post<{ connections: number }>('drop', which, options.signal)).connections;
  }

  /** Ends a user's tokens for good, in the middle of a connection too; answers how many connections that concerned. */
  async kick(user: string, options: { service?: Service } & CallOptions = {}): Promise<number> {
    const { signal, ...rest } = options;
    return (await this.#post<{ connections: number }>('kick', { user, ...rest }, signal)).connections;
  }

  /** Closes all connections with 1012 and answers new ones with 503 for a while; answers how many were closed. */
  async restart(options: { service?: Service; for?: Span } & CallOptions = {}): Promise<number> {
    const { signal, ...rest } = options;
    return (await this.#post<{ connections: number }>('restart', rest, signal)).connections;
  }

  /** Lets time pass at once for flows and rules, stops their clock or lets it run. */
  async clock(hands: { advance?: Span; stopped?: boolean }, options: CallOptions = {}): Promise<{ now: number; stopped: boolean }> {
    return this.#post('clock', hands, options.signal);
  }

  /** Plays another flow, on one topic or on all. */
  async flow(service: Service, flow: readonly unknown[], options: { topic?: string } & CallOptions = {}): Promise<void> {
    const { signal, ...rest } = options;
    await this.#post('flows', { service, flow, ...rest }, signal);
  }

  /** What clients did wrong so far, with the entries that prove it. */
  report(options: { service?: Service } & CallOptions = {}): Promise<Report> {
    const { signal, ...rest } = options;
    return this.#get('report', rest, signal);
  }

  /** Everything as at the start; connections stay open. */
  async reset(options: CallOptions = {}): Promise<void> {
    await this.#post('reset', {}, options.signal);
  }

  #get<T>(path: string, query: Query, signal?: AbortSignal): Promise<T> {
    const words = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) words.set(name, String(value));
    const text = words.toString();
    return this.#ask('GET', text === '' ? path : `${path}?${text}`, undefined, signal);
  }

  #post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
    return this.#ask('POST', path, body, signal);
  }

  async #ask<T>(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<T> {
    const url = `${this.#base}/_mock/${path}`;
    const init: RequestInit = { method };
    if (signal) init.signal = signal;
    if (body !== undefined) init.body = JSON.stringify(body);
    const response = await fetch(url, init).catch((error: unknown) => {
      if (signal?.aborted) throw error;
      throw new ControlError(0, `${method} ${url} cannot be reached; is the mock server running there, and does its --cors-origin allow this page?`);
    });
    const text = await response.text();
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch {
      throw new ControlError(response.status, `${method} ${url} answered ${response.status} and no JSON; is a mock server running there?`);
    }
    if (!response.ok) {
      const why = (answer as { error?: unknown }).error;
      throw new ControlError(response.status, `${method} ${url} was refused with ${response.status}: ${String(why ?? text)}`);
    }
    return answer as T;
  }
}
