// One service: its connection, its job, what went wrong and what can go wrong at the press of a button.
import { type CSSProperties, type ReactNode, useId, useState } from 'react';
import type { Service, Snapshot } from 'steadfast';
import { type TopicView, useConnection, useTopic } from 'steadfast/react';
import type { Line } from './clients.js';
import { ConnectionLine, ConnectionStrip, StatusPill } from './Connection.js';
import { Diagnosis } from './Diagnosis.js';
import { EventLog } from './EventLog.js';
import { Mark } from './Icons.js';
import { Misbehave } from './Misbehave.js';
import { Progress } from './Progress.js';
import { type Course, about, courses, newTopic } from './services.js';

interface Props<S extends Service> {
  line: Line<S>;
  wide?: boolean;
  /** What a service has of its own, below its progress. */
  children?: (view: TopicView<S>, topic: string) => ReactNode;
}

export function ServiceCard<S extends Service>({ line, wide = false, children }: Props<S>) {
  const { client, history } = line;
  const service = client.service;
  const { name, tagline, job } = about[service];
  const [course, setCourse] = useState<Course>('well');
  const [topic, setTopic] = useState(() => newTopic('well'));
  const [diagnosing, setDiagnosing] = useState(false);
  const connection = useConnection(client);
  const view: TopicView<S> = useTopic(client, topic);
  const id = useId();

  const again = (): void => {
    const next = newTopic(course);
    history.say(`A new job: ${job.toLowerCase()} ${next}`);
    setTopic(next);
  };

  return (
    <section className={`card ${wide ? 'card-wide' : ''}`} data-service={service} aria-labelledby={id} style={{ '--hue': `var(--${service})` } as CSSProperties}>
      <header className="card-head">
        <Mark service={service} />
        <h2 id={id}>{name}</h2>
        <StatusPill state={connection.state} />
        <p>{tagline}</p>
      </header>

      <Progress service={service} topic={topic} snapshot={view.snapshot as Snapshot | undefined} error={view.error} isConnected={view.isConnected} isLive={view.isLive} />
      {children?.(view, topic)}

      <div className="wire">
        <ConnectionLine connection={connection} />
        <ConnectionStrip history={history} />
        <EventLog history={history} name={name} />
      </div>

      <Misbehave service={service} history={history} isConnected={connection.isConnected} />

      <footer className="card-foot">
        <div className="restart">
          <label>
            <span className="visually-hidden">How the next job of {name} goes</span>
            <select value={course} onChange={(event) => setCourse(event.target.value as Course)}>
              {Object.entries(courses).map(([value, { label }]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          </label>
          <button type="button" className="button" onClick={again}>
            Start
          </button>
        </div>
        <button type="button" className="button button-quiet" onClick={() => setDiagnosing(true)} aria-label={`Diagnose ${name}`}>
          Diagnose
        </button>
      </footer>
      {diagnosing && <Diagnosis name={name} diagnose={() => client.diagnose()} onClose={() => setDiagnosing(false)} />}
    </section>
  );
}
