"""A client for each service."""

from __future__ import annotations

from ._client import Client
from ._native.steadfast import (
    CharismaMessage,
    DevContextAnalysis,
    DevContextAnswerEvaluated,
    DevContextInterviewPaused,
    DevContextInterviewResumed,
    DevContextInterviewStarted,
    DevContextMessage,
    DevContextState,
    DocProcClarificationReply,
    DocProcMessage,
    DocProcProgress,
    SagaMessage,
    SagaServerHealth,
    SagaServerStats,
    Service,
    SessionType,
    TherapyBridgeLogin,
    TherapyBridgeMessage,
)


class CharismaClient(Client[CharismaMessage]):
    """A client of Charisma: upload and OCR of conversations."""

    _service = Service.CHARISMA

    async def authenticate(self) -> None:
        """Authenticates again on the open connection, with the client's newest token."""
        await self._native.authenticate()


class TherapyBridgeClient(Client[TherapyBridgeMessage]):
    """A client of TherapyBridge: transcription of therapy sessions."""

    _service = Service.THERAPY_BRIDGE

    async def login(self, email: str, password: str) -> TherapyBridgeLogin:
        """Signs in by email and password. The token is not used by itself: hand it to `set_token`."""
        return await self._native.login(email, password)


class SagaClient(Client[SagaMessage]):
    """A client of Saga: family biographies."""

    _service = Service.SAGA

    async def ping(self) -> int:
        """Asks the server for a `pong`; gives the round trip in ms. Fails at once when not connected."""
        return await self._native.ping()

    async def server_health(self) -> SagaServerHealth:
        """The server's health, by REST, without a token."""
        return await self._native.server_health()

    async def server_stats(self) -> SagaServerStats:
        """The server's statistics, by REST."""
        return await self._native.server_stats()


class DocProcClient(Client[DocProcMessage]):
    """A client of DocProc: document processing by several models."""

    _service = Service.DOC_PROC

    async def respond_to_clarification(self, clarification_id: str, answer: str) -> DocProcClarificationReply:
        """Answers a clarification, by REST."""
        return await self._native.respond_to_clarification(clarification_id, answer)

    async def fetch_session(self, session_id: str) -> DocProcProgress:
        """The latest progress of a session, by REST."""
        return await self._native.fetch_session(session_id)


class DevContextClient(Client[DevContextMessage]):
    """A client of DevContext: analysis of repositories, and mock interviews."""

    _service = Service.DEV_CONTEXT

    @property
    def connection_state(self) -> DevContextState:
        """The client's state in the words of the service's documentation: a view of connection, subscriptions and
        interviews."""
        return self._native.connection_state()

    async def authenticate(self) -> None:
        """Authenticates again on the open connection, with the client's newest token."""
        await self._native.authenticate()

    async def ping(self) -> int:
        """Asks the server for a `pong`; gives the round trip in ms. Fails at once when not connected."""
        return await self._native.ping()

    async def start_interview(
        self, analysis_id: str, session_type: SessionType = SessionType.LIVE
    ) -> DevContextInterviewStarted:
        """Begins an interview about an analysis. Follow it by a session of its `session_id`; it is resumed by itself
        after a reconnect."""
        return await self._native.start_interview(analysis_id, session_type)

    async def submit_answer(self, session_id: str, question_id: str, answer: str) -> DevContextAnswerEvaluated:
        """Answers a question and waits for the evaluation. Never sent twice."""
        return await self._native.submit_answer(session_id, question_id, answer)

    async def pause_interview(self, session_id: str) -> DevContextInterviewPaused:
        """Pauses an interview; it stays paused through reconnects."""
        return await self._native.pause_interview(session_id)

    async def resume_interview(self, session_id: str) -> DevContextInterviewResumed:
        """Goes on with an interview, also one of an earlier run of the app."""
        return await self._native.resume_interview(session_id)

    async def fetch_analysis(self, analysis_id: str) -> DevContextAnalysis:
        """An analysis with the data of its stages, by REST."""
        return await self._native.fetch_analysis(analysis_id)
