import Steadfast
import Testing

/// What a test needs to know about a service.
protocol Kit: Sendable, CustomTestStringConvertible {
    associatedtype S: SteadfastService

    var slug: String { get }
    var topic: String { get }
    /// The messages after which nothing more is expected, any of them.
    var last: [String] { get }
    /// Whether a topic ends by itself.
    var ends: Bool { get }
    /// The event that carries `data`, if it has to be named to the mock.
    var event: String? { get }
    /// A message with a value of an enum that nobody knows.
    var data: [String: any Sendable] { get }
    /// That value, in the message.
    func unknownValue(_ content: S.Content) -> String?
    /// The message as one that nobody knows.
    func unknown(_ content: S.Content) -> UnknownMessage?
    /// Asks for something that the service has a command for.
    func ask(_ client: Client<S>, about topic: String) async throws
}

extension Kit {
    var testDescription: String { slug }

    /// A client of this service on the mock. It is quick to try again.
    func client(
        _ mock: Mock = .shared, user: String, change: (inout ClientOptions) -> Void = { _ in },
        tokenProvider: TokenFunction? = nil, listener: ListenerFunction? = nil
    ) async throws -> Client<S> {
        var options = ClientOptions(endpoint: .url("\(mock.url)/\(slug)"))
        if tokenProvider == nil { options.token = try await Mock.shared.token(user) }
        options.reconnect = ReconnectOptions(baseDelayMs: 20, maxDelayMs: 100, stableAfterMs: 100)
        change(&options)
        return try Client<S>(options, tokenProvider: tokenProvider, listener: listener)
    }

    /// Answers a question of DocProc's, whose job waits for that.
    func answer(_ client: Client<S>, _ message: Message) async throws {
        guard case .docProc(.clarification(let question)) = message.data, question.status == .pending else { return }
        let docproc = try #require(client as? DocProcClient)
        #expect(try await docproc.respond(to: question.clarificationId, "the second").status == .answered)
    }
}

let kits: [any Kit] = [CharismaKit(), TherapyBridgeKit(), SagaKit(), DocProcKit(), DevContextKit()]

struct CharismaKit: Kit {
    typealias S = Charisma
    let slug = "charisma", topic = "session_1", last = ["session_status"], ends = true
    let event: String? = "session_status"
    let data: [String: any Sendable] = ["status": "dreaming"]

    func unknownValue(_ content: CharismaMessage) -> String? {
        if case .sessionStatus(let it) = content, case .other(let value) = it.status { value } else { nil }
    }

    func unknown(_ content: CharismaMessage) -> UnknownMessage? {
        if case .unknown(let it) = content { it } else { nil }
    }

    func ask(_ client: CharismaClient, about topic: String) async throws {
        try await client.authenticate()
    }
}

struct TherapyBridgeKit: Kit {
    typealias S = TherapyBridge
    let slug = "therapybridge", topic = "session_1", last = ["progress"], ends = true
    let event: String? = nil
    let data: [String: any Sendable] = ["status": "dreaming", "progress": 5]

    func unknownValue(_ content: TherapyBridgeMessage) -> String? {
        if case .progress(let it) = content, case .other(let value) = it.status { value } else { nil }
    }

    func unknown(_ content: TherapyBridgeMessage) -> UnknownMessage? {
        if case .unknown(let it) = content { it } else { nil }
    }

    func ask(_ client: TherapyBridgeClient, about topic: String) async throws {
        let login = try await client.login(email: "therapist@example.org", password: "secret")
        #expect(!login.accessToken.isEmpty)
    }
}

struct SagaKit: Kit {
    typealias S = Saga
    let slug = "saga", topic = "project_1", last = ["export_ready"], ends = false
    let event: String? = "interaction_added"
    let data: [String: any Sendable] = [
        "storyId": "s", "interaction": ["id": "i", "type": "riddle", "content": "?"] as [String: any Sendable],
    ]

    func unknownValue(_ content: SagaMessage) -> String? {
        if case .interactionAdded(let it) = content, case .other(let value)? = it.interaction?.kind { value } else { nil }
    }

    func unknown(_ content: SagaMessage) -> UnknownMessage? {
        if case .unknown(let it) = content { it } else { nil }
    }

    func ask(_ client: SagaClient, about topic: String) async throws {
        #expect(try await client.ping() >= 0)
    }
}

struct DocProcKit: Kit {
    typealias S = DocProc
    let slug = "docproc", topic = "session_1", last = ["completed", "progress"], ends = true
    let event: String? = "progress"
    let data: [String: any Sendable] = ["status": "DREAMING", "progress": 5]

    func unknownValue(_ content: DocProcMessage) -> String? {
        if case .progress(let it) = content, case .other(let value) = it.status { value } else { nil }
    }

    func unknown(_ content: DocProcMessage) -> UnknownMessage? {
        if case .unknown(let it) = content { it } else { nil }
    }

    func ask(_ client: DocProcClient, about topic: String) async throws {
        #expect(try await client.fetchSession(topic).sessionId == topic)
    }
}

struct DevContextKit: Kit {
    typealias S = DevContext
    let slug = "devcontext", topic = "analysis_1", last = ["stage_completed"], ends = true
    let event: String? = "stage_completed"
    let data: [String: any Sendable] = ["stage": "dreaming", "completedStages": [String](), "progress": 5]

    func unknownValue(_ content: DevContextMessage) -> String? {
        if case .stageCompleted(let it) = content, case .other(let value) = it.stage { value } else { nil }
    }

    func unknown(_ content: DevContextMessage) -> UnknownMessage? {
        if case .unknown(let it) = content { it } else { nil }
    }

    func ask(_ client: DevContextClient, about topic: String) async throws {
        #expect(try await client.ping() >= 0)
    }
}

/// Any JSON object.
struct Object: Decodable {}
