// What an app may do wrong, and the edges of what it may do: it is told, and nothing else suffers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ConfigError, SteadfastError } from 'steadfast';
import { test } from 'vitest';
import { open, serve } from '../support/charisma.mjs';
import { until } from '../support/wait.mjs';

const it = (name, run) => test(name, { timeout: 20_000 }, run);
const wrong = (kind, says) => (error) => error instanceof SteadfastError && error.kind === kind && says.test(error.message);

it('what a listener throws later, and what onListenerError throws, is reported and stops nothing', async () => {
  const server = await serve((socket, sessionId) => {
    for (const progress of [10, 20]) socket.send(JSON.stringify({ type: 'session_status', sessionId, status: 'transcribing', progress }));
  });
  const program = (options) => `
    import { connect } from 'steadfast';
    const client = connect({ service: 'charisma', url: '${server.url}', token: 'a-token', ${options} });
    const subscription = client.subscribe('a');
    let seen = 0;
    subscription.on('session_status', async () => { throw new Error('later'); });
    subscription.on('session_status', () => { throw new Error('at once'); });
    await new Promise((done) => subscription.on('session_status', () => ++seen === 2 && done()));
    await client.close();
    console.log('seen', seen);`;
  const cwd = new URL('..', import.meta.url);
  const node = (options) => promisify(execFile)(process.execPath, ['--input-type=module', '-e', program(options)], { cwd, timeout: 8000 });
  const by = await node('onListenerError: (error) => console.log(error.message)');
  assert.deepEqual(by.stdout.trim().split('\n').sort(), ['at once', 'at once', 'later', 'later', 'seen 2']);
  assert.equal(by.stderr, '');
  const thrown = await node("onListenerError: () => { throw new Error('mine'); }");
  assert.match(thrown.stdout, /seen 2/);
  for (const words of ['at once', 'later', 'mine']) assert.ok(thrown.stderr.includes(`Error: ${words}`), thrown.stderr);
  const none = await node('');
  for (const words of ['at once', 'later']) assert.ok(none.stderr.includes(`Error: ${words}`), none.stderr);
});

it('an argument that is missing or wrong is named, and nothing is sent', async () => {
  const interviews = open({ service: 'devcontext', autoConnect: false });
  await assert.rejects(interviews.submitAnswer('session', 'question', undefined), wrong('Invalid', /argument 3: give a text/));
  await assert.rejects(interviews.submitAnswer(undefined, 'question', 'answer'), wrong('Invalid', /argument 1: give a text/));
  await assert.rejects(interviews.startInterview('analysis', 'nonsense'), wrong('Invalid', /sessionType: give 'live' or 'practice'/));
  for (const delivery of ['later', NaN, -1, {}]) {
    await assert.rejects(interviews.ping({ delivery }), wrong('Invalid', /delivery: give/), String(delivery));
  }
  for (const token of [null, undefined, '', 5]) assert.throws(() => interviews.setToken(token), wrong('Invalid', /token: give a text/));
  assert.equal(interviews.stats().framesOut, 0);
  assert.equal(interviews.state.status, 'idle');
});

it('a provider and a fetch may throw anything', async () => {
  const strange = [Object.create(null), Object.assign(new Error(), { message: { no: 'text' } }), undefined, Symbol('x'), { get message() { throw new Error('got'); } }];
  for (const thrown of strange) {
    const throws = () => { throw thrown; };
    const client = open({ token: throws });
    await until(client, (event) => event.type === 'state' && event.state.status === 'waiting');
    await client.close();
    const asks = open({ service: 'docproc', url: 'http://127.0.0.1:1', fetch: throws });
    await assert.rejects(asks.fetchSession('a', { delivery: 'fail-fast' }), SteadfastError);
    await asks.close();
  }
});

