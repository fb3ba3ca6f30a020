// Generated from the declarations of the messages by `cargo run -p steadfast-generate`. Do not edit.

import { type Fields, type Picked, flag, instant, needList, needObject, needText, number, object, present, text } from '../envelope.js';

let lastStatus: string | undefined;
let lastStatusNumber = 0;

function status(name: string | undefined): number {
  // Most frames say what the one before said, and comparing is cheaper than looking up.
  if (name === lastStatus) return lastStatusNumber;
  lastStatus = name;
  return (lastStatusNumber = name === undefined ? 0 : (statuses.get(name) ?? 255));
}

const none: unknown[] = [];

function stageBits(list: unknown, label: string): number {
  let bits = 0;
  for (const name of needList(list ?? none, label)) bits |= stages.get(needText(name, label)) ?? 0;
  return bits;
}

/** Statuses by their numbers; 255 is one that is not known. */
const statuses = new Map<string, number>([['uploading', 1], ['analysis_in_progress', 2], ['verifying_ocr', 3], ['complete', 4], ['error', 5], ['transcribing', 6], ['transcribed', 7], ['extracting_notes', 8], ['processed', 9], ['failed', 10], ['ACTIVE', 11], ['PROCESSING', 12], ['COMPLETED', 13], ['FAILED', 14], ['EXPIRED', 15], ['processing', 16], ['completed', 17], ['pending', 18], ['answered', 19], ['follow_up', 20], ['next_question', 21]]);
/** Stages by their bits. */
const stages = new Map<string, number>([['project_review', 1], ['intelligence_report', 2], ['interview_simulation', 4]]);

/** The messages of charisma by the numbers of their kinds. */
export const charismaKinds = new Map<string, number>([['authenticated', 1], ['subscribed', 2], ['unsubscribed', 3], ['session_status', 4], ['session_upload_progress', 5], ['session_error', 6], ['error', 7], ['ping', 8]]);

/** Picks the fields of a message of charisma. */
export function charisma(p: Picked, kind: number, v: Fields): void {
  switch (kind) {
    case 1: { // authenticated
      p.text = text(v.message, 'message');
      break;
    }
    case 2: // subscribed
    case 3: { // unsubscribed
      p.topic = needText(v.sessionId, 'sessionId');
      p.text = text(v.message, 'message');
      break;
    }
    case 4: { // session_status
      p.topic = needText(v.sessionId, 'sessionId');
      p.status = status(needText(v.status, 'status'));
      p.text = text(v.message, 'message');
      p.progress = number(v.progress, 'progress');
      const o1 = object(v.error, 'error');
      p.code = o1 ? needText(o1?.code, 'error.code') : undefined;
      p.text = text(o1?.message, 'error.message') ?? p.text;
      break;
    }
    case 5: { // session_upload_progress
      p.topic = needText(v.sessionId, 'sessionId');
      p.progress = number(v.progress, 'progress');
      break;
    }
    case 6: // session_error
    case 7: { // error
      p.topic = text(v.sessionId, 'sessionId');
      p.status = status(text(v.status, 'status'));
      const o1 = needObject(v.error, 'error');
      p.code = needText(o1.code, 'error.code');
      p.text = text(o1.message, 'error.message');
      break;
    }
  }
}

/** The messages of therapybridge by the numbers of their kinds. */
export const therapybridgeKinds = new Map<string, number>([['progress', 10], ['ping', 8]]);

/** Picks the fields of a message of therapybridge. */
export function therapybridge(p: Picked, kind: number, v: Fields): void {
  switch (kind) {
    case 10: { // progress
      p.topic = needText(v.session_id, 'session_id');
      p.status = status(needText(v.status, 'status'));
      p.progress = number(v.progress, 'progress');
      p.text = text(v.message, 'message');
      p.at = instant(text(v.updated_at, 'updated_at'));
      p.eta = number(v.estimated_time_remaining, 'estimated_time_remaining') * 1000;
      p.text = text(v.error, 'error') ?? p.text;
      break;
    }
    case 8: { // ping
      p.at = instant(text(v.timestamp, 'timestamp'));
      break;
    }
  }
}

