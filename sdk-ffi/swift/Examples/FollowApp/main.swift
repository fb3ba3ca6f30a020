#if canImport(SwiftUI)
if #available(macOS 14, iOS 17, *) { FollowApp.main() }
#else
print("This example needs SwiftUI: run it in Xcode. `swift run follow` runs everywhere.")
#endif
