// The three React hooks, each as its service's users write it, in a page.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { startMock, until } from './support/mock.mjs';
import { loadSocketIo, openPage } from './support/page.mjs';

const window = openPage();
const io = loadSocketIo(window);
const { createElement, useEffect, useRef, useState } = await import('react');
const { createRoot } = await import('react-dom/client');

let root;

/** Shows a component and gives what the page says. */
function show(component, props) {
  root ??= createRoot(document.getElementById('root'));
  root.render(createElement(component, props));
}
const page = () => document.getElementById('root').textContent;
const shows = (text) => until(`“${text}” on the page`, () => page().includes(text));

function unmount() {
  root?.unmount();
  root = undefined;
}

let mock;
before(async () => {
  mock = await startMock();
});
after(async () => {
  await mock.stop();
  window.close();
});
afterEach(unmount);

const connections = async (service) =>
  (await mock.control('connections')).filter((connection) => connection.service === service).length;

describe('TherapyBridge: useSessionProgress', () => {
  function useSessionProgress(sessionId, token) {
    const [progress, setProgress] = useState(null);
    const [isConnected, setIsConnected] = useState(false);
    const [error, setError] = useState(null);
    useEffect(() => {
      const base = mock.url('therapybridge', 'ws');
      const ws = new WebSocket(`${base}/api/sessions/ws/${sessionId}?token=${token}`);
      ws.onopen = () => setIsConnected(true);
      ws.onmessage = (event) => {
        const data = JSON.parse(event.data);
        if (data.type === 'ping') return;
        setProgress(data);
        if (data.status === 'processed' || data.status === 'failed') ws.close();
      };
      ws.onerror = () => {
        setError('WebSocket connection failed');
        setIsConnected(false);
      };
      ws.onclose = () => setIsConnected(false);
      return () => ws.close();
    }, [sessionId, token]);
    return { progress, isConnected, error };
  }

  function UploadProgress({ sessionId, token }) {
    const { progress, isConnected, error } = useSessionProgress(sessionId, token);
    const last = progress ? `${progress.progress}% ${progress.status} ${progress.message}` : 'no update';
    const failure = progress?.error ?? error;
    return createElement(
      'div',
      null,
      isConnected ? 'connected' : 'apart',
      createElement('progress', { value: progress?.progress ?? 0, max: 100 }),
      createElement('p', null, last),
      failure && createElement('p', null, `Error: ${failure}`),
    );
  }

  test('shows the progress up to the end and closes by itself', async () => {
    show(UploadProgress, { sessionId: 'hook-1', token: await mock.token('u1', 'patient') });
    await shows('connected');
    await shows('transcribing');
    await shows('100% processed');
    await shows('apart');
    assert.equal(document.querySelector('progress').value, 100);
    assert.ok(!page().includes('Error'), page());
  });

  test('shows why a session failed', async () => {
    show(UploadProgress, { sessionId: 'fail-hook', token: await mock.token('u1', 'patient') });
    await shows('Error: The audio');
  });

  test('moves to another session, and leaves when it is unmounted', async () => {
    const token = await mock.token('u1', 'patient');
    show(UploadProgress, { sessionId: 'quiet-a', token });
    await shows('connected');
    show(UploadProgress, { sessionId: 'quiet-b', token });
    await until('one connection', async () => (await connections('therapybridge')) === 1);
    await mock.emit('therapybridge', 'quiet-b', { status: 'transcribing', progress: 41 });
    await shows('41%');
    unmount();
    await until('no connection', async () => (await connections('therapybridge')) === 0);
  });
});

