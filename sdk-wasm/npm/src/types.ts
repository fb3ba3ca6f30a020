// What an app sees: states, events, snapshots, options.

import type {
  CharismaMessages,
  CommandErrorKind,
  DevContextMessages,
  DocProcMessages,
  NoticeKind,
  Phase,
  SagaMessages,
  TherapyBridgeMessages,
  WhyKind,
} from './generated/types.js';

/** The services and their messages. */
export interface Services {
  charisma: CharismaMessages;
  therapybridge: TherapyBridgeMessages;
  saga: SagaMessages;
  docproc: DocProcMessages;
  devcontext: DevContextMessages;
}

/** The name of a service. */
export type Service = keyof Services;

/** Why a state is what it is, and what would help. */
export interface Why {
  /** The kind of trouble. */
  kind: WhyKind;
  /** What happened, for people, without secrets. */
  text: string;
  /** The close code, HTTP status or error code behind it. */
  code?: string;
  /** Since when, Unix ms. */
  since: number;
  /** What would help. */
  help: string;
}

/** The state of the connection; on TherapyBridge of the client's best one. */
export type ConnectionState =
  | { status: 'idle' | 'connecting' | 'authenticating' | 'offline' | 'suspended' | 'closed' }
  | { status: 'ready'; /** How many attempts it took. */ attempts: number; /** How long it was down. */ downMs: number; connectionId?: string }
  | { status: 'waiting'; /** Which attempt comes next. */ attempt: number; /** When, Unix ms. */ until: number; why: Why }
  | { status: 'displaced' | 'failed'; why: Why };

/** The state of a subscription. */
export type SubscriptionState = { status: 'pending' | 'live' | 'ended' } | { status: 'refused'; why: Why };

/** The state of an interview. */
export type InterviewState =
  | { status: 'starting' | 'active' | 'complete' | 'failed' }
  | { status: 'paused'; canResume: boolean };

/** One of several things that a topic holds: a story, an export, a model, a clarification, a stage. */
export interface Item {
  id: string;
  kind: 'story' | 'export' | 'model' | 'clarification' | 'stage' | 'upload' | 'analysis' | (string & {});
  phase: Phase;
  /** 0–1. */
  progress?: number;
  message?: string;
  /** Why it failed. */
  error?: string;
  /** The service's time of the last change, Unix ms. */
  updatedAt?: number;
}

/** The data of any message of a service. */
export type Payload<S extends Service = Service> = S extends Service ? Services[S][keyof Services[S]] : never;

/** The last known picture of a topic, one shape for all services. */
export interface Snapshot<S extends Service = Service> {
  topic: string;
  phase: Phase;
  /** 0–1. */
  progress?: number;
  /** What the service says. */
  message?: string;
  /** The estimated time that is left, ms. */
  etaMs?: number;
  /** Why it failed. */
  error?: string;
  /** Whether the topic has ended. */
  terminal: boolean;
  /** The service's time of the last change, Unix ms. */
  updatedAt?: number;
  /** Since when the picture may be old because the topic is not live, Unix ms. */
  staleSince?: number;
  /** The things the topic holds. */
  items: Item[];
  /** The data of the last message that changed it. */
  raw?: Payload<S>;
}

/** What all messages have in common. */
export interface MessageBase {
  /** A number that only rises. */
  seq: number;
  /** The topic it is about; none if it is about the connection. */
  topic?: string | undefined;
  /** Its progress as 0–1; the raw number is in `data`. */
  progress?: number | undefined;
  /** When the service says it happened, Unix ms. */
  at?: number | undefined;
  /** It is older than what the snapshot shows. */
  outdated: boolean;
  /** It makes up for something missed while the connection was down. */
  recovered: boolean;
}

/** A message that this SDK does not know. */
export interface UnknownMessage extends MessageBase {
  type: 'unknown';
  /** Its name as sent. */
  name: string;
  /** What came with it. */
  data: unknown;
}

type KnownMessages<M> = { [T in keyof M & string]: MessageBase & { type: T; data: M[T] } };

