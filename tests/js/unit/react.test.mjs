// The hooks, under StrictMode, in jsdom.
import assert from 'node:assert/strict';
import { createElement as h } from 'react';
import { connect } from 'steadfast';
import { useCommand, useConnection, useEvents, useTopic } from 'steadfast/react';
import { afterAll, afterEach, beforeAll, test } from 'vitest';
import { startMock, token } from '../support/mock.mjs';
import { show, shows, unmountAll } from '../support/react.mjs';

let mock;
let client;
beforeAll(async () => (mock = await startMock()));
afterAll(() => mock.stop());
afterEach(async () => {
  unmountAll();
  await client?.close();
});
const it = (name, run) => test(name, { timeout: 15_000 }, run);

function open(service) {
  client = connect({ service, url: mock.url(service), token: service === 'docproc' ? undefined : () => token({ sub: `r-${service}-${Math.random()}` }) });
  return client;
}

it('a session from connecting to done, with one subscription on the wire', async () => {
  open('charisma');
  const phases = new Set();
  function Session({ id }) {
    const { snapshot, isConnected, isLive, done, error } = useTopic(client, id);
    phases.add(snapshot?.phase);
    if (error) return `error: ${error}`;
    if (!isConnected) return 'connecting';
    return done ? 'done' : `${isLive ? 'live' : 'waiting'} ${snapshot?.phase} ${Math.round((snapshot?.progress ?? 0) * 100)} %`;
  }
  const place = show(h(Session, { id: 'react_1' }));
  await shows(place, /connecting/);
  await shows(place, /live uploading \d+ %/);
  await shows(place, /^done$/);
  assert.ok(phases.has('uploading') && phases.has('processing') && phases.has('needs_input'), [...phases].join());
  // authenticate or query, then one subscribe, then at most an unsubscribe: StrictMode's second mount asked for nothing.
  assert.ok(client.stats().framesOut <= 2, `${client.stats().framesOut} frames out`);
});

it('a failed job and a refused topic are errors; null follows nothing', async () => {
  open('charisma');
  const Session = ({ id }) => {
    const { error, snapshot } = useTopic(client, id);
    return error ? `error: ${error}` : `fine ${snapshot?.phase}`;
  };
  const failed = show(h(Session, { id: 'fail-react' }));
  await shows(failed, /^error: \S/);
  failed.end();
  const refused = show(h(Session, { id: 'missing-react' }));
  await shows(refused, /^error: The server refused/);
  refused.end();
  await shows(show(h(Session, { id: null })), /^fine undefined$/);
});

it('models and a question to answer', async () => {
  open('docproc');
  function Document() {
    const { modelResults, clarifications, done } = useTopic(client, 'react_2');
    const reply = useCommand((_, question) => question.respond('with tax'));
    const open = clarifications.find((one) => one.status === 'pending');
    if (open && !reply.isPending && !reply.error) queueMicrotask(() => reply.run(open).catch(() => undefined));
    return `${modelResults.length} models ${open ? 'asks' : ''} ${done ? 'done' : ''}`;
  }
  const place = show(h(Document));
  await shows(place, /asks/);
  await shows(place, /[1-9] models.*done/);
});

it('an interview beside its analysis; events and the connection', async () => {
  open('devcontext');
  const heard = new Set();
  let interview;
  function Analysis() {
    useEvents(client, (event) => heard.add(event.type));
    const { isConnected } = useConnection(client);
    const view = useTopic(client, 'react_3');
    interview = view.interview;
    return `${isConnected} ${view.done ? 'done' : ''} ${view.interview.question ? 'asks' : ''} ${view.interview.evaluation?.score ?? ''}`;
  }
  const place = show(h(Analysis));
  await shows(place, /true done/);
  await interview.start('practice');
  await shows(place, /asks/);
  await interview.answer('because it scales');
  await shows(place, /\d/);
  assert.ok(heard.has('interview_started') && heard.has('answer_evaluated'), [...heard].join());
});
