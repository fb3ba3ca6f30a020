//! How many tests passed, read from what the test runners print.

use std::ops::AddAssign;

/// The counts of one runner, or of several.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Neither run nor failed: never silently.
    pub(crate) ignored: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl Counts {
    /// What a line of a runner's output adds: libtest, Node's test runner, Vitest, pytest, Surefire
    /// or Swift's two.
    pub(crate) fn of_line(line: &str) -> Self {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result: ") {
            return Self::listed(rest.split_once(". ").map_or("", |(_, counts)| counts), ';');
        }
        if let Some(rest) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            return Self::node(rest);
        }
        // [INFO] Tests run: 3, Failures: 1, Errors: 0, Skipped: 0; a class' own line has more, and its time
        if let Some((_, rest)) = line.split_once("Tests run: ") {
            return if rest.contains("Time elapsed") { Self::default() } else { Self::surefire(rest) };
        }
        //       Tests  1 failed | 148 passed | 2 skipped (151)
        if let Some(counts) = line.strip_prefix("Tests  ") {
            return Self::listed(counts, '|');
        }
        if let Some(one) = Self::swift(line) {
            return one;
        }
        // === 3 passed, 1 failed in 0.12s ===, or without the rulers when quiet
        let bare = line.trim_matches('=').trim();
        match bare.rsplit_once(" in ") {
            Some((counts, time)) if time.split('s').next().is_some_and(|t| t.parse::<f64>().is_ok()) => {
                Self::listed(counts, ',')
            }
            _ => Self::default(),
        }
    }

    /// One test of Swift Testing (`✔ Test flow() passed after 0.6 seconds.`) or of `XCTest`.
    fn swift(line: &str) -> Option<Self> {
        let xctest = line.strip_prefix("Test Case ").and_then(|rest| rest.split_once("' "));
        let testing = ["✔ ", "✘ ", "➜ "].iter().find_map(|mark| line.strip_prefix(mark));
        let words = match (xctest, testing) {
            (Some((_, words)), _) => words,
            (None, Some(line)) if line.starts_with("Test run ") => return None,
            (None, Some(line)) => {
                let test = line.strip_prefix("Test ")?;
                &test[[" passed", " failed", " skipped"].iter().find_map(|word| test.rfind(word))? + 1..]
            }
            (None, None) => return None,
        };
        match words.split_whitespace().next()? {
            "passed" => Some(Self { passed: 1, ..Self::default() }),
            "failed" => Some(Self { failed: 1, ..Self::default() }),
            "skipped" | "skipped." => Some(Self { ignored: 1, ..Self::default() }),
            _ => None,
        }
    }

    fn listed(text: &str, separator: char) -> Self {
        let mut counts = Self::default();
        for entry in text.split(separator) {
            let mut words = entry.split_whitespace();
            let (Some(Ok(number)), Some(word)) = (words.next().map(str::parse::<u64>), words.next()) else {
                continue;
            };
            match word {
                "passed" => counts.passed += number,
                "failed" | "error" | "errors" => counts.failed += number,
                "ignored" | "skipped" | "todo" | "xfailed" | "xpassed" | "deselected" => {
                    counts.ignored += number;
                }
                _ => {}
            }
        }
        counts
    }

    fn surefire(text: &str) -> Self {
        let mut numbers = text.split(',').map(|entry| {
            entry.rsplit([' ', ':']).find_map(|word| word.parse::<u64>().ok()).unwrap_or_default()
        });
        let mut next = || numbers.next().unwrap_or_default();
        let (run, failed, ignored) = (next(), next() + next(), next());
        Self { passed: run.saturating_sub(failed + ignored), failed, ignored }
    }

    fn node(text: &str) -> Self {
        let mut counts = Self::default();
        let Some((word, Ok(number))) = text.split_once(' ').map(|(w, n)| (w, n.parse())) else {
            return counts;
        };
        match word {
            "pass" => counts.passed = number,
            "fail" | "cancelled" => counts.failed = number,
            "skipped" | "todo" => counts.ignored = number,
            _ => {}
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> (u64, u64, u64) {
        let Counts { passed, failed, ignored } = Counts::of_line(line);
        (passed, failed, ignored)
    }

    #[test]
    fn counts_are_read_from_each_runner() {
        let libtest = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.04s";
        assert_eq!(of(libtest), (12, 2, 1));
        assert_eq!(of("ℹ pass 9"), (9, 0, 0));
        assert_eq!(of("# fail 1"), (0, 1, 0));
        assert_eq!(of("# skipped 2"), (0, 0, 2));
        assert_eq!(of("======== 1 failed, 23 passed, 2 skipped in 4.56s ========"), (23, 1, 2));
        assert_eq!(of("      Tests  1 failed | 148 passed | 2 skipped | 3 todo (154)"), (148, 1, 5));
        assert_eq!(of("      Tests  149 passed (149)"), (149, 0, 0));
        assert_eq!(of("[ERROR] Tests run: 9, Failures: 1, Errors: 2, Skipped: 1"), (5, 3, 1));
        assert_eq!(of("3 passed, 1 error in 65.10s (0:01:05)"), (3, 1, 0));
        assert_eq!(of("✔ Test fullFlow(_:) passed after 0.613 seconds."), (1, 0, 0));
        assert_eq!(of("✘ Test refusal() failed after 0.1 seconds with 2 issues."), (0, 1, 0));
        assert_eq!(of("➜ Test refusal() skipped."), (0, 0, 1));
        assert_eq!(of("Test Case 'Leaks.testCycles' passed (0.61 seconds)"), (1, 0, 0));
        assert_eq!(of("Test Case 'Leaks.testCycles' failed (0.61 seconds)"), (0, 1, 0));
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in [
            "",
            "test a ... ok",
            "# tests 9",
            "ℹ duration_ms 12.5",
            "5 passed",
            " Test Files  1 failed | 19 passed (20)",
            "      Tests  no tests",
            "[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.2 s -- in FlowsTest",
            "done in Paris",
            "running 3 tests",
            "✔ Test run with 1 test passed after 0.614 seconds.",
            "✔ Suite Flows passed after 0.614 seconds.",
            "◇ Test fullFlow(_:) started.",
            "Test Case 'Leaks.testCycles' started at 2026-11-21 12:49:14.504",
            "Test Suite 'All tests' passed at 2026-11-21 12:49:14.543",
            "Executed 1 test, with 0 failures (0 unexpected) in 0.6 (0.6) seconds",
        ] {
            assert_eq!(of(line), (0, 0, 0), "{line}");
        }
    }
}
