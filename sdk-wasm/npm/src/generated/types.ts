// Generated from the declarations of the messages by `cargo run -p steadfast-generate`. Do not edit.

/** The connection is authenticated. */
export interface CharismaAuthenticated {
  /** For people. */
  message?: string | null;
}

/** Who wrote a line of the conversation. */
export type CharismaAuthor = 'contact' | 'user' | (string & {});

/** What went wrong. */
export interface CharismaErrorDetail {
  /** `OCR_FAILED`, `SESSION_NOT_FOUND`, `FORBIDDEN`, `UNAUTHORIZED`, `INVALID_MESSAGE` or another. */
  code: string;
  /** For people. */
  message?: string | null;
}

/** One line of a recognised conversation. */
export interface CharismaOcrLine {
  /** Who wrote it. */
  author?: CharismaAuthor | null;
  /** Its id. */
  id?: string | null;
  /** What it says. */
  text?: string | null;
}

/** A session failed or was refused; without a session it concerns the connection. */
export interface CharismaSessionError {
  /** What went wrong. */
  error: CharismaErrorDetail;
  /** The session, if the error is about one. */
  sessionId?: string | null;
  /** `error`. */
  status?: CharismaStatus | null;
}

/** How far a session is. */
export interface CharismaSessionStatus {
  /** What went wrong; may come with `error`. */
  error?: CharismaErrorDetail | null;
  /** For people. */
  message?: string | null;
  /** The lines that were recognised, in reading order; with `verifying_ocr`. */
  ocrResult?: CharismaOcrLine[] | null;
  /** 0.0–1.0, of the phase that the status names. */
  progress?: number | null;
  /** Where the screenshot is; with `verifying_ocr`. */
  screenshotUrl?: string | null;
  /** The session. */
  sessionId: string;
  /** What it is at. */
  status: CharismaStatus;
}

/** How far the upload of a session is. */
export interface CharismaSessionUploadProgress {
  /** 0.0–1.0. */
  progress?: number | null;
  /** The session. */
  sessionId: string;
}

/** What a session is at. */
export type CharismaStatus = 'uploading' | 'analysis_in_progress' | 'verifying_ocr' | 'complete' | 'error' | (string & {});

/** The answer to a subscribe; it carries no state. */
export interface CharismaSubscribed {
  /** For people. */
  message?: string | null;
  /** The session. */
  sessionId: string;
}

/** The answer to an unsubscribe. */
export interface CharismaUnsubscribed {
  /** For people. */
  message?: string | null;
  /** The session. */
  sessionId: string;
}

/** An analysis, as fetched. */
export interface DevContextAnalysis {
  /** The analysis. */
  analysisId: string;
  /** All stages that are done. */
  completedStages?: DevContextStage[] | null;
  /** Each stage's data: an object. */
  stages?: unknown;
  /** What it is at. */
  status?: DevContextAnalysisStatus | null;
}

/** An analysis failed. */
export interface DevContextAnalysisFailed {
  /** The analysis. */
  analysisId: string;
  /** `REPO_NOT_FOUND` or another. */
  errorCode: string;
  /** For people. */
  errorMessage?: string | null;
  /** Whether trying again may help. */
  retryable?: boolean | null;
  /** The stage that failed. */
  stage?: DevContextStage | null;
}

/** What an analysis is at. */
export type DevContextAnalysisStatus = 'processing' | 'completed' | 'failed' | (string & {});

/** An answer was judged. */
export interface DevContextAnswerEvaluated {
  /** The judgement. */
  evaluation?: DevContextEvaluation | null;
  /** What comes next. */
  nextAction?: DevContextNextAction | null;
  /** The question. */
  questionId: string;
  /** The interview. */
  sessionId: string;
}

/** What a question is about. */
export type DevContextCategory = 'architecture' | 'implementation' | 'tradeoffs' | 'scalability' | (string & {});

/** A score for each category, 0–100; others than these are in the raw JSON. */
export interface DevContextCategoryScores {
  /** Architecture. */
  architecture?: number | null;
  /** Implementation. */
  implementation?: number | null;
  /** Scalability. */
  scalability?: number | null;
  /** Trade-offs. */
  tradeoffs?: number | null;
}

/** How hard a question is. */
export type DevContextDifficulty = 'junior' | 'mid-level' | (string & {});

