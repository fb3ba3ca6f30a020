// Where tokens come from, and the one thing that is read of them.

import { TokenDenied, type TokenSource } from './types.js';

/** When a token expires, Unix ms, if it is a JWT that says so; else NaN. The signature is the server's business. */
export function expiry(token: string): number {
  const claims = token.split('.')[1];
  if (!claims) return NaN;
  try {
    const { exp } = JSON.parse(atob(claims.replace(/-/g, '+').replace(/_/g, '/'))) as { exp?: unknown };
    return typeof exp === 'number' && exp >= 0 ? Math.floor(exp * 1000) : NaN;
  } catch {
    return NaN;
  }
}

/** How a call of the provider ended; the code is the machine's. */
export type TokenAnswer = { code: 11; token: string } | { code: 12 | 13; reason: string };

/** Asks the provider. Never rejects. */
export async function askToken(source: TokenSource | undefined, force: boolean, signal: AbortSignal): Promise<TokenAnswer> {
  try {
    const token = typeof source === 'function' ? await source({ force, signal }) : source;
    if (typeof token !== 'string') return { code: 12, reason: 'the token provider gave no text' };
    return { code: 11, token };
  } catch (error) {
    return { code: error instanceof TokenDenied ? 13 : 12, reason: message(error) };
  }
}

/** What an error says. */
export function message(error: unknown): string {
  try {
    return String((error as Partial<Error> | undefined | null)?.message ?? error).slice(0, 4096);
  } catch {
    return 'an error that has no words';
  }
}
