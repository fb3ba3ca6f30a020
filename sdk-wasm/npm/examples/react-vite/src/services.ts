// What the page knows of each service beyond what all have in common: words, and the steps of a job.
import type { Item, Phase, Service, Snapshot } from 'steadfast';

export type StepState = 'todo' | 'active' | 'asks' | 'done' | 'failed';

export interface Step {
  label: string;
  state: StepState;
}

export interface About {
  name: string;
  tagline: string;
  /** What a topic of it is called. */
  job: string;
  steps(snapshot: Snapshot | undefined): Step[];
  /** What it is at, for people, where the service has no words of its own. */
  words?(snapshot: Snapshot): string | undefined;
  /** How far all of it is, 0–1, if that can be said. */
  share(snapshot: Snapshot | undefined): number | undefined;
  /** Whether it has come to its end. */
  done(snapshot: Snapshot | undefined): boolean;
}

const states: Record<Phase, StepState> = {
  waiting: 'todo', uploading: 'active', processing: 'active', needs_input: 'asks', done: 'done', failed: 'failed', expired: 'failed',
};

/** The newest item of a kind, or the one with this id. */
const item = (snapshot: Snapshot | undefined, kind: string, id?: string): Item | undefined =>
  snapshot?.items.findLast((one) => one.kind === kind && (id === undefined || one.id === id));
const state = (one: Item | undefined): StepState => (one ? states[one.phase] : 'todo');
const part = (one: Item | undefined): number => (one?.phase === 'done' ? 1 : (one?.progress ?? 0));
const finished = (snapshot: Snapshot | undefined): boolean => snapshot?.phase === 'done';
const whole = (snapshot: Snapshot | undefined): number | undefined => (finished(snapshot) ? 1 : snapshot?.progress);

const finishedBook = (snapshot: Snapshot | undefined): boolean => item(snapshot, 'export')?.phase === 'done';

/** Steps in their order, of which the last one that has begun is known. */
function along(labels: readonly string[], reached: number, snapshot: Snapshot | undefined): Step[] {
  return labels.map((label, at) => {
    if (finished(snapshot) || at < reached) return { label, state: 'done' };
    if (at > reached) return { label, state: 'todo' };
    return { label, state: snapshot?.phase === 'failed' ? 'failed' : 'active' };
  });
}

export const about: Record<Service, About> = {
  charisma: {
    name: 'Charisma',
    tagline: 'Reads a conversation from a screenshot',
    job: 'Session',
    steps: (snapshot) => {
      const analysis = state(item(snapshot, 'analysis'));
      const over = finished(snapshot);
      return [
        { label: 'Upload', state: over ? 'done' : analysis === 'todo' ? state(item(snapshot, 'upload')) : 'done' },
        { label: 'Analysis', state: over || analysis === 'asks' ? 'done' : snapshot?.phase === 'failed' ? 'failed' : analysis },
        { label: 'Check', state: over ? 'done' : analysis === 'asks' ? 'active' : 'todo' },
      ];
    },
    share: (snapshot) => {
      if (finished(snapshot)) return 1;
      const analysis = item(snapshot, 'analysis');
      if (analysis?.phase === 'needs_input') return 0.95;
      return analysis ? 0.5 + 0.4 * part(analysis) : 0.5 * part(item(snapshot, 'upload'));
    },
    done: finished,
  },
  therapybridge: {
    name: 'TherapyBridge',
    tagline: 'Turns a recorded session into notes',
    job: 'Recording',
    steps: (snapshot) => {
      const share = snapshot?.progress ?? -1;
      return along(['Upload', 'Transcribe', 'Write notes'], share < 0 ? -1 : share < 0.3 ? 0 : share < 0.62 ? 1 : 2, snapshot);
    },
    share: whole,
    done: finished,
  },
  saga: {
    name: 'Saga',
    tagline: 'Collects stories and prints the book',
    job: 'Project',
    steps: (snapshot) => [
      { label: 'Story', state: state(item(snapshot, 'story')) },
      { label: 'Book', state: state(item(snapshot, 'export')) },
    ],
    words: (snapshot) => {
      const [story, book] = [item(snapshot, 'story'), item(snapshot, 'export')];
      if (book) return book.phase === 'failed' ? 'The book failed' : 'Laying out the book';
      return story && (story.phase === 'done' ? 'The story is told' : 'Listening to the story');
    },
    share: (snapshot) => {
      const story = item(snapshot, 'story');
      if (!story) return undefined;
      return (story.phase === 'done' ? 0.4 : 0.15) + 0.55 * part(item(snapshot, 'export')) + (finishedBook(snapshot) ? 0.05 : 0);
    },
    // A project is a room that never ends; here its book is what is waited for.
    done: finishedBook,
  },
  docproc: {
    name: 'DocProc',
    tagline: 'Lets several models read one document',
    job: 'Document',
    steps: (snapshot) => {
      const [model, question] = [item(snapshot, 'model'), state(item(snapshot, 'clarification'))];
      const over = finished(snapshot);
      const failed = snapshot?.phase === 'failed';
      return [
        { label: 'Reading', state: over || question !== 'todo' ? 'done' : failed ? 'failed' : model ? 'active' : 'todo' },
        { label: 'Your answer', state: over ? 'done' : question },
        { label: 'Result', state: over ? 'done' : question === 'done' ? 'active' : 'todo' },
      ];
    },
    words: (snapshot) => {
      if (snapshot.phase === 'needs_input') return 'Waiting for your answer';
      const busy = snapshot.items.find((one) => one.kind === 'model' && one.phase === 'processing');
      return busy && `${busy.id} is reading`;
    },
    share: whole,
    done: finished,
  },
  devcontext: {
    name: 'DevContext',
    tagline: 'Studies a repository, then interviews you',
    job: 'Analysis',
    steps: (snapshot) => {
      const stages = ['project_review', 'intelligence_report', 'interview_simulation'];
      const reached = stages.filter((stage) => item(snapshot, 'stage', stage)?.phase === 'done').length;
      return along(['Review', 'Report', 'Simulation'], snapshot ? reached : -1, snapshot);
    },
    words: (snapshot) => ['Reviewing the project', 'Writing the report', 'Preparing the interview'][snapshot.items.filter((one) => one.kind === 'stage').length],
    share: whole,
    done: finished,
  },
};

/** How the next job goes; the mock server reads it out of the topic's name. */
export const courses = {
  well: { label: 'A good job', prefix: '' },
  fails: { label: 'A failing job', prefix: 'fail-' },
  crashes: { label: 'A server crash', prefix: 'crash-' },
  missing: { label: 'An unknown job', prefix: 'missing-' },
} as const;

export type Course = keyof typeof courses;

export function newTopic(course: Course): string {
  return `${courses[course].prefix}${Math.random().toString(36).slice(2, 8)}`;
}
