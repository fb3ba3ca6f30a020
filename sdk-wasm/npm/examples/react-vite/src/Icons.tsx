import type { Service } from 'steadfast';
import type { StepState } from './services.js';

const marks: Record<Service, string> = {
  // A bubble, a wave, a book, sheets, brackets.
  charisma: 'M6 8.5h12a1.5 1.5 0 0 1 1.5 1.5v6a1.5 1.5 0 0 1-1.5 1.5h-6l-4 3v-3H6A1.5 1.5 0 0 1 4.500 16v-6A1.500 1.500 0 0 1 6 8.500z',
  therapybridge: 'M4 13v-1M8 16V9M12 19V6M16 16V9M20 13v-1',
  saga: 'M12 7.500C10 6 7.500 5.500 4.500 5.500v12c3 0 5.500.5 7.500 2 2-1.500 4.500-2 7.500-2v-12c-3 0-5.500.5-7.500 2zm0 0v12',
  docproc: 'M8 7.500V5.500h7l3.500 3.500v8h-2.500M5.500 8.500h7l3 3v8h-10z',
  devcontext: 'M9 7l-5 5.500L9 18M15 7l5 5.500L15 18',
};

export function Mark({ service }: { service: Service }) {
  return (
    <span className="mark" aria-hidden="true">
      <svg viewBox="0 0 24 25" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">
        <path d={marks[service]} />
      </svg>
    </span>
  );
}

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path d="M5 17h6l3-8 5 15 3-7h5" fill="none" strokeWidth="2.6" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}

const paths: Partial<Record<StepState, string>> = { done: 'M4.500 8.300l2.300 2.300 4.700-5', failed: 'M5.300 5.300l5.400 5.400M10.700 5.300l-5.400 5.400', asks: 'M8 4.800v3.800M8 11v.2' };

export function StepIcon({ state }: { state: StepState }) {
  const path = paths[state];
  return (
    <svg className="step-icon" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="7" />
      {path && <path d={path} fill="none" strokeWidth="1.7" strokeLinecap="round" strokeLinejoin="round" />}
      {state === 'active' && <circle className="step-core" cx="8" cy="8" r="3" />}
    </svg>
  );
}
