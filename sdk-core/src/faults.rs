//! Bugs on purpose: each switches off one thing that the machine does right, so that the simulation can show that it
//! would notice. They cost a comparison where they stand and are never on in an app.

/// Which bugs are planted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub u32);

macro_rules! faults {
    ($($name:ident = $bit:literal,)*) => {
        impl Faults {
            $(#[doc(hidden)] pub const $name: u32 = 1 << $bit;)*
            /// All bugs by name.
            pub const ALL: &'static [(&'static str, u32)] = &[$((stringify!($name), 1 << $bit),)*];
        }
    };
}

faults! {
    NO_ATTEMPT_LIMIT = 0,
    REUSE_REFUSED_TOKEN = 1,
    DELIVER_AFTER_END = 2,
    LISTEN_TO_REPLACED = 3,
    IGNORE_RANK = 4,
    FORGET_RESUBSCRIBE = 5,
    SUBSCRIBE_TWICE = 6,
    NO_GAP = 7,
    COMMAND_BEFORE_CONFIRMATION = 8,
    ANSWER_TWICE = 9,
    LOSE_OUTCOME = 10,
    RESEND_ANSWER = 11,
    IGNORE_SILENCE = 12,
    KEEP_REPLACED = 13,
    NO_BUDGET = 14,
    TWO_TOKEN_CALLS = 15,
    STAY_IN_BACKGROUND = 16,
    REPEAT_STATE = 17,
    LOSE_HELD = 18,
    SEND_TOO_EARLY = 19,
    WAIT_TOO_LONG = 20,
    POOL_WITHOUT_BOUND = 21,
    QUEUE_WITHOUT_BOUND = 22,
    CLOSE_TWICE = 23,
    IGNORE_RETRY_AFTER = 24,
    SURVIVE_SHUTDOWN = 25,
    FORGET_UNSUBSCRIBE = 26,
    GO_ON_AFTER_FATAL = 27,
    TICK_IN_THE_PAST = 28,
    NO_PAUSE = 29,
    IGNORE_PROBE = 30,
}

impl Faults {
    /// Whether this bug is planted.
    pub const fn is(self, fault: u32) -> bool {
        // No bug is planted in a browser, so what it would do is no part of the download.
        !cfg!(target_family = "wasm") && self.0 & fault != 0
    }
}
