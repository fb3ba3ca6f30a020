// swift-tools-version:6.0
import Foundation
import PackageDescription

// Apple systems: a static XCFramework, `cargo xtask xcframework`. Linux: the shared library, `cargo xtask swift`.
// Both write the bindings (Sources/Steadfast/Generated) too.
#if os(Linux)
let library: Target = .systemLibrary(name: "steadfastFFI")
let folder = ProcessInfo.processInfo.environment["STEADFAST_LIB_DIR"] ?? "\(Context.packageDirectory)/lib"
let link: [LinkerSetting] = [
    .unsafeFlags([
        "-L\(folder)", "-Xlinker", "-rpath", "-Xlinker", folder,
        // Swift 6.0's own libswiftObservation.so refers to a function that no library has, and never calls it.
        "-Xlinker", "--allow-shlib-undefined",
    ])
]
#else
let library: Target = .binaryTarget(name: "steadfastFFI", path: "SteadfastFFI.xcframework")
let link: [LinkerSetting] = [.linkedFramework("Security"), .linkedFramework("CoreFoundation")]
#endif

let package = Package(
    name: "Steadfast",
    platforms: [.iOS(.v13), .macOS(.v11)],
    products: [.library(name: "Steadfast", targets: ["Steadfast"])],
    targets: [
        library,
        // Generated code is not yet for the Swift 6 language mode; what uses it can be.
        .target(
            name: "Steadfast", dependencies: ["steadfastFFI"], swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: link),
        .executableTarget(name: "follow", dependencies: ["Steadfast"], path: "Examples/follow"),
        .executableTarget(name: "FollowApp", dependencies: ["Steadfast"], path: "Examples/FollowApp"),
        .testTarget(
            name: "SteadfastTests", dependencies: ["Steadfast"],
            swiftSettings: [.unsafeFlags(["-warnings-as-errors"])]),
    ]
)
