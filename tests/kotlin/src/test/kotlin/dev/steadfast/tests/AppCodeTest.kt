package dev.steadfast.tests

import dev.steadfast.EventListener
import dev.steadfast.LogLevel
import dev.steadfast.SagaClient
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

    @ParameterizedTest
    @EnumSource
    fun `a thousand clients leave nothing behind`(case: Case) = within(180) {
        suspend fun cycle(number: Int) {
            // Of a user of its own now and then: services limit what one may send in a minute.
            val token = mock.token("cycle-${case.slug}-${number / 10}")
            val client = case.client(case.options(mock), { token }, {})
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
        some(200)
        // What the JVM takes for itself now and then is counted too, but not each time.
        val grown = List(2) {
            val (files, memory) = Foreign.files() to Foreign.allocated()
            some(500)
            while (Foreign.files() > files) delay(50)
            assertEquals(1, Foreign.threads().size)
            Foreign.allocated() - memory
        }
        println("Twice 500 clients of ${case.slug}: $grown bytes more")
        assertTrue(grown.min() < 3 * 1024 * 1024, "grown by $grown bytes")
        while (mock.connections(case).isNotEmpty()) delay(10)
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
            @OptIn(kotlinx.coroutines.DelicateCoroutinesApi::class, kotlinx.coroutines.ExperimentalCoroutinesApi::class)
            newFixedThreadPoolContext(8, "callers").use { callers ->
                val states = withContext(callers) {
                    List(16) { number ->
                        async {
                            client.session("quiet-$user-$number").use { session ->
                                session.live()
                                assertTrue(client.diagnose().text.isNotEmpty())
                                session.state.first { it == SubscriptionState.Live }
                            }
                        }
                    }.awaitAll()
                }
                assertEquals(List<SubscriptionState>(16) { SubscriptionState.Live }, states)
            }
        }
    }
}
