import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { HistoryStore } from './history.js';

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

/** What happened to one client, the newest at the top, in a box of fixed height. */
export function EventLog({ history, name }: { history: HistoryStore; name: string }) {
  const { entries } = useSyncExternalStore(history.subscribe, history.view);
  const box = useRef<HTMLOListElement>(null);
  useEffect(() => {
    if (box.current) box.current.scrollTop = 0;
  }, [entries]);
  return (
    <ol className="log" ref={box} tabIndex={0} aria-label={`What happened to ${name}`}>
      {entries.toReversed().map(({ id, at, text, tone }) => (
        <li key={id} data-tone={tone}>
          <time>{time.format(at)}</time>
          <span>{text}</span>
        </li>
      ))}
    </ol>
  );
}
