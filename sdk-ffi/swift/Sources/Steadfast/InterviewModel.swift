#if canImport(Observation)
import Observation

/// The interview about an analysis as a view sees it, and what can be done about it. ``SessionModel`` has it.
@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
@MainActor @Observable
public final class InterviewModel {
    @ObservationIgnored private let client: DevContextClient
    @ObservationIgnored private let analysis: String

    /// Its id, once it has begun.
    public private(set) var sessionId: String?
    /// Its state.
    public private(set) var state: InterviewState?
    /// The question that waits for an answer.
    public private(set) var question: DevContextQuestion?
    /// How the last answer was judged.
    public private(set) var evaluation: DevContextEvaluation?
    /// How it went, at the end.
    public private(set) var summary: DevContextSummary?

    init(_ client: DevContextClient, about analysis: String) {
        self.client = client
        self.analysis = analysis
    }

    /// Begins one.
    public func start(_ sessionType: SessionType = .live) async throws {
        _ = try await client.startInterview(about: analysis, as: sessionType)
    }

    /// Answers the question that waits.
    public func answer(_ text: String) async throws {
        let asked = question?.questionId
        try await client.submitAnswer(text, to: asked ?? "", in: sessionId ?? "")
        if question?.questionId == asked { question = nil }
    }

    /// Pauses it.
    public func pause() async throws {
        try await client.pauseInterview(sessionId ?? "")
    }

    /// Goes on.
    public func resume() async throws {
        try await client.resumeInterview(sessionId ?? "")
    }

    func take(_ state: InterviewState, of id: String) {
        if id == sessionId { self.state = state }
    }

    func take(_ message: Message) {
        guard case .devContext(let content) = message.data else { return }
        if case .interviewStarted(let started) = content, started.analysisId == analysis {
            (sessionId, question) = (started.sessionId, started.firstQuestion)
            (evaluation, summary) = (nil, nil)
        }
        guard let sessionId, message.topic == sessionId else { return }
        switch content {
        case .answerEvaluated(let judged):
            evaluation = judged.evaluation
            // The next question may have come before the judgement of the last answer.
            if question?.questionId == judged.questionId { question = nil }
        case .followUpQuestion(let next):
            question = DevContextQuestion(
                questionId: next.questionId, question: next.question, category: nil, difficulty: nil,
                fileReferences: nil)
        case .nextQuestion(let next):
            question = DevContextQuestion(
                questionId: next.questionId, question: next.question, category: next.category,
                difficulty: next.difficulty, fileReferences: next.fileReferences)
        case .interviewResumed(let resumed):
            question = resumed.currentQuestion ?? question
        case .interviewComplete(let complete):
            (summary, question) = (complete.summary, nil)
        default: break
        }
    }
}
#endif
