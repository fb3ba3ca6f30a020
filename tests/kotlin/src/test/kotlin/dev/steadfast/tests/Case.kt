package dev.steadfast.tests

import dev.steadfast.CharismaClient
import dev.steadfast.CharismaMessage
import dev.steadfast.CharismaStatus
import dev.steadfast.Client
import dev.steadfast.ClientOptions
import dev.steadfast.DevContextClient
import dev.steadfast.DevContextMessage
import dev.steadfast.DevContextStage
import dev.steadfast.DocProcClarificationStatus
import dev.steadfast.DocProcClient
import dev.steadfast.DocProcMessage
import dev.steadfast.DocProcStatus
import dev.steadfast.Endpoint
import dev.steadfast.EventListener
import dev.steadfast.ReconnectOptions
import dev.steadfast.SagaClient
import dev.steadfast.SagaInteractionKind
import dev.steadfast.SagaMessage
import dev.steadfast.ServerTrust
import dev.steadfast.TherapyBridgeClient
import dev.steadfast.TherapyBridgeMessage
import dev.steadfast.TherapyBridgeStatus
import dev.steadfast.TokenProvider
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlin.time.Duration.Companion.seconds

/** What a test needs to know about a service. */
enum class Case(
    val slug: String,
    private val client: (ClientOptions, TokenProvider?, EventListener?, ServerTrust?) -> Client<*>,
    val topic: String,
    /** The messages after which nothing more is expected, any of them. */
    val last: Set<String>,
    val ends: Boolean,
    /** The event that carries [data], if it has to be named to the mock. */
    val kind: String?,
    /** A message with a value of an enum that nobody knows. */
    val data: String,
) {
    CHARISMA(
        "charisma", ::CharismaClient, "session_1", setOf("session_status"), true, "session_status",
        """{"status":"dreaming"}""",
    ),
    THERAPY_BRIDGE(
        "therapybridge", ::TherapyBridgeClient, "session_1", setOf("progress"), true, null,
        """{"status":"dreaming","progress":5}""",
    ),
    SAGA(
        "saga", ::SagaClient, "project_1", setOf("export_ready"), false, "interaction_added",
        """{"storyId":"s","interaction":{"id":"i","type":"dreaming","content":"?"}}""",
    ),
    DOC_PROC(
        "docproc", ::DocProcClient, "session_1", setOf("completed", "progress"), true, "progress",
        """{"status":"DREAMING","progress":5}""",
    ),
    DEV_CONTEXT(
        "devcontext", ::DevContextClient, "analysis_1", setOf("stage_completed"), true, "stage_completed",
        """{"stage":"dreaming","completedStages":[],"progress":5}""",
    );

    /** The name under which [data] arrives. */
    val message: String get() = kind ?: "progress"

    /** Options for a client of [mock] that tries again quickly. */
    fun options(mock: Mock, token: String? = null) = ClientOptions(
        endpoint = Endpoint.Url("${mock.url}/$slug"),
        token = token,
        reconnect = ReconnectOptions(baseDelayMs = 20, maxDelayMs = 100, stableAfterMs = 100),
    )

    /** A client of a user of its own, since some services allow one connection each. */
    fun client(mock: Mock, user: String, change: ClientOptions.() -> ClientOptions = { this }): Client<*> =
        client(options(mock, mock.token(user)).change())

    fun client(
        options: ClientOptions,
        provider: TokenProvider? = null,
        listener: EventListener? = null,
        trust: ServerTrust? = null,
    ): Client<*> = client.invoke(options, provider, listener, trust)

    /** Asks for something that the service has a command for. */
    suspend fun ask(client: Client<*>, topic: String) = when (client) {
        is CharismaClient -> client.authenticate()
        is TherapyBridgeClient -> check(client.login("therapist@example.org", "secret").accessToken.isNotEmpty())
        is SagaClient -> check(client.ping() >= 0)
        is DocProcClient -> check(client.fetchSession(topic).sessionId == topic)
        is DevContextClient -> check(client.ping() >= 0)
        else -> error("$client is of no service")
    }

    /** DocProc's job waits for the answer to its question. */
    suspend fun answer(client: Client<*>, message: Any) {
        val question = (message as? DocProcMessage.Clarification)?.value ?: return
        if (question.status != DocProcClarificationStatus.Pending) return
        val reply = (client as DocProcClient).respondToClarification(question.clarificationId, "the second")
        check(reply.status == DocProcClarificationStatus.Answered) { "$reply" }
    }

    /** The value of the enum in a message with [data], if it is one that the SDK does not know. */
    fun unknown(message: Any): String? = when (message) {
        is CharismaMessage.SessionStatus -> (message.value.status as? CharismaStatus.Other)?.value
        is TherapyBridgeMessage.Progress -> (message.value.status as? TherapyBridgeStatus.Other)?.value
        is SagaMessage.InteractionAdded -> (message.value.interaction?.kind as? SagaInteractionKind.Other)?.value
        is DocProcMessage.Progress -> (message.value.status as? DocProcStatus.Other)?.value
        is DevContextMessage.StageCompleted -> (message.value.stage as? DevContextStage.Other)?.value
        else -> null
    }
}

/** Runs a test, but not for ever. */
fun <T> within(seconds: Int = 30, block: suspend CoroutineScope.() -> T) {
    runBlocking(Dispatchers.Default) { withTimeout(seconds.seconds, block) }
}
