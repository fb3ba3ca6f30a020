// The connection: a pill with its state, a line that says why and offers what helps, and a strip of its last half minute.
import { useSyncExternalStore } from 'react';
import type { ConnectionState } from 'steadfast';
import type { Connection } from 'steadfast/react';
import { type HistoryStore, toneOf } from './history.js';
import { useNow } from './useNow.js';

const names: Record<ConnectionState['status'], string> = {
  idle: 'Idle', connecting: 'Connecting', authenticating: 'Signing in', ready: 'Connected', waiting: 'Reconnecting', offline: 'Offline',
  suspended: 'Suspended', displaced: 'Replaced', failed: 'Stopped', closed: 'Closed',
};

export function StatusPill({ state }: { state: ConnectionState }) {
  return (
    <span className="pill" data-tone={toneOf(state)} role="status">
      <span className="dot" aria-hidden="true" />
      {names[state.status]}
    </span>
  );
}

export function ConnectionLine({ connection }: { connection: Connection }) {
  const { state, connect, takeOver } = connection;
  const now = useNow(250, state.status === 'waiting');
  const help = { waiting: ['Try now', connect], failed: ['Try again', connect], displaced: ['Take it back', takeOver] } as const;
  const offer = state.status === 'waiting' || state.status === 'failed' || state.status === 'displaced' ? help[state.status] : undefined;
  return (
    <div className="connection-line" data-tone={toneOf(state)}>
      <p title={'why' in state ? `${state.why.text}. ${state.why.help}` : undefined}>{words(state, now)}</p>
      {offer && (
        <button type="button" className="button button-small" onClick={offer[1]}>
          {offer[0]}
        </button>
      )}
    </div>
  );
}

function words(state: ConnectionState, now: number): string {
  switch (state.status) {
    case 'ready':
      return state.downMs > 0 && state.attempts > 1 ? `Back at attempt ${state.attempts}` : 'The line is open';
    case 'waiting': {
      const seconds = Math.max(0, (state.until - now) / 1000).toFixed(1);
      return `Next attempt in ${seconds} s`;
    }
    case 'displaced':
      return 'Its place is taken';
    case 'failed':
      return `${state.why.text}. ${state.why.help}`;
    case 'idle':
      return 'Nothing to follow, so no connection';
    case 'offline':
      return 'This device is offline';
    case 'authenticating':
      return 'Showing the token';
    default:
      return 'One moment';
  }
}

const SHOWN = 30_000;

export function ConnectionStrip({ history }: { history: HistoryStore }) {
  const { spans } = useSyncExternalStore(history.subscribe, history.view);
  const now = useNow(500);
  const start = now - SHOWN;
  // One gradient with hard edges: a picture of the past, in which nothing is laid out anew as it moves.
  const share = (at: number): string => `${((Math.max(at, start) - start) / SHOWN) * 100}%`;
  const stops = spans.map(({ tone, from }, at) => `var(--${tone}) ${share(from)} ${share(spans[at + 1]?.from ?? now)}`);
  const first = spans[0]?.from ?? now;
  return (
    <div
      className="strip"
      aria-hidden="true"
      title="The connection in the last 30 seconds"
      style={{ backgroundImage: `linear-gradient(90deg, var(--sunk) ${share(first)}, ${stops.join(', ')})` }}
    />
  );
}