/** Something was refused or went wrong. */
export interface DevContextError {
  /** Whatever the server adds. */
  details?: unknown;
  /** One of */
  errorCode: string;
  /** For people. */
  errorMessage?: string | null;
  /** Whether trying again may help. */
  retryable?: boolean | null;
}

/** The judgement of an answer. */
export interface DevContextEvaluation {
  /** In one text. */
  feedback?: string | null;
  /** What was not said. */
  missingPoints?: string[] | null;
  /** 0–100. */
  score?: number | null;
  /** What was good. */
  strengths?: string[] | null;
  /** What was not. */
  weaknesses?: string[] | null;
}

/** A question that follows from an answer. */
export interface DevContextFollowUpQuestion {
  /** The question. */
  question?: string | null;
  /** The new question's id. */
  questionId: string;
  /** What it is after. */
  questionType?: DevContextQuestionType | null;
  /** The question it follows. */
  relatedToQuestionId?: string | null;
  /** The interview. */
  sessionId: string;
}

/** What an API gateway says when it could not pass a message on. */
export interface DevContextGateway {
  /** The gateway's name for the connection. */
  connectionId?: string | null;
  /** For people. */
  message?: string | null;
  /** The gateway's name for the message, not ours. */
  requestId?: string | null;
}

/** An interview is over. */
export interface DevContextInterviewComplete {
  /** The analysis it was about. */
  analysisId?: string | null;
  /** The interview. */
  sessionId: string;
  /** How it went. */
  summary?: DevContextSummary | null;
}

/** An interview was paused. */
export interface DevContextInterviewPaused {
  /** Whether it can go on; missing counts as true. */
  canResume?: boolean | null;
  /** Where it stands. */
  currentQuestionIndex?: number | null;
  /** The interview. */
  sessionId: string;
}

/** An interview goes on. */
export interface DevContextInterviewResumed {
  /** Where it stands. */
  currentQuestion?: DevContextQuestion | null;
  /** The interview. */
  sessionId: string;
}

/** An interview began. */
export interface DevContextInterviewStarted {
  /** The analysis it is about. */
  analysisId?: string | null;
  /** The first question. */
  firstQuestion?: DevContextQuestion | null;
  /** The interview. */
  sessionId: string;
  /** How many there will be. */
  totalQuestions?: number | null;
}

/** What comes after an answer. */
export type DevContextNextAction = 'follow_up' | 'next_question' | 'complete' | (string & {});

/** The next question. */
export interface DevContextNextQuestion {
  /** What it is about. */
  category?: DevContextCategory | null;
  /** How hard it is. */
  difficulty?: DevContextDifficulty | null;
  /** The files it is about: paths. */
  fileReferences?: string[] | null;
  /** The question. */
  question?: string | null;
  /** The question's id. */
  questionId: string;
  /** Which one it is, from 1. */
  questionNumber?: number | null;
  /** The interview. */
  sessionId: string;
  /** How many there are. */
  totalQuestions?: number | null;
}

/** A question of an interview. */
export interface DevContextQuestion {
  /** What it is about. */
  category?: DevContextCategory | null;
  /** How hard it is. */
  difficulty?: DevContextDifficulty | null;
  /** The files it is about: paths. */
  fileReferences?: string[] | null;
  /** The question. */
  question?: string | null;
  /** Its id. */
  questionId?: string | null;
}

/** What a follow-up question is after. */
export type DevContextQuestionType = 'clarifying' | 'deeper_technical' | (string & {});

/** A stage of an analysis. */
export type DevContextStage = 'project_review' | 'intelligence_report' | 'interview_simulation' | (string & {});

/** A stage of an analysis is done. */
export interface DevContextStageCompleted {
  /** The analysis. */
  analysisId: string;
  /** All stages that are done. */
  completedStages?: DevContextStage[] | null;
  /** Whether the stage's data can be fetched; missing counts as true. */
  dataAvailable?: boolean | null;
  /** Percent, 0–100. */
  progress?: number | null;
  /** The stage. */
  stage: DevContextStage;
}

/** An analysis is subscribed; this is its state. */
export interface DevContextSubscriptionConfirmed {
  /** The analysis. */
  analysisId: string;
  /** All stages that are done. */
  completedStages?: DevContextStage[] | null;
  /** What it is at, e.g. `processing`. */
  currentStatus?: DevContextAnalysisStatus | null;
}

