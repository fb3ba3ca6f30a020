package dev.steadfast.tests

import dev.steadfast.CharismaClient
import dev.steadfast.ClientEvent
import dev.steadfast.ClientOptions
import dev.steadfast.Endpoint
import dev.steadfast.Message
import dev.steadfast.SessionEvent
import dev.steadfast.SubscriptionState
import dev.steadfast.useSuspending
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

/** A coroutine that is cancelled ends at once and takes no event with it. */
class CancellationTest {
    private val mock = Mock.shared

    @ParameterizedTest
    @EnumSource
    fun `a wait that is cancelled loses no event`(case: Case) = within {
        val user = "cancelled-${case.slug}"
        case.client(mock, user).useSuspending { client ->
            val topic = "quiet-$user"
            val session = client.session(topic)
            session.live()
            // DevContext tells each stage once, so there it is messages that only the client hears of.
            val named = case == Case.DEV_CONTEXT
            val ofClient = client.reader()
            val ofSession = session.reader()
            val next: suspend () -> Message? = {
                if (named) (ofClient.next() as? ClientEvent.Message)?.message
                else (ofSession.next() as? SessionEvent.Message)?.message
            }
            val got = mutableListOf<Int>()
            suspend fun take(count: Int) {
                while (got.size < count) {
                    val number = next()?.let { NUMBER.find(it.raw) } ?: continue
                    got += number.groupValues[1].toInt()
                }
            }
            for (number in 0 until 40) {
                val wait = launch { take(Int.MAX_VALUE) }
                yield()
                val data = case.data.dropLast(1) + ""","n":$number}"""
                mock.emit(case.slug, topic, if (named) "n$number" else case.kind, data)
                wait.cancelAndJoin()
            }
            take(40)
            assertEquals((0 until 40).toList(), got)
            ofClient.close()
            ofSession.close()
        }
    }

    @Test
    fun `a command that is cancelled ends at once`() = within {
        CharismaClient(ClientOptions(Endpoint.Url("ws://127.0.0.1:9"), token = "t")).useSuspending { client ->
            val waits = List(50) { async(start = CoroutineStart.UNDISPATCHED) { client.ready() } }
            assertTrue(Foreign.waits() >= 50, "${Foreign.waits()} waits")
            waits.forEach { it.cancelAndJoin() }
            waits.forEach { assertThrows<CancellationException> { it.await() } }
        }
        Foreign.awaitNothing()
    }

    @Test
    fun `a closed session ends its readers`() = within {
        CharismaClient(Case.CHARISMA.options(mock, mock.token("closing"))).useSuspending { client ->
            val session = client.session("quiet-closing")
            session.live()
            val reads = List(3) { async(start = CoroutineStart.UNDISPATCHED) { session.events.toList().size } }
            // Each has read what there is when this one, begun last, has.
            session.events.first { (it as? SessionEvent.State)?.state == SubscriptionState.Live }
            session.close()
            reads.forEach { it.await() }
            assertEquals(emptyList<SessionEvent>(), session.events.toList())
        }
    }

    private companion object {
        val NUMBER = Regex("\"n\":(\\d+)")
    }
}
