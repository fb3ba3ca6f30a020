//! Time as the machine sees it: two clocks that a host reads, and instants that services write as text.

use alloc::string::String;

/// The time at which an input arrives, read by the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// A clock that never jumps, in ms since any fixed moment. Every wait is measured by it.
    pub mono: u64,
    /// Unix time in ms. It stamps messages and judges a token's expiry.
    pub unix: u64,
}

impl Now {
    /// Whether the two clocks are further apart, by more than so many ms, than they were then: one has jumped.
    pub(crate) const fn strays(self, then: Self, most: u64) -> bool {
        let expected = then.unix.saturating_add(self.mono - then.mono);
        self.unix.abs_diff(expected) > most
    }

    /// A moment of the steady clock as Unix time; one that is past is now.
    pub(crate) const fn unix_at(self, mono: u64) -> u64 {
        self.unix + mono.saturating_sub(self.mono)
    }
}

/// Reads an ISO 8601 instant as Unix time in ms, with fractions. A time without a zone is UTC, which is what services
/// in Python mean by it. `None` if the text is no such instant.
///
/// ```
/// assert_eq!(steadfast::time::parse_instant("1970-01-01T00:00:01.5Z"), Some(1500.0));
/// assert_eq!(steadfast::time::parse_instant("1970-01-01T01:00:00+01:00"), Some(0.0));
/// assert_eq!(steadfast::time::parse_instant("yesterday"), None);
/// ```
pub fn parse_instant(text: &str) -> Option<f64> {
    let mut cursor = text.as_bytes();
    let year = digits(&mut cursor, 4)?;
    mark(&mut cursor, b"-")?;
    let month = digits(&mut cursor, 2)?;
    mark(&mut cursor, b"-")?;
    let day = digits(&mut cursor, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let mut millis = days_from_civil(year, month, day) as f64 * 86_400_000.0;
    if cursor.is_empty() {
        return Some(millis);
    }
    mark(&mut cursor, b"Tt ")?;
    let hour = digits(&mut cursor, 2)?;
    mark(&mut cursor, b":")?;
    let minute = digits(&mut cursor, 2)?;
    let mut second = 0;
    if mark(&mut cursor, b":").is_some() {
        second = digits(&mut cursor, 2)?;
    }
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    millis += ((hour * 60 + minute) * 60 + second) as f64 * 1000.0;
    if mark(&mut cursor, b".,").is_some() {
        let mut unit = 100.0;
        let mut any = false;
        while let Some(digit) = digit(&mut cursor) {
            millis += digit as f64 * unit;
            unit /= 10.0;
            any = true;
        }
        if !any {
            return None;
        }
    }
    match cursor {
        [] | [b'Z' | b'z'] => Some(millis),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let mut rest = rest;
            let hours = digits(&mut rest, 2)?;
            let _ = mark(&mut rest, b":");
            let minutes = if rest.is_empty() { 0 } else { digits(&mut rest, 2)? };
            if !rest.is_empty() || hours > 23 || minutes > 59 {
                return None;
            }
            let offset = (hours * 60 + minutes) as f64 * 60_000.0;
            Some(if *sign == b'+' { millis - offset } else { millis + offset })
        }
        _ => None,
    }
}

/// Writes Unix time in ms as ISO 8601 in UTC with milliseconds.
///
/// ```
/// assert_eq!(steadfast::time::format_instant(1500), "1970-01-01T00:00:01.500Z");
/// ```
pub fn format_instant(unix: u64) -> String {
    let (days, rest) = (unix / 86_400_000, unix % 86_400_000);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second, millis) =
        (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    let mut text = String::with_capacity(24);
    let parts = [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (hour, 2, ':'),
        (minute, 2, ':'),
        (second, 2, '.'),
        (millis, 3, 'Z'),
    ];
    for (value, digits, mark) in parts {
        crate::text::number(&mut text, value, digits);
        text.push(mark);
    }
    text
}

fn digit(cursor: &mut &[u8]) -> Option<i64> {
    match *cursor {
        [first @ b'0'..=b'9', rest @ ..] => {
            *cursor = rest;
            Some(i64::from(first - b'0'))
        }
        _ => None,
    }
}

fn digits(cursor: &mut &[u8], count: u32) -> Option<i64> {
    let mut value = 0;
    for _ in 0..count {
        value = value * 10 + digit(cursor)?;
    }
    Some(value)
}

fn mark(cursor: &mut &[u8], any_of: &[u8]) -> Option<()> {
    match *cursor {
        [first, rest @ ..] if any_of.contains(first) => {
            *cursor = rest;
            Some(())
        }
        _ => None,
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by counting from a year that begins in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_instants_not_as_text() {
        let utc = parse_instant("2025-12-19T10:30:00Z").unwrap();
        assert_eq!(utc.to_bits(), 1_766_140_200_000.0_f64.to_bits());
        for same in ["2025-12-19T12:30:00+02:00", "2025-12-19T10:30:00", "2025-12-19T10:30:00.000+0000"] {
            assert_eq!(parse_instant(same), Some(utc), "{same}");
        }
        assert_eq!(parse_instant("2025-12-19T10:30:00.123456Z"), Some(utc + 123.456));
        for bad in [
            "",
            "2025",
            "2025-13-01",
            "2025-02-29",
            "2025-12-19T25:00Z",
            "2025-12-19T10:30:00.Z",
            "2025-12-19T10:30:00+1",
        ] {
            assert_eq!(parse_instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for unix in [0_u64, 951_782_399_999, 1_766_140_200_123, 4_102_444_800_000] {
            assert_eq!(parse_instant(&format_instant(unix)), Some(unix as f64));
        }
    }
}
