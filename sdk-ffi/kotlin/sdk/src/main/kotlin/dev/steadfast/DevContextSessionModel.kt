package dev.steadfast

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update

/** An interview as a screen sees it. */
public data class Interview(
    /** Its id, once it has begun. */
    val sessionId: String? = null,
    /** The question that waits for an answer. */
    val question: DevContextQuestion? = null,
    /** How the last answer was judged. */
    val evaluation: DevContextEvaluation? = null,
    /** Whether it is paused. */
    val isPaused: Boolean = false,
    /** How it went, at the end. */
    val summary: DevContextSummary? = null,
)

/** Follows an analysis of DevContext for a screen: as [SessionModel], with the interview about it. */
public class DevContextSessionModel private constructor(
    private val client: DevContextClient,
    topic: String,
    scope: CoroutineScope,
    private val extra: DevContextExtra,
) : SessionModel<DevContextMessage>(client, topic, scope, extra) {
    /** Follows an analysis of this client for as long as [scope] lives or until it is closed. */
    public constructor(client: DevContextClient, topic: String, scope: CoroutineScope) :
        this(client, topic, scope, DevContextExtra(topic))

    /** The interview about this analysis, as it stands. */
    public val interview: StateFlow<Interview> = extra.interview.asStateFlow()

    /**
     * Begins an interview.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun startInterview(sessionType: SessionType = SessionType.LIVE) {
        extra.begun(client.startInterview(topic, sessionType))
    }

    /**
     * Answers the question that waits. Never sent twice.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked; `sent` says whether it was.
     */
    public suspend fun answer(text: String) {
        client.submitAnswer(session(), interview.value.question?.questionId.orEmpty(), text)
    }

    /**
     * Pauses it.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun pauseInterview() {
        client.pauseInterview(session())
    }

    /**
     * Goes on with it.
     *
     * @throws SteadfastException.Command if the service refuses, or can't be asked.
     */
    public suspend fun resumeInterview() {
        client.resumeInterview(session())
    }

    private fun session() = interview.value.sessionId.orEmpty()
}

internal class DevContextExtra(private val analysis: String) : SessionModel.Extra<DevContextMessage> {
    val interview = MutableStateFlow(Interview())

    override fun heard(message: TypedMessage<DevContextMessage>) {
        val data = message.data
        if (data is DevContextMessage.InterviewStarted && data.value.analysisId == analysis) {
            begun(data.value)
        } else if (message.topic != null && message.topic == interview.value.sessionId) {
            interview.update { it.after(data) }
        }
    }

    /** Told twice: by the reply, and as a message, which others' interviews are too. */
    fun begun(started: DevContextInterviewStarted) = interview.update {
        if (it.sessionId == started.sessionId) it else Interview(started.sessionId, started.firstQuestion)
    }

    private fun Interview.after(message: DevContextMessage): Interview = when (message) {
        is DevContextMessage.AnswerEvaluated -> copy(
            evaluation = message.value.evaluation,
            // The next question may have come before the judgement of the last answer.
            question = question?.takeIf { it.questionId != message.value.questionId },
        )
        is DevContextMessage.FollowUpQuestion -> copy(
            question = with(message.value) { DevContextQuestion(questionId, question, null, null, null) },
        )
        is DevContextMessage.NextQuestion -> copy(
            question = with(message.value) { DevContextQuestion(questionId, question, category, difficulty, fileReferences) },
        )
        is DevContextMessage.InterviewPaused -> copy(isPaused = true)
        is DevContextMessage.InterviewResumed ->
            copy(question = message.value.currentQuestion ?: question, isPaused = false)
        is DevContextMessage.InterviewComplete -> copy(question = null, summary = message.value.summary)
        else -> this
    }
}
