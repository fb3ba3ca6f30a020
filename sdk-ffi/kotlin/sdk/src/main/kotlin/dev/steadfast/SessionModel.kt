package dev.steadfast

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch

/** A topic as a screen sees it: everything at one moment. */
public data class SessionView<out M : Any>(
    /** The last known picture. */
    val snapshot: Snapshot? = null,
    /** Whether the client is connected. */
    val isConnected: Boolean = false,
    /** Whether the server has confirmed the subscription. */
    val isLive: Boolean = false,
    /** Why the server refused the topic, or why its job failed. */
    val error: String? = null,
    /** Whether the job has ended, well or badly. */
    val done: Boolean = false,
    /** The last messages about it, at most 100. */
    val messages: List<TypedMessage<M>> = emptyList(),
)

/**
 * Follows a topic for a screen, for as long as [scope] lives or until it is closed:
 *
 * ```kotlin
 * class UploadViewModel(client: CharismaClient, id: String) : ViewModel() {
 *     private val session = SessionModel(client, id, viewModelScope)
 *     val view = session.view
 * }
 * ```
 *
 * A topic that can't be one shows in the view as its error. Nothing runs on the scope's own thread.
 */
public open class SessionModel<M : Any> internal constructor(
    client: Client<M>,
    /** The topic. */
    public val topic: String,
    scope: CoroutineScope,
    extra: Extra<M>,
) : AutoCloseable {
    private val shown = MutableStateFlow(SessionView<M>())
    private val job: Job

    /** What there is to see; a new view each time something changes. */
    public val view: StateFlow<SessionView<M>> = shown.asStateFlow()

    /** Follows a topic of any service. DocProc and DevContext have models of their own, which add to this one. */
    public constructor(client: Client<M>, topic: String, scope: CoroutineScope) : this(client, topic, scope, Extra.none())

    init {
        val session = try {
            client.session(topic)
        } catch (error: SteadfastException) {
            shown.update { it.copy(error = error.message) }
            null
        }
        val events = client.reader()
        job = scope.launch(Dispatchers.Default) {
            launch { client.state.collect { state -> shown.update { it.copy(isConnected = state is ConnectionState.Ready) } } }
            launch { events.asFlow().collect { (it as? ClientEvent.Message)?.let { event -> extra.heard(TypedMessage.of(event.message)) } } }
            session?.events?.collect { event ->
                val message = (event as? SessionEvent.Message)?.let { TypedMessage.of<M>(it.message) }
                message?.let(extra::about)
                show(session, message)
            }
        }
        job.invokeOnCompletion {
            session?.close()
            events.close()
        }
    }

    private fun show(session: Session<M>, message: TypedMessage<M>?) {
        val snapshot = session.snapshot.value
        val state = session.state.value
        shown.update { view ->
            view.copy(
                snapshot = snapshot,
                isLive = state == SubscriptionState.Live,
                error = (state as? SubscriptionState.Refused)?.why?.text ?: snapshot?.error,
                done = state == SubscriptionState.Ended || snapshot?.terminal == true,
                messages = if (message == null) view.messages else (view.messages + message).takeLast(MOST),
            )
        }
    }

    /** Unsubscribes; the view stays as it is. */
    override fun close(): Unit = job.cancel()

    /** What a service adds to the view. */
    internal interface Extra<M : Any> {
        /** A message about the topic. */
        fun about(message: TypedMessage<M>) = Unit

        /** A message of the client, about anything. */
        fun heard(message: TypedMessage<M>) = Unit

        companion object {
            fun <M : Any> none(): Extra<M> = object : Extra<M> {}
        }
    }

    private companion object {
        const val MOST = 100
    }
}
