// The hooks and components that the services' documentation shows, written with `steadfast/react`; and what else an app
// relies on: one subscription on the wire whatever React does, commands, events, the connection.
import assert from 'node:assert/strict';
import { createElement as h, useState } from 'react';
import { TokenDenied, connect } from 'steadfast';
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
const it = (name, run) => test(name, { timeout: 20_000 }, run);

function open(service, options = {}) {
  const role = service === 'therapybridge' ? 'therapist' : 'facilitator';
  const own = () => token({ sub: `s-${service}-${Math.random()}`, role });
  return (client = connect({ service, url: mock.url(service), token: service === 'docproc' ? undefined : own, baseDelay: 50, ...options }));
}
/** What the server has heard about a topic. */
const heard = async (service, type, topic) => (await mock.log({ service, what: 'in', type, ...(topic && { topic }) })).length;
/** Waits for the server to hear something for the n-th time. */
async function hears(service, type, topic, times) {
  for (const end = Date.now() + 8000; (await heard(service, type, topic)) < times; ) {
    assert.ok(Date.now() < end, `${type} of ${topic} was not heard ${times} times`);
  }
}

// --- TherapyBridge: the hook and the component of its documentation [therapybridge §3] -------------------------------

function useSessionProgress(id) {
  const { snapshot, isConnected, error, done } = useTopic(client, id);
  const begun = snapshot?.message !== undefined;
  return { progress: begun ? snapshot : undefined, isConnected, error, done };
}

function UploadProgress({ id }) {
  const { progress, isConnected, error, done } = useSessionProgress(id);
  if (error && !progress) return `Error: ${error}`;
  if (!progress) return isConnected ? 'Waiting for updates' : 'Connecting';
  const percent = Math.round((progress.progress ?? 0) * 100);
  return [
    h('h3', { key: 'message' }, `[${progress.message}]`),
    h('progress', { key: 'bar', value: percent, max: 100 }),
    ` ${percent}%`,
    progress.etaMs === undefined ? null : ` ETA: ${progress.etaMs / 1000} s`,
    error ? ` Error: ${error}` : null,
    done ? ' over' : null,
  ];
}

it('TherapyBridge: connecting, waiting, progress with the time left, done', async () => {
  open('therapybridge');
  const place = show(h(UploadProgress, { id: 'quiet-upload' }));
  await shows(place, /^Connecting$/);
  await shows(place, /^Waiting for updates$/);
  await mock.emit('therapybridge', 'quiet-upload', { progress: 40, message: 'Transcribing', estimated_time_remaining: 90 }, 'transcribing');
  await shows(place, /^\[Transcribing\] 40% ETA: 90 s$/);
  assert.equal(place.querySelector('progress').value, 40);
  await mock.emit('therapybridge', 'quiet-upload', { progress: 100, message: 'All done' }, 'processed');
  await shows(place, /^\[All done\] 100% over$/);
  assert.equal((await mock.log({ service: 'therapybridge', what: 'subscribed', topic: 'quiet-upload' })).length, 1, 'one connection');
});

it('TherapyBridge: a job that fails says why and keeps its progress; a session that is not there', async () => {
  open('therapybridge');
  await shows(show(h(UploadProgress, { id: 'fail-upload' })), /^\[.+\] \d+% Error: The audio could not be transcribed over$/);
  await shows(show(h(UploadProgress, { id: 'missing-upload' })), /^Error: .*not found/i);
});

// --- DocProc: the hook of its documentation [docproc §3] -------------------------------------------------------------

function useSession(id) {
  const { events, modelResults, clarifications, done } = useTopic(client, id);
  return { prompts: events.findLast(({ type }) => type === 'progress')?.data.prompts, modelResults, clarifications, isCompleted: done };
}

function Document({ id }) {
  const { prompts, modelResults, clarifications, isCompleted } = useSession(id);
  const question = clarifications.find(({ status }) => status === 'pending');
  const reply = useCommand(() => question.respond('without tax'));
  const models = modelResults.filter(({ status }) => status === 'completed').map(({ modelName }) => modelName);
  return [
    `${models.length} of ${prompts?.total ?? '?'} models; ${isCompleted ? 'completed' : 'at work'}; `,
    question ? h('button', { key: 'reply', disabled: reply.isPending, onClick: () => void reply.run() }, question.question) : null,
    clarifications.some(({ status }) => status === 'answered') ? 'answered' : null,
  ];
}