/** The messages of saga by the numbers of their kinds. */
export const sagaKinds = new Map<string, number>([['joined_project', 11], ['left_project', 12], ['story_uploaded', 13], ['story_processing', 14], ['story_processed', 15], ['transcript_updated', 16], ['interaction_added', 17], ['interaction_updated', 18], ['export_started', 19], ['export_progress', 20], ['export_ready', 21], ['export_failed', 22], ['error', 7], ['server_shutdown', 23], ['pong', 9]]);

/** Picks the fields of a message of saga. */
export function saga(p: Picked, kind: number, v: Fields): void {
  switch (kind) {
    case 11: // joined_project
    case 12: { // left_project
      p.topic = needText(v.projectId, 'projectId');
      break;
    }
    case 13: { // story_uploaded
      p.topic = needText(v.projectId, 'projectId');
      const o1 = object(v.story, 'story');
      p.item = text(o1?.id, 'story.id');
      break;
    }
    case 14: // story_processing
    case 15: // story_processed
    case 16: // transcript_updated
    case 17: // interaction_added
    case 18: { // interaction_updated
      p.topic = needText(v.projectId, 'projectId');
      p.item = text(v.storyId, 'storyId');
      break;
    }
    case 19: // export_started
    case 21: { // export_ready
      p.topic = needText(v.projectId, 'projectId');
      p.item = text(v.exportId, 'exportId');
      break;
    }
    case 20: { // export_progress
      p.topic = needText(v.projectId, 'projectId');
      p.item = text(v.exportId, 'exportId');
      p.progress = number(v.progress, 'progress');
      break;
    }
    case 22: { // export_failed
      p.topic = needText(v.projectId, 'projectId');
      p.item = text(v.exportId, 'exportId');
      p.text = text(v.error, 'error');
      break;
    }
    case 7: { // error
      p.code = needText(v.code, 'code');
      p.text = text(v.message, 'message');
      p.topic = text(v.projectId, 'projectId');
      break;
    }
    case 23: { // server_shutdown
      p.text = text(v.message, 'message');
      break;
    }
  }
}

/** The messages of docproc by the numbers of their kinds. */
export const docprocKinds = new Map<string, number>([['connected', 24], ['subscribed', 2], ['unsubscribed', 3], ['progress', 10], ['model_result', 25], ['clarification', 26], ['completed', 27], ['error', 7]]);

/** Picks the fields of a message of docproc. */
export function docproc(p: Picked, kind: number, v: Fields): void {
  switch (kind) {
    case 24: { // connected
      p.at = instant(text(v.timestamp, 'timestamp'));
      break;
    }
    case 2: // subscribed
    case 3: { // unsubscribed
      p.topic = needText(v.sessionId, 'sessionId');
      p.at = instant(text(v.timestamp, 'timestamp'));
      break;
    }
    case 10: { // progress
      p.topic = needText(v.sessionId, 'sessionId');
      p.status = status(needText(v.status, 'status'));
      p.progress = number(v.progress, 'progress');
      p.bits |= present(v.result);
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.sequence = number(v.sequence, 'sequence');
      break;
    }
    case 25: { // model_result
      p.topic = needText(v.sessionId, 'sessionId');
      p.item = text(v.modelName, 'modelName');
      p.bits |= present(text(v.result, 'result'));
      p.status = status(needText(v.status, 'status'));
      p.text = text(v.error, 'error');
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.sequence = number(v.sequence, 'sequence');
      break;
    }
    case 26: { // clarification
      p.topic = needText(v.sessionId, 'sessionId');
      p.item = needText(v.clarificationId, 'clarificationId');
      p.text = text(v.question, 'question');
      p.status = status(needText(v.status, 'status'));
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.sequence = number(v.sequence, 'sequence');
      break;
    }
    case 27: { // completed
      p.topic = needText(v.sessionId, 'sessionId');
      p.bits |= present(v.result);
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.sequence = number(v.sequence, 'sequence');
      break;
    }
    case 7: { // error
      p.topic = text(v.sessionId, 'sessionId');
      p.text = text(v.message, 'message');
      p.text = text(v.error, 'error') ?? p.text;
      p.code = text(v.code, 'code');
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.sequence = number(v.sequence, 'sequence');
      break;
    }
  }
}

