package dev.steadfast.tests

import dev.steadfast.CharismaClient
import dev.steadfast.ConnectionState
import dev.steadfast.SteadfastException
import dev.steadfast.TimingOptions
import dev.steadfast.TokenException
import dev.steadfast.TokenProvider
import dev.steadfast.WhyKind
import dev.steadfast.useSuspending
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import java.util.concurrent.CopyOnWriteArrayList

/** Where tokens come from, and when. */
class TokensTest {
    private val mock = Mock.shared

    @ParameterizedTest
    @EnumSource
    fun `a token is renewed ahead of its end, and when it is refused`(case: Case) = within {
        val user = "token-${case.slug}"
        val inBand = case == Case.CHARISMA || case == Case.DEV_CONTEXT
        val asked = CopyOnWriteArrayList<Boolean>()
        val provider = TokenProvider { force ->
            asked += force
            yield()
            mock.token(user, if (asked.size == 1) "11s" else "${3600 + asked.size}s")
        }
        if (case == Case.DOC_PROC) mock.post("switches", """{"docproc.auth":"on"}""")
        val options = case.options(mock).copy(timings = TimingOptions(refreshIntervalMs = 100))
        case.client(options, provider).useSuspending { client ->
            val session = client.session("quiet-$user")
            session.live()
            val first = mock.connections(user)
            until { asked.size >= 2 }
            assertEquals(listOf(false, false), asked.take(2), "ahead of the expiry nothing has been refused")
            // Where the new token needs a new connection, the old one goes.
            until { inBand || mock.connections(user).let { it.size == 1 && it != first } }
            session.live()
            mock.fault("""{"match":{"user":"$user","when":"now"},"action":{"do":"expire_token"},"times":1}""")
            // The next message is refused, unless the server was quicker.
            if (inBand) runCatching { client.sendRaw("anything", "{}") }
            until { asked.size >= 3 }
            session.live()
            assertTrue(client.stats().authFailures <= 1, "${client.stats()}")
        }
        if (case == Case.DOC_PROC) mock.post("switches", """{"docproc.auth":"off"}""")
    }

    /** For what only the mock server can tell: it has nothing to wait for. */
    private suspend fun until(condition: () -> Boolean) {
        while (!condition()) delay(20)
    }

    @Test
    fun `a provider that fails is asked again, whatever it throws`() = within {
        var asked = 0
        val provider = TokenProvider {
            asked += 1
            when (asked) {
                1 -> error("not yet")
                2 -> TODO("an Error, which is no Exception")
                else -> mock.token("flaky")
            }
        }
        CharismaClient(Case.CHARISMA.options(mock), provider).useSuspending { client ->
            client.ready()
            assertEquals(3, asked)
        }
    }

    @Test
    fun `a provider may ask the client that is going, and answer in the same moment`() = within {
        repeat(60) { round ->
            val (asked, answer, ended) = List(3) { CompletableDeferred<Unit>() }
            lateinit var client: CharismaClient
            val provider = TokenProvider {
                asked.complete(Unit)
                try {
                    answer.await()
                    "t"
                } finally {
                    client.diagnose()
                    client.setToken("another")
                    ended.complete(Unit)
                }
            }
            client = CharismaClient(Case.CHARISMA.options(mock), provider)
            client.connect()
            asked.await()
            val answering = launch(Dispatchers.Default) { if (round % 3 != 0) answer.complete(Unit) }
            if (round % 2 == 0) client.shutdown() else client.close()
            answering.join()
            ended.await()
        }
        Foreign.awaitNothing()
    }

    @Test
    fun `a provider that denies is not asked again`() = within {
        var asked = 0
        val provider = TokenProvider {
            asked += 1
            throw TokenException.Denied("signed out")
        }
        CharismaClient(Case.CHARISMA.options(mock), provider).useSuspending { client ->
            assertThrows<SteadfastException.Command> { client.ready() }
            val why = (client.state.value as ConnectionState.Failed).why
            assertEquals(WhyKind.AUTH, why.kind)
            assertTrue("signed out" in why.text, why.text)
            assertEquals(1, asked)
            client.setToken(mock.token("denied"))
            client.ready()
        }
    }
}
