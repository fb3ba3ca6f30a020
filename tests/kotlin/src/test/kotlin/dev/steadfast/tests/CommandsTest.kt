package dev.steadfast.tests

import dev.steadfast.CharismaClient
import dev.steadfast.ClientOptions
import dev.steadfast.CommandErrorKind
import dev.steadfast.ConnectionState
import dev.steadfast.DevContextClient
import dev.steadfast.DevContextState
import dev.steadfast.DocProcClient
import dev.steadfast.Endpoint
import dev.steadfast.SagaClient
import dev.steadfast.Sent
import dev.steadfast.SessionType
import dev.steadfast.SteadfastException
import dev.steadfast.TherapyBridgeClient
import dev.steadfast.TimingOptions
import dev.steadfast.useSuspending
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

/** What each service can be asked, and what it says when it can't. */
class CommandsTest {
    private val mock = Mock.shared

    private fun options(slug: String, token: String? = mock.token("commands")) =
        ClientOptions(Endpoint.Url("${mock.url}/$slug"), token)

    @Test
    fun `of Saga`() = within {
        SagaClient(options("saga")).useSuspending { client ->
            client.ready()
            assertTrue(client.ping() >= 0)
            assertEquals("healthy", client.serverHealth().status)
            assertTrue(client.serverStats().totalConnections!! >= 1)
            client.sendRaw("hello", """{"any":"thing"}""")
            val wrong = assertThrows<SteadfastException.Command> { client.sendRaw("hello", "{") }
            assertEquals(CommandErrorKind.INVALID, wrong.kind)
        }
    }

    @Test
    fun `of TherapyBridge`() = within {
        TherapyBridgeClient(options("therapybridge", null)).useSuspending { client ->
            val login = client.login("therapist@example.org", "secret")
            client.setToken(login.accessToken)
            client.session("session_login").live()
        }
    }

    @Test
    fun `of Charisma`() = within {
        CharismaClient(options("charisma")).useSuspending { client ->
            client.ready()
            client.authenticate()
        }
    }

    @Test
    fun `of DevContext`() = within {
        DevContextClient(options("devcontext")).useSuspending { client ->
            assertEquals(DevContextState.DISCONNECTED, client.connectionState)
            client.ready()
            assertEquals(DevContextState.CONNECTED, client.connectionState)
            assertTrue(client.ping() >= 0)
            client.authenticate()
            val started = client.startInterview("analysis_done", SessionType.PRACTICE)
            val question = started.firstQuestion!!.questionId!!
            val judged = client.submitAnswer(started.sessionId, question, "because")
            assertTrue(judged.evaluation != null)
            assertEquals(DevContextState.INTERVIEW_ACTIVE, client.connectionState)
            assertEquals(started.sessionId, client.pauseInterview(started.sessionId).sessionId)
            assertEquals(DevContextState.INTERVIEW_PAUSED, client.connectionState)
            assertEquals(started.sessionId, client.resumeInterview(started.sessionId).sessionId)
            assertEquals("analysis_done", client.fetchAnalysis("analysis_done").analysisId)
        }
    }

    @Test
    fun `of DocProc`() = within {
        DocProcClient(options("docproc")).useSuspending { client ->
            client.session("session_rest").live()
            assertEquals("session_rest", client.fetchSession("session_rest").sessionId)
        }
    }

    @Test
    fun `one that fails says whether it was sent`() = within {
        val client = SagaClient(options("saga"))
        val unsent = assertThrows<SteadfastException.Command> { client.ping() }
        assertEquals(CommandErrorKind.NOT_CONNECTED to Sent.NO, unsent.kind to unsent.sent)
        val waiting = async(start = CoroutineStart.UNDISPATCHED) { runCatching { client.session("never").live() } }
        client.shutdown()
        assertEquals(CommandErrorKind.CLOSED, (waiting.await().exceptionOrNull() as SteadfastException.Command).kind)
    }

    @Test
    fun `a closed client answers`() = within {
        val client = SagaClient(options("saga"))
        client.ready()
        client.close()
        client.shutdown()
        assertEquals(ConnectionState.Closed, client.state.value)
        assertEquals(1, client.stats().attempts)
        assertTrue(client.diagnose().text.isNotEmpty())
        val closed = assertThrows<SteadfastException.Command> { client.ready() }
        assertEquals(CommandErrorKind.CLOSED, closed.kind)
    }

    @Test
    fun `errors name the option`() {
        val wrong = assertThrows<SteadfastException.Configuration> {
            CharismaClient(options("charisma").copy(timings = TimingOptions(lingerMs = -1)))
        }
        assertEquals("linger_ms", wrong.field)
        assertEquals("linger_ms: -1 is no possible value", wrong.message)
        assertThrows<SteadfastException.Configuration> { SagaClient(ClientOptions(Endpoint.Production, "t")) }
    }
}
