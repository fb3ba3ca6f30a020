//! What came of a story: what was sent, told and answered.

use steadfast::{
    CommandErrorKind, CommandId, ConnectionState, Event, InterviewState, NoticeKind, Phase, Sent, Snapshot,
    SubscriptionState, WhyKind,
};

use super::{EPOCH, Outcome, World};

impl World {
    /// When each socket was asked for.
    pub(crate) fn dials(&self) -> Vec<u64> {
        self.opened.iter().map(|(at, ..)| *at).collect()
    }

    /// What was sent, without the times.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.sent.iter().map(|(_, _, text)| text.as_str()).collect()
    }

    /// How many of the messages sent contain this.
    pub(crate) fn count_sent(&self, part: &str) -> usize {
        self.sent.iter().filter(|(_, _, text)| text.contains(part)).count()
    }

    /// The `requestId` of the newest message sent.
    pub(crate) fn last_request(&self) -> String {
        let text = &self.sent.last().unwrap().2;
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        value["requestId"].as_str().unwrap().into()
    }

    pub(crate) fn state(&self) -> &ConnectionState {
        self.machine.state()
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state(), ConnectionState::Ready { .. })
    }

    /// Why the client waits or stopped.
    #[track_caller]
    pub(crate) fn why(&self) -> WhyKind {
        match self.state().why() {
            Some(why) => why.kind,
            None => panic!("{:?} has no why\n{}", self.state(), self.log),
        }
    }

    /// When the next attempt is, in ms of the story.
    #[track_caller]
    pub(crate) fn waits_until(&self) -> u64 {
        match self.state() {
            ConnectionState::Waiting { until, .. } => until - EPOCH,
            other => panic!("{other:?}\n{}", self.log),
        }
    }

    pub(crate) fn subscription(&self, topic: &str) -> Option<SubscriptionState> {
        self.machine.subscription(topic)
    }

    pub(crate) fn is_live(&self, topic: &str) -> bool {
        self.subscription(topic) == Some(SubscriptionState::Live)
    }

    /// Why a topic was refused.
    #[track_caller]
    pub(crate) fn refusal(&self, topic: &str) -> WhyKind {
        match self.subscription(topic) {
            Some(SubscriptionState::Refused { why }) => why.kind,
            other => panic!("{topic} is {other:?}\n{}", self.log),
        }
    }

    pub(crate) fn interview(&self, session: &str) -> Option<InterviewState> {
        self.machine.interview(session)
    }

    #[track_caller]
    pub(crate) fn snapshot(&self, topic: &str) -> &Snapshot {
        self.machine.snapshot(topic).unwrap()
    }

    pub(crate) fn phase(&self, topic: &str) -> Phase {
        self.snapshot(topic).phase
    }

    /// The one outcome of a command that has ended.
    #[track_caller]
    pub(crate) fn outcome(&self, id: CommandId) -> &Outcome {
        match self.outcomes.get(&id.0).map(Vec::as_slice) {
            Some([one]) => one,
            other => panic!("command {} has the outcomes {other:?}\n{}", id.0, self.log),
        }
    }

    pub(crate) fn is_pending(&self, id: CommandId) -> bool {
        !self.outcomes.contains_key(&id.0)
    }

    /// How a command failed: kind, code, retryable, sent.
    #[track_caller]
    pub(crate) fn failure(&self, id: CommandId) -> (CommandErrorKind, Option<&str>, bool, Sent) {
        match self.outcome(id) {
            Err(error) => (error.kind, error.code.as_deref(), error.retryable, error.sent),
            Ok(reply) => panic!("command {} succeeded: {reply:?}\n{}", id.0, self.log),
        }
    }

    pub(crate) fn notices(&self, kind: NoticeKind) -> usize {
        self.events
            .iter()
            .filter(|(_, event)| matches!(event, Event::Notice { kind: own, .. } if *own == kind))
            .count()
    }

    /// Every gap told: topic, since, until (ms of the story), recovered.
    pub(crate) fn gaps(&self) -> Vec<(&str, u64, u64, bool)> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Gap { topic, since, until, recovered } => {
                    Some((topic.as_str(), since - EPOCH, until - EPOCH, *recovered))
                }
                _ => None,
            })
            .collect()
    }

    /// The names of the connection's states, in order.
    pub(crate) fn states(&self) -> Vec<&'static str> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::State(state) => Some(state.name()),
                _ => None,
            })
            .collect()
    }

    /// Everything that happened, one line each, and forgets it.
    pub(crate) fn transcript(&mut self) -> String {
        std::mem::take(&mut self.log)
    }
}
