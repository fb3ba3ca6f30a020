//! What Kotlin's users see of the generated code: their types, and nothing of how they travel.

use crate::replaced;

/// Interfaces with one method that an app implements, as a lambda if it likes.
const LAMBDAS: &[&str] = &["EventListener", "Logger", "ServerTrust"];

/// Declarations that only our own layer uses.
const INNER: &[&str] = &[
    "CancelHandle",
    "Disposable",
    "NextClientEvent",
    "NextSessionEvent",
    "NoHandle",
    "RustBuffer",
    "giveToken",
    "logFailure",
    "refuseToken",
    "setLogger",
    "stopThreads",
    "use",
];

/// Words that a declaration at the top may begin with.
const KINDS: &[&str] = &[
    "abstract class ",
    "class ",
    "data class ",
    "fun ",
    "inline fun ",
    "interface ",
    "object ",
    "open class ",
    "typealias ",
];

/// A call of Rust's that nobody waits for any more has to be answered too, even if it was cancelled before it began: until
/// then Rust keeps its end of the line.
const GIVEN_UP: &[(&str, &str)] = &[
    (
        "GlobalScope.launch coroutineBlock@ {",
        "GlobalScope.launch(start = CoroutineStart.ATOMIC) coroutineBlock@ {",
    ),
    (
        "import kotlinx.coroutines.CancellableContinuation\n",
        "import kotlinx.coroutines.CancellableContinuation\nimport kotlinx.coroutines.CoroutineStart\n",
    ),
];

/// Hides what is ours, names fields, lets errors say what Rust says.
pub(crate) fn kotlin(text: &str) -> String {
    let text = GIVEN_UP.iter().fold(text.to_owned(), |text, (from, to)| replaced(&text, from, to));
    let text =
        text.replace("val v1: ", "/** What it holds. */ val `value`: ").replace("value.v1", "value.`value`");
    let mut result = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    let mut cleaner = false;
    while let Some(line) = lines.next() {
        cleaner = if line.starts_with('}') { false } else { cleaner || line == "interface UniffiCleaner {" };
        match line.trim() {
            "companion object" if !cleaner => continue,
            // What an error says is what Rust's `Display` writes.
            "override val message" => {
                lines.next();
                continue;
            }
            "override fun toString(): String {" => {
                result.push_str(
                    "    /** What went wrong, for people. */\n    override val message: String get() {\n",
                );
                continue;
            }
            "class InternalException(message: String) : kotlin.Exception(message)" => {
                result.push_str("/** The library itself failed: a mistake of ours, to be reported. */\n");
            }
            "public typealias Json = kotlin.String" => result.push_str("/** One JSON value, as text. */\n"),
            // Links to what Kotlin does not have.
            comment if comment.starts_with("* ") => {
                result.push_str(&line.replace("[`", "`").replace("`]", "`"));
                result.push('\n');
                continue;
            }
            _ => {}
        }
        result.push_str(&polished(line));
        result.push('\n');
    }
    result
}

fn polished(line: &str) -> String {
    if let Some((before, after)) = line.split_once("companion object ErrorHandler") {
        return format!("{before}internal companion object ErrorHandler{after}");
    }
    if let Some(variant) = line.strip_prefix("    object ") {
        return format!("    data object {variant}");
    }
    let bare = line.strip_prefix("public ").unwrap_or(line);
    for name in LAMBDAS {
        if bare == format!("interface {name} {{") {
            return format!("fun {bare}");
        }
    }
    // Functions stand behind their annotation or the end of their comment.
    for name in INNER {
        if let Some((before, after)) = line.split_once(&format!(" fun `{name}`")) {
            return format!("{before} internal fun `{name}`{after}");
        }
    }
    match KINDS.iter().find_map(|kind| bare.strip_prefix(kind)) {
        Some(rest) if is_inner(rest) => format!("internal {bare}"),
        _ => line.to_owned(),
    }
}

/// Whether what follows `class`, `fun` and the like is for our own layer only.
fn is_inner(rest: &str) -> bool {
    let rest = rest.strip_prefix("<T : Disposable?, R> T.").unwrap_or(rest);
    let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    INNER.contains(&name)
        || name.starts_with("Native")
        || name.starts_with("FfiConverter")
        || name.to_lowercase().starts_with("uniffi")
        || name.ends_with("Interface")
        || name.ends_with("Impl")
}
