// How long a job will take yet: by the service's own estimate where it gives one, else by the pace so far.
import { useRef } from 'react';
import { useNow } from './useNow.js';

export interface Eta {
  ms: number;
  /** Whether the service said so. */
  told: boolean;
}

export function useEta(job: string, share: number | undefined, etaMs: number | undefined, running: boolean): Eta | undefined {
  const now = useNow(500, running);
  const start = useRef<{ job: string; at: number; share: number } | undefined>(undefined);
  const told = useRef<{ etaMs: number; at: number } | undefined>(undefined);
  if (!running || share === undefined) return undefined;
  if (start.current?.job !== job) start.current = { job, at: now, share };
  if (etaMs !== undefined) {
    if (told.current?.etaMs !== etaMs) told.current = { etaMs, at: now };
    return { ms: Math.max(0, etaMs - (now - told.current.at)), told: true };
  }
  const { at, share: first } = start.current;
  if (share - first < 0.04 || now - at < 1000) return undefined;
  return { ms: ((now - at) * (1 - share)) / (share - first), told: false };
}

/** A span of time in few words. */
export function spoken(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds <= 1) return 'about a second left';
  if (seconds < 90) return `about ${seconds} s left`;
  return `about ${Math.round(seconds / 60)} min left`;
}