/** The messages of devcontext by the numbers of their kinds. */
export const devcontextKinds = new Map<string, number>([['subscription_confirmed', 28], ['unsubscription_confirmed', 29], ['stage_completed', 34], ['analysis_failed', 35], ['interview_started', 30], ['answer_evaluated', 31], ['follow_up_question', 36], ['next_question', 37], ['interview_paused', 32], ['interview_resumed', 33], ['interview_complete', 38], ['error', 7], ['authenticated', 1], ['pong', 9]]);

/** Picks the fields of a message of devcontext. */
export function devcontext(p: Picked, kind: number, v: Fields): void {
  switch (kind) {
    case 28: { // subscription_confirmed
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.analysisId, 'payload.analysisId');
      p.status = status(text(o1.currentStatus, 'payload.currentStatus'));
      p.bits |= stageBits(o1.completedStages, 'payload.completedStages');
      break;
    }
    case 29: { // unsubscription_confirmed
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.analysisId, 'payload.analysisId');
      break;
    }
    case 34: { // stage_completed
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.analysisId, 'payload.analysisId');
      p.item = needText(o1.stage, 'payload.stage');
      p.bits |= stageBits(o1.completedStages, 'payload.completedStages');
      p.progress = number(o1.progress, 'payload.progress');
      p.bits |= flag(o1.dataAvailable, 'payload.dataAvailable') << 7;
      break;
    }
    case 35: { // analysis_failed
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.analysisId, 'payload.analysisId');
      p.item = text(o1.stage, 'payload.stage');
      p.text = text(o1.errorMessage, 'payload.errorMessage');
      p.code = needText(o1.errorCode, 'payload.errorCode');
      p.bits |= flag(o1.retryable, 'payload.retryable') << 3;
      break;
    }
    case 30: { // interview_started
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.sessionId, 'payload.sessionId');
      p.item = text(o1.analysisId, 'payload.analysisId');
      const o2 = object(o1.firstQuestion, 'payload.firstQuestion');
      p.question = text(o2?.questionId, 'payload.firstQuestion.questionId');
      p.text = text(o2?.question, 'payload.firstQuestion.question');
      break;
    }
    case 31: { // answer_evaluated
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.sessionId, 'payload.sessionId');
      p.question = needText(o1.questionId, 'payload.questionId');
      p.status = status(text(o1.nextAction, 'payload.nextAction'));
      break;
    }
    case 36: // follow_up_question
    case 37: { // next_question
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.sessionId, 'payload.sessionId');
      p.question = needText(o1.questionId, 'payload.questionId');
      p.text = text(o1.question, 'payload.question');
      break;
    }
    case 32: { // interview_paused
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.sessionId, 'payload.sessionId');
      p.bits |= flag(o1.canResume, 'payload.canResume') << 5;
      break;
    }
    case 33: { // interview_resumed
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.sessionId, 'payload.sessionId');
      const o2 = object(o1.currentQuestion, 'payload.currentQuestion');
      p.question = text(o2?.questionId, 'payload.currentQuestion.questionId');
      p.text = text(o2?.question, 'payload.currentQuestion.question');
      break;
    }
    case 38: { // interview_complete
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.topic = needText(o1.sessionId, 'payload.sessionId');
      p.item = text(o1.analysisId, 'payload.analysisId');
      break;
    }
    case 7: { // error
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      const o1 = needObject(v.payload, 'payload');
      p.code = needText(o1.errorCode, 'payload.errorCode');
      p.text = text(o1.errorMessage, 'payload.errorMessage');
      p.bits |= flag(o1.retryable, 'payload.retryable') << 3;
      break;
    }
    case 39: { // gateway
      p.text = text(v.message, 'message');
      break;
    }
    case 1: // authenticated
    case 9: { // pong
      p.at = instant(text(v.timestamp, 'timestamp'));
      p.request = text(v.requestId, 'requestId');
      break;
    }
  }
}

/** The texts that the bodies of answers must have. */
export const answers: Record<string, readonly string[]> = {
  login: ['access_token'],
  clarification: ['status'],
  session: ['sessionId', 'status'],
  analysis: ['analysisId'],
  health: ['status'],
  stats: [],
};
