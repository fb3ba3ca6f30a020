package dev.steadfast

import kotlinx.coroutines.ExperimentalForInheritanceCoroutinesApi
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.StateFlow

/**
 * A state that the core holds, as a flow. `value` asks the core; a collector reads events of its own and asks after
 * each, so nothing runs while nobody collects, and no copy can be older than the core's.
 */
@OptIn(ExperimentalForInheritanceCoroutinesApi::class)
internal class CurrentState<T>(
    private val reader: () -> EventReader<*>,
    private val now: () -> T,
) : StateFlow<T> {
    override val value: T get() = now()
    override val replayCache: List<T> get() = listOf(value)

    override suspend fun collect(collector: FlowCollector<T>): Nothing {
        // Before the first value is read, so that no change falls between.
        reader().use { own ->
            var last = now()
            collector.emit(last)
            do {
                val event = own.next()
                val value = now()
                if (value != last) collector.emit(value)
                last = value
            } while (event != null)
        }
        awaitCancellation()
    }
}
