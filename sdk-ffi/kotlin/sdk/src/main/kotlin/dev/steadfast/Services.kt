package dev.steadfast

/**
 * A client of Charisma: upload and OCR of conversations.
 *
 * @throws SteadfastException.Configuration if the options can't work.
 */
public class CharismaClient(
    options: ClientOptions,
    tokenProvider: TokenProvider? = null,
    listener: EventListener? = null,
    serverTrust: ServerTrust? = null,
) : Client<CharismaMessage>(Service.CHARISMA, options, tokenProvider, listener, serverTrust) {
    /** A client of the service at this URL, with tokens from [tokenProvider]. */
    public constructor(url: String, tokenProvider: TokenProvider) : this(ClientOptions(Endpoint.Url(url)), tokenProvider)

    /**
     * Authenticates again on the open connection, with the client's newest token.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun authenticate(): Unit = native.authenticate()
}

/**
 * A client of TherapyBridge: transcription of therapy sessions.
 *
 * @throws SteadfastException.Configuration if the options can't work.
 */
public class TherapyBridgeClient(
    options: ClientOptions,
    tokenProvider: TokenProvider? = null,
    listener: EventListener? = null,
    serverTrust: ServerTrust? = null,
) : Client<TherapyBridgeMessage>(Service.THERAPY_BRIDGE, options, tokenProvider, listener, serverTrust) {
    /** A client of the service at this URL, with tokens from [tokenProvider]. */
    public constructor(url: String, tokenProvider: TokenProvider) : this(ClientOptions(Endpoint.Url(url)), tokenProvider)

    /**
     * Signs in by email and password. The token is not used by itself: hand it to [setToken].
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun login(email: String, password: String): TherapyBridgeLogin = native.login(email, password)
}

/**
 * A client of Saga: family biographies.
 *
 * @throws SteadfastException.Configuration if the options can't work.
 */
public class SagaClient(
    options: ClientOptions,
    tokenProvider: TokenProvider? = null,
    listener: EventListener? = null,
    serverTrust: ServerTrust? = null,
) : Client<SagaMessage>(Service.SAGA, options, tokenProvider, listener, serverTrust) {
    /** A client of the service at this URL, with tokens from [tokenProvider]. */
    public constructor(url: String, tokenProvider: TokenProvider) : this(ClientOptions(Endpoint.Url(url)), tokenProvider)

    /**
     * Asks the server for a `pong`; gives the round trip in ms.
     *
     * @throws SteadfastException.Command at once when not connected.
     */
    public suspend fun ping(): Long = native.ping()

    /**
     * The server's health, by REST, without a token.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun serverHealth(): SagaServerHealth = native.serverHealth()

    /**
     * The server's statistics, by REST.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun serverStats(): SagaServerStats = native.serverStats()
}

/**
 * A client of DocProc: document processing by several models.
 *
 * @throws SteadfastException.Configuration if the options can't work.
 */
public class DocProcClient(
    options: ClientOptions,
    tokenProvider: TokenProvider? = null,
    listener: EventListener? = null,
    serverTrust: ServerTrust? = null,
) : Client<DocProcMessage>(Service.DOC_PROC, options, tokenProvider, listener, serverTrust) {
    /** A client of the service at this URL, with tokens from [tokenProvider]. */
    public constructor(url: String, tokenProvider: TokenProvider) : this(ClientOptions(Endpoint.Url(url)), tokenProvider)

    /**
     * Answers a clarification, by REST.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun respondToClarification(clarificationId: String, answer: String): DocProcClarificationReply =
        native.respondToClarification(clarificationId, answer)

    /**
     * The latest progress of a session, by REST.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun fetchSession(sessionId: String): DocProcProgress = native.fetchSession(sessionId)
}

/**
 * A client of DevContext: analysis of repositories, and mock interviews.
 *
 * @throws SteadfastException.Configuration if the options can't work.
 */
public class DevContextClient(
    options: ClientOptions,
    tokenProvider: TokenProvider? = null,
    listener: EventListener? = null,
    serverTrust: ServerTrust? = null,
) : Client<DevContextMessage>(Service.DEV_CONTEXT, options, tokenProvider, listener, serverTrust) {
    /** A client of the service at this URL, with tokens from [tokenProvider]. */
    public constructor(url: String, tokenProvider: TokenProvider) : this(ClientOptions(Endpoint.Url(url)), tokenProvider)

    /** The client's state in the words of the service's documentation: a view of connection, sessions and interviews. */
    public val connectionState: DevContextState get() = native.connectionState()

    /**
     * Authenticates again on the open connection, with the client's newest token.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun authenticate(): Unit = native.authenticate()

    /**
     * Asks the server for a `pong`; gives the round trip in ms.
     *
     * @throws SteadfastException.Command at once when not connected.
     */
    public suspend fun ping(): Long = native.ping()

    /**
     * Begins an interview about an analysis. Follow it by a session of its `sessionId`; it is resumed by itself after a
     * reconnect.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun startInterview(
        analysisId: String,
        sessionType: SessionType = SessionType.LIVE,
    ): DevContextInterviewStarted = native.startInterview(analysisId, sessionType)

    /**
     * Answers a question and waits for the evaluation. Never sent twice.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked; `sent` says whether it was.
     */
    public suspend fun submitAnswer(sessionId: String, questionId: String, answer: String): DevContextAnswerEvaluated =
        native.submitAnswer(sessionId, questionId, answer)

    /**
     * Pauses an interview; it stays paused through reconnects.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun pauseInterview(sessionId: String): DevContextInterviewPaused = native.pauseInterview(sessionId)

    /**
     * Goes on with an interview, also one of an earlier run of the app.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun resumeInterview(sessionId: String): DevContextInterviewResumed = native.resumeInterview(sessionId)

    /**
     * An analysis with the data of its stages, by REST.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun fetchAnalysis(analysisId: String): DevContextAnalysis = native.fetchAnalysis(analysisId)
}