/** A message of a service: a union told apart by `type`. */
export type Message<S extends Service = Service> = S extends Service
  ? KnownMessages<Services[S]>[keyof Services[S] & string] | UnknownMessage
  : never;

/** What a client tells besides the messages of its service. */
export type ClientEvent<S extends Service = Service> =
  | { seq: number; type: 'state'; state: ConnectionState; topic?: undefined }
  | { seq: number; type: 'subscription'; topic: string; state: SubscriptionState }
  | { seq: number; type: 'interview'; topic: string; state: InterviewState }
  /** The picture changed without a message: it became stale or fresh. */
  | { seq: number; type: 'snapshot'; topic: string; snapshot: Snapshot<S> }
  /** The topic was not live for a while and may have missed something. */
  | { seq: number; type: 'gap'; topic: string; since: number; until: number; recovered: boolean }
  /** The topic was fetched by REST because of the option `fetchOnStage`. */
  | { seq: number; type: 'fetched'; topic: string; data: unknown }
  /** A frame could not be read; the connection stays. */
  | { seq: number; type: 'violation'; reason: string; excerpt: string; topic?: undefined }
  | { seq: number; type: 'notice'; kind: NoticeKind; text: string; topic?: undefined }
  /** This reader was too slow and missed so many events. */
  | { seq: number; type: 'lagged'; skipped: number; topic?: undefined };

/** Everything that a client of service `S` tells, told apart by `type`. */
export type ServiceEvent<S extends Service = Service> = Message<S> | ClientEvent<S>;

/** The types of events. */
export type EventType<S extends Service = Service> = (keyof Services[S] & string) | 'unknown' | ClientEvent['type'];

/** The event of one type. */
export type EventOf<S extends Service, T extends string> = Extract<ServiceEvent<S>, { type: T }>;

/** What a token provider is told. */
export interface TokenContext {
  /** Whether the last token was refused, so that a cached one is of no use. */
  force: boolean;
  /** Aborted when the answer is no longer waited for. */
  signal: AbortSignal;
}

/** A token, or where to get one; the provider is asked before every attempt and ahead of the token's expiry. */
export type TokenSource = string | ((context: TokenContext) => string | Promise<string>);

/** Where log lines go. */
export type Logger = (level: 'debug' | 'warn', text: string) => void;

/** The part of the WebSocket interface that is used. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount?: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** A WebSocket class: the global one, or that of the package `ws`. */
export type WebSocketClass = new (url: string, protocols?: string[]) => WebSocketLike;

/** Names and texts: an object of them, or what gives them in pairs, as `URLSearchParams`, `Headers` and `Map` do. */
export type Pairs = Record<string, string> | Iterable<readonly [string, string]>;