/** How an interview went. */
export interface DevContextSummary {
  /** For people. */
  averageResponseTime?: string | null;
  /** Each category's score. */
  categoryScores?: DevContextCategoryScores | null;
  /** What to work on. */
  improvementAreas?: string[] | null;
  /** What was good. */
  keyStrengths?: string[] | null;
  /** What was not. */
  keyWeaknesses?: string[] | null;
  /** 0–100. */
  overallScore?: number | null;
  /** How many questions were answered. */
  questionsAnswered?: number | null;
}

/** An analysis is no longer subscribed. */
export interface DevContextUnsubscriptionConfirmed {
  /** The analysis. */
  analysisId: string;
}

/** A question to the user. */
export interface DocProcClarification {
  /** The question's id. */
  clarificationId: string;
  /** The question. */
  question?: string | null;
  /** The place in the order of events, if a server counts them. */
  sequence?: number | null;
  /** The session. */
  sessionId: string;
  /** Whether it has been answered. */
  status: DocProcClarificationStatus;
  /** ISO 8601. */
  timestamp?: string | null;
}

/** The reply to an answered clarification. */
export interface DocProcClarificationReply {
  /** The clarification. */
  clarificationId?: string | null;
  /** `answered`. */
  status: DocProcClarificationStatus;
}

/** Whether a clarification has been answered. */
export type DocProcClarificationStatus = 'pending' | 'answered' | (string & {});

/** A session is done. */
export interface DocProcCompleted {
  /** The result: an object. */
  result?: unknown;
  /** The place in the order of events, if a server counts them. */
  sequence?: number | null;
  /** The session. */
  sessionId: string;
  /** ISO 8601. */
  timestamp?: string | null;
}

/** The connection is there. */
export interface DocProcConnected {
  /** The Socket.IO id. */
  socketId?: string | null;
  /** ISO 8601. */
  timestamp?: string | null;
}

/** Something went wrong; without a session it concerns the connection. */
export interface DocProcError {
  /** `TOKEN_EXPIRED`, where tokens are required; other codes may come. */
  code?: string | null;
  /** What went wrong, for people. */
  error?: string | null;
  /** What went wrong, for people, where a server has it under Saga's name. */
  message?: string | null;
  /** The place in the order of events, if a server counts them. */
  sequence?: number | null;
  /** The session, if the error is about one. */
  sessionId?: string | null;
  /** ISO 8601. */
  timestamp?: string | null;
}

/** What one model made of the session. */
export interface DocProcModelResult {
  /** How long it took, ms. */
  duration?: number | null;
  /** What went wrong, for people; with `failed`. */
  error?: string | null;
  /** The model. */
  modelName?: string | null;
  /** Who runs it. */
  provider?: string | null;
  /** Its answer. */
  result?: string | null;
  /** The place in the order of events, if a server counts them. */
  sequence?: number | null;
  /** The session. */
  sessionId: string;
  /** What it is at. */
  status: DocProcModelStatus;
  /** ISO 8601. */
  timestamp?: string | null;
}

/** What a model is at. */
export type DocProcModelStatus = 'processing' | 'completed' | 'failed' | (string & {});

/** How far a session is. */
export interface DocProcProgress {
  /** How many there are. */
  clarificationCount?: number | null;
  /** Whether there are clarifications. */
  hasClarifications?: boolean | null;
  /** Whether there is a result. */
  hasResult?: boolean | null;
  /** Percent, 0–100. */
  progress?: number | null;
  /** How many prompts are in which state. */
  prompts?: DocProcPrompts | null;
  /** The result, if it is sent along: an object. */
  result?: unknown;
  /** The place in the order of events, if a server counts them. */
  sequence?: number | null;
  /** The session. */
  sessionId: string;
  /** What it is at. */
  status: DocProcStatus;
  /** ISO 8601. */
  timestamp?: string | null;
}

/** How many prompts of a session are in which state. */
export interface DocProcPrompts {
  /** Done. */
  completed?: number | null;
  /** Failed. */
  failed?: number | null;
  /** Waiting. */
  pending?: number | null;
  /** At work. */
  processing?: number | null;
  /** All of them. */
  total?: number | null;
}

/** What a session is at. */
export type DocProcStatus = 'ACTIVE' | 'PROCESSING' | 'COMPLETED' | 'FAILED' | 'EXPIRED' | (string & {});

/** A session is subscribed, or no longer. */
export interface DocProcSubscription {
  /** The session. */
  sessionId: string;
  /** ISO 8601. */
  timestamp?: string | null;
}

