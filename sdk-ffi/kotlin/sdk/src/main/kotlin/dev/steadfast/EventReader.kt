package dev.steadfast

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * Reads events one after the other and keeps its position, so that a wait that is cancelled loses nothing: the next
 * call gives the event that the cancelled one would have given.
 *
 * Readers take nothing from each other. One reader is for one coroutine at a time. [close] it when done.
 */
public class EventReader<out E : Any> internal constructor(private val source: Source<E>) : AutoCloseable {
    private var position = 0L

    /** The next event; `null` after the end. */
    public suspend fun next(): E? = source.nextAfter(position)?.let { (number, event) ->
        position = number
        event
    }

    /** The events from here on, to their end. A flow that is collected again goes on where the reader stands. */
    public fun asFlow(): Flow<E> = flow {
        while (true) emit(next() ?: break)
    }

    /** Ends it, also for whoever waits. */
    override fun close(): Unit = source.close()

    /** Where a reader's events come from. */
    internal interface Source<out E : Any> : AutoCloseable {
        /** The event after this number, with its own; `null` after the end. */
        suspend fun nextAfter(number: Long): Pair<Long, E>?
    }
}

/** A reader of all events of a client from now on. */
internal fun NativeClient.eventReader(): EventReader<ClientEvent> {
    val native = reader()
    return EventReader(object : EventReader.Source<ClientEvent> {
        override suspend fun nextAfter(number: Long) = native.nextAfter(number)?.let { it.seq to it.event }

        override fun close() {
            native.stop()
            native.close()
        }
    })
}

/** A reader of all events of a subscription since it began. */
internal fun NativeSession.eventReader(): EventReader<SessionEvent> {
    val native = reader()
    return EventReader(object : EventReader.Source<SessionEvent> {
        override suspend fun nextAfter(number: Long) = native.nextAfter(number)?.let { it.seq to it.event }

        override fun close() {
            native.stop()
            native.close()
        }
    })
}

/** A flow that reads with a reader of its own, from when it is collected until the collector leaves. */
internal fun <E : Any> eventFlow(reader: () -> EventReader<E>): Flow<E> = flow {
    reader().use { own -> while (true) emit(own.next() ?: break) }
}
