//! The framework for Apple systems, as far as any machine can make it: static libraries, headers and their layout.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::needs::{self, CLANG, LLVM_AR};
use crate::shell::{Session, cargo, must, output, program, root, target_folder};
use crate::{bindings, library, symbols, targets};

const FRAMEWORK: &str = "sdk-ffi/swift/SteadfastFFI.xcframework";
/// What the library may add to an app for iPhones, bytes.
const MOST: u64 = 2_200_000;

/// One library of the framework.
struct Slice {
    folder: &'static str,
    target: &'static str,
    platform: &'static str,
    /// For the simulator, say.
    variant: Option<&'static str>,
    /// The oldest system it runs on.
    since: (&'static str, &'static str),
}

const SLICES: &[Slice] = &[
    Slice {
        folder: "ios-arm64",
        target: "aarch64-apple-ios",
        platform: "ios",
        variant: None,
        since: ("IPHONEOS_DEPLOYMENT_TARGET", "13.0"),
    },
    Slice {
        folder: "ios-arm64-simulator",
        target: "aarch64-apple-ios-sim",
        platform: "ios",
        variant: Some("simulator"),
        since: ("IPHONEOS_DEPLOYMENT_TARGET", "14.0"),
    },
    Slice {
        folder: "macos-arm64",
        target: "aarch64-apple-darwin",
        platform: "macos",
        variant: None,
        since: ("MACOSX_DEPLOYMENT_TARGET", "11.0"),
    },
];

/// Makes the framework in the Swift package's folder and tells what the iPhone's library adds to an app.
pub(crate) fn build(session: &mut Session) {
    let result = make();
    session.check(result);
}

fn make() -> Result<(), String> {
    needs::tools(&[CLANG, LLVM_AR])?;
    bindings::swift(&bindings::library()?)?;
    let framework = root().join(FRAMEWORK);
    if framework.exists() {
        std::fs::remove_dir_all(&framework).map_err(|error| format!("{}: {error}", framework.display()))?;
    }
    let mut libraries = String::new();
    for slice in SLICES {
        let library = archive(slice)?;
        let folder = framework.join(slice.folder);
        bindings::update(&library, &folder.join("libsteadfast.a"))?;
        // In a folder of their own: two static frameworks in one app would both have a module map otherwise.
        let sources = root().join("sdk-ffi/swift/Sources/steadfastFFI");
        for file in ["steadfastFFI.h", "module.modulemap"] {
            bindings::update(&sources.join(file), &folder.join("Headers/steadfastFFI").join(file))?;
        }
        libraries.push_str(&entry(slice));
        let linked = link(slice, &library)?;
        symbols::check_wanted(&linked)?;
        symbols::check_declared(&sources.join("steadfastFFI.h"), &linked)?;
        println!(
            "{}: it has all that the bindings call, and wants nothing that Apple's systems lack",
            slice.folder
        );
        if slice.folder == "ios-arm64" {
            measure(&linked)?;
        }
    }
    let list = PLIST.replace("LIBRARIES", &libraries);
    std::fs::write(framework.join("Info.plist"), list).map_err(|error| format!("Info.plist: {error}"))?;
    println!("\nwritten: {FRAMEWORK}");
    println!(
        "What only a Mac can do: let Xcode take it into an app and run that on a device and a simulator;"
    );
    println!(
        "add slices for Intel (rustup target add x86_64-apple-ios x86_64-apple-darwin, joined by lipo);"
    );
    println!("sign the app; and judge it by the App Store's checks.");
    Ok(())
}

/// Builds the library of a slice.
fn archive(slice: &Slice) -> Result<PathBuf, String> {
    let words = ["rustc", "-p", "steadfast-ffi", "--lib", "--no-default-features", "--profile", "native-lib"];
    let mut command = cargo(words);
    command.args(["--crate-type", "staticlib", "--target", slice.target]);
    targets::compilers(&mut command, slice.target);
    command.env(slice.since.0, slice.since.1);
    library::small(&mut command)?;
    must(&mut command)?;
    Ok(target_folder()?.join(slice.target).join("native-lib/libsteadfast.a"))
}

/// What is left of a library in an app: linked with all that the bindings call, without what nobody does.
fn link(slice: &Slice, library: &Path) -> Result<PathBuf, String> {
    let linked = library.with_file_name("dead-stripped.dylib");
    let platform =
        slice.variant.map_or(slice.platform.to_owned(), |variant| format!("{}-{variant}", slice.platform));
    let words = ["-flavor", "darwin", "-dylib", "-dead_strip", "-x", "-S", "-arch", "arm64"];
    let mut link = program(linker()?, words);
    link.args(["-platform_version", &platform, slice.since.1, "17.0", "-undefined", "dynamic_lookup"]);
    link.args(["-exported_symbol", "_uniffi_*", "-exported_symbol", "_ffi_*"]);
    // The whole archive: what is wanted of it is found by name only after it was read.
    link.arg("-all_load").arg(library).arg("-o").arg(&linked);
    output(&mut link)?;
    Ok(linked)
}

/// Tells what a linked library adds to an app, and fails if that is too much.
fn measure(linked: &Path) -> Result<(), String> {
    // Code and data; names and padding are no longer the library's in an app.
    let sections = output(program("llvm-size", ["-m"]).arg(linked))?;
    let size: u64 = sections
        .lines()
        .filter(|line| line.trim_start().starts_with("Section "))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    println!("the iPhone's library adds {} kB to an app (at most {} kB)", size / 1000, MOST / 1000);
    match size {
        0 => Err("llvm-size names no sections".into()),
        size if size > MOST => Err(format!("the iPhone's library is too large: {size} bytes")),
        _ => Ok(()),
    }
}

/// The linker that comes with Rust: it knows what Rust's own libraries are made of.
fn linker() -> Result<PathBuf, String> {
    let known = output(&mut program("rustc", ["--print", "sysroot", "--print", "host-tuple"]))?;
    let (folder, host) = known.trim().split_once('\n').ok_or("rustc names no host")?;
    Ok(Path::new(folder).join("lib/rustlib").join(host).join("bin/rust-lld"))
}

const PLIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>AvailableLibraries</key>
	<array>
LIBRARIES	</array>
	<key>CFBundlePackageType</key>
	<string>XFWK</string>
	<key>XCFrameworkFormatVersion</key>
	<string>1.0</string>
</dict>
</plist>
"#;

/// A library as the framework's list has it.
fn entry(slice: &Slice) -> String {
    let mut fields = vec![
        ("BinaryPath", "libsteadfast.a"),
        ("HeadersPath", "Headers"),
        ("LibraryIdentifier", slice.folder),
        ("LibraryPath", "libsteadfast.a"),
        ("SupportedPlatform", slice.platform),
    ];
    fields.extend(slice.variant.map(|variant| ("SupportedPlatformVariant", variant)));
    let mut text = String::from("\t\t<dict>\n");
    for (key, value) in fields {
        let _ = writeln!(text, "\t\t\t<key>{key}</key>\n\t\t\t<string>{value}</string>");
    }
    text + "\t\t\t<key>SupportedArchitectures</key>\n\t\t\t<array>\n\t\t\t\t<string>arm64</string>\n\t\t\t</array>\n\t\t</dict>\n"
}
