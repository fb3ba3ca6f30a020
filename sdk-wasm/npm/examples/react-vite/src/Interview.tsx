// The interview about an analysis, as a small chat.
import { type FormEvent, type KeyboardEvent, useEffect, useId, useReducer, useRef, useState } from 'react';
import type { Client, ServiceEvent } from 'steadfast';
import { type InterviewView, useCommand, useEvents } from 'steadfast/react';

interface Bubble {
  from: 'them' | 'me' | 'note';
  text: string;
  aside?: string | undefined;
  score?: number | undefined;
}

const ideas = [
  'A bounded queue between the two, so that a slow reader costs memory once and not for ever.',
  'I would measure first: the hot path is the parser, not the socket.',
  'It trades a second copy of the state for never having to lock the writer.',
  'Shard by user id, and let each shard own its connections.',
];

export function Interview({ client, analysis, view, ready }: { client: Client<'devcontext'>; analysis: string; view: InterviewView; ready: boolean }) {
  const [bubbles, add] = useReducer((all: readonly Bubble[], next: Bubble | null) => (next ? [...all, next] : []), []);
  const [text, setText] = useState('');
  const [turn, setTurn] = useState(0);
  const chat = useRef<HTMLOListElement>(null);
  const id = useId();
  const begin = useCommand(() => view.start('practice'));
  const answer = useCommand((_, words: string) => view.answer(words));
  const pause = useCommand(() => (paused ? view.resume() : view.pause()));
  const error = begin.error ?? answer.error ?? pause.error;
  const paused = view.state?.status === 'paused';
  const running = view.sessionId !== undefined && view.state?.status !== 'complete' && view.summary === undefined;

  useEvents(client, (event: ServiceEvent<'devcontext'>) => {
    if (event.type === 'interview_started' && event.data.analysisId === analysis) {
      add(null);
      return add({ from: 'them', text: event.data.firstQuestion?.question ?? '', aside: event.data.firstQuestion?.category ?? undefined });
    }
    if (event.topic === undefined || event.topic !== view.sessionId) return;
    switch (event.type) {
      case 'answer_evaluated':
        return add({ from: 'note', text: event.data.evaluation?.feedback ?? 'Noted', score: event.data.evaluation?.score ?? undefined });
      case 'follow_up_question':
        return add({ from: 'them', text: event.data.question ?? '', aside: 'follow-up' });
      case 'next_question':
        return add({ from: 'them', text: event.data.question ?? '', aside: event.data.category ?? undefined });
      case 'interview_complete':
        return add({ from: 'them', text: 'That was all, thank you.', aside: 'result', score: event.data.summary?.overallScore ?? undefined });
    }
  });
  useEffect(() => {
    chat.current?.scrollTo({ top: chat.current.scrollHeight });
  }, [bubbles]);

  const send = (event?: FormEvent): void => {
    event?.preventDefault();
    const words = text.trim();
    if (!view.question || words === '' || paused || answer.isPending) return;
    add({ from: 'me', text: words });
    setText('');
    setTurn(turn + 1);
    answer.run(words).catch(() => undefined); // `answer.error` shows it
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && !event.shiftKey) send(event);
  };

  return (
    <form className="panel interview" onSubmit={send}>
      <div className="panel-head">
        <span className="eyebrow">Interview</span>
        {running && (
          <button type="button" className="button button-quiet button-small" onClick={() => pause.run().catch(() => undefined)}>
            {paused ? 'Go on' : 'Pause'}
          </button>
        )}
      </div>
      <ol className="chat" ref={chat} tabIndex={0} aria-label="Interview" aria-live="polite">
        {bubbles.length === 0 && (
          <li className="chat-empty">
            <p>{ready ? 'It has read the code and has some questions.' : 'When the analysis is done, it has some questions for you.'}</p>
            <button type="button" className="button button-strong" disabled={!ready || begin.isPending} onClick={() => begin.run().catch(() => undefined)}>
              Start the interview
            </button>
          </li>
        )}
        {bubbles.map((bubble, at) => (
          <li key={at} className="bubble" data-from={bubble.from}>
            {bubble.score !== undefined && <b className="score">{bubble.score}</b>}
            <span>{bubble.text}</span>
            {bubble.aside && <small>{bubble.aside}</small>}
          </li>
        ))}
        {answer.isPending && (
          <li className="bubble typing" data-from="them" aria-label="The answer is being judged">
            <i />
            <i />
            <i />
          </li>
        )}
      </ol>
      <div className="composer">
        <label className="visually-hidden" htmlFor={id}>
          Your answer
        </label>
        <textarea id={id} rows={2} value={text} disabled={!running} onChange={(event) => setText(event.target.value)} onKeyDown={key} placeholder={running ? (paused ? 'Paused' : 'Your answer') : ''} />
        <div className="composer-buttons">
          <button type="submit" className="button button-strong" disabled={!view.question || paused || text.trim() === '' || answer.isPending}>
            Send
          </button>
          <button type="button" className="button button-quiet" disabled={!running} onClick={() => setText(ideas[turn % ideas.length] ?? '')}>
            Suggest
          </button>
        </div>
      </div>
      <p className="form-error" role="alert">
        {error?.message}
      </p>
    </form>
  );
}
