import { useEffect, useRef, useState } from 'react';
import type { Diagnosis as Report } from 'steadfast';
import { useNow } from './useNow.js';

/** What the client says about itself, as it could be pasted into a ticket; without secrets. */
export function Diagnosis({ name, diagnose, onClose }: { name: string; diagnose: () => Report; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [copied, setCopied] = useState(false);
  useNow(1000);
  const { text } = diagnose();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} className="diagnosis" aria-label={`Diagnosis of ${name}`} onClose={onClose} onClick={(event) => event.target === dialog.current && dialog.current.close()}>
      <div className="diagnosis-body">
        <header>
          <h3>{name}, diagnosed</h3>
          <p>Why it is in the state it is in. No secrets in it: paste it into a ticket.</p>
        </header>
        <ul>
          {text.split('\n').map((line, at) => {
            const [label, rest] = split(line);
            return (
              <li key={at} data-hint={label === 'hint'}>
                <b>{label}</b>
                <span>{rest}</span>
              </li>
            );
          })}
        </ul>
        <footer>
          <button type="button" className="button" onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}>
            {copied ? 'Copied' : 'Copy'}
          </button>
          <button type="button" className="button button-strong" autoFocus onClick={() => dialog.current?.close()}>
            Close
          </button>
        </footer>
      </div>
    </dialog>
  );
}

function split(line: string): [string, string] {
  const at = line.indexOf(': ');
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 2)];
}
