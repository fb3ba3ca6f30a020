import Foundation

/// A subscription to one topic. It lasts until the topic has ended, ``close()`` or its last reference is gone.
///
/// ```swift
/// for await message in session.messages {
///     print(message.name, message.progress ?? 0)
/// }
/// ```
public final class Session<S: SteadfastService>: Sendable {
    private let native: NativeSession

    init(_ native: NativeSession) {
        self.native = native
    }

    /// The topic.
    public var topic: String { native.topic() }

    /// The state of the subscription.
    public var state: SubscriptionState { native.state() }

    /// The last known picture of the topic.
    public var snapshot: Snapshot? { native.snapshot() }

    /// All events since the subscription began. They end when it has ended or was refused.
    public var events: Events<SessionEvent> {
        .of(native) { $0 }
    }

    /// The service's messages alone; states, pictures and gaps are passed over.
    public var messages: Events<ServiceUpdate<S>> {
        .of(native) { event in
            if case .message(let message) = event { ServiceUpdate(message) } else { nil }
        }
    }

    /// Waits until the server has confirmed the subscription.
    ///
    /// Throws ``SteadfastError`` with the reason if the server refuses, and `CancellationError` when the task is
    /// cancelled.
    public func live() async throws {
        try await untilCancelled { try await self.native.live(cancel: $0) }
    }

    /// Unsubscribes. Who waits for an event gets the end.
    public func close() {
        native.unsubscribe()
    }
}

/// A message of one service, with what is the same for all services in front.
public struct ServiceUpdate<S: SteadfastService>: Hashable, Sendable {
    /// The message as it may be of any service.
    public let message: Message
    /// The message itself.
    public let content: S.Content

    /// Takes the service's own message out of one that may be of any service; `nil` if it is of another one.
    public init?(_ message: Message) {
        guard let content = S.content(of: message.data) else { return nil }
        self.message = message
        self.content = content
    }

    /// Its name as sent, also if this SDK does not know it.
    public var name: String { message.name }
    /// The topic it is about; `nil` if it is about the connection.
    public var topic: String? { message.topic }
    /// Its progress as 0.0–1.0, if it tells one; the raw number is in the content.
    public var progress: Double? { message.progress }
    /// When the service says it happened.
    public var date: Date? { message.date }
    /// It is older than what the snapshot shows.
    public var isOutdated: Bool { message.outdated }
    /// It makes up for something missed while the connection was down.
    public var isRecovered: Bool { message.recovered }
    /// The payload as sent, with the fields this SDK does not know.
    public var raw: JSON { message.raw }
}
