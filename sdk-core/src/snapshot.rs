//! The last known picture of a topic, one shape for all services. [rules §2.13]

use alloc::string::String;
use alloc::vec::Vec;

/// How far a topic or one of its items is, in words that all services share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Phase {
    /// Nothing runs yet.
    #[default]
    Waiting,
    /// The input is on its way.
    Uploading,
    /// The service works.
    Processing,
    /// The service waits for a person.
    NeedsInput,
    /// It is done.
    Done,
    /// It failed.
    Failed,
    /// It was given up by the service.
    Expired,
}

impl Phase {
    /// The order in which phases follow each other; a frame of a lower rank is outdated.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Waiting => 0,
            Self::Uploading => 1,
            Self::Processing | Self::NeedsInput => 2,
            Self::Done | Self::Failed | Self::Expired => 3,
        }
    }

    /// Whether nothing more is expected after it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Expired)
    }

    /// The name, as shown to people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Uploading => "uploading",
            Self::Processing => "processing",
            Self::NeedsInput => "needs_input",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// One of several things a topic holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// Its id: a story, an export, a model's name, a clarification, a stage.
    pub id: String,
    /// What it is: `story`, `export`, `model`, `clarification`, `stage`, `upload`, `analysis`.
    pub kind: &'static str,
    /// How far it is.
    pub phase: Phase,
    /// 0.0–1.0.
    pub progress: Option<f64>,
    /// What the service says about it.
    pub message: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// The service's time of the last change, Unix ms.
    pub updated_at: Option<f64>,
}

/// The last known picture of a topic. The payload it was made from stays with the edge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The topic.
    pub topic: String,
    /// How far it is.
    pub phase: Phase,
    /// 0.0–1.0; of the current phase on Charisma, of the whole elsewhere.
    pub progress: Option<f64>,
    /// What the service says.
    pub message: Option<String>,
    /// The estimated time that is left, ms.
    pub eta_ms: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether the topic has ended.
    pub terminal: bool,
    /// The service's time of the last change, Unix ms.
    pub updated_at: Option<f64>,
    /// Since when the picture may be old because the topic is not live, Unix ms.
    pub stale_since: Option<u64>,
    /// The things the topic holds, at most 256 (a setting), the oldest finished first out; one whose id is over 256
    /// bytes is left out. Texts over 4 KiB, here and above, are cut and end in `…`; the message has them whole.
    pub items: Vec<Item>,
}
