//! The invariants, by name.

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What must never be violated; each is its own class.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Class { $($(#[$doc])* $name,)* }
    };
}

classes! {
    /// The machine never panics.
    Panics,
    /// A command has no second outcome, and no outcome is given that nobody asked for. [rules §2.7]
    OutcomeTwice,
    /// Every command ends in time, and all have ended after shutdown. [rules §2.7]
    OutcomeMissing,
    /// A token is in no text for people. [rules §2.15]
    TokenShown,
    /// Nothing is asked of a socket that is closed or was never opened.
    ForeignSocket,
    /// A socket is opened once and closed at most once.
    SocketTwice,
    /// Nothing is sent before the socket is open and its handshake done.
    SentTooEarly,
    /// A message reads back as one of the service's.
    UnreadableMessage,
    /// One wire subscribe per topic and connection; one repeat after the confirmation's time. [rules §2.5]
    SubscribedTwice,
    /// No subscribe for a topic that nobody wants, that is refused or has ended. [rules §2.5]
    SubscribedUnwanted,
    /// The wire's subscription follows the last handle after the linger. [rules §2.5]
    NotUnsubscribed,
    /// When the world is well, everything that is wanted becomes live. [rules §2.5]
    NeverLive,
    /// Nothing of a topic is delivered after its end or refusal. [rules §2.5]
    DeliveredAfterEnd,
    /// The end of a topic is told once. [rules §2.5]
    EndedTwice,
    /// A replaced socket no longer speaks for a topic that the new one has confirmed. [rules §2.6]
    HeardReplaced,
    /// A stale socket's news change nothing.
    HeardDead,
    /// At most so many attempts in a minute. [rules §2.3]
    TooManyAttempts,
    /// A wait is never longer than the schedule says. [rules §2.3]
    WaitTooLong,
    /// `Retry-After` is honoured. [rules §2.3]
    RetryAfterIgnored,
    /// A token that was refused is not used again. [rules §2.6]
    RefusedTokenUsed,
    /// One forced refresh for one refusal. [rules §2.6]
    ForcedTwice,
    /// One call of the token provider at a time. [rules §2.6]
    TwoTokenCalls,
    /// The deadline lies in the future once everything is settled.
    BusyLoop,
    /// A state equal to the last is not announced. [rules §2.12]
    StateRepeated,
    /// What was announced is what is so.
    StateWrong,
    /// `Failed` and `Displaced` have a cause that the world gave. [rules §2.11]
    Unjustified,
    /// A fatal verdict stands until the user acts. [rules §2.11]
    WentOnAfterFatal,
    /// A picture falls back only where that is allowed. [rules §2.13]
    RankFell,
    /// A gap is told once for each loss of a live topic. [rules §2.4]
    Gap,
    /// The rate budget holds. [rules §2.9]
    RateBudget,
    /// Subscribing pauses after a refusal for the rate. [rules §2.9]
    RatePause,
    /// The queue keeps its bounds. [rules §2.7]
    QueueBound,
    /// An answer is sent once. [devcontext §4]
    AnsweredTwice,
    /// A command about a topic waits for its confirmation. [rules §2.4]
    CommandTooEarly,
    /// A replaced socket is closed in time. [devcontext §1.6]
    NotDrained,
    /// One connection in use and one to replace it per link, besides those that drain.
    TooManySockets,
    /// No more sessions at once than allowed. [therapybridge §1.3]
    PoolTooLarge,
    /// A held frame is released once.
    HeldFrame,
    /// A silent socket is replaced in time. [rules §2.8]
    SilenceIgnored,
    /// A probe that nobody answers replaces the socket. [rules §2.8]
    ProbeIgnored,
    /// A wake-up probes a socket natively. [rules §2.8]
    NotProbed,
    /// In the background nothing stays open. [rules §2.8]
    OpenInBackground,
    /// After shutdown nothing is left open and nothing more happens.
    AliveAfterShutdown,
    /// The counters agree with what happened. [rules §2.12]
    Stats,
    /// What the machine remembers has a bound.
    Memory,
    /// The same inputs give the same outputs.
    Undetermined,
}
