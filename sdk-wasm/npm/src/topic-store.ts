// What a topic looks like to a component: one store for each topic of a client, shared by all who look at it.

import type { Client } from './client.js';
import type { DocProcClarification, DocProcModelResult } from './generated/types.js';
import { InterviewStore, type InterviewView } from './interview-store.js';
import type { Subscription } from './subscription.js';
import type { Message, Service, ServiceEvent, Snapshot, SubscriptionState } from './types.js';

/** How many messages a component sees at most, and how many stores are kept for those who may look again. */
const MOST = 100;

/** A question of a model to the user, and how to answer it. */
export interface Clarification extends DocProcClarification {
  /** Answers it, by REST. */
  respond(answer: string): Promise<void>;
}

/** What there is beside the common part, by service. */
export interface TopicExtras {
  charisma: unknown;
  therapybridge: unknown;
  saga: unknown;
  docproc: {
    /** The last result of each model. */
    modelResults: readonly DocProcModelResult[];
    /** The questions that have been asked, each in its last state. */
    clarifications: readonly Clarification[];
  };
  devcontext: {
    /** The interview about this analysis, if there is one. */
    interview: InterviewView;
  };
}

/** A topic as a component sees it. */
export type TopicView<S extends Service = Service> = {
  /** The last known picture. */
  snapshot: Snapshot<S> | undefined;
  /** Whether the client is connected. */
  isConnected: boolean;
  /** Whether the server has confirmed the subscription. */
  isLive: boolean;
  /** Why the server refused the topic, why its job failed, or why the client has given up connecting. */
  error: string | undefined;
  /** Whether the job has ended, well or badly. */
  done: boolean;
  /** The last messages about it, at most 100. */
  events: readonly Message<S>[];
} & TopicExtras[S];

type View = TopicView<'charisma'> & TopicExtras['docproc'] & TopicExtras['devcontext'];

/** The store of one topic. It subscribes while somebody looks. */
export class TopicStore {
  readonly #client: Client;
  readonly #topic: string;
  readonly #listeners = new Set<() => void>();
  readonly #interview: InterviewStore | undefined;
  #stops: (() => void)[] = [];
  #subscription: Subscription | undefined;
  #state: SubscriptionState = { status: 'pending' };
  #events: readonly Message[] = [];
  #models = new Map<string, DocProcModelResult>();
  #questions = new Map<string, Clarification>();
  #wrong: string | undefined;
  #view: View | undefined;

  constructor(client: Client, topic: string) {
    this.#client = client;
    this.#topic = topic;
    if (client.service === 'devcontext') {
      this.#interview = new InterviewStore(client as unknown as Client<'devcontext'>, topic, () => this.#changed());
    }
  }

  /** The present view; the same object until something changes. */
  readonly view = (): View => (this.#view ??= this.#make());

  /** Looks at the topic until the function that this gives is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    // Each look has an entry of its own, also of one listener.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    if (this.#listeners.size === 1) this.#start();
    return () => {
      if (this.#listeners.delete(entry) && this.#listeners.size === 0) this.#end();
    };
  };

  /** Whether nobody looks. */
  get idle(): boolean {
    return this.#listeners.size === 0;
  }

  #start(): void {
    try {
      this.#wrong = undefined;
      const subscription = (this.#subscription = this.#client.subscribe(this.#topic) as Subscription);
      this.#state = subscription.state;
      this.#stops = [
        subscription.on('*', (event) => this.#take(event)),
        this.#client.on('state', () => this.#changed()),
        this.#interview?.start() ?? (() => undefined),
      ];
    } catch (error) {
      this.#wrong = error instanceof Error ? error.message : String(error);
    }
    this.#changed();
  }

  #end(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
    this.#subscription?.unsubscribe();
  }

  #take(event: ServiceEvent): void {
    if (event.type === 'subscription') {
      this.#state = event.state;
    } else if ('outdated' in event) {
      this.#events = [...this.#events.slice(1 - MOST), event as Message];
      if (this.#client.service === 'docproc' && !event.outdated) this.#takeDocument(event as Message<'docproc'>);
    }
    this.#changed();
  }

  #takeDocument(event: Message<'docproc'>): void {
    if (event.type === 'model_result') {
      this.#models = new Map(this.#models).set(event.data.modelName ?? '', event.data);
    } else if (event.type === 'clarification') {
      const { clarificationId } = event.data;
      const client = this.#client as unknown as Client<'docproc'>;
      const respond = async (answer: string): Promise<void> => void (await client.respondToClarification(clarificationId, answer));
      this.#questions = new Map(this.#questions).set(clarificationId, { ...event.data, respond });
    }
  }

  #changed(): void {
    this.#view = undefined;
    for (const listener of this.#listeners) listener();
  }

  #make(): View {
    const snapshot = this.#subscription?.snapshot as Snapshot<'charisma'> | undefined;
    const state = this.#state;
    const connection = this.#client.state;
    const done = state.status === 'ended' || snapshot?.terminal === true;
    const lost = connection.status === 'failed' && !done ? connection.why.text : undefined;
    return {
      snapshot,
      isConnected: connection.status === 'ready',
      isLive: state.status === 'live',
      error: this.#wrong ?? (state.status === 'refused' ? state.why.text : snapshot?.error) ?? lost,
      done,
      events: this.#events as readonly Message<'charisma'>[],
      modelResults: [...this.#models.values()],
      clarifications: [...this.#questions.values()],
      interview: this.#interview?.view as InterviewView,
    };
  }
}

const stores = new WeakMap<object, Map<string, TopicStore>>();

/** The store of a topic. Making one does nothing yet; one that nobody looks at is forgotten when there are many. */
export function topicStore(client: Client, topic: string): TopicStore {
  let own = stores.get(client);
  if (!own) stores.set(client, (own = new Map<string, TopicStore>()));
  let store = own.get(topic);
  if (!store) {
    const [unused] = own.size < MOST ? [] : [...own].find(([, one]) => one.idle) ?? [];
    if (unused !== undefined) own.delete(unused);
    own.set(topic, (store = new TopicStore(client, topic)));
  }
  return store;
}
