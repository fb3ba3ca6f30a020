#if canImport(SwiftUI)
import Steadfast
import SwiftUI

/// Follows a document against a mock server on the Mac that runs the simulator.
@available(macOS 14, iOS 17, *)
struct FollowApp: App {
    // Made once, outside of views. The simulator shares the Mac's loopback address. On a device the mock server is at the
    // Mac's address in the network, and plain `http` needs `allowInsecure` and, in Info.plist, NSAllowsLocalNetworking.
    private let client = Result { try DocProcClient(url: "http://127.0.0.1:8090/docproc") }

    var body: some Scene {
        WindowGroup {
            switch client {
            case .success(let client):
                DocumentView(model: SessionModel(client, topic: "session_1")).attends(client)
            case .failure(let error):
                Text(error.localizedDescription)
            }
        }
    }
}
#endif
