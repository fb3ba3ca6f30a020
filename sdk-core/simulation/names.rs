//! The topics and interviews of the simulated world, by number.

/// How many topics there are; interviews follow them.
pub(crate) const TOPICS: usize = 24;

/// How many names there are.
pub(crate) const NAMES: usize = 36;

/// A topic's or interview's number.
pub(crate) type Name = usize;

const TEXTS: [&str; NAMES] = [
    "t00", "t01", "t02", "t03", "t04", "t05", "t06", "t07", "t08", "t09", "t10", "t11", "t12", "t13", "t14",
    "t15", "t16", "t17", "t18", "t19", "t20", "t21", "t22", "t23", "i00", "i01", "i02", "i03", "i04", "i05",
    "i06", "i07", "i08", "i09", "i10", "i11",
];

pub(crate) const fn text(name: Name) -> &'static str {
    TEXTS[name]
}

/// The number of a name; `None` for a text that is none.
pub(crate) fn number(text: &str) -> Option<Name> {
    let digits: usize = text.get(1..3)?.parse().ok()?;
    match text.as_bytes().first()? {
        b't' if digits < TOPICS => Some(digits),
        b'i' if digits < NAMES - TOPICS => Some(TOPICS + digits),
        _ => None,
    }
}

pub(crate) const fn is_interview(name: Name) -> bool {
    name >= TOPICS
}
