//! What an app should not see of Swift's bindings becomes internal; numbers, errors and names become Swift's own.

use crate::replaced;

/// A call of Rust's fails here only when it was given up before its task began: nobody listens, and Rust would forget the
/// memory of what is said.
const UNHEARD: &str =
    "handleError(CALL_UNEXPECTED_ERROR, FfiConverterString.lower(String(describing: error)))";
const NOTHING: &str = "handleError(CALL_UNEXPECTED_ERROR, .empty())";

/// Polishes the generated file.
pub(crate) fn swift(text: &str) -> String {
    let text = errors(&replaced(text, UNHEARD, NOTHING));
    let text = text.replace(INT64, INT);
    let text = words(&text, &[("Int64", "Int"), ("Json", "JSON")]);
    let text = text.replace("public typealias JSON = JSON\n", "").replace(REFLECTED, "        description\n");
    let mut result = String::with_capacity(text.len());
    for line in text.lines() {
        result.push_str(&visible(line));
        result.push('\n');
    }
    result
}

/// A count is an `Int` in Swift, whatever crosses the border.
const INT64: &str = "fileprivate struct FfiConverterInt64: FfiConverterPrimitive {
    typealias FfiType = Int64
    typealias SwiftType = Int64

    public static func read(from buf: inout (data: Data, offset: Data.Index)) throws -> Int64 {
        return try lift(readInt(&buf))
    }

    public static func write(_ value: Int64, into buf: inout [UInt8]) {
        writeInt(&buf, lower(value))
    }
}";
const INT: &str = "fileprivate struct FfiConverterInt64: FfiConverter {
    static func lift(_ value: Swift.Int64) throws -> Int { Int(clamping: value) }

    static func lower(_ value: Int) -> Swift.Int64 { Swift.Int64(value) }

    static func read(from buf: inout (data: Data, offset: Data.Index)) throws -> Int {
        return try lift(readInt(&buf))
    }

    static func write(_ value: Int, into buf: inout [UInt8]) {
        writeInt(&buf, lower(value))
    }
}";

/// What an error says of itself unless it is told otherwise.
const REFLECTED: &str = "        String(reflecting: self)\n";

/// Declarations that only the layer above uses.
const INNER: &[&str] =
    &["open class ", "public protocol ", "public func ", "public struct FfiConverter", "public struct Next"];

/// Makes a line's declaration internal if it is not for apps, and documents what can't be documented in Rust.
fn visible(line: &str) -> String {
    match INNER.iter().find(|inner| line.starts_with(*inner)) {
        Some(_) => line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned(),
        None if line == "    public init(" => "    /// Makes one of its parts.\n    public init(".to_owned(),
        None => line.to_owned(),
    }
}

/// Names the cases of errors as Swift names all others, and lets errors describe themselves.
fn errors(text: &str) -> String {
    const HEAD: &str = ": Swift.Error, Equatable, Hashable, Foundation.LocalizedError {";
    let mut result = text.replace(
        HEAD,
        ": Swift.Error, Equatable, Hashable, CustomStringConvertible, Foundation.LocalizedError {",
    );
    for body in text.split(HEAD).skip(1) {
        let body = body.split("\n}\n").next().unwrap_or_default();
        for name in body.lines().filter_map(|line| line.strip_prefix("    case ")?.strip_suffix('(')) {
            let small = name[..1].to_lowercase() + &name[1..];
            result = result.replace(&format!("    case {name}(\n"), &format!("    case `{small}`(\n"));
            result = result.replace(&format!(".{name}("), &format!(".{small}("));
        }
    }
    result
}

/// Replaces whole words.
fn words(text: &str, pairs: &[(&str, &str)]) -> String {
    let inside = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| inside(letter)) {
        let end =
            rest[start..].find(|letter: char| !inside(letter)).map_or(rest.len(), |length| start + length);
        let word = &rest[start..end];
        result.push_str(&rest[..start]);
        result.push_str(pairs.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| to));
        rest = &rest[end..];
    }
    result + rest
}
