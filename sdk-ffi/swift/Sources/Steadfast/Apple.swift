// What Apple's systems tell an app, told to a client.

#if canImport(Network)
import Dispatch
import Network

/// Tells a client when the network changes, comes or goes, for as long as there is a reference to this.
@available(macOS 10.14, iOS 12, tvOS 12, watchOS 5, *)
public final class NetworkWatch: @unchecked Sendable {
    private let monitor = NWPathMonitor()

    /// Begins to watch. It holds no reference to the client.
    public init<S: SteadfastService>(_ client: Client<S>) {
        let before = Before()
        monitor.pathUpdateHandler = { [weak client] path in
            defer { before.nothing = false }
            // The first call tells what is there already.
            if before.nothing, path.status == .satisfied { return }
            client?.networkChanged(online: path.status != .unsatisfied)
        }
        monitor.start(queue: DispatchQueue(label: "steadfast.network"))
    }

    deinit {
        monitor.cancel()
    }

    /// What was told before; touched on the monitor's queue alone.
    private final class Before: @unchecked Sendable {
        var nothing = true
    }
}
#endif

#if canImport(SwiftUI) && canImport(Network)
import SwiftUI

@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
extension View {
    /// Tells a client when the app goes to the background and comes back, and when the network changes, while this view is
    /// there. Put it on the root view of a scene.
    public func attends<S: SteadfastService>(_ client: Client<S>) -> some View {
        modifier(Attending(client: client))
    }
}

@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
private struct Attending<S: SteadfastService>: ViewModifier {
    @Environment(\.scenePhase) private var phase
    @State private var network: NetworkWatch?
    let client: Client<S>

    func body(content: Content) -> some View {
        content
            .onChange(of: phase) { _, phase in
                switch phase {
                case .background: client.background()
                case .active: client.foreground()
                default: break
                }
            }
            .onAppear { network = NetworkWatch(client) }
            .onDisappear { network = nil }
    }
}
#endif

#if canImport(os)
import os

extension SteadfastLog {
    /// Sends the log to the system's own, where Console shows it.
    @available(macOS 11, iOS 14, tvOS 14, watchOS 7, *)
    public static func sendToSystem(from level: LogLevel = .info, subsystem: String) throws {
        let logger = os.Logger(subsystem: subsystem, category: "steadfast")
        try send(from: level) { level, line in
            logger.log(level: level.systemLevel, "\(line, privacy: .public)")
        }
    }
}

extension LogLevel {
    fileprivate var systemLevel: OSLogType {
        switch self {
        case .error: .error
        case .warning: .default
        case .info: .info
        case .debug, .trace: .debug
        }
    }
}
#endif
