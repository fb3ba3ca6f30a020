//! What a library for Apple systems exports, and what it wants of them: nothing that they don't have.

use std::collections::BTreeSet;
use std::path::Path;

use crate::shell::{output, program};

/// How names of what Apple's systems have begin: Core Foundation, Security, Common Crypto, the unwinder, threads and
/// queues.
const PREFIXES: &[&str] = &[
    "_CC",
    "_CF",
    "_Sec",
    "__Unwind_",
    "___stack_chk_",
    "__tlv_",
    "_dispatch_",
    "_kCF",
    "_kSec",
    "_os_unfair_lock_",
    "_pthread_",
];

/// The names of the C library that Rust's standard library, tokio and ring call. One that is not among them is looked
/// up in Apple's documentation, and added here if every system since the oldest one that we support has it.
const SYSTEM: &str = "___error __NSGetEnviron _abort _bzero _calloc _clock_gettime _close _connect _fcntl _free _freeaddrinfo \
    _gai_strerror _getaddrinfo _getcwd _getentropy _getenv _getpeername _getsockname _getsockopt _ioctl _kevent _kqueue \
    _mach_absolute_time _mach_timebase_info _malloc _memchr _memcmp _memcpy _memmove _memset _munmap _mmap _pause _poll \
    _posix_memalign _read _readv _realloc _recv _recvmsg _send _sendmsg _setsockopt _shutdown _sigaction _sigaltstack \
    _socket _strerror_r _strlen _sysconf _sysctl _sysctlbyname _write _writev";

/// Fails if a linked library wants something that is neither in it nor in Apple's systems.
pub(crate) fn check_wanted(library: &Path) -> Result<(), String> {
    let wanted = output(program("llvm-nm", ["--undefined-only", "--just-symbol-name"]).arg(library))?;
    let nobody = nobodys(&wanted);
    if nobody.is_empty() {
        return Ok(());
    }
    Err(format!("{}: nobody has {}", library.display(), nobody.join(", ")))
}

/// The names that Apple's systems don't have.
fn nobodys(wanted: &str) -> Vec<&str> {
    let system: BTreeSet<_> = SYSTEM.split_whitespace().collect();
    let known = |name: &&str| system.contains(name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    wanted.split_whitespace().filter(|name| !known(name)).collect()
}

/// Fails if the bindings' header declares a function that a linked library does not have.
pub(crate) fn check_declared(header: &Path, library: &Path) -> Result<(), String> {
    let header = std::fs::read_to_string(header).map_err(|error| format!("{}: {error}", header.display()))?;
    let declared = declared(&header);
    if declared.is_empty() {
        return Err("the bindings' header declares nothing".into());
    }
    let exported =
        output(program("llvm-nm", ["--defined-only", "--extern-only", "--just-symbol-name"]).arg(library))?;
    let exported: BTreeSet<_> =
        exported.split_whitespace().filter_map(|name| name.strip_prefix('_')).collect();
    let missing: Vec<_> = declared.difference(&exported).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("{} lacks what the bindings call: {}", library.display(), missing.join(", ")))
}

/// The functions that a header declares.
fn declared(header: &str) -> BTreeSet<&str> {
    let words = header.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("uniffi_steadfast_") || word.starts_with("ffi_steadfast_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apple_has_not_is_found() {
        assert!(nobodys("_malloc\n_CFRelease\n_pthread_create\n").is_empty());
        assert_eq!(
            nobodys("_free\n_ring_core_0_17_14__bn_mul_mont\n_getrandom\n"),
            ["_ring_core_0_17_14__bn_mul_mont", "_getrandom"]
        );
    }

    #[test]
    fn a_headers_functions_are_found() {
        let header = "#ifndef UNIFFI_FFIDEF_X\nvoid uniffi_steadfast_fn_free(uint64_t handle);\nvoid ffi_steadfast_y(void);\n";
        assert_eq!(
            declared(header).into_iter().collect::<Vec<_>>(),
            ["ffi_steadfast_y", "uniffi_steadfast_fn_free"]
        );
    }
}