/** Something was refused, or the connection will end. */
export interface SagaError {
  /** `PROJECT_ACCESS_DENIED`, `RATE_LIMIT_EXCEEDED`, `TOKEN_EXPIRED` or another, in either case of letters. */
  code: string;
  /** For people. */
  message?: string | null;
  /** The project, if the error is about one. */
  projectId?: string | null;
}

/** An export failed. */
export interface SagaExportFailed {
  /** What went wrong, for people. */
  error?: string | null;
  /** The export. */
  exportId?: string | null;
  /** The project. */
  projectId: string;
}

/** How far an export is. */
export interface SagaExportProgress {
  /** The export. */
  exportId?: string | null;
  /** Percent, 0–100. */
  progress?: number | null;
  /** The project. */
  projectId: string;
}

/** An export is done. */
export interface SagaExportReady {
  /** Where it is. */
  downloadUrl?: string | null;
  /** The export. */
  exportId?: string | null;
  /** The project. */
  projectId: string;
}

/** An export began. */
export interface SagaExportStarted {
  /** The export. */
  exportId?: string | null;
  /** The project. */
  projectId: string;
}

/** A comment or question. */
export interface SagaInteraction {
  /** What it says. */
  content?: string | null;
  /** Its id. */
  id?: string | null;
  /** Which of the two it is; `type` on the wire. */
  type?: SagaInteractionKind | null;
}

/** A comment or question is new or was changed. */
export interface SagaInteractionEvent {
  /** The comment or question. */
  interaction?: SagaInteraction | null;
  /** The project. */
  projectId: string;
  /** The story. */
  storyId?: string | null;
}

/** What an interaction is. */
export type SagaInteractionKind = 'comment' | 'question' | (string & {});

/** The connections of a project. */
export interface SagaProjectConnections {
  /** How many there are. */
  connectionCount?: number | null;
  /** The project. */
  projectId?: string | null;
}

/** The server's rate limit. */
export interface SagaRateLimitStats {
  /** How many users have sent something in the window. */
  activeUsers?: number | null;
  /** How many events of a user fit into it. */
  maxEventsPerWindow?: number | null;
  /** The window, ms. */
  rateLimitWindow?: number | null;
}

/** A room was joined or left. */
export interface SagaRoom {
  /** The project. */
  projectId: string;
}

/** How the server is. */
export interface SagaServerHealth {
  /** How many projects have a connection. */
  projectCount?: number | null;
  /** `healthy`. */
  status: string;
  /** How many connections there are. */
  totalConnections?: number | null;
  /** Seconds. */
  uptime?: number | null;
}

/** The server is about to stop. */
export interface SagaServerShutdown {
  /** For people. */
  message?: string | null;
}

/** Who is connected to the server. */
export interface SagaServerStats {
  /** The connections of each project. */
  projectConnections?: SagaProjectConnections[] | null;
  /** How many projects have a connection. */
  projectCount?: number | null;
  /** The rate limit. */
  rateLimitStats?: SagaRateLimitStats | null;
  /** How many connections there are. */
  totalConnections?: number | null;
  /** How many users are connected. */
  userCount?: number | null;
}

/** A story; it may have more fields than these. */
export interface SagaStory {
  /** Its id. */
  id?: string | null;
  /** Its title. */
  title?: string | null;
}

/** A story is being processed, or is done. */
export interface SagaStoryState {
  /** The project. */
  projectId: string;
  /** The story. */
  storyId?: string | null;
}

/** A new story. */
export interface SagaStoryUploaded {
  /** The project. */
  projectId: string;
  /** The story. */
  story?: SagaStory | null;
  /** Who told it. */
  uploadedBy?: string | null;
}

/** A story's transcript changed. */
export interface SagaTranscriptUpdated {
  /** The project. */
  projectId: string;
  /** The story. */
  storyId?: string | null;
  /** The text. */
  transcript?: string | null;
}

/** The answer to a login. */
export interface TherapyBridgeLogin {
  /** The token. */
  access_token: string;
  /** Seconds. */
  expires_in?: number | null;
  /** `bearer`. */
  token_type?: string | null;
}

/** A heartbeat. */
export interface TherapyBridgePing {
  /** ISO 8601. */
  timestamp?: string | null;
}

