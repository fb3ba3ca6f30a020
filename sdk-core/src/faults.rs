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
}

impl Faults {
    /// Whether this bug is planted.
    pub const fn is(self, fault: u32) -> bool {
        self.0 & fault != 0
    }
}
