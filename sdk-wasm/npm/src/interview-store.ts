// The interview about an analysis, as a component sees it.

import type { Client } from './client.js';
import type { DevContextEvaluation, DevContextQuestion, DevContextSummary } from './generated/types.js';
import type { InterviewState, ServiceEvent } from './types.js';

/** An interview, and what can be done about it. */
export interface InterviewView {
  /** Its id, once it has begun. */
  sessionId: string | undefined;
  /** Its state. */
  state: InterviewState | undefined;
  /** The question that waits for an answer. */
  question: DevContextQuestion | undefined;
  /** How the last answer was judged. */
  evaluation: DevContextEvaluation | undefined;
  /** How it went, at the end. */
  summary: DevContextSummary | undefined;
  /** Begins one. */
  start(sessionType?: 'live' | 'practice'): Promise<void>;
  /** Answers the question that waits. */
  answer(text: string): Promise<void>;
  /** Pauses it. */
  pause(): Promise<void>;
  /** Goes on. */
  resume(): Promise<void>;
}

/** Follows the interview about one analysis. */
export class InterviewStore {
  readonly #client: Client<'devcontext'>;
  readonly #analysis: string;
  readonly #changed: () => void;
  view: InterviewView;

  constructor(client: Client<'devcontext'>, analysis: string, changed: () => void) {
    this.#client = client;
    this.#analysis = analysis;
    this.#changed = changed;
    this.view = {
      sessionId: undefined,
      state: undefined,
      question: undefined,
      evaluation: undefined,
      summary: undefined,
      start: async (sessionType) => void (await client.startInterview(analysis, sessionType)),
      answer: async (text) => {
        const question = this.view.question?.questionId ?? '';
        await client.submitAnswer(this.#session(), question, text);
      },
      pause: async () => void (await client.pauseInterview(this.#session())),
      resume: async () => void (await client.resumeInterview(this.#session())),
    };
  }

  /** Follows until the function that this gives is called. */
  start(): () => void {
    return this.#client.on('*', (event) => this.#take(event));
  }

  #session(): string {
    return this.view.sessionId ?? '';
  }

  #set(part: Partial<InterviewView>): void {
    this.view = { ...this.view, ...part };
    this.#changed();
  }

  #take(event: ServiceEvent<'devcontext'>): void {
    if (event.type === 'interview_started' && event.data.analysisId === this.#analysis) {
      const question = event.data.firstQuestion ?? undefined;
      return this.#set({ sessionId: event.data.sessionId, question, evaluation: undefined, summary: undefined });
    }
    if (event.topic === undefined || event.topic !== this.view.sessionId) return;
    switch (event.type) {
      case 'interview':
        return this.#set({ state: event.state });
      case 'answer_evaluated':
        // The next question may have come before the judgement of the last answer.
        return this.#set({
          evaluation: event.data.evaluation ?? undefined,
          question: this.view.question?.questionId === event.data.questionId ? undefined : this.view.question,
        });
      case 'follow_up_question':
      case 'next_question':
        return this.#set({ question: event.data });
      case 'interview_resumed':
        return this.#set({ question: event.data.currentQuestion ?? this.view.question });
      case 'interview_complete':
        return this.#set({ summary: event.data.summary ?? undefined, question: undefined });
    }
  }
}
