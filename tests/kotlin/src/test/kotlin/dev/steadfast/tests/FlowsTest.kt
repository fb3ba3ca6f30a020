package dev.steadfast.tests

import dev.steadfast.CharismaClient
import dev.steadfast.CharismaMessage
import dev.steadfast.ClientEvent
import dev.steadfast.ClientOptions
import dev.steadfast.ConnectionState
import dev.steadfast.DevContextMessage
import dev.steadfast.DocProcMessage
import dev.steadfast.Endpoint
import dev.steadfast.Message
import dev.steadfast.Phase
import dev.steadfast.SagaMessage
import dev.steadfast.ServiceMessage
import dev.steadfast.SessionEvent
import dev.steadfast.SteadfastException
import dev.steadfast.SubscriptionState
import dev.steadfast.TherapyBridgeMessage
import dev.steadfast.TimingOptions
import dev.steadfast.UnknownMessage
import dev.steadfast.WhyKind
import dev.steadfast.useSuspending
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.last
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.flow.transformWhile
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

/** Each service from subscribe to end, refused, interrupted, and with what nobody knows. */
class FlowsTest {
    private val mock = Mock.shared

    @ParameterizedTest
    @EnumSource
    fun `a full flow`(case: Case) = within {
        val user = "full-${case.slug}"
        val client = case.client(mock, user)
        client.useSuspending {
            val session = client.session("${case.topic}-$user")
            val names = session.messages.transformWhile { message ->
                emit(message.name)
                case.answer(client, message.data)
                case.ends || message.name !in case.last
            }.toList()
            assertTrue(names.last() in case.last, "$names")
            val snapshot = session.snapshot.value!!
            if (case.ends) {
                assertEquals(SubscriptionState.Ended, session.state.value)
                assertTrue(snapshot.terminal && snapshot.phase == Phase.DONE, "$snapshot")
                assertTrue(snapshot.progress == null || snapshot.progress == 1.0, "$snapshot")
            } else {
                assertTrue(snapshot.items.isNotEmpty() && snapshot.items.all { it.phase == Phase.DONE }, "$snapshot")
            }
            val stats = client.stats()
            assertTrue(stats.attempts == 1L && stats.violations == 0L && stats.framesIn >= names.size, "$stats")
            assertTrue(client.diagnose().text.startsWith(case.slug))
        }
        assertEquals(ConnectionState.Closed, client.state.value)
    }

    @ParameterizedTest
    @EnumSource
    fun `a refusal`(case: Case) = within {
        case.client(mock, "refused-${case.slug}").useSuspending { client ->
            val session = client.session("missing-${case.slug}")
            if (case != Case.THERAPY_BRIDGE) { // whose socket opens before it refuses
                val refused = assertThrows<SteadfastException.Command> { session.live() }
                assertTrue(refused.detail.isNotEmpty() && refused.detail in refused.message, refused.message)
            }
            val end = (session.events.last() as SessionEvent.State).state
            val why = (end as SubscriptionState.Refused).why
            assertTrue(why.kind in setOf(WhyKind.NOT_FOUND, WhyKind.NOT_ALLOWED, WhyKind.SERVICE), "$why")
            assertEquals(end, session.state.value)
        }
    }

    @ParameterizedTest
    @EnumSource
    fun `a lost connection is made again with its subscriptions`(case: Case) = within {
        val user = "lost-${case.slug}"
        case.client(mock, user).useSuspending { client ->
            val session = client.session("quiet-$user")
            session.live()
            val events = session.reader()
            mock.drop(user)
            var live = 0
            while (live < 2) {
                val state = (events.next() as? SessionEvent.State)?.state
                if (state == SubscriptionState.Live) live += 1
            }
            mock.emit(case.slug, "quiet-$user", case.kind, case.data)
            while ((events.next() as? SessionEvent.Message)?.message?.name != case.message) continue
            events.close()
            val stats = client.stats()
            assertTrue(stats.reconnects == 1L && stats.unexpectedCloses == 1L, "$stats")
        }
    }

    @ParameterizedTest
    @EnumSource
    fun `messages and values that nobody knows`(case: Case) = within {
        val user = "unknown-${case.slug}"
        case.client(mock, user).useSuspending { client ->
            val topic = "quiet-$user"
            val session = client.session(topic)
            val events = client.reader()
            session.live()
            mock.emit(case.slug, topic, case.kind, case.data)
            val typed = session.messages.first { it.name == case.message }
            if (case.kind == null) { // its messages have no name; a rule puts one that has in the place of the next
                val text = """{\"type\":\"brand_new\",\"novel\":[1,null]}"""
                mock.fault("""{"match":{"user":"$user","when":"out"},"action":{"do":"malformed","text":"$text"},"times":1}""")
            }
            mock.emit(case.slug, topic, "brand_new", """{"novel":[1,null]}""")

            assertEquals("dreaming", case.unknown(typed.data)?.lowercase(), "$typed")
            val told = generateSequence { }.asFlow().map { events.next() as? ClientEvent.Message }
                .first { it?.message?.name == "brand_new" }!!.message
            val unknown = unknownMessage(told)
            assertEquals("brand_new", unknown.name)
            assertTrue("novel" in unknown.data && "novel" in told.raw, "$told")
            assertEquals(0, client.stats().violations)
        }
    }

    private fun unknownMessage(message: Message): UnknownMessage = when (val data = message.data) {
        is ServiceMessage.Charisma -> (data.value as CharismaMessage.Unknown).value
        is ServiceMessage.TherapyBridge -> (data.value as TherapyBridgeMessage.Unknown).value
        is ServiceMessage.Saga -> (data.value as SagaMessage.Unknown).value
        is ServiceMessage.DocProc -> (data.value as DocProcMessage.Unknown).value
        is ServiceMessage.DevContext -> (data.value as DevContextMessage.Unknown).value
    }

    @ParameterizedTest
    @EnumSource
    fun `background and foreground`(case: Case) = within {
        val user = "background-${case.slug}"
        val client = case.client(mock, user) { copy(timings = TimingOptions(backgroundGraceMs = 50)) }
        client.useSuspending {
            val session = client.session("quiet-$user")
            session.live()
            client.background()
            client.state.first { it == ConnectionState.Suspended }
            client.foreground()
            client.state.first { it is ConnectionState.Ready }
            session.state.first { it == SubscriptionState.Live }
            client.networkChanged(online = true)
            assertEquals(1, client.stats().reconnects)
        }
    }

    @Test
    fun `a network that goes and comes`() = within {
        // Loopback has a network always.
        val options = ClientOptions(Endpoint.Url("wss://steadfast.invalid"), token = "t")
        CharismaClient(options).useSuspending { client ->
            client.networkChanged(online = false)
            client.connect()
            client.state.first { it == ConnectionState.Offline }
            client.networkChanged(online = true)
            client.state.first { it is ConnectionState.Waiting }
        }
    }
}
