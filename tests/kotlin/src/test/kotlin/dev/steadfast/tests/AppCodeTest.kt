package dev.steadfast.tests

import dev.steadfast.EventListener
import dev.steadfast.LogLevel
import dev.steadfast.SessionEvent
import dev.steadfast.SubscriptionState
import dev.steadfast.TokenProvider
import dev.steadfast.logTo
import dev.steadfast.useSuspending
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.last
import kotlinx.coroutines.flow.transformWhile
import kotlinx.coroutines.newFixedThreadPoolContext
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CyclicBarrier
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread

/** What the app gives to the SDK, listeners and loggers; and its threads. */
class AppCodeTest {
    private val mock = Mock.shared

    @ParameterizedTest
    @EnumSource
    fun `a listener that throws is logged and goes on listening`(case: Case) = within {
        val user = "throwing-${case.slug}"
        val token = mock.token(user)
        val lines = ConcurrentLinkedQueue<String>()
        val heard = ConcurrentLinkedQueue<String>()
        val logged = CompletableDeferred<Unit>()
        logTo({ _, line ->
            lines += line
            if ("a listener's own trouble" in line) logged.complete(Unit)
            if (lines.size % 2 == 0) error("a logger's own trouble")
        }, LogLevel.TRACE)
        val listener = EventListener { event ->
            heard += event.javaClass.simpleName
            if (heard.size % 2 == 0) TODO("a listener's own trouble") else error("a listener's own trouble")
        }
        case.client(case.options(mock, token), null, listener).useSuspending { client ->
            val session = client.session("quiet-$user")
            session.live()
            mock.emit(case.slug, "quiet-$user", case.kind, case.data)
            logged.await()
            while (heard.size < 4) delay(10)
        }
        logTo(null)
        assertTrue(lines.any { "ready" in it }, "$lines")
        assertFalse(lines.any { token in it }, "a token is never logged")
        Foreign.awaitNothing()
    }

    @ParameterizedTest
    @EnumSource
    fun `several threads, each with a client`(case: Case) {
        val results = ConcurrentLinkedQueue<String>()
        List(6) { number ->
            thread {
                runBlocking {
                    val user = "thread-${case.slug}-$number"
                    val provider = TokenProvider { mock.token(user) }
                    case.client(case.options(mock), provider).useSuspending { client ->
                        val session = client.session("quiet-$user")
                        session.live()
                        mock.emit(case.slug, "quiet-$user", case.kind, case.data)
                        val news = session.events.first { (it as? SessionEvent.Message)?.message?.name == case.message }
                        results += (news as SessionEvent.Message).message.name
                    }
                }
            }
        }.forEach(Thread::join)
        assertEquals(List(6) { case.message }, results.toList())
    }

    @ParameterizedTest
    @EnumSource
    fun `one client from several threads`(case: Case) = within {
        val user = "shared-${case.slug}"
        case.client(mock, user).useSuspending { client ->
            /** Follows a topic of its own to its end, with a command and a look at everything on the way. */
            suspend fun follow(number: Int): String {
                val topic = "${case.topic}-$user-$number"
                return client.session(topic).use { session ->
                    var asked = false
                    val last = session.messages.transformWhile { message ->
                        if (!asked) case.ask(client, topic)
                        asked = true
                        assertEquals(topic, session.snapshot.value?.topic)
                        assertTrue(topic in client.diagnose().text && client.stats().framesIn > 0)
                        case.answer(client, message.data)
                        emit(message.name)
                        case.ends || message.name !in case.last
                    }.last()
                    assertEquals(case.ends, session.state.value == SubscriptionState.Ended)
                    last
                }
            }
            @OptIn(kotlinx.coroutines.DelicateCoroutinesApi::class, kotlinx.coroutines.ExperimentalCoroutinesApi::class)
            newFixedThreadPoolContext(8, "callers").use { callers ->
                val together = CyclicBarrier(8)
                val ends = withContext(callers) {
                    List(8) { number ->
                        async {
                            together.await(20, TimeUnit.SECONDS)
                            follow(number)
                        }
                    }.awaitAll()
                }
                assertTrue(ends.all { it in case.last }, "$ends")
            }
            assertEquals(0, client.stats().reconnects)
        }
    }
}
