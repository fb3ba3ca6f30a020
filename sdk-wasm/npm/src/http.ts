// REST requests by `fetch`.

import type { Output } from './core.js';
import { answers } from './generated/pick.js';
import { message } from './token.js';

type Request = Extract<Output, { do: 'http' }>;

/** How a request ended. */
export interface Answer {
  /** The HTTP status; 0 if there was no answer. */
  status: number;
  /** `Retry-After` in ms, else NaN. */
  retryAfter: number;
  /** Whether the body is what was asked for. */
  readable: boolean;
  /** What the server, or the reader, says is wrong. */
  error: string | undefined;
  /** The body. */
  body: unknown;
  /** How long it was as a text. */
  size: number;
}

/** Sends a request and reads the whole answer. Never rejects. */
export async function request(call: typeof fetch, ask: Request, signal: AbortSignal): Promise<Answer> {
  const answer: Answer = { status: 0, retryAfter: NaN, readable: false, error: undefined, body: undefined, size: 0 };
  try {
    const init: RequestInit = { method: ask.method, headers: ask.headers, redirect: 'manual', cache: 'no-store', signal };
    if (ask.body !== undefined) init.body = ask.body;
    const response = await call(ask.url, init);
    const text = await read(response, ask.max);
    // A redirect is an answer; a browser hides which one it was.
    answer.status = response.type === 'opaqueredirect' ? 302 : response.status;
    answer.retryAfter = retryAfter(response.headers.get('retry-after'));
    answer.size = text.length;
    judge(answer, text, ask.expect);
  } catch (error) {
    answer.status = 0;
    answer.error = message(error);
  }
  return answer;
}

function judge(answer: Answer, text: string, expect: string): void {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    answer.error = answer.status < 300 ? "the answer can't be read: not JSON" : undefined;
    return;
  }
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  if (answer.status < 200 || answer.status >= 300) {
    const words = fields.error ?? fields.message;
    answer.error = typeof words === 'string' ? words : undefined;
    return;
  }
  const missing = (answers[expect] ?? []).find((name) => typeof fields[name] !== 'string');
  if (missing !== undefined || fields !== body || Array.isArray(body)) {
    answer.error = `the answer can't be read: ${missing === undefined ? 'expected an object' : `${missing}: expected a text`}`;
    return;
  }
  answer.readable = true;
  answer.body = body;
}

async function read(response: Response, most: number): Promise<string> {
  if (!response.body) return '';
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > most) {
      await reader.cancel();
      throw new Error(`the answer is larger than ${most} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** What a `Retry-After` says, ms; NaN if it is none. */
export function retryAfter(value: string | null): number {
  if (value === null) return NaN;
  const wait = /^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return wait >= 0 ? wait : NaN;
}
