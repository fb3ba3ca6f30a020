package dev.steadfast

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/**
 * A client of one service; there is a class for each. Making one opens nothing: it connects when there is something to
 * do, and closes by [shutdown], which waits, or by [close], which doesn't. [useSuspending] does it at the end of a block.
 *
 * May be used from any thread; nothing but what suspends waits. A command whose coroutine is cancelled ends with
 * `CancellationException` at once; whether it had been sent by then is not known, and no event is lost.
 */
public abstract class Client<M : Any> internal constructor(
    service: Service,
    options: ClientOptions,
    tokenProvider: TokenProvider?,
    listener: EventListener?,
    serverTrust: ServerTrust?,
) : AutoCloseable {
    internal val native: NativeClient

    init {
        Library.load()
        native = NativeClient(
            service,
            options,
            tokenProvider?.let(::Tokens),
            listener?.let(::SafeListener),
            serverTrust?.let(::SafeTrust),
        )
    }

    /** The state of the connection. */
    public val state: StateFlow<ConnectionState> = CurrentState({ reader() }) { native.state() }

    /** All events of the client, for each collector from when it begins. */
    public val events: Flow<ClientEvent> = eventFlow { reader() }

    /** A reader of all events from now on, for whoever wants to stop and go on. */
    public fun reader(): EventReader<ClientEvent> = native.eventReader()

    /**
     * Subscribes to a topic. It is asked for as soon as there is a connection, and again after every reconnect, until
     * the session is closed. With [keep] it goes on through the topic's end.
     *
     * @throws SteadfastException if the topic can't be one.
     */
    public fun session(topic: String, keep: Boolean = false): Session<M> = Session(native.subscribe(topic, keep), topic)

    /**
     * Waits until messages flow.
     *
     * @throws SteadfastException with the reason if that won't happen by itself.
     */
    public suspend fun ready(): Unit = native.ready()

    /** Connects now: skips any wait and re-arms a client that has failed. */
    public fun connect(): Unit = native.connect()

    /** As [connect], also when another connection of this user has the place. */
    public fun takeOver(): Unit = native.takeOver()

    /** Uses this token from now on; re-arms a client whose authentication failed. */
    public fun setToken(token: String): Unit = native.setToken(token)

    /** The last known picture of a topic. */
    public fun snapshot(topic: String): Snapshot? = native.snapshot(topic)

    /** Why the client is in the state it is in, for people and as JSON, without secrets. */
    public fun diagnose(): Diagnosis = native.diagnose()

    /** What the client has counted. */
    public fun stats(): Stats = native.stats()

    /** The network changed, or came or went. */
    public fun networkChanged(online: Boolean = true): Unit =
        native.networkChanged(if (online) Reachability.ONLINE else Reachability.OFFLINE)

    /** The app went to the background: after 25 s there the connection is closed. */
    public fun background(): Unit = native.background()

    /** The app came to the foreground: it connects at once. */
    public fun foreground(): Unit = native.foreground()

    /**
     * Sends a message that this SDK does not know; [payload] is one JSON value, or empty for none. Returns when it is
     * written; a reply arrives as an event.
     *
     * @throws SteadfastException if it can't be sent now.
     */
    public suspend fun sendRaw(kind: String, payload: String = ""): Unit = native.sendRaw(kind, payload)

    /** Closes everything; every waiting command ends `CLOSED`. Returns when nothing is left running. */
    public suspend fun shutdown(): Unit = native.shutdown()

    /** Closes everything as [shutdown] does, without waiting for it. */
    @OptIn(DelicateCoroutinesApi::class)
    override fun close() {
        // It has begun when this returns; only its end is waited for elsewhere.
        GlobalScope.launch(Dispatchers.Unconfined, CoroutineStart.UNDISPATCHED) { native.shutdown() }
    }
}

/** Runs [block] with this client and shuts it down then, also when the block throws or is cancelled. */
public suspend inline fun <C : Client<*>, R> C.useSuspending(block: (C) -> R): R =
    try {
        block(this)
    } finally {
        withContext(NonCancellable) { shutdown() }
    }
