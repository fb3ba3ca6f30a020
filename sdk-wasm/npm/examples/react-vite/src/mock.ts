// The mock server's control API: where tokens come from here, and how the server is made to misbehave.
import type { Service } from 'steadfast';

/** Where the mock server is: `?mock=…` in the address, or as the build says, or its usual port. */
export const address: string =
  new URLSearchParams(location.search).get('mock') ?? (import.meta.env.VITE_MOCK as string | undefined) ?? 'http://127.0.0.1:8090';

const visit = Math.random().toString(36).slice(2, 8);

/** This visit's user of a service. Another tab is another user, so that two of them don't get into each other's way. */
const userOf = (service: Service): string => `visitor-${visit}-${service}`;

async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const response = await fetch(`${address}/_mock/${path}`, { method: 'POST', body: JSON.stringify(body), ...(signal && { signal }) });
  if (!response.ok) throw new Error(`the mock server said ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** A token, as a real app would get one from its own backend. */
export async function getToken(service: Service, signal: AbortSignal): Promise<string> {
  const role = { charisma: 'user', therapybridge: 'therapist', saga: 'facilitator', docproc: 'user', devcontext: 'user' }[service];
  // Tokens of the same second and lifetime are the same token, and one that was made to expire stays bad.
  const ttl = `${3600 + Math.floor(Math.random() * 3600)}s`;
  return (await post<{ token: string }>('tokens', { sub: userOf(service), role, ttl }, signal)).token;
}

/** What can be done to a connection. */
export const faults = {
  drop: { label: 'Drop', title: 'Cut the connection without a word', action: { do: 'drop', how: 'rst' } },
  stall: { label: 'Stall', title: 'Leave it half-open: nothing comes through any more', action: { do: 'stall' } },
  expire: { label: 'Expire token', title: 'Make the token bad from now on', action: { do: 'expire_token' } },
  replace: { label: 'Replace', title: 'Give the place to another connection of this user', action: { do: 'replace' } },
} as const;

export type Fault = keyof typeof faults;

/** Misbehaves now, on this visitor's connections to one service. Gives how many it hit. */
export async function misbehave(service: Service, fault: Fault, signal: AbortSignal): Promise<number> {
  const rule = { match: { service, user: userOf(service), when: 'now' }, action: faults[fault].action };
  return (await post<{ applied: number }>('faults', rule, signal)).applied;
}
