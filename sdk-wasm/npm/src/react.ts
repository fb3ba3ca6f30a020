/**
 * Hooks for React. A client is made once, outside of components or in a provider, never in an effect.
 *
 * @packageDocumentation
 */

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { Client } from './client.js';
import { type TopicView, topicStore } from './topic-store.js';
import type { ConnectionState, Service, ServiceEvent } from './types.js';

export type { InterviewView } from './interview-store.js';
export type { Clarification, TopicExtras, TopicView } from './topic-store.js';

const nothing = {
  snapshot: undefined, isConnected: false, isLive: false, error: undefined, done: false, events: [], modelResults: [],
  clarifications: [], interview: undefined,
};
const idle: ConnectionState = { status: 'idle' };
const never = (): (() => void) => () => undefined;
const nothingView = (): unknown => nothing;

/**
 * Follows a topic while the component is there; `null` follows none. Components that follow the same topic share one
 * subscription, and a new token changes nothing about it. On a server there is no client: give `null` for it.
 *
 * ```tsx
 * const { snapshot, isLive, error, done } = useTopic(client, sessionId);
 * ```
 */
export function useTopic<S extends Service>(client: Client<S> | null, topic: string | null): TopicView<S> {
  const store = client === null || topic === null ? undefined : topicStore(client as unknown as Client, topic);
  const view = useSyncExternalStore<unknown>(store?.subscribe ?? never, store?.view ?? nothingView, nothingView);
  return view as TopicView<S>;
}

/** The connection as a component sees it. */
export interface Connection {
  /** Its state; says why and what would help. */
  state: ConnectionState;
  /** Whether messages flow. */
  isConnected: boolean;
  /** Connects now. */
  connect(): void;
  /** Connects, also when another connection of this user has the place. */
  takeOver(): void;
}

/** Follows the state of the connection. */
export function useConnection<S extends Service>(client: Client<S> | null): Connection {
  const subscribe = useCallback((listener: () => void) => client?.on('state', listener as never) ?? never(), [client]);
  const state = useSyncExternalStore(subscribe, () => client?.state ?? idle, () => idle);
  return useMemo(
    () => ({
      state,
      isConnected: state.status === 'ready',
      connect: () => client?.connect(),
      takeOver: () => client?.takeOver(),
    }),
    [client, state],
  );
}

/** A command as a component sees it. */
export interface CommandView<A extends unknown[], T> {
  /** Runs it. Rejects as the command does; who does not wait for it finds what went wrong in `error`. */
  run(...args: A): Promise<T>;
  isPending: boolean;
  error: Error | undefined;
  data: T | undefined;
}

/**
 * Runs a command and tells how it is. A new run gives the one before up, and so does the component's end.
 *
 * ```tsx
 * const answer = useCommand((signal, text: string) => client.submitAnswer(session, question, text, { signal }));
 * ```
 */
export function useCommand<A extends unknown[], T>(command: (signal: AbortSignal, ...args: A) => Promise<T>): CommandView<A, T> {
  const [state, setState] = useState<Omit<CommandView<A, T>, 'run'>>({ isPending: false, error: undefined, data: undefined });
  const latest = useRef(command);
  const current = useRef<AbortController | undefined>(undefined);
  useEffect(() => {
    latest.current = command;
  });
  const there = useRef(false);
  useEffect(() => {
    there.current = true;
    return () => {
      there.current = false;
      // StrictMode and hot reload take a component away and put it back at once; only a real end gives the command up.
      queueMicrotask(() => there.current || current.current?.abort());
    };
  }, []);
  const run = useCallback((...args: A): Promise<T> => {
    current.current?.abort();
    const own = (current.current = new AbortController());
    const set = (isPending: boolean, error: Error | undefined, data: T | undefined): void => {
      if (current.current === own && !own.signal.aborted) setState({ isPending, error, data });
    };
    set(true, undefined, undefined);
    const done = (async () => {
      try {
        const data = await latest.current(own.signal, ...args);
        set(false, undefined, data);
        return data;
      } catch (error) {
        set(false, error instanceof Error ? error : new Error(String(error)), undefined);
        throw error;
      }
    })();
    // It is no unhandled rejection: the component shows it.
    done.catch(() => undefined);
    return done;
  }, []);
  return useMemo(() => ({ run, ...state }), [run, state]);
}

/** Calls the handler at each event of the client; the newest handler is the one that is called. */
export function useEvents<S extends Service>(client: Client<S> | null, handler: (event: ServiceEvent<S>) => void): void {
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  useEffect(() => client?.on('*', (event) => latest.current(event)), [client]);
}
