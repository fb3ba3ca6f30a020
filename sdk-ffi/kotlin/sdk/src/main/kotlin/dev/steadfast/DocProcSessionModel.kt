package dev.steadfast

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow

/** A question of a model to the user. */
public class Clarification internal constructor(
    private val client: DocProcClient,
    /** What is asked, and how far it is. */
    public val asked: DocProcClarification,
) {
    /**
     * Answers it, by REST.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun respond(answer: String) {
        client.respondToClarification(asked.clarificationId, answer)
    }
}

/** Follows a session of DocProc for a screen: as [SessionModel], with the models' results and questions. */
public class DocProcSessionModel private constructor(
    client: DocProcClient,
    topic: String,
    scope: CoroutineScope,
    extra: DocProcExtra,
) : SessionModel<DocProcMessage>(client, topic, scope, extra) {
    /** Follows a session of this client for as long as [scope] lives or until it is closed. */
    public constructor(client: DocProcClient, topic: String, scope: CoroutineScope) :
        this(client, topic, scope, DocProcExtra(client))

    /** The last result of each model. */
    public val modelResults: StateFlow<List<DocProcModelResult>> = extra.results.asStateFlow()

    /** The questions that have been asked, each in its last state. */
    public val clarifications: StateFlow<List<Clarification>> = extra.questions.asStateFlow()
}

internal class DocProcExtra(private val client: DocProcClient) : SessionModel.Extra<DocProcMessage> {
    val results = MutableStateFlow(emptyList<DocProcModelResult>())
    val questions = MutableStateFlow(emptyList<Clarification>())

    override fun about(message: TypedMessage<DocProcMessage>) {
        if (message.outdated) return
        when (val data = message.data) {
            is DocProcMessage.ModelResult ->
                results.value = results.value.filter { it.modelName != data.value.modelName } + data.value
            is DocProcMessage.Clarification -> {
                val others = questions.value.filter { it.asked.clarificationId != data.value.clarificationId }
                questions.value = others + Clarification(client, data.value)
            }
            else -> {}
        }
    }
}