/** How a client behaves. Times are in ms. What is left out has the value that the README names. */
export interface ClientOptions<S extends Service = Service> {
  /** The service. */
  service: S;
  /** The service's base URL: `ws`, `wss`, `http` or `https`, with or without the known socket path. */
  url?: string;
  /** Instead of `url`: the service's own address where it names one. */
  environment?: 'production' | 'development';
  /** The token, or a function that gives one. Left out if the service needs none. */
  token?: TokenSource;
  /** How the token travels. */
  auth?: 'auto' | 'query' | 'message' | 'subprotocol';
  /** The REST interface's base URL; by default made from `url`. */
  restUrl?: string;
  /** Query parameters for the socket's URL. */
  query?: Pairs;
  /** Headers for REST requests; a browser can't set any on a WebSocket. */
  headers?: Pairs;
  /** Text fields for the payload of Socket.IO's CONNECT. */
  connectFields?: Pairs;
  /** Whether to connect at once, also with nothing to do. Default: true. */
  autoConnect?: boolean;
  /** Whether plain `ws` and `http` may leave this machine. */
  allowInsecure?: boolean;
  /** TherapyBridge: whether pings are answered. */
  answerPings?: boolean;
  /** DevContext: whether the analysis is fetched at each completed stage. */
  fetchOnStage?: boolean;
  /** Whether a lost connection is tried again. */
  reconnect?: boolean;
  /** Whether delays are drawn at random below the nominal ones. */
  jitter?: boolean;
  attemptsPerMinute?: number;
  messagesPerMinute?: number;
  messagesReserved?: number;
  messagesPerSecond?: number;
  queueEntries?: number;
  queueBytes?: number;
  connections?: number;
  items?: number;
  maxAttempts?: number;
  maxIncoming?: number;
  maxOutgoing?: number;
  silenceLimit?: number;
  baseDelay?: number;
  maxDelay?: number;
  dialTimeout?: number;
  handshakeTimeout?: number;
  stableAfter?: number;
  maxRetryAfter?: number;
  restartSpread?: number;
  hiddenSilenceLimit?: number;
  pingInterval?: number;
  pongTimeout?: number;
  probeTimeout?: number;
  browserProbeInterval?: number;
  overdueGrace?: number;
  clockJump?: number;
  backgroundGrace?: number;
  confirmTimeout?: number;
  linger?: number;
  commandTimeout?: number;
  tokenTimeout?: number;
  refreshMargin?: number;
  refreshInterval?: number;
  completionWait?: number;
  rotateAfter?: number;
  drainLimit?: number;
  closeAfterEnd?: number;
  wakeInterval?: number;
  /** How many events are kept for slow iterators, 1 to a million. Default: 1024. */
  ringEvents?: number;
  /** How many bytes of events are kept for slow iterators. Default: 1 MiB. */
  ringBytes?: number;
  /** Where the randomness of delays begins, for tests. */
  seed?: number;
  /** The WebSocket class to use instead of the global one. */
  WebSocket?: WebSocketClass;
  /** The function to use instead of the global `fetch`. */
  fetch?: typeof fetch;
  /** Log to the console, or to this function. Also switched on by `localStorage.steadfast = 'debug'`. */
  debug?: boolean | Logger;
  /** Also log the text of frames, without tokens. */
  debugFrames?: boolean;
  /** Called with what a listener throws; by default it is reported as an uncaught error is, without stopping anything. */
  onListenerError?: (error: unknown) => void;
}

/** How a command is sent. */
export interface CommandOptions {
  /** Gives the command up. It may have been sent by then. */
  signal?: AbortSignal;
  /** `'fail-fast'`: now or not at all. A number: how long it may wait for the connection, ms. Default: 30 s. */
  delivery?: 'fail-fast' | number;
}

/** What a client has counted. */
export interface Stats {
  attempts: number;
  reconnects: number;
  authFailures: number;
  unexpectedCloses: number;
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
  violations: number;
  dropped: number;
  /** Events that slow iterators skipped. */
  skipped: number;
  failures: Partial<Record<WhyKind, number>>;
  lastRoundTripMs?: number;
  budgetLeft?: number;
}

/** Why a client is in the state it is in. */
export interface Diagnosis {
  /** For people; it can be pasted into a ticket. */
  text: string;
  /** The same as data. */
  report: Record<string, unknown>;
}

/** A command failed, or what was waited for won't happen. */
export class SteadfastError extends Error {
  override name = 'SteadfastError';
  /** What happened. */
  readonly kind: CommandErrorKind;
  /** The service's code, an HTTP status, or this SDK's own. */
  readonly code: string | undefined;
  /** Whether the same may succeed later. */
  readonly retryable: boolean;
  /** Whether it reached the wire. */
  readonly sent: 'no' | 'yes' | 'unknown';

  /** @internal */
  constructor(error: { kind: CommandErrorKind; message: string; code?: string; retryable?: boolean; sent?: 'no' | 'yes' | 'unknown' }) {
    super(error.message);
    this.kind = error.kind;
    this.code = error.code;
    this.retryable = error.retryable ?? false;
    this.sent = error.sent ?? 'no';
  }
}

/** An option is wrong, or this place can't run the SDK. `field` names the option. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  /** @internal */
  constructor(
    readonly field: string,
    message: string,
  ) {
    super(`${field}: ${message}`);
  }
}

/** To be thrown by a token provider that will give no token: the user is signed out, say. */
export class TokenDenied extends Error {
  override name = 'TokenDenied';
}
