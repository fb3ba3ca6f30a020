//! What is wrong with a file's layout, for whoever does not know a YAML parser's words: indentation, brackets, quotes.

/// What an expectation consists of.
const PARTS: [&str; 7] = ["of", "at_least", "at_most", "each", "after", "within", "order"];

/// What a parser says of the layout, and what is said instead.
const PLAIN: [(&str, &str); 6] = [
    ("found a tab", "a tab: indent with spaces"),
    (
        "mapping values are not allowed",
        "a second `: ` in one line: put the text in quotes, as in `about: \"a: b\"`",
    ),
    ("quoted scalar", "a quote that is opened is not closed"),
    ("flow mapping", "a `{` that is opened is not closed: write the missing `}` or `,`"),
    ("flow sequence", "a `[` that is opened is not closed: write the missing `]` or `,`"),
    (
        "while parsing",
        "this line stands neither in one column with its neighbours nor under one of them: check the indentation \
         (two spaces more for each level, and the `- ` of a list all in one column)",
    ),
];

/// What to say in place of what the parser says at this place of the file; `None` if it is no matter of the layout.
pub(super) fn hint(file: &str, at: Option<(u64, u64)>, said: &str) -> Option<(Option<(u64, u64)>, String)> {
    if let Some((bracket, line, column)) = unclosed(file) {
        let end = if bracket == '{' { '}' } else { ']' };
        let text = format!("this `{bracket}` is not closed: write the missing `{end}`");
        return Some((Some((line, column)), text));
    }
    let (line, column) = at?;
    let here = file.lines().nth(line as usize - 1).unwrap_or_default();
    let mut below = file.lines().enumerate().skip(line as usize).filter(|(_, text)| !text.trim().is_empty());
    if let Some((number, next)) = below.next() {
        let (number, word) = (number + 1, next.trim_start());
        let in_value = here.find(": ").is_some_and(|end| column as usize > end + 1);
        if word.starts_with("- ") && indent(next) > indent(here) && in_value {
            let text = format!(
                "line {number} is indented deeper than this one, so that its `- ` belongs to this value: check the \
                 indentation (the `- ` of a list all in one column)"
            );
            return Some((at, text));
        }
        let name = word.split(':').next().unwrap_or_default();
        let shallow = (indent(next) as u64) < column - 1;
        if said.starts_with("it expects nothing") && shallow && PARTS.contains(&name) {
            let text = format!(
                "`{name}` in line {number} is not part of this entry: indent it as far as `that`, by {} spaces",
                column - 1
            );
            return Some((at, text));
        }
    }
    let (_, plain) = PLAIN.iter().find(|(theirs, _)| said.contains(theirs))?;
    Some((at, (*plain).to_owned()))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The first bracket that is open at a line's end although the next line begins no deeper, with line and column.
fn unclosed(file: &str) -> Option<(char, u64, u64)> {
    let mut open: Vec<(char, usize, usize)> = Vec::new();
    for (number, line) in file.lines().enumerate() {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some((bracket, at, column)) = open.last().copied() {
            let closes = text.starts_with(['}', ']', ',']);
            if !closes && indent(line) <= file.lines().nth(at).map_or(0, indent) {
                return Some((bracket, at as u64 + 1, column as u64 + 1));
            }
        }
        let (mut quote, mut before) = (None, ' ');
        for (column, c) in line.chars().enumerate() {
            match (quote, c) {
                (Some(end), c) if c == end && before != '\\' => quote = None,
                (Some(_), _) => {}
                // Within a word they mean nothing.
                (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
                (None, '#') if before == ' ' => break,
                (None, '{' | '[') if !open.is_empty() || matches!(before, ' ' | '-' | ':') => {
                    open.push((c, number, column));
                }
                (None, '}' | ']') => drop(open.pop()),
                _ => {}
            }
            before = c;
        }
    }
    open.first().map(|(bracket, line, column)| (*bracket, *line as u64 + 1, *column as u64 + 1))
}

#[cfg(test)]
mod tests {
    use crate::scenario::file::Scenario;

    /// A file, where its error must be, and a word that it must have.
    #[test]
    fn mistakes_of_the_layout_are_told_in_plain_words_where_they_are() {
        let entry = "about: x\nexpect:\n  - that: a\n    of: { what: open }\n    at_least: 1\n";
        for (text, at, word) in [
            (format!("{entry}     - that: b\n"), (5, 15), "line 6 is indented deeper"),
            (format!("{entry}      - that: b\n"), (5, 15), "line 6 is indented deeper"),
            (format!("{entry}    - that: b\n"), (6, 7), "check the indentation"),
            (format!("{entry} - that: b\n"), (6, 2), "check the indentation"),
            (entry.replace("    of", "  of"), (3, 5), "`of` in line 4"),
            (entry.replace("    of", "of"), (3, 5), "indent it as far as `that`, by 4 spaces"),
            (entry.replace(" }", ""), (4, 9), "this `{` is not closed"),
            (format!("about: x\nplay:\n  - wait_for: {{ what: subscribed\n{}", &entry[9..]), (3, 15), "`}`"),
            (format!("{entry}verdicts: [refused_token\n"), (6, 11), "this `[` is not closed"),
            (format!("{entry}\tseed: 1\n"), (5, 15), "a tab"),
            (entry.replace("about: x", "about: x: y"), (1, 9), "quotes"),
            (entry.replace("about: x", "about: \"x"), (2, 1), "quote"),
        ] {
            let error = Scenario::read(&text).expect_err(&text);
            assert_eq!(error.at, Some(at), "{text}{error}");
            assert!(error.text.contains(word), "{text}{error}");
        }
    }

    #[test]
    fn what_is_laid_out_well_is_left_to_the_reader() {
        let brackets = "about: \"a { b [ c\"  # {\nexpect:\n  - that: it's [here]\n    of: {\n      what: opened\n    }\n";
        let error = Scenario::read(brackets).unwrap_err();
        assert!(error.text.contains("opened"), "{error}");
    }
}