/** How far a session is. */
export interface TherapyBridgeProgress {
  /** When tracking began; ISO 8601. */
  created_at?: string | null;
  /** What went wrong, for people; with `failed`. */
  error?: string | null;
  /** Seconds. */
  estimated_time_remaining?: number | null;
  /** For people. */
  message?: string | null;
  /** Percent, 0–100. */
  progress?: number | null;
  /** The session. */
  session_id: string;
  /** What it is at. */
  status: TherapyBridgeStatus;
  /** When this was so; ISO 8601. */
  updated_at?: string | null;
}

/** What a session is at. */
export type TherapyBridgeStatus = 'uploading' | 'transcribing' | 'transcribed' | 'extracting_notes' | 'processed' | 'failed' | (string & {});

/** The messages of Charisma by their types, with their data. */
export interface CharismaMessages {
  authenticated: CharismaAuthenticated;
  subscribed: CharismaSubscribed;
  unsubscribed: CharismaUnsubscribed;
  session_status: CharismaSessionStatus;
  session_upload_progress: CharismaSessionUploadProgress;
  session_error: CharismaSessionError;
  error: CharismaSessionError;
  ping: unknown;
}

/** The messages of TherapyBridge by their types, with their data. */
export interface TherapyBridgeMessages {
  progress: TherapyBridgeProgress;
  ping: TherapyBridgePing;
}

/** The messages of Saga by their types, with their data. */
export interface SagaMessages {
  joined_project: SagaRoom;
  left_project: SagaRoom;
  story_uploaded: SagaStoryUploaded;
  story_processing: SagaStoryState;
  story_processed: SagaStoryState;
  transcript_updated: SagaTranscriptUpdated;
  interaction_added: SagaInteractionEvent;
  interaction_updated: SagaInteractionEvent;
  export_started: SagaExportStarted;
  export_progress: SagaExportProgress;
  export_ready: SagaExportReady;
  export_failed: SagaExportFailed;
  error: SagaError;
  server_shutdown: SagaServerShutdown;
  pong: unknown;
}

/** The messages of DocProc by their types, with their data. */
export interface DocProcMessages {
  connected: DocProcConnected;
  subscribed: DocProcSubscription;
  unsubscribed: DocProcSubscription;
  progress: DocProcProgress;
  model_result: DocProcModelResult;
  clarification: DocProcClarification;
  completed: DocProcCompleted;
  error: DocProcError;
}

/** The messages of DevContext by their types, with their data. */
export interface DevContextMessages {
  subscription_confirmed: DevContextSubscriptionConfirmed;
  unsubscription_confirmed: DevContextUnsubscriptionConfirmed;
  stage_completed: DevContextStageCompleted;
  analysis_failed: DevContextAnalysisFailed;
  interview_started: DevContextInterviewStarted;
  answer_evaluated: DevContextAnswerEvaluated;
  follow_up_question: DevContextFollowUpQuestion;
  next_question: DevContextNextQuestion;
  interview_paused: DevContextInterviewPaused;
  interview_resumed: DevContextInterviewResumed;
  interview_complete: DevContextInterviewComplete;
  error: DevContextError;
  /** A frame without a type, from the gateway in front of the service. */
  gateway: DevContextGateway;
  authenticated: unknown;
  pong: unknown;
}

/** What a notice is about. */
export type NoticeKind = 'TokenNotRefreshed' | 'ClockSuspect' | 'ServerUnhealthy' | 'ServerPolicy' | 'RateLimited' | 'OutOfRange' | 'ServerError' | 'ServerShutdown';

/** What kind of trouble stands behind a state. */
export type WhyKind = 'Network' | 'Timeout' | 'Silence' | 'Tls' | 'Restart' | 'AuthFailed' | 'TokenProvider' | 'NotAllowed' | 'NotFound' | 'Configuration' | 'Displaced' | 'Overloaded' | 'Policy' | 'TooLarge' | 'ServerError' | 'Protocol' | 'Kicked' | 'Flapping' | 'Opaque' | 'GaveUp' | 'Service';

/** Why a command failed. */
export type CommandErrorKind = 'Rejected' | 'TimedOut' | 'Interrupted' | 'Cancelled' | 'Expired' | 'NotConnected' | 'QueueFull' | 'PayloadTooLarge' | 'Invalid' | 'Closed';

/** How far a topic or one of its items is. */
export type Phase = 'waiting' | 'uploading' | 'processing' | 'needs_input' | 'done' | 'failed' | 'expired';

/** A client's state in the words of DevContext's documentation. */
export type DevContextState = 'disconnecting' | 'error' | 'disconnected' | 'connecting' | 'interview_active' | 'interview_paused' | 'subscribed' | 'connected';