it('DocProc: models as they come, a question that is answered, the end; no session at first', async () => {
  open('docproc');
  const place = show(h(Document, { id: null }));
  await shows(place, /^0 of \? models; at work; $/);
  assert.equal(client.stats().framesOut > 1, false, 'nothing is asked for');
  place.again(h(Document, { id: 'sample_doc' }));
  const seen = await shows(place, /^3 of \d models; at work; .*tax\?/);
  assert.ok(seen.some((text) => text.startsWith('1 of')) && seen.some((text) => text.startsWith('2 of')), seen.join(' | '));
  place.querySelector('button').dispatchEvent(new window.MouseEvent('click', { bubbles: true }));
  // React listens at the root, which here is no part of the document.
  await shows(place, /completed; answered$/);
  assert.equal(await heard('docproc', 'subscribe', 'sample_doc'), 1);
});

// --- DevContext: the hook and the component of its documentation [devcontext §3] -------------------------------------

function useSocket({ onMessage }) {
  const { isConnected } = useConnection(client);
  useEvents(client, onMessage);
  return { isConnected, send: (kind, payload) => client.sendRaw(kind, payload) };
}

let socket;
const messages = [];
function AnalysisProgress({ id }) {
  const [fetched, setFetched] = useState(0);
  socket = useSocket({
    onMessage: (event) => {
      messages.push(event.type);
      if (event.type === 'stage_completed') void client.fetchAnalysis(id).then(({ completedStages }) => setFetched(completedStages.length));
    },
  });
  const { snapshot, done } = useTopic(client, id);
  const stages = snapshot?.items.filter(({ phase }) => phase === 'done').map((item) => item.id) ?? [];
  return `${socket.isConnected ? 'connected' : 'connecting'} ${Math.round((snapshot?.progress ?? 0) * 100)}% ${stages.join(',')} fetched ${fetched}${done ? ' done' : ''}`;
}

it('DevContext: stages and their data; a message of the app; the end of the component is the end of the subscription', async () => {
  open('devcontext', { linger: 50 });
  const place = show(h(AnalysisProgress, { id: 'sample_analysis' }));
  await shows(place, /^connecting 0%/);
  await shows(place, /^connected 33% project_review fetched/);
  await shows(place, /^connected 100% project_review,intelligence_report,interview_simulation fetched 3 done$/);
  await socket.send('ping', {});
  for (const end = Date.now() + 5000; !messages.includes('pong'); await new Promise((resolve) => setTimeout(resolve, 5))) {
    assert.ok(Date.now() < end, 'the answer is an event');
  }
  place.again(h(AnalysisProgress, { id: 'quiet-analysis' }));
  await hears('devcontext', 'subscribe_analysis', 'quiet-analysis', 1);
  place.end();
  await hears('devcontext', 'unsubscribe_analysis', 'quiet-analysis', 1);
});

// --- what React does is not what the wire sees -----------------------------------------------------------------------

it('two components, StrictMode, a new token: one subscribe on the wire, and never a moment without it', async () => {
  open('charisma', { token: token({ sub: 'many', ttl: '1h' }), auth: 'message' });
  const states = [];
  function Session({ label }) {
    const { isLive, snapshot } = useTopic(client, 'quiet-many');
    states.push(isLive);
    return `${label} ${isLive ? 'live' : 'waiting'} ${snapshot?.progress ?? '-'}; `;
  }
  const place = show([h(Session, { key: 1, label: 'a' }), h(Session, { key: 2, label: 'b' })]);
  await shows(place, /a live - *; b live/);
  states.length = 0;
  const before = await heard('charisma', 'authenticate');
  client.setToken(token({ sub: 'many', ttl: '2h' }));
  await hears('charisma', 'authenticate', undefined, before + 1);
  // One goes, another comes: still the same subscription.
  place.again([h(Session, { key: 2, label: 'b' }), h(Session, { key: 3, label: 'c' })]);
  await shows(place, /b live.*c live/);
  await mock.emit('charisma', 'quiet-many', { status: 'uploading', progress: 0.25 });
  await shows(place, /b live 0.25; c live 0.25/);
  assert.ok(states.every(Boolean), 'live all the time');
  assert.equal(await heard('charisma', 'subscribe', 'quiet-many'), 1);
  assert.equal(await heard('charisma', 'unsubscribe', 'quiet-many'), 0);
});

it('a topic that comes and goes: null follows nothing, and the last look is the end of the subscription', async () => {
  open('charisma', { linger: 50 });
  const View = ({ id }) => {
    const { isLive, snapshot, events, error, done } = useTopic(client, id);
    return `${isLive} ${snapshot?.topic} ${events.length} ${error} ${done}`;
  };
  const place = show(h(View, { id: null }));
  await shows(place, /^false undefined 0 undefined false$/);
  place.again(h(View, { id: 'quiet-come' }));
  await shows(place, /^true quiet-come \d/);
  place.again(h(View, { id: null }));
  await shows(place, /^false undefined/);
  await hears('charisma', 'unsubscribe', 'quiet-come', 1);
});

