extension Client where S == Charisma {
    /// Authenticates again on the open connection, with the client's newest token.
    public func authenticate() async throws {
        try await untilCancelled { try await self.native.authenticate(cancel: $0) }
    }
}

extension Client where S == TherapyBridge {
    /// Signs in by email and password. The token is not used by itself: hand it to ``Client/setToken(_:)``.
    public func login(email: String, password: String) async throws -> TherapyBridgeLogin {
        try await untilCancelled { try await self.native.login(email: email, password: password, cancel: $0) }
    }
}

extension Client where S == Saga {
    /// Asks the server for a `pong`; gives the round trip in ms. Fails at once when not connected.
    public func ping() async throws -> Int {
        try await untilCancelled { try await self.native.ping(cancel: $0) }
    }

    /// The server's health, by REST, without a token.
    public func serverHealth() async throws -> SagaServerHealth {
        try await untilCancelled { try await self.native.serverHealth(cancel: $0) }
    }

    /// The server's statistics, by REST.
    public func serverStats() async throws -> SagaServerStats {
        try await untilCancelled { try await self.native.serverStats(cancel: $0) }
    }
}

extension Client where S == DocProc {
    /// Answers a clarification, by REST.
    @discardableResult
    public func respond(to clarificationId: String, _ answer: String) async throws -> DocProcClarificationReply {
        try await untilCancelled {
            try await self.native.respondToClarification(
                clarificationId: clarificationId, answer: answer, cancel: $0)
        }
    }

    /// The latest progress of a session, by REST.
    public func fetchSession(_ sessionId: String) async throws -> DocProcProgress {
        try await untilCancelled { try await self.native.fetchSession(sessionId: sessionId, cancel: $0) }
    }
}

extension Client where S == DevContext {
    /// The client's state in the words of the service's documentation: a view of connection, sessions and interviews.
    public var connectionState: DevContextState { native.connectionState() }

    /// Authenticates again on the open connection, with the client's newest token.
    public func authenticate() async throws {
        try await untilCancelled { try await self.native.authenticate(cancel: $0) }
    }

    /// Asks the server for a `pong`; gives the round trip in ms. Fails at once when not connected.
    public func ping() async throws -> Int {
        try await untilCancelled { try await self.native.ping(cancel: $0) }
    }

    /// Begins an interview about an analysis. Follow it by a session of its `sessionId`; it is resumed by itself after a
    /// reconnect.
    public func startInterview(
        about analysisId: String, as sessionType: SessionType = .live
    ) async throws -> DevContextInterviewStarted {
        try await untilCancelled {
            try await self.native.startInterview(analysisId: analysisId, sessionType: sessionType, cancel: $0)
        }
    }

    /// Answers a question and waits for the evaluation. Never sent twice.
    @discardableResult
    public func submitAnswer(
        _ answer: String, to questionId: String, in sessionId: String
    ) async throws -> DevContextAnswerEvaluated {
        try await untilCancelled {
            try await self.native.submitAnswer(
                sessionId: sessionId, questionId: questionId, answer: answer, cancel: $0)
        }
    }

    /// Pauses an interview; it stays paused through reconnects.
    @discardableResult
    public func pauseInterview(_ sessionId: String) async throws -> DevContextInterviewPaused {
        try await untilCancelled { try await self.native.pauseInterview(sessionId: sessionId, cancel: $0) }
    }

    /// Goes on with an interview, also one of an earlier run of the app.
    @discardableResult
    public func resumeInterview(_ sessionId: String) async throws -> DevContextInterviewResumed {
        try await untilCancelled { try await self.native.resumeInterview(sessionId: sessionId, cancel: $0) }
    }

    /// An analysis with the data of its stages, by REST.
    public func fetchAnalysis(_ analysisId: String) async throws -> DevContextAnalysis {
        try await untilCancelled { try await self.native.fetchAnalysis(analysisId: analysisId, cancel: $0) }
    }
}
