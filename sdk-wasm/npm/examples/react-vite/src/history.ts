// What happened to each client, for its card: a log in words, and the states of the connection over time.
import type { ConnectionState, Service, ServiceEvent } from 'steadfast';

export type Tone = 'good' | 'busy' | 'bad' | 'plain';

export interface Entry {
  id: number;
  at: number;
  text: string;
  tone: Tone;
}

export interface Span {
  tone: Tone;
  from: number;
}

export interface History {
  entries: readonly Entry[];
  spans: readonly Span[];
}

const MOST = 60;

/** A state as a colour. */
export function toneOf(state: ConnectionState): Tone {
  switch (state.status) {
    case 'ready':
      return 'good';
    case 'connecting':
    case 'authenticating':
      return 'busy';
    case 'idle':
    case 'closed':
    case 'suspended':
      return 'plain';
    default:
      return 'bad';
  }
}

/** The history of one client, outside of React, because it goes on while nobody looks. */
export class HistoryStore {
  #history: History = { entries: [], spans: [{ tone: 'plain', from: Date.now() }] };
  #listeners = new Set<() => void>();
  #last = 0;
  #downSince: number | undefined;
  #before = false;

  readonly view = (): History => this.#history;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  say(text: string, tone: Tone = 'plain'): void {
    const entry = { id: ++this.#last, at: Date.now(), text, tone };
    this.#set({ entries: [...this.#history.entries.slice(1 - MOST), entry] });
  }

  take(event: ServiceEvent<Service>): void {
    switch (event.type) {
      case 'state':
        return this.#state(event.state);
      case 'subscription':
        if (event.state.status === 'refused') this.say(event.state.why.text, 'bad');
        if (event.state.status === 'ended') this.say('The job is over', 'good');
        return;
      case 'gap':
        return this.say(event.recovered ? 'Caught up with what was missed' : 'Something may have been missed', event.recovered ? 'good' : 'busy');
      case 'violation':
        return this.say(`A frame could not be read: ${event.reason}`, 'bad');
      case 'notice':
        return this.say(event.text, 'busy');
    }
  }

  #state(state: ConnectionState): void {
    const tone = toneOf(state);
    const { spans } = this.#history;
    if (spans.at(-1)?.tone !== tone) this.#set({ spans: [...spans.slice(1 - MOST), { tone, from: Date.now() }] });
    switch (state.status) {
      case 'ready': {
        const down = this.#downSince === undefined ? undefined : Date.now() - this.#downSince;
        this.#downSince = undefined;
        const again = this.#before ? 'Connected again' : 'Connected';
        this.#before = true;
        return this.say(down === undefined ? again : `${again} after ${(down / 1000).toFixed(1)} s`, 'good');
      }
      case 'waiting':
      case 'displaced':
      case 'failed':
        this.#downSince ??= Date.now();
        return this.say(state.why.text, 'bad');
      case 'offline':
        this.#downSince ??= Date.now();
        return this.say('This device is offline', 'bad');
    }
  }

  #set(part: Partial<History>): void {
    this.#history = { ...this.#history, ...part };
    for (const listener of this.#listeners) listener();
  }
}
