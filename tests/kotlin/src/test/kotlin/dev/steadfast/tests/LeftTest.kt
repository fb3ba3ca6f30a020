package dev.steadfast.tests

import dev.steadfast.EventListener
import dev.steadfast.SagaClient
import dev.steadfast.TokenProvider
import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import kotlin.time.Duration.Companion.seconds

/** What remains of clients and subscriptions that the app has let go. */
class LeftTest {
    private val mock = Mock.shared

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
        /** What is more than before, once it is nothing or after a while. */
        suspend fun more(before: Foreign.Held): Foreign.Held {
            withTimeoutOrNull(20.seconds) {
                while (!(Foreign.held() - before).isNothing()) {
                    System.gc() // what is forgotten is let go by Java's cleaner
                    delay(50)
                }
            }
            return Foreign.held() - before
        }

        some(200)
        val (files, before, objects) = Triple(Foreign.files(), Foreign.held(), Foreign.instances())
        some(1000)
        while (Foreign.files() > files) delay(50)
        assertEquals(1, Foreign.threads().size)
        val grown = more(before)
        val own = Foreign.instances().mapValues { (name, count) -> count - (objects[name] ?: 0) }.filterValues { it > 0 }
        println("1,000 clients of ${case.slug}: the library holds $grown more, Java's heap $own")
        assertTrue(grown.isNothing(), "the library holds $grown more")
        assertTrue(own.values.sum() < 20, "Java's heap holds $own more")
        while (mock.connections(case).isNotEmpty()) delay(10)
    }

    @Test
    fun `what is held is counted`() = within {
        Foreign.awaitNothing()
        val (before, objects) = Foreign.held() to Foreign.instances()
        val client = SagaClient(Case.SAGA.options(mock, mock.token("counted")))
        val session = client.session("quiet-counted")
        session.live()
        val held = Foreign.held() - before
        assertTrue(held.blocks > 20 && held.bytes > 8 * 1024 && held.tasks > 0, "$held")
        val own = Foreign.instances()
        for (name in listOf("SagaClient", "NativeClient", "Session", "NativeSession")) {
            assertTrue(own.getValue(name) > (objects[name] ?: 0), "$name: $own")
        }
        session.close()
        client.shutdown()
    }

    @Test
    fun `everything that was let go is gone`() = within {
        Foreign.awaitNothing()
        val provider = TokenProvider { mock.token("gone") }
        val client = SagaClient(Case.SAGA.options(mock), provider, {})
        val session = client.session("quiet-gone")
        session.live()
        assertEquals(1, Foreign.objects()["NativeTokenProvider"])
        assertEquals(1, Foreign.objects()["EventListener"])
        assertEquals(1, mock.connections("gone").size)
        session.close()
        client.close()
        Foreign.awaitNothing()
        while (mock.connections("gone").isNotEmpty()) delay(10)
    }
}
