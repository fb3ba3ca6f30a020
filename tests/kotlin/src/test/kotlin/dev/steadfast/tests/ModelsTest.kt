package dev.steadfast.tests

import dev.steadfast.DevContextClient
import dev.steadfast.DevContextSessionModel
import dev.steadfast.DocProcClarificationStatus
import dev.steadfast.DocProcClient
import dev.steadfast.DocProcSessionModel
import dev.steadfast.Phase
import dev.steadfast.SessionModel
import dev.steadfast.SessionType
import dev.steadfast.SteadfastException
import dev.steadfast.useSuspending
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

/** What a screen sees. */
class ModelsTest {
    private val mock = Mock.shared

    @ParameterizedTest
    @EnumSource
    fun `a session on a screen`(case: Case) = within {
        val user = "model-${case.slug}"
        case.client(mock, user).useSuspending { client ->
            val screen = CoroutineScope(Job())
            val model = SessionModel(client, "quiet-$user", screen)
            model.view.first { it.isConnected && it.isLive && !it.done && it.error == null }
            mock.emit(case.slug, "quiet-$user", case.kind, case.data)
            val view = model.view.first { view -> view.messages.any { it.name == case.message } }
            assertEquals("quiet-$user", view.snapshot?.topic)
            mock.drop(user)
            model.view.first { !it.isConnected }
            model.view.first { it.isConnected && it.isLive }
            // The screen goes, and its subscription with it.
            screen.cancel()
            while (client.snapshot("quiet-$user") != null) delay(20)
        }
    }

    @ParameterizedTest
    @EnumSource
    fun `a topic that is refused`(case: Case) = within {
        case.client(mock, "no-${case.slug}").useSuspending { client ->
            SessionModel(client, "missing-${case.slug}", this).use { model ->
                assertFalse(model.view.first { it.error != null }.isLive)
            }
        }
    }

    @Test
    fun `a topic that can't be one`() = within {
        Case.CHARISMA.client(mock, "impossible").useSuspending { client ->
            SessionModel(client, "", this).use { assertTrue("topic" in it.view.value.error!!, it.view.value.error) }
        }
    }

    @Test
    fun `a document with its results and questions`() = within {
        val client = DocProcClient(Case.DOC_PROC.options(mock))
        client.useSuspending {
            DocProcSessionModel(client, "session_model", this).use { model ->
                val asked = model.clarifications.first { it.isNotEmpty() }.single()
                assertEquals(DocProcClarificationStatus.Pending, asked.asked.status)
                asked.respond("the second")
                model.clarifications.first { it.single().asked.status == DocProcClarificationStatus.Answered }
                val view = model.view.first { it.done }
                assertEquals(Phase.DONE, view.snapshot?.phase)
                val models = model.modelResults.value.map { it.modelName }
                assertTrue(models.isNotEmpty() && models == models.distinct(), "$models")
            }
        }
    }

    @Test
    fun `an interview about an analysis`() = within {
        val client = DevContextClient(Case.DEV_CONTEXT.options(mock, mock.token("interviewed")))
        client.useSuspending {
            DevContextSessionModel(client, "analysis_done", this).use { model ->
                val early = assertThrows<SteadfastException.Command> { model.answer("too early") }
                assertTrue(early.message.isNotEmpty())
                model.startInterview(SessionType.PRACTICE)
                var answered: String? = null
                model.pauseInterview()
                model.interview.first { it.isPaused }
                model.resumeInterview()
                model.interview.first { !it.isPaused }
                while (model.interview.value.summary == null) {
                    val now = model.interview.first { it.summary != null || it.question?.questionId.let { id -> id != null && id != answered } }
                    answered = now.question?.questionId ?: break
                    model.answer("because")
                    model.interview.first { it.evaluation != null }
                }
                assertTrue(model.interview.first { it.summary != null }.question == null)
            }
        }
    }
}
