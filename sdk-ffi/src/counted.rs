//! What the library holds, told to the tests of every language, which look these functions up by their names: the
//! process' memory says little about a library in a JVM. A library that is shipped has no debug assertions, and none of
//! this.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The blocks of memory that the library has allocated and not freed: each client, subscription and task is some.
#[unsafe(no_mangle)]
pub extern "C" fn steadfast_live_blocks() -> i64 {
    let heap = HEAP.stats();
    signed(heap.allocations) - signed(heap.deallocations)
}

/// The bytes in these blocks.
#[unsafe(no_mangle)]
pub extern "C" fn steadfast_live_bytes() -> i64 {
    let heap = HEAP.stats();
    signed(heap.bytes_allocated) - signed(heap.bytes_deallocated)
}

/// The tasks that run in the library's runtime.
#[unsafe(no_mangle)]
pub extern "C" fn steadfast_live_tasks() -> i64 {
    signed(steadfast_core::ffi::live_tasks())
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
