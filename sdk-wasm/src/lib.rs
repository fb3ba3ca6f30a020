//! The machine of sdk-core for JavaScript hosts: a handful of exports over one buffer, numbers and JSON.
//!
//! The host writes texts into the buffer (see [`buffer::Buffer`]) and calls [`input`] or [`accept`] with numbers; what
//! the machine wants done comes out of [`drain`] as one JSON array. Frames never pass through here: the host parses
//! them, picks the fields of the envelope and keeps the payload. Nothing is decided here.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod buffer;
mod clients;
mod input;
mod options;
mod output;

use core::cell::UnsafeCell;

use buffer::Buffer;
use clients::{Clients, Frame};
use steadfast::{Now, SocketId};

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::TalckWasm = {
    // SAFETY: the module has one thread and nothing else grows its memory.
    unsafe { talc::TalckWasm::new_global() }
};

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The order of two texts' bytes. The one in the library of a small build goes byte by byte; topics, kinds and messages
/// are compared at each frame.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
    // SAFETY: the caller promises `length` readable bytes at both; a word is read only where all of it is theirs.
    let word = |text: *const u8, at: usize| unsafe { text.add(at).cast::<u64>().read_unaligned() };
    let byte = |text: *const u8, at: usize| i32::from(unsafe { *text.add(at) });
    let mut at = 0;
    while at + 8 <= length && word(a, at) == word(b, at) {
        at += 8;
        // The rest is the end of a word that begins in what is the same.
        if length - at < 8 && word(a, length - 8) == word(b, length - 8) {
            return 0;
        }
    }
    while at < length {
        if byte(a, at) != byte(b, at) {
            return byte(a, at) - byte(b, at);
        }
        at += 1;
    }
    0
}

/// Everything this module remembers.
struct World {
    buffer: Buffer,
    clients: Clients,
}

struct Shared(UnsafeCell<World>);

// SAFETY: WASM without threads; a JavaScript host calls one export at a time and none of them calls back.
unsafe impl Sync for Shared {}

static WORLD: Shared = Shared(UnsafeCell::new(World { buffer: Buffer::new(), clients: Clients::new() }));

fn world<R>(f: impl FnOnce(&mut World) -> R) -> R {
    // SAFETY: see `Sync` above; no export calls another, so there is one borrow at a time.
    f(unsafe { &mut *WORLD.0.get() })
}

/// Makes room for this many bytes of text and tells where the buffer is. It may move with every call of any export.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> *mut u8 {
    world(|world| world.buffer.room(bytes))
}

/// Where the text is whose length an export returned.
#[unsafe(no_mangle)]
pub extern "C" fn text() -> *const u8 {
    world(|world| world.buffer.out.as_ptr())
}

/// What must be added to the steady clock to get Unix time, ms. To be told whenever the host reads both clocks.
#[unsafe(no_mangle)]
pub extern "C" fn clock(offset: f64) {
    world(|world| world.clients.offset = offset);
}

/// Makes a client from the options in the buffer. Gives its handle; 0 if an option is wrong, then the text says which.
#[unsafe(no_mangle)]
pub extern "C" fn create(caps: u32) -> u32 {
    world(|world| match options::read(&mut world.buffer, caps) {
        Ok(machine) => world.clients.add(machine),
        Err(error) => {
            output::config_error(&mut world.buffer.out, &error);
            0
        }
    })
}

/// Forgets a client.
#[unsafe(no_mangle)]
pub extern "C" fn free(client: u32) {
    world(|world| world.clients.remove(client));
}

/// Something happened that is no frame; see [`input::read`] for the codes. The texts are in the buffer.
#[unsafe(no_mangle)]
pub extern "C" fn input(client: u32, code: u32, a: f64, b: f64, c: f64, mono: f64) {
    world(|world| {
        let World { buffer, clients } = world;
        let now = clients.now(mono);
        if let Some(client) = clients.get(client)
            && let Some(input) = input::read(buffer, code, a, b, c)
        {
            client.machine.handle(now, input);
        }
    });
}

/// Keeps the texts in the buffer under this number: those of an envelope, to be used by [`accept`].
#[unsafe(no_mangle)]
pub extern "C" fn keep(client: u32, slot: u32) {
    world(|world| {
        let World { buffer, clients } = world;
        if let Some(client) = clients.get(client) {
            client.keep(slot, buffer);
        }
    });
}

/// A frame arrived: its numbers are the arguments, its texts those under `slot`. Gives the verdict.
#[unsafe(no_mangle)]
pub extern "C" fn accept(
    client: u32,
    socket: u32,
    bytes: u32,
    slot: u32,
    what: u32,
    bits: u32,
    progress: f64,
    at: f64,
    eta: f64,
    sequence: f64,
    mono: f64,
) -> u32 {
    world(|world| {
        let now = world.clients.now(mono);
        let Some(client) = world.clients.get(client) else { return 0 };
        let frame = Frame { what, bits, progress, at, eta, sequence };
        client.accept(now, SocketId(socket), bytes as usize, slot, &frame)
    })
}

/// Everything that the machine wants done, in order, as a JSON array. Gives the length of the text, 0 for nothing.
#[unsafe(no_mangle)]
pub extern "C" fn drain(client: u32) -> usize {
    world(|world| {
        let World { buffer, clients } = world;
        buffer.out.clear();
        if let Some(client) = clients.get(client) {
            output::drain(&mut client.machine, &mut buffer.out);
        }
        buffer.out.len()
    })
}

/// When the machine wants a tick at the latest, on the steady clock; NaN for never.
#[unsafe(no_mangle)]
pub extern "C" fn deadline(client: u32) -> f64 {
    world(|world| {
        let due = world.clients.get(client).and_then(|client| client.machine.deadline());
        due.map_or(f64::NAN, |due| due as f64)
    })
}

/// Something to read, as JSON; see [`output::look`]. Gives the length of the text, 0 if there is no such thing.
#[unsafe(no_mangle)]
pub extern "C" fn look(client: u32, what: u32) -> usize {
    world(|world| {
        let World { buffer, clients } = world;
        buffer.out.clear();
        if let Some(client) = clients.get(client) {
            output::look(&client.machine, what, buffer);
        }
        buffer.out.len()
    })
}

/// The present time as the machine counts it.
const fn now(mono: f64, offset: f64) -> Now {
    Now { mono: mono as u64, unix: (mono + offset) as u64 }
}