describe('DocProc: useSessionWebSocket', () => {
  function useSessionWebSocket(sessionId) {
    const [socket, setSocket] = useState(null);
    const [progress, setProgress] = useState(null);
    const [modelResults, setModelResults] = useState([]);
    const [clarifications, setClarifications] = useState([]);
    const [isCompleted, setIsCompleted] = useState(false);
    useEffect(() => {
      if (!sessionId) return undefined;
      const opened = io(mock.base, { path: '/docproc/socket.io/', transports: ['websocket', 'polling'] });
      opened.on('connect', () => opened.emit('subscribe', sessionId));
      opened.on('progress', (data) => setProgress(data));
      opened.on('model_result', (data) => setModelResults((before) => [...before, data]));
      opened.on('clarification', (data) => setClarifications((before) => [...before, data]));
      opened.on('completed', () => setIsCompleted(true));
      setSocket(opened);
      return () => {
        opened.emit('unsubscribe', sessionId);
        opened.disconnect();
      };
    }, [sessionId]);
    return { socket, progress, modelResults, clarifications, isCompleted };
  }

  function Session({ sessionId }) {
    const { progress, modelResults, clarifications, isCompleted } = useSessionWebSocket(sessionId);
    const done = modelResults.filter((result) => result.status === 'completed').length;
    const question = clarifications.find((asked) => asked.status === 'pending');
    return createElement(
      'div',
      null,
      `${progress?.status ?? 'no status'}, ${done} models completed, `,
      isCompleted ? 'completed' : 'under way',
      question && createElement('p', { id: 'question', 'data-id': question.clarificationId }, question.question),
    );
  }

  test('shows results, a question and, once it is answered, the end', async () => {
    show(Session, { sessionId: 'hook-1' });
    await shows('PROCESSING');
    const question = await until('a question', () => document.getElementById('question'));
    const answer = await fetch(`${mock.url('docproc')}/api/wizard/clarifications/respond`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ clarificationId: question.dataset.id, answer: 'Without tax.' }),
    });
    assert.equal(answer.status, 200);
    await shows('completed');
    await shows('COMPLETED');
  });

  test('does nothing without a session, and leaves when it is unmounted', async () => {
    await until('no connection of the test before', async () => (await connections('docproc')) === 0);
    show(Session, { sessionId: null });
    await shows('no status');
    assert.equal(await connections('docproc'), 0);
    show(Session, { sessionId: 'quiet-1' });
    const subscribed = async () =>
      (await mock.control('log?service=docproc&topic=quiet-1&what=subscribed')).length > 0;
    await until('a subscription', subscribed);
    unmount();
    await until('no connection', async () => (await connections('docproc')) === 0);
  });
});

describe('DevContext: useWebSocket', () => {
  function useWebSocket({ url, authToken, onMessage, onError }) {
    const ws = useRef(null);
    const [isConnected, setIsConnected] = useState(false);
    useEffect(() => {
      ws.current = new WebSocket(url);
      ws.current.onopen = () => {
        setIsConnected(true);
        const message = { type: 'authenticate', timestamp: new Date().toISOString(), payload: { token: authToken } };
        ws.current?.send(JSON.stringify(message));
      };
      ws.current.onmessage = (event) => onMessage(JSON.parse(event.data));
      ws.current.onerror = () => onError?.(new Error('WebSocket connection error'));
      ws.current.onclose = () => setIsConnected(false);
      return () => ws.current?.close();
    }, [url, authToken]);
    const sendMessage = (message) => {
      if (ws.current?.readyState === WebSocket.OPEN) ws.current.send(JSON.stringify(message));
    };
    return { isConnected, sendMessage };
  }

  function AnalysisProgress({ analysisId, authToken }) {
    const [progress, setProgress] = useState(0);
    const [completedStages, setCompletedStages] = useState([]);
    const [failure, setFailure] = useState('');
    const { isConnected, sendMessage } = useWebSocket({
      url: `${mock.url('devcontext', 'ws')}/v1/ws`,
      authToken,
      onMessage: (message) => {
        if (message.type === 'stage_completed') {
          setProgress(message.payload.progress);
          setCompletedStages(message.payload.completedStages);
        } else if (message.type === 'error') {
          setFailure(message.payload.errorCode);
        }
      },
    });
    useEffect(() => {
      const say = (type) => sendMessage({ type, timestamp: new Date().toISOString(), payload: { analysisId } });
      if (isConnected) say('subscribe_analysis');
      return () => say('unsubscribe_analysis');
    }, [isConnected, analysisId]);
    return createElement('div', null, `${progress}% ${completedStages.join(', ')} ${failure}`);
  }

  test('shows the stages of an analysis', async () => {
    show(AnalysisProgress, { analysisId: 'hook-1', authToken: await mock.token() });
    await shows('33% project_review');
    await shows('66% project_review, intelligence_report');
    await shows('100% project_review, intelligence_report, interview_simulation');
  });

  test('shows a refusal', async () => {
    show(AnalysisProgress, { analysisId: 'missing-1', authToken: await mock.token() });
    await shows('ANALYSIS_NOT_FOUND');
  });

  test('unsubscribes from one analysis when it moves to another', async () => {
    const authToken = await mock.token();
    show(AnalysisProgress, { analysisId: 'quiet-1', authToken });
    const heard = (type, topic) => async () =>
      (await mock.control(`log?service=devcontext&topic=${topic}&type=${type}`)).length > 0;
    await until('subscribed', heard('subscription_confirmed', 'quiet-1'));
    show(AnalysisProgress, { analysisId: 'quiet-2', authToken });
    await until('unsubscribed', heard('unsubscription_confirmed', 'quiet-1'));
    await until('subscribed', heard('subscription_confirmed', 'quiet-2'));
    unmount();
    await until('no connection', async () => (await connections('devcontext')) === 0);
  });
});
