import Foundation

/// Events as they come, or what is made of them.
///
/// Each `for await` reads on its own and takes nothing from another. It ends when there is nothing more to come, or when
/// its task is cancelled. A cancelled wait loses nothing: an iterator that is asked again goes on where it stopped.
/// Should the SDK itself fail, which is a mistake to be reported, it ends too, and ``SteadfastLog`` has why.
public struct Events<Element: Sendable>: AsyncSequence, Sendable {
    /// Gives what comes after a position, and the new position; no element if it is not for this sequence. Nothing makes
    /// it fail but a mistake of ours.
    typealias Step = @Sendable (_ position: Int, CancelHandle) async throws -> (position: Int, element: Element?)?

    let begin: @Sendable () -> Step

    /// Begins to read.
    public func makeAsyncIterator() -> Iterator {
        Iterator(step: begin())
    }

    /// Reads one event after the other. It can be handed from task to task.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let step: Step
        var position = 0

        /// The next event; `nil` at the end, and when the task is cancelled.
        public mutating func next() async -> Element? {
            while true {
                let (step, position, cancel) = (step, position, CancelHandle())
                do {
                    let found = try await withTaskCancellationHandler {
                        try await step(position, cancel)
                    } onCancel: {
                        cancel.cancel()
                    }
                    guard let found else { return nil }
                    self.position = found.position
                    if let element = found.element { return element }
                } catch {
                    // An app has nothing to catch here, but ought to know.
                    logFailure(text: "events ended too early, a mistake to be reported: \(error)")
                    return nil
                }
            }
        }
    }
}

extension Events {
    /// A subscription's events, as they are or as something is made of them.
    static func of(_ session: NativeSession, _ pick: @escaping @Sendable (SessionEvent) -> Element?) -> Self {
        Events {
            let reader = session.reader()
            return { position, cancel in
                guard let next = try await reader.nextAfter(seq: position, cancel: cancel) else { return nil }
                return (next.seq, pick(next.event))
            }
        }
    }
}

extension Events<ClientEvent> {
    /// A client's events from now on.
    static func of(_ client: NativeClient) -> Self {
        let first = First(client)
        return Events {
            let reader = first.take()
            return { position, cancel in
                guard let next = try await reader.nextAfter(seq: position, cancel: cancel) else { return nil }
                return (next.seq, next.event)
            }
        }
    }
}

/// The reader that was made when the sequence was, so that nothing is missed until it is read; further ones begin when
/// they are made.
private final class First: @unchecked Sendable {
    private let client: NativeClient
    private let lock = NSLock()
    private var reader: NativeClientReader?

    init(_ client: NativeClient) {
        self.client = client
        reader = client.reader()
    }

    func take() -> NativeClientReader {
        lock.lock()
        defer { lock.unlock() }
        defer { reader = nil }
        return reader ?? client.reader()
    }
}
