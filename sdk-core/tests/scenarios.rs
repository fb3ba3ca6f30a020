//! Stories in virtual time: what goes into the machine and what must come out, rule by rule. [rules §2]
#![cfg(feature = "typed")]
#![allow(missing_docs, reason = "a test's name is its documentation")]

mod support;

mod scenarios {
    mod answers;
    mod backoff;
    mod commands;
    mod happy;
    mod hostile;
    mod interviews;
    mod liveness;
    mod pool;
    mod rate;
    mod repeats;
    mod replacement;
    mod services;
    mod snapshots;
    mod states;
    mod tokens;
    mod verdicts;
    mod wishes;
}
