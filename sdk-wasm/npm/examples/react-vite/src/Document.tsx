import { type FormEvent, useId, useState } from 'react';
import type { DocProcModelResult } from 'steadfast';
import { type Clarification, useCommand } from 'steadfast/react';

/** What the models found, and the question of one of them as something to answer. */
export function Document({ models, clarifications }: { models: readonly DocProcModelResult[]; clarifications: readonly Clarification[] }) {
  return (
    <div className="document">
      <ul className="models" aria-label="What the models found">
        {Array.from({ length: Math.max(3, models.length) }, (_, at) => models[at]).map((model, at) => (
          <li key={model?.modelName ?? at} data-status={model?.status}>
            <b>{model?.modelName ?? `Model ${at + 1}`}</b>
            <span>{model?.error ?? (model?.result || (model ? 'Reading' : 'Not yet'))}</span>
            <small>{model?.duration ? `${(model.duration / 1000).toFixed(1)} s` : ''}</small>
          </li>
        ))}
      </ul>
      <Question clarifications={clarifications} />
    </div>
  );
}

function Question({ clarifications }: { clarifications: readonly Clarification[] }) {
  const question = clarifications.find(({ status }) => status === 'pending');
  const answered = clarifications.findLast(({ status }) => status === 'answered');
  const [text, setText] = useState('');
  const [given, setGiven] = useState('');
  const reply = useCommand((_, to: Clarification, answer: string) => to.respond(answer));
  const id = useId();

  const send = (event: FormEvent): void => {
    event.preventDefault();
    const answer = text.trim();
    if (!question || answer === '' || reply.isPending) return;
    reply.run(question, answer).then(
      () => {
        setGiven(answer);
        setText('');
      },
      () => undefined, // `reply.error` shows it
    );
  };

  return (
    <form className="panel question" data-asks={question !== undefined} onSubmit={send}>
      <label htmlFor={id} role="status">
        {question ? (
          <>
            <span className="eyebrow">A model asks you</span>
            <strong>{question.question}</strong>
          </>
        ) : answered ? (
          <>
            <span className="eyebrow">{given ? `You answered “${given}”` : 'Answered'}</span>
            <strong className="soft">{answered.question}</strong>
          </>
        ) : (
          <>
            <span className="eyebrow">Questions</span>
            <span className="soft">If the models disagree, they ask you here, and wait.</span>
          </>
        )}
      </label>
      <div className="composer">
        <input id={id} value={text} onChange={(event) => setText(event.target.value)} placeholder={question ? 'With tax, I think' : ''} disabled={!question} autoComplete="off" />
        <button type="submit" className="button button-strong" disabled={!question || text.trim() === '' || reply.isPending}>
          {reply.isPending ? 'Sending' : 'Answer'}
        </button>
      </div>
      <p className="form-error" role="alert">
        {reply.error?.message}
      </p>
    </form>
  );
}
