//! Results of checks in the two forms that build servers read: JUnit's XML, and JSON.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

/// What was checked, and what came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Suite {
    /// What was checked as a whole: a scenario's name, or `verdicts`.
    pub name: String,
    /// How long it took, in seconds in JSON.
    #[serde(serialize_with = "as_seconds")]
    pub time: Duration,
    /// The single checks.
    pub cases: Vec<Case>,
}

/// One check.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Case {
    /// What was checked.
    pub name: String,
    /// How long it took, in seconds in JSON.
    #[serde(serialize_with = "as_seconds")]
    pub time: Duration,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Why a check failed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Failure {
    /// One sentence.
    pub message: String,
    /// What proves it: frames, expected and seen values.
    pub detail: String,
}

fn as_seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

impl Suite {
    /// How many checks failed.
    pub fn failures(&self) -> usize {
        self.cases.iter().filter(|case| case.failure.is_some()).count()
    }

    /// As JUnit's XML.
    pub fn to_junit(&self) -> String {
        let (name, tests, failures) = (escape(&self.name), self.cases.len(), self.failures());
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing to a String cannot fail.
        let _ = writeln!(
            xml,
            "<testsuites tests=\"{tests}\" failures=\"{failures}\">\n  \
             <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" \
             time=\"{:.3}\">",
            self.time.as_secs_f64()
        );
        for case in &self.cases {
            let _ = write!(
                xml,
                "    <testcase classname=\"{name}\" name=\"{}\" time=\"{:.3}\"",
                escape(&case.name),
                case.time.as_secs_f64()
            );
            let _ = match &case.failure {
                None => writeln!(xml, "/>"),
                Some(Failure { message, detail }) => writeln!(
                    xml,
                    ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                    escape(message),
                    escape(detail)
                ),
            };
        }
        xml.push_str("  </testsuite>\n</testsuites>\n");
        xml
    }

    /// As JSON.
    #[expect(clippy::missing_panics_doc, reason = "it does not")]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers always serialise")
    }
}

/// Text for an element or an attribute in double quotes. What XML 1.0 cannot hold at all becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_becomes_well_formed_xml() {
        let failure = Failure { message: "a \"b\" <c> & d".to_owned(), detail: "\u{0}\u{1b}x\ny".to_owned() };
        let bad = Case { name: "bad".to_owned(), failure: Some(failure), ..Case::default() };
        let good = Case { name: "good".to_owned(), ..Case::default() };
        let suite = Suite { name: "s".to_owned(), time: Duration::from_millis(1500), cases: vec![good, bad] };
        let xml = suite.to_junit();
        assert!(xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("time=\"1.500\""), "{xml}");
        assert!(
            xml.contains("message=\"a &quot;b&quot; &lt;c&gt; &amp; d\">\u{fffd}\u{fffd}x&#10;y<"),
            "{xml}"
        );
        assert!(xml.contains("name=\"good\" time=\"0.000\"/>"), "{xml}");
        let json: serde_json::Value = serde_json::from_str(&suite.to_json()).unwrap();
        assert_eq!(
            (&json["time"], &json["cases"][1]["failure"]["message"]),
            (&1.5.into(), &"a \"b\" <c> & d".into())
        );
    }
}
