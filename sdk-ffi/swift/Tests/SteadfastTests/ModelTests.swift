import Foundation
import Steadfast
import Testing

/// An app's own model on the main actor, in the Swift 6 language mode: that it compiles without a warning is half the
/// test.
@MainActor
private final class OwnModel {
    private(set) var names: [String] = []
    private(set) var snapshot: Snapshot?
    private let client: SagaClient

    init(_ client: SagaClient) {
        self.client = client
    }

    func follow(_ topic: String, until last: String) async throws {
        let session = try client.session(topic)
        defer { session.close() }
        for await update in session.messages {
            names.append(update.name)
            snapshot = session.snapshot
            if update.name == last { return }
        }
    }

    func trip() async throws -> Int {
        try await client.ping()
    }
}

@Suite(.timeLimit(.minutes(1))) @MainActor struct Models {
    @Test func anAppsOwnModelOnTheMainActor() async throws {
        let client = try await SagaKit().client(user: "own-model")
        let model = OwnModel(client)
        try await model.follow("project_own", until: "export_ready")
        #expect(model.names.contains("export_progress") && model.snapshot != nil)
        #expect(try await model.trip() >= 0)
        await client.shutdown()
    }

    #if canImport(Observation)
    @Test func aModelFollowsASessionToItsEnd() async throws {
        let client = try await CharismaKit().client(user: "model")
        let model = SessionModel(client, topic: "session_model")
        #expect(!model.isLive && !model.done && model.snapshot == nil && model.connection == .idle)
        let following = Task { await model.follow() }
        try await until { model.isLive }
        #expect(model.isConnected && model.error == nil)
        try await until { model.done && !model.isLive }
        #expect(model.snapshot?.phase == .done && model.messages.count > 3)
        following.cancel()
        await following.value
        await client.shutdown()
    }

    @Test func aModelToldToStopUnsubscribes() async throws {
        let client = try await SagaKit().client(user: "stopped-model")
        let model = SessionModel(client, topic: "quiet-stopped")
        let following = Task { await model.follow() }
        try await until { model.isLive }
        following.cancel()
        await following.value
        #expect(!model.isLive && !model.done)
        try await until { client.stats().framesOut >= 2 && client.snapshot(of: "quiet-stopped")?.terminal != true }
        await client.shutdown()
    }

    @Test func aModelSaysWhyATopicIsRefused() async throws {
        let client = try await DevContextKit().client(user: "refused-model")
        let model = SessionModel(client, topic: "missing-model")
        let following = Task { await model.follow() }
        try await until { model.error != nil }
        #expect(!model.isLive && !model.done)
        following.cancel()
        await following.value
        await client.shutdown()
    }

    @Test func aModelThatCantSubscribeSaysSo() async throws {
        let client = try await CharismaKit().client(user: "wrong-model")
        let model = SessionModel(client, topic: "")
        await model.follow()
        #expect(model.error?.contains("empty") == true, "\(model.error as Any)")
        await client.shutdown()
    }

    @Test func docProcAddsResultsAndQuestions() async throws {
        let client = try await DocProcKit().client(user: "document-model")
        let model = SessionModel(client, topic: "session_documents")
        let following = Task { await model.follow() }
        try await until { model.clarifications.contains(where: \.isPending) }
        let pending = model.clarifications.first(where: \.isPending)
        let question = try #require(pending)
        #expect(question.question != nil)
        try await question.respond("the second")
        try await until { model.done }
        #expect(model.clarifications.map(\.id) == [question.id] && model.clarifications.allSatisfy { !$0.isPending })
        let models = model.modelResults.map(\.modelName)
        #expect(models.count > 1 && Set(models).count == models.count)
        following.cancel()
        await following.value
        await client.shutdown()
    }

    @Test func devContextAddsTheInterview() async throws {
        let client = try await DevContextKit().client(user: "interview-model")
        let model = SessionModel(client, topic: "analysis_interviewed")
        let following = Task { await model.follow() }
        try await until { model.done }
        let interview = model.interview
        try await interview.start(.practice)
        try await until { interview.question != nil && interview.sessionId != nil }
        try await interview.pause()
        try await until { if case .paused = interview.state { true } else { false } }
        try await interview.resume()
        while interview.summary == nil {
            try await until { interview.question != nil || interview.summary != nil }
            if interview.question != nil { try await interview.answer("because") }
        }
        #expect(interview.evaluation?.score != nil && interview.summary?.overallScore != nil)
        following.cancel()
        await following.value
        await client.shutdown()
    }
    #endif
}
