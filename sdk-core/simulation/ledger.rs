//! What the simulation remembers, to judge the machine by.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use steadfast::{Config, ConnectionState, InterviewState, Service};

use crate::names::{NAMES, Name};
use crate::world::by_name;

/// The announced state of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Said {
    #[default]
    Nothing,
    Pending,
    Live,
    Refused,
    Ended,
}

/// What the app wants of a topic, and what it was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub handles: u32,
    pub keep: bool,
    pub said: Said,
    /// When the linger after the last handle is over.
    pub linger: Option<u64>,
    /// It was live and is no more: a gap is due when it is live again.
    pub loss: bool,
    /// It was confirmed since; if the connection dies at that moment, nobody hears that it was live.
    pub confirmed: bool,
    /// By when the gap must have been told.
    pub gap_by: Option<u64>,
    /// Its end was delivered.
    pub end_told: bool,
    /// The newest time in its frames on this connection.
    pub newest: f64,
    /// Its picture may fall back with the next frame.
    pub may_fall: bool,
    /// The things whose phase is known on this connection; `None` for the topic itself.
    pub ranked: Vec<Option<(&'static str, &'static str)>>,
    pub interview: Option<InterviewState>,
}

impl Wish {
    /// Whether it should be on the wire.
    pub(crate) const fn wanted(&self) -> bool {
        let wanted = match self.interview {
            Some(state) => matches!(state, InterviewState::Active | InterviewState::Starting),
            None => self.handles > 0 || self.linger.is_some(),
        };
        wanted && !matches!(self.said, Said::Refused | Said::Ended)
    }
}

/// A command without an outcome.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// By when it must have one.
    pub by: Option<u64>,
    pub ping: bool,
}

/// What the world did that can justify a verdict.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Causes {
    pub auth: bool,
    pub tls: bool,
    pub status: bool,
    pub forbidden: bool,
    pub displaced: bool,
    pub protocol: u32,
    pub kicked: u32,
}

/// What the simulation remembers.
pub(crate) struct Ledger {
    pub wishes: [Wish; NAMES],
    pub commands: BTreeMap<u32, Pending>,
    pub state: ConnectionState,
    pub closed: bool,
    pub causes: Causes,
    pub denied: bool,
    pub jumped: bool,
    /// The input under way is the user's, so it may break waits.
    pub user_turn: bool,
    pub in_background: Option<u64>,
    pub visible: bool,
    pub offline: bool,
    /// How often a forced refresh was answered, and how often one was called for.
    pub forced: u32,
    pub may_force: u32,
    /// Each topic has its own connection, and its own strikes.
    pub many_links: bool,
    pub auth_struck: bool,
    pub policy_struck: bool,
    /// When attempts began, by topic where each has its own connection.
    pub attempts: BTreeMap<Option<Name>, VecDeque<u64>>,
    pub excused: BTreeSet<Option<Name>>,
    pub counted: u64,
    /// How many failures there were when the schedule of waits last began anew.
    pub failures: u64,
    pub offline_since_reset: bool,
    pub retry_until: Option<u64>,
    pub retry_after: u64,
    pub refused_token: BTreeMap<Option<Name>, u32>,
    pub refused_ever: BTreeSet<Option<u32>>,
    pub held: BTreeMap<u32, (Name, bool)>,
    pub sends: Vec<u64>,
    pub paused_until: u64,
    pub answers: BTreeSet<(Name, u32)>,
    pub frames_out: u64,
    pub opened: BTreeSet<u32>,
}

impl Ledger {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            wishes: by_name(),
            commands: BTreeMap::new(),
            state: ConnectionState::Idle,
            closed: false,
            causes: Causes::default(),
            denied: false,
            jumped: false,
            user_turn: false,
            in_background: None,
            visible: true,
            offline: false,
            forced: 0,
            may_force: 0,
            many_links: config.service == Service::TherapyBridge,
            auth_struck: false,
            policy_struck: false,
            attempts: BTreeMap::new(),
            excused: BTreeSet::new(),
            counted: 0,
            failures: 0,
            offline_since_reset: false,
            retry_until: None,
            retry_after: 0,
            refused_token: BTreeMap::new(),
            refused_ever: BTreeSet::new(),
            held: BTreeMap::new(),
            sends: Vec::new(),
            paused_until: 0,
            answers: BTreeSet::new(),
            frames_out: 0,
            opened: BTreeSet::new(),
        }
    }

    /// The link starts with a clean record: it was stable, or the user said so.
    pub(crate) fn clean(&mut self, link: Option<Name>, failures: u64) {
        self.refused_token.remove(&link);
        self.may_force = self.may_force.saturating_sub(self.forced);
        self.forced = 0;
        self.auth_struck = false;
        self.policy_struck = false;
        self.failures = failures;
        self.offline_since_reset = self.offline;
    }

    /// A refusal of the token calls for one forced refresh.
    pub(crate) fn struck(&mut self, policy: bool) {
        let struck = if policy { &mut self.policy_struck } else { &mut self.auth_struck };
        if !std::mem::replace(struck, true) || self.many_links {
            self.may_force += 1;
        }
    }
}

/// The latest of a window's moments.
pub(crate) fn within(moments: &[u64], now: u64, window: u64) -> usize {
    moments.iter().rev().take_while(|at| **at + window > now).count()
}
