//! The libraries for Android, which only a real NDK can link.

use std::path::{Path, PathBuf};

use crate::library;
use crate::needs;
use crate::shell::{Session, cargo, root, target_folder, which};
use crate::targets;

/// Rust's targets and Android's names for them.
const ABIS: &[(&str, &str)] = &[
    ("aarch64-linux-android", "arm64-v8a"),
    ("armv7-linux-androideabi", "armeabi-v7a"),
    ("x86_64-linux-android", "x86_64"),
];

/// The oldest Android: 7, whose network callbacks the glue takes.
const API: &str = "24";

const NO_NDK: &str = "there is no NDK here: the code was checked for Android, but nothing was linked. Set ANDROID_NDK_HOME \
    to one (r27 or later; Android Studio's SDK manager installs it under ndk/) and run this again: it builds the libraries \
    and prints the size of each";

/// Builds the libraries into `target/android/jniLibs`, checks their alignment and prints their sizes.
pub(crate) fn build(session: &mut Session) {
    let targets: Vec<_> = ABIS.iter().map(|(target, _)| *target).collect();
    targets::check_library(session, &targets);
    let Some(ndk) = session.check(ndk()) else { return };
    println!("the NDK is {}", ndk.display());
    if session.check(needs::targets(&targets)).is_none() {
        return;
    }
    if which("cargo-ndk").is_none() && session.run(&mut cargo(["install", "--locked", "cargo-ndk"])).is_none()
    {
        return;
    }
    let Some(folder) = session.check(target_folder()).map(|target| target.join("android/jniLibs")) else {
        return;
    };
    let mut command = cargo(["ndk", "--platform", API, "--output-dir"]);
    command.arg(&folder).env("ANDROID_NDK_HOME", &ndk);
    for (_, abi) in ABIS {
        command.args(["--target", abi]);
    }
    command.args([
        "build",
        "--profile",
        "native-lib",
        "-p",
        "steadfast-ffi",
        "--lib",
        "--no-default-features",
    ]);
    // Pages of 16 KB, which Android 15 may have. Bindings need no symbols of ours beyond the exported ones.
    let Some(mut flags) = session.check(library::short_paths()) else { return };
    flags.extend(["-C", "link-arg=-Wl,-z,max-page-size=16384", "-C", "strip=symbols"].map(str::to_owned));
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    if session.run(&mut command).is_none() {
        return;
    }
    for (_, abi) in ABIS {
        session.check(report(&folder, abi));
    }
}

/// Where the NDK is, by the variables that its tools know.
fn ndk() -> Result<PathBuf, String> {
    let variables = ["ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "NDK_HOME"];
    let named = variables.into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let sdks = ["ANDROID_HOME", "ANDROID_SDK_ROOT"];
    let installed =
        sdks.into_iter().filter_map(std::env::var_os).filter_map(|sdk| newest(&Path::new(&sdk).join("ndk")));
    named
        .chain(installed)
        .find(|folder| folder.join("toolchains/llvm").is_dir())
        .ok_or_else(|| NO_NDK.to_owned())
}

/// The version that sorts last.
fn newest(folder: &Path) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).max()
}

/// Prints the size of a library; fails if it can't be loaded where pages have 16 KB.
fn report(folder: &Path, abi: &str) -> Result<(), String> {
    let file = folder.join(abi).join("libsteadfast.so");
    let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("{abi:<12} {:>10} bytes", bytes.len());
    let aligned = alignment(&bytes).ok_or_else(|| format!("{} is no library", file.display()))?;
    // 32-bit systems have 4 KB pages for good.
    if aligned < 16384 && abi != "armeabi-v7a" {
        return Err(format!(
            "the segments of {} are aligned to {aligned} bytes, not to 16384",
            file.display()
        ));
    }
    let shown = file.strip_prefix(root()).unwrap_or(&file);
    println!("{:<12} {}", "", shown.display());
    Ok(())
}

/// The smallest alignment of a segment that is loaded, from the program headers of an ELF file.
fn alignment(file: &[u8]) -> Option<u64> {
    let wide = match file.get(..6)? {
        [0x7f, b'E', b'L', b'F', 2, 1] => true,
        [0x7f, b'E', b'L', b'F', 1, 1] => false,
        _ => return None,
    };
    let number = |at: usize, bytes: usize| {
        let field = file.get(at..at + bytes)?;
        Some(field.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    // e_phoff, e_phentsize, e_phnum; p_align
    let (table, size, count, align, word) = if wide { (32, 54, 56, 48, 8) } else { (28, 42, 44, 28, 4) };
    let (start, size, count) = (number(table, word)?, number(size, 2)?, number(count, 2)?);
    (0..count)
        .filter_map(|index| {
            let header = usize::try_from(start + index * size).ok()?;
            if number(header, 4)? == 1 { number(header + align, word) } else { None }
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    #[test]
    fn the_alignment_of_a_program_is_read() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let read = alignment(&own).unwrap();
        assert!(read.is_power_of_two() && read >= 4096, "{read}");
        assert_eq!(alignment(b"#!/bin/sh"), None);
    }
}
