//! Results of checks in the two forms that build servers read: JUnit's XML, and JSON.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

/// What was checked, and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    /// What was checked as a whole: a scenario's name, or `verdicts`.
    pub name: String,
    /// How long it took.
    pub time: Duration,
    /// The single checks.
    pub cases: Vec<Case>,
}

/// One check. It passed if it neither failed nor was skipped.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// What was checked.
    pub name: String,
    /// How long it took.
    pub time: Duration,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Why it was not decided, if it was not.
    pub skipped: Option<String>,
}

impl Case {
    /// Whether it was decided, and well.
    pub fn passed(&self) -> bool {
        self.failure.is_none() && self.skipped.is_none()
    }
}

/// Why a check failed.
#[derive(Debug, Clone, Default)]
pub struct Failure {
    /// One sentence.
    pub message: String,
    /// What proves it: frames, expected and seen values.
    pub detail: String,
}

impl Suite {
    /// How many checks failed.
    pub fn failures(&self) -> usize {
        self.cases.iter().filter(|case| case.failure.is_some()).count()
    }

    /// How many were not decided.
    pub fn skipped(&self) -> usize {
        self.cases.iter().filter(|case| case.skipped.is_some()).count()
    }

    /// As JUnit's XML.
    pub fn to_junit(&self) -> String {
        let (name, tests, failures) = (escape(&self.name), self.cases.len(), self.failures());
        let skipped = self.skipped();
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing to a String cannot fail.
        let _ = writeln!(
            xml,
            "<testsuites tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\">\n  \
             <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" \
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
            let _ = match (&case.failure, &case.skipped) {
                (None, None) => writeln!(xml, "/>"),
                (None, Some(why)) => {
                    writeln!(xml, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escape(why))
                }
                (Some(Failure { message, detail }), _) => writeln!(
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

    /// As JSON: `{name, passed, time, failures, skipped, cases: [{name, passed, time, failure?, skipped?}]}`, times in
    /// seconds.
    pub fn to_json(&self) -> String {
        let case = |case: &Case| {
            let mut told =
                json!({"name": case.name, "passed": case.passed(), "time": case.time.as_secs_f64()});
            if let Some(Failure { message, detail }) = &case.failure {
                told["failure"] = json!({"message": message, "detail": detail});
            }
            if let Some(why) = &case.skipped {
                told["skipped"] = why.as_str().into();
            }
            told
        };
        let told = json!({
            "name": self.name,
            "passed": self.failures() == 0,
            "time": self.time.as_secs_f64(),
            "failures": self.failures(),
            "skipped": self.skipped(),
            "cases": self.cases.iter().map(case).collect::<Vec<_>>(),
        });
        format!("{told:#}")
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
        let skipped = Some("it ended \"early\"".to_owned());
        let open = Case { name: "open".to_owned(), skipped, ..Case::default() };
        let suite =
            Suite { name: "s".to_owned(), time: Duration::from_millis(1500), cases: vec![good, bad, open] };
        let xml = suite.to_junit();
        assert!(
            xml.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\"")
                && xml.contains("time=\"1.500\""),
            "{xml}"
        );
        assert!(
            xml.contains("message=\"a &quot;b&quot; &lt;c&gt; &amp; d\">\u{fffd}\u{fffd}x&#10;y<"),
            "{xml}"
        );
        assert!(xml.contains("name=\"good\" time=\"0.000\"/>"), "{xml}");
        assert!(xml.contains("<skipped message=\"it ended &quot;early&quot;\"/>"), "{xml}");
        let json: serde_json::Value = serde_json::from_str(&suite.to_json()).unwrap();
        assert_eq!(
            (&json["time"], &json["cases"][1]["failure"]["message"]),
            (&1.5.into(), &"a \"b\" <c> & d".into())
        );
        let passed = |of: &serde_json::Value| of["passed"].as_bool().unwrap();
        let cases: Vec<_> = json["cases"].as_array().unwrap().iter().map(passed).collect();
        assert_eq!((passed(&json), cases), (false, vec![true, false, false]), "{json}");
        assert_eq!(json["cases"][2]["skipped"], "it ended \"early\"");
    }
}
