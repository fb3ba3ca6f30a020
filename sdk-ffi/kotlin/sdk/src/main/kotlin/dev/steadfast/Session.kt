package dev.steadfast

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.map

/**
 * A subscription to one topic, made by [Client.session]. It lasts through lost connections until it is closed, or until
 * the topic has ended or is refused.
 *
 * May be used from any thread; nothing blocks. One that is forgotten is closed when it is collected as garbage.
 */
public class Session<out M : Any> internal constructor(
    private val native: NativeSession,
    /** The topic. */
    public val topic: String,
) : AutoCloseable {
    @Volatile private var last: Snapshot? = null

    /** All events since the subscription began, for each collector; ends when nothing more will come. */
    public val events: Flow<SessionEvent> = eventFlow { reader() }

    /** The service's messages alone: states, pictures and gaps are passed over. */
    public val messages: Flow<TypedMessage<M>> =
        eventFlow { reader() }.filterIsInstance<SessionEvent.Message>().map { TypedMessage.of(it.message) }

    /** The state of the subscription. */
    public val state: StateFlow<SubscriptionState> = CurrentState({ reader() }) { native.state() }

    /** The last known picture of the topic; after [close] the one that was known then. */
    public val snapshot: StateFlow<Snapshot?> = CurrentState({ reader() }) { native.snapshot() ?: last }

    /** A reader of all events since the subscription began, for whoever wants to stop and go on. */
    public fun reader(): EventReader<SessionEvent> = native.eventReader()

    /**
     * Waits until the server has confirmed the subscription.
     *
     * @throws SteadfastException with the reason if it refuses, or won't be reached.
     */
    public suspend fun live(): Unit = native.live()

    /** Unsubscribes. Whoever waits for an event gets the end. */
    override fun close() {
        native.snapshot()?.let { last = it }
        native.unsubscribe()
    }
}