it('after unsubscribe() nobody hears of it any more, not even in the same event', async () => {
  const server = await serve();
  const client = open({ url: server.url });
  const subscription = client.subscribe('a');
  const other = client.subscribe('a');
  await subscription.live();
  const heard = [];
  subscription.on('session_status', () => { heard.push('first'); subscription.unsubscribe(); });
  subscription.on('session_status', () => heard.push('second'));
  subscription.on('*', () => heard.push('all'));
  const last = until(other, (event) => event.type === 'session_status');
  server.say('a');
  await last;
  assert.deepEqual(heard, ['first']);
});

it('live() of what was taken back says so', async () => {
  const server = await serve();
  const client = open({ url: server.url });
  const subscription = client.subscribe('a');
  const waiting = subscription.live();
  subscription.unsubscribe();
  await assert.rejects(waiting, wrong('Closed', /the subscription is closed/));
  await assert.rejects(subscription.live(), wrong('Closed', /the subscription is closed/));
  await client.close();
  assert.throws(() => client.subscribe('a'), wrong('Closed', /the client is closed/));
});

it('a reader that waits can be ended from outside', async () => {
  const server = await serve();
  const client = open({ url: server.url });
  const subscription = client.subscribe('a');
  for (const source of [subscription, client]) {
    const events = source[Symbol.asyncIterator]();
    await subscription.live();
    let next;
    // The last of these waits.
    for (let at = 0; at < 8; at++) next = events.next();
    await Promise.resolve();
    assert.deepEqual(await events.return(), { done: true, value: undefined });
    assert.deepEqual(await next, { done: true, value: undefined });
    assert.deepEqual(await events.next(), { done: true, value: undefined });
  }
  const events = subscription[Symbol.asyncIterator]();
  await events.return();
  assert.deepEqual(await events.next(), { done: true, value: undefined });
});

it('a topic that no text on the wire can be is refused', () => {
  const client = open({ autoConnect: false });
  for (const topic of ['\ud800', 'a\udc00', 'a\nb', '\u0085']) assert.throws(() => client.subscribe(topic), wrong('Invalid', /the topic contains/), JSON.stringify(topic));
  for (const topic of ['💥', 'é', 'a b']) client.subscribe(topic);
});

it('errors call options and functions as they are called here', async () => {
  const named = (message) => (error) => error instanceof ConfigError && message.test(error.message) && !/[a-z]_[a-z]/.test(error.message);
  assert.throws(() => open({ url: 'http://example.com' }), named(/allowInsecure/));
  assert.throws(() => open({ baseDelay: 10, maxDelay: 5 }), named(/baseDelay|maxDelay/));
  const client = open({ token: undefined, service: 'devcontext' });
  await assert.rejects(client.authenticate({ delivery: 'fail-fast' }), wrong('Invalid', /setToken\(\)/));
  await assert.rejects(client.resumeInterview(''), wrong('Invalid', /sessionId/));
});

it('a topic that has ended is let go without unsubscribe(), and its last picture stays', async () => {
  const asked = [];
  const server = await serve((socket, sessionId) => {
    asked.push(sessionId);
    socket.send(JSON.stringify({ type: 'session_status', sessionId, status: 'complete', progress: 100 }));
  });
  const client = open({ url: server.url });
  const ended = [];
  for (let at = 0; at < 5; at++) {
    const subscription = client.subscribe(`session-${at}`);
    for await (const event of subscription) void event;
    ended.push(subscription);
  }
  assert.doesNotMatch(client.diagnose().text, /session-/);
  for (const subscription of ended) {
    assert.deepEqual([subscription.state.status, subscription.snapshot.phase], ['ended', 'done']);
    await assert.rejects(subscription.live(), wrong('Rejected', /the topic has ended/));
  }
  // Whoever follows it anew does not lose it by what is done to the one that has ended.
  const events = [];
  const again = client.subscribe('session-0', { keep: true });
  again.on('*', (event) => events.push(event.type));
  ended[0].unsubscribe();
  await until(again, (event) => event.type === 'session_status');
  assert.equal(asked.filter((topic) => topic === 'session-0').length, 2);
  assert.equal(again.snapshot.phase, 'done');
});
