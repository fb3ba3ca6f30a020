#if canImport(Observation)
import Observation

/// A topic as a view sees it.
///
/// ```swift
/// struct UploadView: View {
///     @State var model: SessionModel<Charisma>
///
///     var body: some View {
///         ProgressView(value: model.snapshot?.progress ?? 0)
///             .task { await model.follow() }
///     }
/// }
/// ```
@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
@MainActor @Observable
public final class SessionModel<S: SteadfastService> {
    /// How many messages a view sees at most.
    public static var mostMessages: Int { 100 }

    /// The client.
    @ObservationIgnored public let client: Client<S>
    /// The topic.
    @ObservationIgnored public let topic: String

    /// The last known picture.
    public private(set) var snapshot: Snapshot?
    /// The state of the connection; says why and what would help.
    public private(set) var connection: ConnectionState
    /// Whether the server has confirmed the subscription.
    public private(set) var isLive = false
    /// Why the server refused the topic, or why its job failed.
    public private(set) var error: String?
    /// Whether the job has ended, well or badly.
    public private(set) var done = false
    /// The last messages about it, at most ``mostMessages``.
    public private(set) var messages: [ServiceUpdate<S>] = []

    var documents = Documents()
    @ObservationIgnored var interviewModel: InterviewModel?

    /// Makes a model of a topic. It shows what is known and follows nothing yet.
    public init(_ client: Client<S>, topic: String) {
        self.client = client
        self.topic = topic
        connection = client.state
        snapshot = client.snapshot(of: topic)
        if let client = client as? DevContextClient { interviewModel = InterviewModel(client, about: topic) }
    }

    /// Whether messages flow.
    public var isConnected: Bool {
        if case .ready = connection { true } else { false }
    }

    /// Follows the topic until the task is cancelled or the client is closed. Then it is unsubscribed.
    public func follow() async {
        do {
            let events = client.events
            let session = try client.session(topic)
            defer { session.close() }
            connection = client.state
            look(at: session, .pending)
            async let topic: Void = followTopic(session)
            await followClient(events)
            session.close()
            await topic
        } catch {
            self.error = "\(error)"
        }
        isLive = false
    }

    private func followTopic(_ session: Session<S>) async {
        var state = SubscriptionState.pending
        for await event in session.events {
            if case .message(let message) = event { take(message) }
            if case .state(let now) = event { state = now }
            look(at: session, state)
        }
    }

    private func followClient(_ events: Events<ClientEvent>) async {
        for await event in events {
            switch event {
            case .state(let state): connection = state
            case .interview(let id, let state): interviewModel?.take(state, of: id)
            case .message(let message): interviewModel?.take(message)
            default: break
            }
        }
    }

    private func take(_ message: Message) {
        guard let update = ServiceUpdate<S>(message) else { return }
        messages = messages.suffix(Self.mostMessages - 1) + [update]
        if case .docProc(let content) = message.data, !message.outdated { documents.take(content) }
    }

    /// Takes over what changed, so that views are not drawn for what didn't.
    private func look(at session: Session<S>, _ state: SubscriptionState) {
        let snapshot = session.snapshot
        var error = snapshot?.error
        if case .refused(let why) = state { error = why.text }
        let done = state == .ended || snapshot?.terminal == true
        if connection != client.state { connection = client.state }
        if self.snapshot != snapshot { self.snapshot = snapshot }
        if isLive != (state == .live) { isLive = state == .live }
        if self.error != error { self.error = error }
        if self.done != done { self.done = done }
    }
}

/// What DocProc adds to a topic.
struct Documents: Sendable {
    var modelResults: [DocProcModelResult] = []
    var clarifications: [DocProcClarification] = []

    mutating func take(_ content: DocProcMessage) {
        switch content {
        case .modelResult(let result):
            modelResults.put(result) { $0.modelName == result.modelName }
        case .clarification(let question):
            clarifications.put(question) { $0.clarificationId == question.clarificationId }
        default: break
        }
    }
}

extension Array {
    /// Puts an element in the place of its former state, or at the end.
    fileprivate mutating func put(_ element: Element, _ isSame: (Element) -> Bool) {
        if let index = firstIndex(where: isSame) { self[index] = element } else { append(element) }
    }
}

/// A question of a model to the user, in its last state, and how to answer it.
public struct Clarification: Identifiable, Hashable, Sendable {
    /// What DocProc says about it.
    public let details: DocProcClarification
    private let client: DocProcClient

    init(_ details: DocProcClarification, _ client: DocProcClient) {
        self.details = details
        self.client = client
    }

    /// The question's id.
    public var id: String { details.clarificationId }
    /// The question.
    public var question: String? { details.question }
    /// Whether it waits for an answer.
    public var isPending: Bool { details.status == .pending }

    /// Answers it, by REST.
    public func respond(_ answer: String) async throws {
        try await client.respond(to: id, answer)
    }

    /// Whether both are the same question in the same state.
    public static func == (one: Clarification, other: Clarification) -> Bool {
        one.details == other.details
    }

    /// Hashes the question and its state.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(details)
    }
}

@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
extension SessionModel where S == DocProc {
    /// The last result of each model.
    public var modelResults: [DocProcModelResult] { documents.modelResults }

    /// The questions that have been asked, each in its last state.
    public var clarifications: [Clarification] {
        documents.clarifications.map { Clarification($0, client) }
    }
}

@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
extension SessionModel where S == DevContext {
    /// The interview about this analysis.
    public var interview: InterviewModel { interviewModel ?? InterviewModel(client, about: topic) }
}
#endif
