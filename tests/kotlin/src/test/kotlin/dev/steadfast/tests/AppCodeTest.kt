package dev.steadfast.tests

import dev.steadfast.CharismaClient
import dev.steadfast.DocProcClient
import dev.steadfast.EventListener
import dev.steadfast.LogLevel
import dev.steadfast.SagaClient
import dev.steadfast.SubscriptionState
import dev.steadfast.TokenProvider
import dev.steadfast.logTo
import dev.steadfast.useSuspending
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.last
import kotlinx.coroutines.newFixedThreadPoolContext
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.concurrent.thread

/** What the app gives to the SDK: listeners and loggers; and what remains when it lets go. */
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

    @Test
    fun `a thousand clients leave nothing behind`() = within(180) {
        suspend fun cycle(number: Int) {
            val client = DocProcClient(Case.DOC_PROC.options(mock), { "t" }, {})
            val session = client.session("quiet-$number")
            if (number % 10 == 0) session.live()
            session.reader().use { it.next() }
            session.close()
            client.shutdown()
        }

        suspend fun some(count: Int) {
            repeat(count) { cycle(it) }
            System.gc()
            Foreign.awaitNothing()
            // Threads that may block stay for 2 s; the one that drives all clients stays.
            while (Foreign.threads().size > 1) delay(50)
        }
        some(300)
        val (files, memory) = Foreign.files() to Foreign.allocated()
        some(1000)
        while (Foreign.files() > files) delay(50)
        assertEquals(1, Foreign.threads().size)
        val grown = Foreign.allocated() - memory
        println("1,000 clients: $grown bytes more")
        assertTrue(grown < 8 * 1024 * 1024, "grown by $grown bytes")
        assertTrue(mock.connections("t").isEmpty())
    }

    @Test
    fun `everything that was let go is gone`() = within {
        Foreign.awaitNothing()
        val provider = TokenProvider { mock.token("gone") }
        val client = SagaClient(Case.SAGA.options(mock), provider, {})
        val session = client.session("quiet-gone")
        session.live()
        assertEquals(1, Foreign.objects()["TokenProvider"])
        assertEquals(1, Foreign.objects()["EventListener"])
        assertEquals(1, mock.connections("gone").size)
        session.close()
        client.close()
        Foreign.awaitNothing()
        while (mock.connections("gone").isNotEmpty()) delay(10)
    }

    @Test
    fun `several threads, each with a client`() {
        val results = ConcurrentLinkedQueue<Any>()
        List(6) { number ->
            thread {
                runBlocking {
                    val provider = TokenProvider { mock.token("thread-$number") }
                    CharismaClient(Case.CHARISMA.options(mock), provider).useSuspending { client ->
                        val session = client.session("session_thread_$number")
                        session.events.last()
                        results += session.state.value
                    }
                }
            }
        }.forEach(Thread::join)
        assertEquals(List<Any>(6) { SubscriptionState.Ended }, results.toList())
    }

    @Test
    fun `one client from several threads`() = within {
        SagaClient(Case.SAGA.options(mock, mock.token("shared"))).useSuspending { client ->
            client.ready()
            @OptIn(kotlinx.coroutines.DelicateCoroutinesApi::class, kotlinx.coroutines.ExperimentalCoroutinesApi::class)
            newFixedThreadPoolContext(8, "callers").use { callers ->
                val trips = withContext(callers) { List(64) { async { client.ping() } }.awaitAll() }
                assertTrue(trips.size == 64 && trips.all { it >= 0 })
            }
        }
    }
}
