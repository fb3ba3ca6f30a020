//! What a field means to a decision. The role stands beside the field, once; from it come the code that fills an
//! [`Envelope`] here and the table from which JavaScript fills the same one. [rules §2.1]

use crate::envelope::{Envelope, Stages, Status};
use crate::time::parse_instant;

/// What a field means to a decision, or none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing: the field is for the app.
    Data,
    /// An object, whose own fields have roles.
    Within,
    /// [`Envelope::topic`].
    Topic,
    /// [`Envelope::item`].
    Item,
    /// [`Envelope::question`].
    Question,
    /// [`Envelope::request`].
    Request,
    /// [`Envelope::status`].
    Status,
    /// [`Envelope::stages`], from a list.
    Stages,
    /// [`Envelope::progress`], as sent.
    Progress,
    /// [`Envelope::eta`], from seconds.
    EtaSeconds,
    /// [`Envelope::at`], from an ISO 8601 text; one that can't be read is absent.
    At,
    /// [`Envelope::sequence`].
    Sequence,
    /// [`Envelope::text`].
    Text,
    /// [`Envelope::code`].
    Code,
    /// [`Envelope::retryable`].
    Retryable,
    /// [`Envelope::can_resume`].
    CanResume,
    /// [`Envelope::data_available`].
    DataAvailable,
    /// [`Envelope::has_result`]: whether the field is there.
    Result,
}

impl Role {
    /// Puts a field into the envelope. Where several fields have one role, the last that is there counts; so an
    /// error's own text is declared after the general one.
    #[inline]
    pub(crate) fn fill<'a, F: Field>(self, field: &'a F, envelope: &mut Envelope<'a>) {
        match self {
            Self::Data => {}
            Self::Within => field.fill(envelope),
            Self::Topic => envelope.topic = field.text().or(envelope.topic),
            Self::Item => envelope.item = field.text().or(envelope.item),
            Self::Question => envelope.question = field.text().or(envelope.question),
            Self::Request => envelope.request = field.text().or(envelope.request),
            Self::Status => envelope.status = field.status().or(envelope.status),
            Self::Stages => envelope.stages.0 |= field.stages().0,
            Self::Progress => envelope.progress = field.number().or(envelope.progress),
            Self::EtaSeconds => envelope.eta = field.number().map(|s| s * 1000.0).or(envelope.eta),
            Self::At => envelope.at = field.text().and_then(parse_instant).or(envelope.at),
            Self::Sequence => envelope.sequence = field.number().or(envelope.sequence),
            Self::Text => envelope.text = field.text().or(envelope.text),
            Self::Code => envelope.code = field.text().or(envelope.code),
            Self::Retryable => envelope.retryable = field.flag().or(envelope.retryable),
            Self::CanResume => envelope.can_resume = field.flag().or(envelope.can_resume),
            Self::DataAvailable => envelope.data_available = field.flag().or(envelope.data_available),
            Self::Result => envelope.has_result |= field.present(),
        }
    }
}

/// The JSON type of a field, as a reader without types has to check it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// An array.
    List,
    /// An object.
    Object,
    /// Any JSON value.
    Any,
}

/// One field of a record, as declared.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    /// The field's name in Rust.
    pub field: &'static str,
    /// What it means.
    pub role: Role,
    /// Whether a frame without it is a violation.
    pub required: bool,
    /// Its JSON type.
    pub shape: Shape,
    /// The fields of the object it is, for [`Role::Within`].
    pub within: &'static [Pick],
}

/// A value that may stand in a record.
pub(crate) trait Field {
    /// Whether it must be there.
    const REQUIRED: bool = true;
    /// Its JSON type.
    const SHAPE: Shape;
    /// Its own fields.
    const PICKS: &'static [Pick] = &[];

    fn text(&self) -> Option<&str> {
        None
    }
    fn number(&self) -> Option<f64> {
        None
    }
    fn flag(&self) -> Option<bool> {
        None
    }
    fn status(&self) -> Option<Status> {
        None
    }
    fn stages(&self) -> Stages {
        Stages::default()
    }
    fn present(&self) -> bool {
        true
    }
    fn fill<'a>(&'a self, _envelope: &mut Envelope<'a>) {}
}

impl Field for String {
    const SHAPE: Shape = Shape::Text;
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Field for f64 {
    const SHAPE: Shape = Shape::Number;
    fn number(&self) -> Option<f64> {
        Some(*self)
    }
}

impl Field for i64 {
    const SHAPE: Shape = Shape::Number;
    fn number(&self) -> Option<f64> {
        Some(*self as f64)
    }
}

impl Field for bool {
    const SHAPE: Shape = Shape::Flag;
    fn flag(&self) -> Option<bool> {
        Some(*self)
    }
}

impl<T: Field> Field for Vec<T> {
    const SHAPE: Shape = Shape::List;
    fn stages(&self) -> Stages {
        self.iter().fold(Stages::default(), |all, one| Stages(all.0 | one.stages().0))
    }
}

impl<T: Field> Field for Option<T> {
    const REQUIRED: bool = false;
    const SHAPE: Shape = T::SHAPE;
    const PICKS: &'static [Pick] = T::PICKS;

    fn text(&self) -> Option<&str> {
        self.as_ref().and_then(T::text)
    }
    fn number(&self) -> Option<f64> {
        self.as_ref().and_then(T::number)
    }
    fn flag(&self) -> Option<bool> {
        self.as_ref().and_then(T::flag)
    }
    fn status(&self) -> Option<Status> {
        self.as_ref().and_then(T::status)
    }
    fn stages(&self) -> Stages {
        self.as_ref().map_or_else(Stages::default, T::stages)
    }
    fn present(&self) -> bool {
        self.is_some()
    }
    fn fill<'a>(&'a self, envelope: &mut Envelope<'a>) {
        if let Some(record) = self {
            record.fill(envelope);
        }
    }
}

/// Whether a field is left out when a record is written.
pub(crate) fn absent<F: Field>(field: &F) -> bool {
    !field.present()
}
