import Foundation
import Steadfast
import Testing

/// Each service from subscribe to end, refused, interrupted, and with what nobody knows.
@Suite(.timeLimit(.minutes(1))) struct Flows {
    @Test(arguments: kits) func fullFlow(_ kit: any Kit) async throws {
        func flow(_ kit: some Kit) async throws {
            let client = try await kit.client(user: "flow-\(kit.slug)")
            let session = try client.session("\(kit.topic)-flow")
            var names: [String] = []
            for await update in session.messages {
                names.append(update.name)
                _ = try update.raw.decode(Object.self)
                try await kit.answer(client, update.message)
                if !kit.ends, kit.last.contains(update.name) { break }
            }
            #expect(kit.last.contains(try #require(names.last)), "\(names)")
            let snapshot = try #require(session.snapshot)
            if kit.ends {
                #expect(snapshot.terminal && session.state == .ended && snapshot.phase == .done)
                #expect([nil, 1].contains(snapshot.progress))
            } else {
                #expect(!snapshot.items.isEmpty && snapshot.items.allSatisfy { $0.phase == .done })
            }
            let stats = client.stats()
            #expect(stats.attempts == 1 && stats.violations == 0 && stats.framesIn >= names.count)
            #expect(client.diagnose().text.hasPrefix(kit.slug))
            await client.shutdown()
            #expect(client.state == .closed)
        }
        try await flow(kit)
    }

    @Test(arguments: kits) func refusal(_ kit: any Kit) async throws {
        func refusal(_ kit: some Kit) async throws {
            let client = try await kit.client(user: "refusal-\(kit.slug)")
            let session = try client.session("missing-\(kit.slug)")
            if kit.slug != "therapybridge" {  // whose socket opens before it refuses
                let error = try await failure { try await session.live() }
                #expect(!error.description.isEmpty)
            }
            var last: SessionEvent?
            for await event in session.events { last = event }
            guard case .state(.refused(let why)) = last else { throw Trouble("ended with \(last as Any)") }
            #expect([.notFound, .notAllowed, .service].contains(why.kind) && !why.help.isEmpty)
            #expect(session.state == .refused(why: why))
            await client.shutdown()
        }
        try await refusal(kit)
    }

    @Test(arguments: kits) func reconnectWithResubscription(_ kit: any Kit) async throws {
        func reconnect(_ kit: some Kit) async throws {
            let user = "reconnect-\(kit.slug)"
            let (client, topic) = (try await kit.client(user: user), "quiet-\(user)")
            let session = try client.session(topic)
            try await session.live()
            var events = session.events.makeAsyncIterator()
            try await Mock.shared.drop(user)
            var lives = 0
            while lives < 2, let event = await events.next() {
                if event == .state(state: .live) { lives += 1 }
            }
            try await Mock.shared.emit(kit, topic, kit.event, kit.data)
            var came = false
            while !came, let event = await events.next() {
                if case .message(let message) = event { came = message.name == kit.event ?? "progress" }
            }
            #expect(came)
            let stats = client.stats()
            #expect(stats.reconnects == 1 && stats.unexpectedCloses == 1, "\(stats)")
            await client.shutdown()
        }
        try await reconnect(kit)
    }

    @Test(arguments: kits) func unknownMessagesAndValues(_ kit: any Kit) async throws {
        func unknown<K: Kit>(_ kit: K) async throws {
            let user = "unknown-\(kit.slug)"
            let (client, topic) = (try await kit.client(user: user), "quiet-\(user)")
            let session = try client.session(topic)
            let events = client.events
            try await session.live()
            try await Mock.shared.emit(kit, topic, kit.event, kit.data)
            let value = await session.messages.firstNonNil { kit.unknownValue($0.content) }
            #expect(["dreaming", "riddle"].contains(value?.lowercased()))
            if kit.event == nil {  // its messages have no name; a rule puts one that has in the place of the next
                let text = #"{"type":"brand_new","novel":[1,null]}"#
                try await Mock.shared.fault(user, when: "out", ["do": "malformed", "text": text])
            }
            try await Mock.shared.emit(kit, topic, "brand_new", ["novel": [1, 2]])
            let found = await events.firstNonNil { event -> (Message, UnknownMessage)? in
                guard case .message(let message) = event, let content = K.S.content(of: message.data) else { return nil }
                return kit.unknown(content).map { (message, $0) }
            }
            let (message, told) = try #require(found)
            #expect(message.name == "brand_new" && told.name == "brand_new")
            #expect(told.data.text.contains("novel") && message.raw.text.contains("novel"))
            #expect(client.stats().violations == 0)
            await client.shutdown()
        }
        try await unknown(kit)
    }

    @Test(arguments: kits) func backgroundAndForeground(_ kit: any Kit) async throws {
        func background(_ kit: some Kit) async throws {
            let user = "background-\(kit.slug)"
            let client = try await kit.client(user: user) { $0.timings = TimingOptions(backgroundGraceMs: 50) }
            let session = try client.session("quiet-\(user)")
            try await session.live()
            var events = client.events.makeAsyncIterator()
            func until(_ wanted: (ConnectionState) -> Bool) async {
                while let event = await events.next() {
                    if case .state(let state) = event, wanted(state) { return }
                }
            }
            client.background()
            await until { $0 == .suspended }
            client.foreground()
            await until { if case .ready = $0 { true } else { false } }
            try await session.live()
            client.networkChanged()
            #expect(client.stats().reconnects == 1)
            await client.shutdown()
        }
        try await background(kit)
    }

    @Test func errorsNameTheOption() async throws {
        let wrong = ClientOptions(
            endpoint: .url("ws://127.0.0.1:9"), timings: TimingOptions(lingerMs: -1))
        let error = try await failure { try CharismaClient(wrong) }
        guard case .configuration(let field, let detail) = error else { throw Trouble("\(error)") }
        #expect(field == "linger_ms" && detail.contains("-1"))
        #expect(error.localizedDescription == "linger_ms: \(detail)")
        #expect(throws: SteadfastError.self) { try SagaClient(ClientOptions(endpoint: .production, token: "t")) }
        let insecure = try await failure { try CharismaClient(url: "ws://example.org/ws") }
        #expect("\(insecure)".contains("allow_insecure"))
    }

    @Test func commandsOfSagaTherapyBridgeAndCharisma() async throws {
        let saga = try await SagaKit().client(user: "commands")
        try await saga.ready()
        #expect(try await saga.ping() >= 0)
        #expect(try await saga.serverHealth().status == "healthy")
        #expect(try #require(try await saga.serverStats().totalConnections) >= 1)
        try await saga.send("hello", ["any": "thing"])
        try await saga.send("hello")
        await saga.shutdown()

        let therapy = try TherapyBridgeClient(url: "\(Mock.shared.url)/therapybridge")
        therapy.setToken(try await therapy.login(email: "therapist@example.org", password: "secret").accessToken)
        try await therapy.session("session_login").live()
        await therapy.shutdown()

        let charisma = try await CharismaKit().client(user: "commands")
        try await charisma.ready()
        try await charisma.authenticate()
        await charisma.shutdown()
    }

    @Test func commandsOfDevContextAndDocProc() async throws {
        let devcontext = try await DevContextKit().client(user: "commands")
        try await devcontext.ready()
        #expect(devcontext.connectionState == .connected)
        #expect(try await devcontext.ping() >= 0)
        try await devcontext.authenticate()
        let started = try await devcontext.startInterview(about: "analysis_done", as: .practice)
        let question = try #require(started.firstQuestion?.questionId)
        let judged = try await devcontext.submitAnswer("because", to: question, in: started.sessionId)
        #expect(judged.evaluation != nil)
        #expect(devcontext.connectionState == .interviewActive)
        #expect(try await devcontext.pauseInterview(started.sessionId).sessionId == started.sessionId)
        #expect(devcontext.connectionState == .interviewPaused)
        #expect(try await devcontext.resumeInterview(started.sessionId).sessionId == started.sessionId)
        #expect(try await devcontext.fetchAnalysis("analysis_done").analysisId == "analysis_done")
        await devcontext.shutdown()
        #expect(devcontext.connectionState == .disconnected)

        let docproc = try DocProcClient(url: "\(Mock.shared.url)/docproc")
        let session = try docproc.session("session_rest")
        try await session.live()
        #expect(try await docproc.fetchSession("session_rest").sessionId == "session_rest")
        await docproc.shutdown()
    }

    @Test func aFailedCommandSaysWhetherItWasSent() async throws {
        let client = try await SagaKit().client(user: "unsent")
        let error = try await failure { try await client.ping() }
        guard case .command(let kind, _, _, _, let sent) = error else { throw Trouble("\(error)") }
        #expect(kind == .notConnected && sent == .no)
        let session = try client.session("quiet-unsent")
        let waiting = Task { try await session.live() }
        await client.shutdown()
        await #expect(throws: SteadfastError.self) { try await waiting.value }
    }
}
