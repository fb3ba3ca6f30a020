import Foundation
import Steadfast
import Testing

/// What the app gives to the SDK: tokens, listeners, loggers, roots; and its tasks.
@Suite(.timeLimit(.minutes(1))) struct App {
    @Test(arguments: kits) func tokenRefreshAheadAndForced(_ kit: any Kit) async throws {
        func refresh(_ kit: some Kit) async throws {
            let (mock, user) = (Mock.requiringTokens, "refresh-\(kit.slug)")
            let asked = Locked<[Bool]>([])
            let provider: TokenFunction = { wasRefused in
                let count = asked.withLock {
                    $0.append(wasRefused)
                    return $0.count
                }
                return try await mock.token(user, ttl: count == 1 ? "11s" : "\(3600 + count)s")
            }
            let client = try await kit.client(
                mock, user: user, change: { $0.timings = TimingOptions(refreshIntervalMs: 100) }, tokenProvider: provider)
            let session = try client.session("quiet-\(user)")
            try await session.live()
            let first = try await mock.connections(of: user)
            try await until { asked.now.count >= 2 }
            #expect(asked.now == [false, false], "ahead of the expiry nothing has been refused")
            let inBand = ["charisma", "devcontext"].contains(kit.slug)
            if !inBand {  // the new token needs a new connection: the old one goes
                try await until {
                    let now = try await mock.connections(of: user)
                    return now.count == 1 && now != first
                }
            }
            try await session.live()
            try await mock.fault(user, ["do": "expire_token"])
            // The next message is refused, unless the server was quicker.
            if inBand { try? await client.send("anything") }
            try await until { asked.now.count >= 3 }
            try await session.live()
            #expect(client.stats().authFailures <= 1)
            await client.shutdown()
        }
        try await refresh(kit)
    }

    @Test func aProviderThatThrowsIsAskedAgainAndOneThatDeniesIsNot() async throws {
        struct NotYet: Error {}
        let asked = Locked(0)
        let flaky = try await CharismaKit().client(user: "flaky", tokenProvider: { _ in
            let count = asked.withLock {
                $0 += 1
                return $0
            }
            if count == 1 { throw NotYet() }
            return try await Mock.shared.token("flaky")
        })
        try await flaky.ready()
        #expect(asked.now == 2)
        await flaky.shutdown()

        let denied = try await CharismaKit().client(user: "denied", tokenProvider: { _ in
            throw TokenError.denied(detail: "signed out")
        })
        await #expect(throws: SteadfastError.self) { try await denied.ready() }
        guard case .failed(let why) = denied.state else { throw Trouble("\(denied.state)") }
        #expect(why.kind == .auth && why.text.contains("signed out"))
        denied.setToken(try await Mock.shared.token("denied"))
        try await denied.ready()
        await denied.shutdown()
    }

    @Test func aProviderIsToldThatNobodyWaitsAnyMore() async throws {
        let (asked, cancelled) = (Locked(false), Locked(false))
        let client = try await CharismaKit().client(user: "waiting", tokenProvider: { _ in
            asked.withLock { $0 = true }
            do { try await Task.sleep(for: .seconds(600)) } catch { cancelled.withLock { $0 = true } }
            throw CancellationError()
        })
        client.connect()
        let session = try client.session("quiet-waiting")
        try await until { asked.now }
        await client.shutdown()
        try await until { cancelled.now }
        session.close()
    }

    @Test func aProviderMayAskTheClientThatIsGoingAndAnswerInTheSameMoment() async throws {
        for round in 0..<60 {
            let (asked, ended) = (Locked(false), Locked(false))
            let (answers, answer) = AsyncStream.makeStream(of: Void.self)
            let held = Locked<CharismaClient?>(nil)
            var client: CharismaClient? = try CharismaClient(url: "\(Mock.shared.url)/charisma") { _ in
                defer { ended.withLock { $0 = true } }
                asked.withLock { $0 = true }
                return await withTaskCancellationHandler {
                    for await _ in answers { break }
                    return "t"
                } onCancel: {
                    let client = held.now
                    _ = client?.diagnose()
                    client?.setToken("another")
                }
            }
            held.withLock { $0 = client }
            client?.connect()
            try await until { asked.now }
            let answering = Task.detached { if !round.isMultiple(of: 3) { answer.yield() } }
            if round.isMultiple(of: 2) { await client?.shutdown() }
            client = nil
            held.withLock { $0 = nil }
            await answering.value
            try await until { ended.now }
        }
    }

    @Test(arguments: kits) func aCancelledWaitLosesNoEvent(_ kit: any Kit) async throws {
        func cancelled(_ kit: some Kit) async throws {
            let user = "lossless-\(kit.slug)"
            let (client, topic) = (try await kit.client(user: user), "quiet-\(user)")
            let session = try client.session(topic)
            try await session.live()
            // DevContext tells each stage once, so there it is messages that only the client hears of.
            let named = kit.slug == "devcontext"
            let reader = Numbers(named ? .client(client.events) : .session(session.events))
            for number in 0..<40 {
                let wait = Task { await reader.take(1000) }
                await Task.yield()
                var data = kit.data
                data["n"] = number
                try await Mock.shared.emit(kit, topic, named ? "n\(number)" : kit.event, data)
                wait.cancel()
                await wait.value
            }
            await reader.take(40)
            #expect(await reader.got == Array(0..<40))
            await client.shutdown()
        }
        try await cancelled(kit)
    }

    @Test func aCancelledCommandEndsAtOnce() async throws {
        let client = try CharismaClient(url: "ws://127.0.0.1:9", token: "t")
        let waits = (0..<50).map { _ in Task { try await client.ready() } }
        try await until { client.stats().attempts > 0 }
        let start = ContinuousClock.now
        waits.forEach { $0.cancel() }
        for wait in waits {
            await #expect(throws: CancellationError.self) { try await wait.value }
        }
        #expect(ContinuousClock.now - start < .seconds(5))
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await client.ready()
        }
        await #expect(throws: CancellationError.self) { try await late.value }
        await client.shutdown()
    }

    @Test func aClosedSessionEndsItsReaders() async throws {
        let client = try await CharismaKit().client(user: "closing")
        let session = try client.session("quiet-closing")
        try await session.live()
        let heard = Locked(0)
        let readers = (0..<3).map { _ in
            Task {
                var count = 0
                for await event in session.events {
                    count += 1
                    if event == .state(state: .live) { heard.withLock { $0 += 1 } }
                }
                return count
            }
        }
        try await until { heard.now == 3 }
        session.close()
        for reader in readers { #expect(await reader.value > 0) }
        for await event in session.events { Issue.record("after its end came \(event)") }
        await client.shutdown()
    }

    /// One service after the other: there is one logger.
    @Test(.serialized, arguments: kits) func aListenerAndALoggerThatThrowHarmNobody(_ kit: any Kit) async throws {
        func throwing(_ kit: some Kit) async throws {
            try await self.throwing(kit)
        }
        try await throwing(kit)
    }

    private struct Own: Error {}

    private func throwing(_ kit: some Kit) async throws {
        let user = "throwing-\(kit.slug)"
        let (heard, lines) = (Locked(0), Locked<[String]>([]))
        try SteadfastLog.send(from: .trace) { _, line in
            lines.withLock { $0.append(line) }
            throw Own()
        }
        let token = try await Mock.shared.token(user)
        let client = try await kit.client(
            user: user, change: { $0.token = token },
            listener: { _ in
                heard.withLock { $0 += 1 }
                throw Own()
            })
        let session = try client.session("quiet-\(user)")
        try await session.live()
        // Frames are logged by name. The other tests log too, and of too much some lines are lost.
        try await until {
            let before = heard.now
            try await Mock.shared.emit(kit, "quiet-\(user)", kit.event == nil ? nil : "news", kit.data)
            try await until { heard.now > before }
            let now = lines.now
            return now.contains { $0.contains("a listener threw") && $0.contains("Own()") }
                && now.contains { $0.contains(kit.event == nil ? "progress" : "news") }
        }
        await client.shutdown()
        try SteadfastLog.send(to: nil)
        #expect(!lines.now.contains { $0.contains(token) }, "a token is never logged")
    }

    @Test(arguments: kits) func oneClientFromSeveralThreadsAndTasks(_ kit: any Kit) async throws {
        func shared(_ kit: some Kit) async throws {
            try await self.shared(kit)
        }
        try await shared(kit)
    }

    private func shared(_ kit: some Kit) async throws {
        let user = "shared-\(kit.slug)"
        let client = try await kit.client(user: user)
        // Each task follows a topic of its own to its end, with a command and a look at everything on the way.
        let ends = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<8 {
                let topic = "\(kit.topic)-\(user)-\(number)"
                group.addTask {
                    let session = try client.session(topic)
                    var last = ""
                    for await update in session.messages {
                        if last.isEmpty { try await kit.ask(client, about: topic) }
                        #expect(session.snapshot?.topic == topic && client.stats().framesIn > 0)
                        #expect(client.diagnose().text.contains(topic))
                        try await kit.answer(client, update.message)
                        last = update.name
                        if !kit.ends, kit.last.contains(last) { break }
                    }
                    #expect((session.state == .ended) == kit.ends)
                    session.close()
                    return last
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(ends.allSatisfy(kit.last.contains), "\(ends)")
        let done = Locked(0)
        for number in 0..<6 {
            Thread {
                for _ in 0..<50 {
                    let session = try? client.session("quiet-\(user)-thread-\(number)")
                    _ = (session?.state, session?.snapshot, client.state, client.diagnose().json, client.stats())
                    session?.close()
                }
                done.withLock { $0 += 1 }
            }.start()
        }
        try await until { done.now == 6 }
        try await client.session("quiet-\(user)-last").live()
        #expect(client.stats().reconnects == 0)
        await client.shutdown()
    }

    @Test(arguments: kits) func manyClientsAtOnce(_ kit: any Kit) async throws {
        func many(_ kit: some Kit) async throws {
            try await withThrowingTaskGroup(of: SubscriptionState.self) { group in
                for number in 0..<6 {
                    group.addTask {
                        let user = "many-\(kit.slug)-\(number)"
                        let client = try await kit.client(user: user)
                        let session = try client.session("quiet-\(user)")
                        try await session.live()
                        let state = session.state
                        await client.shutdown()
                        return state
                    }
                }
                for try await state in group { #expect(state == .live) }
            }
        }
        try await many(kit)
    }

    @Test(arguments: kits) func aPrivateRootIsTrustedWhenGiven(_ kit: any Kit) async throws {
        func privateRoot(_ kit: some Kit) async throws {
            let (mock, user) = (Mock.secure, "tls-\(kit.slug)")
            let root = try String(contentsOfFile: Certificates.root, encoding: .utf8)
            let trusting = try await kit.client(mock, user: user) { $0.extraRootPem = [root] }
            let session = try trusting.session("quiet-\(user)")
            try await session.live()
            await trusting.shutdown()

            let doubting = try await kit.client(mock, user: user)
            let refused = try doubting.session("quiet-\(user)")
            await #expect(throws: SteadfastError.self) { try await refused.live() }
            guard let why = why(doubting.state, refused.state) else { throw Trouble("\(doubting.state)") }
            #expect(why.kind == .tls, "\(why)")
            await doubting.shutdown()
        }
        try await privateRoot(kit)
    }

    @Test(arguments: kits) func aCertificateOfAnotherNameIsRefused(_ kit: any Kit) async throws {
        func wrongName(_ kit: some Kit) async throws {
            let root = try String(contentsOfFile: Certificates.root, encoding: .utf8)
            let client = try await kit.client(.misnamed, user: "wrong-\(kit.slug)") { $0.extraRootPem = [root] }
            let session = try client.session("quiet-wrong")
            await #expect(throws: SteadfastError.self) { try await session.live() }
            #expect(why(client.state, session.state)?.kind == .tls)
            await client.shutdown()
        }
        try await wrongName(kit)
    }

    /// Why there is no connection: of the client or, where each session has its own, of the session.
    private func why(_ client: ConnectionState, _ session: SubscriptionState) -> Why? {
        switch (client, session) {
        case (.failed(let why), _), (_, .refused(let why)): why
        default: nil
        }
    }
}

/// Reads the numbers of messages, for one task after the other.
private actor Numbers {
    enum Source {
        case session(Events<SessionEvent>)
        case client(Events<ClientEvent>)
    }

    private(set) var got: [Int] = []
    private let next: @Sendable () async -> Message?

    init(_ source: Source) {
        switch source {
        case .session(let events):
            let iterator = Kept(events.makeAsyncIterator())
            next = {
                while let event = await iterator.next() { if case .message(let message) = event { return message } }
                return nil
            }
        case .client(let events):
            let iterator = Kept(events.makeAsyncIterator())
            next = {
                while let event = await iterator.next() { if case .message(let message) = event { return message } }
                return nil
            }
        }
    }

    func take(_ count: Int) async {
        while got.count < count, let message = await next() {
            if let found = message.raw.text.firstMatch(of: /"n":(\d+)/) { got.append(Int(found.1)!) }
        }
    }
}

/// An iterator that is kept from one task to the next.
private actor Kept<Element: Sendable> {
    private var iterator: Events<Element>.Iterator

    init(_ iterator: Events<Element>.Iterator) {
        self.iterator = iterator
    }

    func next() async -> Element? {
        var own = iterator
        let element = await own.next()
        iterator = own
        return element
    }
}
