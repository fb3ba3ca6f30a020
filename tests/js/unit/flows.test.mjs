// Every service from subscribe to end, by the packed package against the mock server.
import assert from 'node:assert/strict';
import { connect } from 'steadfast';
import { afterAll, beforeAll, test } from 'vitest';
import { startMock, token, until } from '../support/mock.mjs';

let mock;
beforeAll(async () => (mock = await startMock()));
afterAll(() => mock.stop());

const open = (service, options = {}) =>
  connect({ service, url: mock.url(service), token: service === 'docproc' ? undefined : () => token({ sub: `js-${service}` }), ...options });

async function follow(subscription) {
  const seen = [];
  for await (const event of subscription) seen.push(event);
  return seen;
}
const types = (seen) => seen.map((event) => event.type);

test('Charisma: upload, analysis, confirmation, end', async () => {
  const client = open('charisma');
  const subscription = client.subscribe('js_1');
  await subscription.live();
  const seen = await follow(subscription);
  const uploads = seen.filter((event) => event.type === 'session_upload_progress');
  assert.ok(uploads.length >= 10, `${uploads.length} uploads`);
  assert.ok(uploads.every((event) => event.progress >= 0 && event.progress <= 1 && event.data.sessionId === 'js_1'));
  assert.equal(seen.at(-1).type, 'subscription');
  assert.equal(seen.at(-1).state.status, 'ended');
  assert.ok(seen.some((event) => event.type === 'session_status' && event.data.status === 'verifying_ocr'));
  assert.deepEqual([subscription.snapshot.phase, subscription.snapshot.terminal], ['done', true]);
  assert.equal(subscription.snapshot.raw.status, 'complete');
  assert.ok(seen.every((event, index) => index === 0 || event.seq > seen[index - 1].seq), 'the numbers rise');
  await client.close();
});

test('TherapyBridge: percent becomes a share, the estimate is there', async () => {
  const client = open('therapybridge', { token: () => token({ sub: 't1', role: 'therapist' }) });
  const subscription = client.subscribe('js_2');
  const estimates = [];
  subscription.on('progress', () => estimates.push(subscription.snapshot.etaMs));
  const seen = await follow(subscription);
  const shares = seen.filter((event) => event.type === 'progress').map((event) => event.progress);
  assert.equal(shares.at(-1), 1);
  assert.ok(shares.every((share, index) => index === 0 || share >= shares[index - 1]));
  assert.ok(estimates.some((estimate) => estimate > 0), 'an estimate');
  assert.equal(subscription.state.status, 'ended');
  await client.close();
});

test('TherapyBridge: login gives a token', async () => {
  const client = open('therapybridge', { autoConnect: false });
  const answer = await client.login('therapist@example.com', 'secret');
  assert.equal(typeof answer.access_token, 'string');
  await client.close();
});

test('Saga: a story and an export; the room stays', async () => {
  const client = open('saga');
  const subscription = client.subscribe('js_3');
  const ready = await until(subscription, (event) => event.type === 'export_ready');
  assert.equal(typeof ready.data.downloadUrl, 'string');
  assert.equal(subscription.state.status, 'live');
  assert.deepEqual(subscription.snapshot.items.map((item) => [item.kind, item.phase]), [['story', 'done'], ['export', 'done']]);
  assert.ok((await client.ping()) >= 0);
  assert.equal((await client.serverHealth()).status, 'healthy');
  assert.equal(typeof (await client.serverStats()).totalConnections, 'number');
  await client.close();
});

test('DocProc: models, a clarification answered, the result', async () => {
  const client = open('docproc');
  const subscription = client.subscribe('js_4');
  subscription.on('clarification', (event) => {
    if (event.data.status === 'pending') void client.respondToClarification(event.data.clarificationId, 'with tax');
  });
  const seen = await follow(subscription);
  const names = new Set(types(seen));
  for (const name of ['progress', 'model_result', 'clarification']) assert.ok(names.has(name), name);
  assert.equal(seen.filter((event) => event.type === 'completed' || event.data?.status === 'COMPLETED').length, 1, 'one completion');
  assert.equal((await client.fetchSession('js_4')).status, 'COMPLETED');
  await client.close();
});

test('DevContext: stages, then an interview with answers', async () => {
  const client = open('devcontext');
  assert.equal(client.connectionState, 'connecting');
  const seen = await follow(client.subscribe('js_5'));
  assert.equal(seen.filter((event) => event.type === 'stage_completed').length, 3);
  const started = await client.startInterview('js_5', 'practice');
  assert.equal(client.connectionState, 'interview_active');
  const interview = client.subscribe(started.sessionId);
  let question = started.firstQuestion;
  let summary;
  interview.on('interview_complete', (event) => (summary = event.data.summary));
  for (let round = 0; round < 20 && !summary; round++) {
    const next = until(interview, (e) => ['follow_up_question', 'next_question', 'interview_complete'].includes(e.type));
    const judged = await client.submitAnswer(started.sessionId, question.questionId, 'because');
    assert.equal(typeof judged.evaluation.score, 'number');
    const event = await next;
    question = event.data;
  }
  assert.equal(typeof summary?.overallScore, 'number');
  assert.deepEqual((await client.fetchAnalysis('js_5')).completedStages?.length, 3);
  assert.equal(client.connectionState, 'connected');
  await client.close();
  assert.equal(client.connectionState, 'disconnected');
});
