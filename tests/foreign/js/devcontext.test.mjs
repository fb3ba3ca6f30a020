// DevContext's automated test as its documentation shows it, and the rest of its protocol, with npm's `ws`.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { startMock, within } from './support/mock.mjs';
import { Peer } from './support/peer.mjs';

describe('WebSocket Protocol', () => {
  let mock;
  let url;
  let token;
  let ws;
  before(async () => {
    mock = await startMock();
    url = `${mock.url('devcontext', 'ws')}/v1/ws`;
    token = await mock.token();
  });
  after(() => mock.stop());
  beforeEach(async () => {
    ws = await Peer.open(url, { headers: { Authorization: `Bearer ${token}` } });
  });
  afterEach(() => ws.end());

  const say = (type, payload, extra) =>
    ws.send({ type, timestamp: new Date().toISOString(), payload, ...extra });
  const type = (name) => (message) => message.type === name;

  it('should receive stage completion notification', async () => {
    say('subscribe_analysis', { analysisId: 'test-id' });
    const message = await ws.until(type('stage_completed'));
    assert.equal(message.payload.stage, 'project_review');
    assert.equal(message.payload.analysisId, 'test-id');
    assert.equal(message.payload.progress, 33);
    assert.ok(!Number.isNaN(Date.parse(message.timestamp)));
  });

  it('confirms a subscription, completes three stages and stops after unsubscribing', async () => {
    say('subscribe_analysis', { analysisId: 'stages' });
    const confirmed = await ws.next();
    assert.equal(confirmed.type, 'subscription_confirmed');
    assert.deepEqual(confirmed.payload, {
      analysisId: 'stages',
      currentStatus: 'processing',
      completedStages: [],
    });
    const stages = ['project_review', 'intelligence_report', 'interview_simulation'];
    for (const [position, progress] of [33, 66, 100].entries()) {
      assert.deepEqual((await ws.next()).payload, {
        analysisId: 'stages',
        stage: stages[position],
        completedStages: stages.slice(0, position + 1),
        progress,
        dataAvailable: true,
      });
    }
    say('unsubscribe_analysis', { analysisId: 'stages' });
    const gone = await ws.next();
    assert.equal(gone.type, 'unsubscription_confirmed');
    assert.deepEqual(gone.payload, { analysisId: 'stages' });
  });

  it('holds an interview with a follow-up, a pause and a summary', async () => {
    say('start_interview', { analysisId: 'quiet-1', sessionType: 'practice' });
    const started = await ws.until(type('interview_started'));
    const { sessionId, firstQuestion, totalQuestions } = started.payload;
    assert.ok(totalQuestions >= 3 && firstQuestion.question && firstQuestion.category && firstQuestion.difficulty);

    say('pause_interview', { sessionId });
    const paused = await ws.until(type('interview_paused'));
    assert.equal(paused.payload.canResume, true);
    assert.equal(typeof paused.payload.currentQuestionIndex, 'number');
    say('resume_interview', { sessionId });
    const resumed = await ws.until(type('interview_resumed'));
    assert.equal(resumed.payload.currentQuestion.questionId, firstQuestion.questionId);

    const asked = [];
    let { questionId } = firstQuestion;
    for (let action = 'next_question'; action !== 'complete'; ) {
      const begun = Date.now();
      say('submit_answer', { sessionId, questionId, answer: 'It is stateless.' });
      // The evaluation and the question that follows may come in either order.
      const evaluated = await ws.until(type('answer_evaluated'));
      assert.ok(Date.now() - begun < 5_000, 'evaluated within five seconds');
      const { evaluation, nextAction } = evaluated.payload;
      assert.equal(evaluated.payload.questionId, questionId);
      assert.ok(evaluation.score >= 0 && evaluation.score <= 100 && evaluation.feedback);
      for (const list of ['strengths', 'weaknesses', 'missingPoints']) assert.ok(Array.isArray(evaluation[list]));
      action = nextAction;
      if (action === 'complete') break;
      const kind = action === 'follow_up' ? 'follow_up_question' : 'next_question';
      const question = (await ws.until(type(kind))).payload;
      if (action === 'follow_up') assert.equal(question.relatedToQuestionId, questionId);
      asked.push(kind);
      questionId = question.questionId;
    }
    assert.ok(asked.includes('follow_up_question') && asked.includes('next_question'), `${asked}`);
    const { summary } = (await ws.until(type('interview_complete'))).payload;
    assert.ok(summary.overallScore >= 0 && summary.questionsAnswered >= 3);
    assert.ok(summary.keyStrengths.length > 0 && typeof summary.categoryScores === 'object');
  });

  it('answers a ping with a pong', async () => {
    say('ping', {}, { requestId: 'ping-1' });
    const pong = await ws.next();
    assert.equal(pong.type, 'pong');
    assert.equal(pong.requestId, 'ping-1');
    assert.deepEqual(pong.payload, {});
  });

  it('refuses what does not match the schema with INVALID_MESSAGE_FORMAT', async () => {
    const timestamp = new Date().toISOString();
    for (const message of ['{', '{}', { type: 'ping', payload: {} }, { type: 'dance', timestamp, payload: {} }]) {
      ws.send(message);
      const { type: kind, payload } = await ws.next();
      assert.equal(kind, 'error');
      assert.equal(payload.errorCode, 'INVALID_MESSAGE_FORMAT');
      assert.equal(payload.retryable, false);
    }
  });

  it('refuses unknown analyses and interviews, and those of others', async () => {
    for (const [kind, payload, code] of [
      ['subscribe_analysis', { analysisId: 'missing-1' }, 'ANALYSIS_NOT_FOUND'],
      ['subscribe_analysis', { analysisId: 'denied-1' }, 'UNAUTHORIZED'],
      ['pause_interview', { sessionId: 'nobody' }, 'SESSION_NOT_FOUND'],
    ]) {
      say(kind, payload);
      const { payload: refusal } = await ws.until(type('error'));
      assert.equal(refusal.errorCode, code);
      assert.ok(refusal.errorMessage);
      assert.equal(refusal.retryable, false);
    }
  });

  it('tells that an analysis failed', async () => {
    say('subscribe_analysis', { analysisId: 'fail-1' });
    const { payload } = await ws.until(type('analysis_failed'));
    assert.equal(payload.errorCode, 'REPO_NOT_FOUND');
    assert.equal(payload.retryable, false);
    assert.ok(payload.errorMessage && payload.stage);
  });

  it('refuses a bad token at the upgrade with HTTP 401', async () => {
    const stranger = new Peer(url, { headers: { Authorization: 'Bearer nonsense' } });
    assert.equal(await within('refused', stranger.refused), 401);
  });

  it('refuses a bad token in a message with UNAUTHORIZED and close 4401', async () => {
    const stranger = await Peer.open(url);
    stranger.send({ type: 'authenticate', timestamp: new Date().toISOString(), payload: { token: 'nonsense' } });
    assert.equal((await stranger.next()).payload.errorCode, 'UNAUTHORIZED');
    assert.equal((await within('close', stranger.closed)).code, 4401);
  });

  it('limits messages to 128 KB', async () => {
    const writer = await Peer.open(url, { headers: { Authorization: `Bearer ${token}` } });
    writer.send({ type: 'ping', timestamp: new Date().toISOString(), payload: { filler: 'x'.repeat(131_072) } });
    assert.equal((await within('close', writer.closed)).code, 1009);
  });

  it('limits messages to 100 per minute per connection', async () => {
    for (let i = 0; i < 101; i += 1) say('ping', {});
    const refusal = await ws.until(type('error'));
    assert.equal(refusal.payload.errorCode, 'RATE_LIMIT_EXCEEDED');
    assert.equal(refusal.payload.retryable, true);
  });

  it('goes on after a lost connection: subscribe again and learn the completed stages', async () => {
    say('subscribe_analysis', { analysisId: 'again' });
    await ws.until(type('stage_completed'));
    await mock.cut('devcontext');
    assert.equal((await within('the loss', ws.closed)).code, 1006);
    ws = await Peer.open(url, { headers: { Authorization: `Bearer ${token}` } });
    say('subscribe_analysis', { analysisId: 'again' });
    const confirmed = await ws.until(type('subscription_confirmed'));
    assert.equal(confirmed.payload.completedStages[0], 'project_review');
  });
});
