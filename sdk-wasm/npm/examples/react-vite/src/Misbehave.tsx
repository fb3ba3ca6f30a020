import { useId } from 'react';
import type { Service } from 'steadfast';
import { useCommand } from 'steadfast/react';
import type { HistoryStore } from './history.js';
import { type Fault, faults, misbehave } from './mock.js';

const done: Record<Fault, string> = {
  drop: 'You cut the connection',
  stall: 'You stalled the connection: it looks open, but nothing comes through',
  expire: 'You made the token expire',
  replace: 'You gave the place to another connection',
};

interface Props {
  service: Service;
  history: HistoryStore;
  isConnected: boolean;
}

/** Buttons that make the mock server misbehave towards one client. */
export function Misbehave({ service, history, isConnected }: Props) {
  const id = useId();
  const fault = useCommand(async (signal, which: Fault) => {
    history.say(done[which]);
    if ((await misbehave(service, which, signal)) === 0) history.say('There was no connection to do it to');
  });
  const press = (which: Fault): void => {
    // Not `disabled`: a button that has the focus must not lose it when the connection goes.
    if (isConnected) fault.run(which).catch((error: unknown) => history.say(String(error), 'bad'));
  };
  return (
    <div className="misbehave" role="group" aria-labelledby={id}>
      <h3 id={id} className="eyebrow">
        Make the server misbehave
      </h3>
      {(Object.keys(faults) as Fault[]).map((which) => (
        <button key={which} type="button" className="button button-break" title={faults[which].title} aria-disabled={!isConnected} onClick={() => press(which)}>
          {faults[which].label}
        </button>
      ))}
    </div>
  );
}