it('a client that has given up is an error to show; so is a topic that can not be one', async () => {
  open('saga', { token: () => { throw new TokenDenied('signed out'); } });
  const View = ({ id }) => useTopic(client, id).error ?? 'fine';
  await shows(show(h(View, { id: 'any' })), /signed out|token/i);
  await shows(show(h(View, { id: '' })), /the topic is empty/);
});

it('useConnection: a place that was taken is taken back', async () => {
  open('charisma', { token: token({ sub: 'placed' }) });
  let connection;
  const View = () => (connection = useConnection(client)).state.status;
  const place = show(h(View));
  await shows(place, /^ready$/);
  await mock.fault({ service: 'charisma', user: 'placed', when: 'now' }, { do: 'replace' });
  await shows(place, /^displaced$/);
  connection.connect();
  connection.takeOver();
  await shows(place, /^ready$/);
  assert.ok(connection.isConnected);
});

it('useCommand: pending, the answer, the error; a new run and the end give the old one up', async () => {
  open('docproc');
  let command;
  function View() {
    command = useCommand((signal, id) => client.fetchSession(id, { signal }));
    return `${command.isPending ? 'pending' : 'at rest'} ${command.data?.status ?? '-'} ${command.error?.message ?? '-'}`;
  }
  const place = show(h(View));
  await shows(place, /^at rest - -$/);
  const fine = command.run('command_1');
  await shows(place, /^pending/);
  assert.equal((await fine).status, 'ACTIVE');
  await shows(place, /^at rest ACTIVE -$/);
  await assert.rejects(command.run('missing-command'), (error) => error.kind === 'Rejected');
  await shows(place, /^at rest - Session not found/);
  const [first, second] = [command.run('command_2'), command.run('command_3')];
  await assert.rejects(first, (error) => error.kind === 'Cancelled');
  assert.equal((await second).status, 'ACTIVE');
  await shows(place, /^at rest ACTIVE -$/);
  const last = command.run('command_4');
  place.end();
  await assert.rejects(last, (error) => error.kind === 'Cancelled');
});

it('useEvents calls the newest handler, once for each event', async () => {
  open('charisma');
  const calls = [];
  const View = ({ name }) => {
    useEvents(client, (event) => event.type === 'session_status' && calls.push(name));
    return useTopic(client, 'quiet-events').isLive ? `live ${name}` : 'waiting';
  };
  const place = show(h(View, { name: 'old' }));
  await shows(place, /live old/);
  place.again(h(View, { name: 'new' }));
  await shows(place, /live new/);
  await mock.emit('charisma', 'quiet-events', { status: 'uploading' });
  for (const end = Date.now() + 5000; calls.length === 0; await new Promise((resolve) => setTimeout(resolve, 5))) assert.ok(Date.now() < end, 'it is called');
  assert.deepEqual(calls, ['new']);
});

it('the interview: its questions, judgements, a pause, a lost connection, its result', async () => {
  open('devcontext', { token: token({ sub: 'asked' }) });
  let interview;
  function View() {
    const view = useTopic(client, 'interviewed');
    interview = view.interview;
    const { state, question, evaluation, summary } = interview;
    return `${view.done ? 'ready' : 'at work'} ${state?.status ?? 'none'} Q:${question?.questionId ?? '-'} score:${evaluation?.score ?? '-'} result:${summary?.overallScore ?? '-'}`;
  }
  const place = show(h(View));
  await shows(place, /^ready none/);
  await interview.start('practice');
  await shows(place, /active Q:\w/);
  await interview.pause();
  await shows(place, /paused/);
  await interview.resume();
  await shows(place, /active Q:\w/);
  const before = interview.question.questionId;
  await mock.fault({ service: 'devcontext', user: 'asked', when: 'now' }, { do: 'drop', how: 'rst' });
  await hears('devcontext', 'resume_interview', interview.sessionId, 2);
  await shows(place, /active Q:\w/);
  assert.equal(interview.question.questionId, before, 'the same question waits');
  for (let round = 0; !interview.summary; round++) {
    assert.ok(round < 12, 'it ends');
    const { questionId } = interview.question;
    await interview.answer('because');
    await shows(place, new RegExp(`Q:(?!${questionId}|-)\\S+ score:\\d|result:\\d`));
  }
  await shows(place, /complete Q:- score:\d+ result:\d+/);
});
