import { useState } from 'react';
import type { Service } from 'steadfast';
import { useCommand, useConnection } from 'steadfast/react';
import { lines } from './clients.js';
import { Document } from './Document.js';
import { toneOf } from './history.js';
import { Logo } from './Icons.js';
import { Interview } from './Interview.js';
import { address, misbehave } from './mock.js';
import { ServiceCard } from './ServiceCard.js';
import { about } from './services.js';
import { useNow } from './useNow.js';

export function App() {
  // A new round is a new set of jobs: the cards are made anew, the clients stay.
  const [round, setRound] = useState(0);
  const cut = useCommand(async (signal) => {
    const services = Object.keys(lines) as Service[];
    for (const service of services) lines[service].history.say('You cut all connections');
    await Promise.all(services.map((service) => misbehave(service, 'drop', signal)));
  });
  return (
    <>
      <a className="skip" href="#services">
        To the services
      </a>
      <header className="top">
        <div className="brand">
          <Logo />
          Steadfast
        </div>
        <Overall />
      </header>
      <div className="hero">
        <h1>
          Five long jobs. <span>One bad day.</span>
        </h1>
        <p>
          Each card follows a job on a mock server that speaks a real protocol. Cut the line, freeze it, spoil the token, take the place away: the client finds its way back and tells you what it knows.
        </p>
        <div className="hero-actions">
          <button type="button" className="button button-strong button-large" onClick={() => cut.run().catch(() => undefined)}>
            Cut all five lines
          </button>
          <button type="button" className="button button-large" onClick={() => setRound(round + 1)}>
            Start all jobs again
          </button>
        </div>
        <Totals />
      </div>
      <main id="services" className="grid">
        <ServiceCard key={`charisma ${round}`} line={lines.charisma} />
        <ServiceCard key={`therapybridge ${round}`} line={lines.therapybridge} />
        <ServiceCard key={`saga ${round}`} line={lines.saga} />
        <ServiceCard key={`docproc ${round}`} line={lines.docproc} wide>
          {(view, topic) => <Document key={topic} models={view.modelResults} clarifications={view.clarifications} />}
        </ServiceCard>
        <ServiceCard key={`devcontext ${round}`} line={lines.devcontext} wide>
          {(view, topic) => <Interview key={topic} client={lines.devcontext.client} analysis={topic} view={view.interview} ready={view.done && !view.error} />}
        </ServiceCard>
      </main>
      <footer className="bottom">
        <p>
          Time-outs are shortened on this page so that you need not wait: a dead connection is noticed after 6 s, not after a minute. The server is at <code>{address}</code>.
        </p>
      </footer>
    </>
  );
}

/** The five connections in one place. */
function Overall() {
  const states = [
    useConnection(lines.charisma.client), useConnection(lines.therapybridge.client), useConnection(lines.saga.client),
    useConnection(lines.docproc.client), useConnection(lines.devcontext.client),
  ].map(({ state }) => state);
  const open = states.filter(({ status }) => status === 'ready' || status === 'idle').length;
  return (
    <div className="overall" role="status">
      <span className="overall-dots" aria-hidden="true">
        {Object.keys(about).map((service, at) => {
          const state = states[at];
          return <i key={service} data-tone={state && toneOf(state)} />;
        })}
      </span>
      {open === states.length ? 'All is well' : `${states.length - open} of ${states.length} in trouble`}
    </div>
  );
}

/** What the clients have counted. */
function Totals() {
  useNow(500);
  const stats = Object.values(lines).map(({ client }) => client.stats());
  const sum = (name: 'framesIn' | 'unexpectedCloses' | 'reconnects'): number => stats.reduce((all, one) => all + one[name], 0);
  const rows = [
    [sum('framesIn'), 'messages received'],
    [sum('unexpectedCloses'), 'connections lost'],
    [sum('reconnects'), 'times back again'],
  ] as const;
  return (
    <dl className="totals">
      {rows.map(([number, name]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{number}</dd>
        </div>
      ))}
    </dl>
  );
}
