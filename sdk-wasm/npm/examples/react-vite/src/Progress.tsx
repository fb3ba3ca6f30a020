// How far a job is: in words, in percent, as a bar and in steps.
import type { Phase, Service, Snapshot } from 'steadfast';
import { StepIcon } from './Icons.js';
import { about } from './services.js';
import { spoken, useEta } from './useEta.js';

const phases: Record<Phase, string> = {
  waiting: 'Waiting to begin', uploading: 'Uploading', processing: 'At work', needs_input: 'Waiting for an answer', done: 'Done', failed: 'Failed', expired: 'Expired',
};

interface Props {
  service: Service;
  topic: string;
  snapshot: Snapshot | undefined;
  error: string | undefined;
  isConnected: boolean;
  isLive: boolean;
}

export function Progress({ service, topic, snapshot, error, isConnected, isLive }: Props) {
  const { job, steps, words, share: shareOf, done: doneOf } = about[service];
  const done = doneOf(snapshot);
  const share = shareOf(snapshot);
  const running = !done && !error && snapshot !== undefined && snapshot.phase !== 'needs_input';
  const eta = useEta(topic, share, snapshot?.etaMs, running);
  const percent = share === undefined ? undefined : Math.round(share * 100);
  const outcome = error ? 'failed' : done ? 'done' : snapshot?.phase === 'needs_input' ? 'asks' : isLive ? 'running' : 'waiting';
  const headline = error ?? (done ? 'Done' : (snapshot?.message ?? (snapshot && words?.(snapshot))) ?? (isLive ? phases[snapshot?.phase ?? 'waiting'] : isConnected ? 'Subscribing' : 'Waiting for the connection'));
  const aside = error
    ? 'Start another one below'
    : done
      ? 'Nothing more to wait for'
      : !isLive && snapshot !== undefined
        ? 'Last known state'
        : eta
        ? `${spoken(eta.ms)}${eta.told ? '' : ' at this pace'}`
        : outcome === 'asks'
          ? 'It goes on after that'
          : ' ';

  return (
    <div className="progress" data-outcome={outcome}>
      <div className="progress-top">
        <p className="progress-headline" role="status">
          {headline}
        </p>
        <p className="progress-percent" aria-hidden="true">
          {percent ?? 0}
          <span>%</span>
        </p>
      </div>
      <div
        className="bar"
        role="progressbar"
        aria-label={`${job} ${topic}`}
        aria-valuemin={0}
        aria-valuemax={100}
        {...(percent !== undefined && { 'aria-valuenow': percent })}
        data-stale={!isLive && !done && !error}
      >
        <div className="bar-fill" style={{ transform: `scaleX(${share ?? 0})` }} />
      </div>
      <div className="progress-bottom">
        <p>
          {job} <code>{topic}</code>
        </p>
        <p className="progress-eta">{aside}</p>
      </div>
      <ol className="steps">
        {steps(snapshot).map(({ label, state }) => (
          <li key={label} data-state={state}>
            <StepIcon state={state} />
            <span className="step-label">{label}</span>
            <span className="visually-hidden">: {state}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
