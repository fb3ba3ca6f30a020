import Foundation

/// Gives a token. Its argument says that the last one was refused, so that a cached one is of no use.
///
/// It is asked before every attempt to connect and ahead of a token's expiry, one call at a time, for at most 15 s; then
/// its task is cancelled. Throw ``TokenError/denied(detail:)`` if there will be none; after any other error it is asked
/// again later.
public typealias TokenFunction = @Sendable (_ wasRefused: Bool) async throws -> String

/// Is told every event of a client, one after the other, on a thread of the SDK. It may block: then it falls behind, and
/// is told so. What it throws is logged.
public typealias ListenerFunction = @Sendable (ClientEvent) throws -> Void

/// A client of one service: ``CharismaClient``, ``TherapyBridgeClient``, ``SagaClient``, ``DocProcClient``,
/// ``DevContextClient``.
///
/// Making one opens nothing: it connects when there is something to do, and stays connected until ``shutdown()`` or until
/// its last reference is gone. All of it may be used from any task or thread.
///
/// A command waits for its outcome. When its task is cancelled, it ends at once with `CancellationError`; whether it had
/// been sent by then is not known. Everything else that can go wrong is a ``SteadfastError``.
public final class Client<S: SteadfastService>: Sendable {
    let native: NativeClient

    /// Makes a client with all there is to set.
    public init(
        _ options: ClientOptions, tokenProvider: TokenFunction? = nil, listener: ListenerFunction? = nil
    ) throws {
        native = try NativeClient(
            service: S.service, options: options, tokenProvider: tokenProvider.map(Tokens.init),
            listener: listener.map(Listener.init))
    }

    /// Makes a client of a service at this base URL, with one token for always or none.
    public convenience init(url: String, token: String? = nil) throws {
        try self.init(ClientOptions(endpoint: .url(url), token: token))
    }

    /// Makes a client of a service at this base URL that asks for its tokens.
    public convenience init(url: String, tokenProvider: @escaping TokenFunction) throws {
        try self.init(ClientOptions(endpoint: .url(url)), tokenProvider: tokenProvider)
    }

    // MARK: Following

    /// Subscribes to a topic. It is asked for as soon as there is a connection, and again after every reconnect, until
    /// the session is closed. If `keeping`, it goes on through the topic's end.
    public func session(_ topic: String, keeping: Bool = false) throws -> Session<S> {
        Session(try native.subscribe(topic: topic, keep: keeping))
    }

    /// All events of the client from now on.
    public var events: Events<ClientEvent> { .of(native) }

    /// The state of the connection.
    public var state: ConnectionState { native.state() }

    /// The last known picture of a topic.
    public func snapshot(of topic: String) -> Snapshot? {
        native.snapshot(topic: topic)
    }

    // MARK: The connection

    /// Waits until messages flow. Throws the reason if that won't happen by itself.
    public func ready() async throws {
        try await untilCancelled { try await self.native.ready(cancel: $0) }
    }

    /// Connects now: skips any wait and re-arms a client that has failed.
    public func connect() {
        native.connect()
    }

    /// As ``connect()``, also when another connection of this user has the place.
    public func takeOver() {
        native.takeOver()
    }

    /// Uses this token from now on; re-arms a client whose authentication failed.
    public func setToken(_ token: String) {
        native.setToken(token: token)
    }

    /// Closes everything; every command that waits ends with the kind ``CommandErrorKind/closed``. Returns when nothing
    /// is left running, also if the task is cancelled.
    public func shutdown() async {
        // It fails by a mistake in the library alone, and then there is nothing left to close.
        try? await native.shutdown()
    }

    // MARK: What the system tells

    /// The network changed, or came or went.
    public func networkChanged(online: Bool = true) {
        native.networkChanged(reachability: online ? .online : .offline)
    }

    /// The app went to the background: after 25 s there the connection is closed.
    public func background() {
        native.background()
    }

    /// The app came to the foreground: it connects at once.
    public func foreground() {
        native.foreground()
    }

    // MARK: Looking inside

    /// Why the client is in the state it is in, for people and as JSON, without secrets.
    public func diagnose() -> Diagnosis {
        native.diagnose()
    }

    /// What the client has counted.
    public func stats() -> Stats {
        native.stats()
    }

    /// Sends a message that this SDK does not know, without a payload. It is confirmed when written; a reply arrives as
    /// an event.
    public func send(_ name: String) async throws {
        try await untilCancelled { try await self.native.sendRaw(kind: name, payload: "", cancel: $0) }
    }

    /// Sends a message that this SDK does not know. It is confirmed when written; a reply arrives as an event.
    public func send(_ name: String, _ payload: some Encodable) async throws {
        let json = String(decoding: try JSONEncoder().encode(payload), as: UTF8.self)
        try await untilCancelled { try await self.native.sendRaw(kind: name, payload: json, cancel: $0) }
    }
}

/// Asks a function for tokens.
private final class Tokens: NativeTokenProvider {
    private let function: TokenFunction

    init(_ function: @escaping TokenFunction) {
        self.function = function
    }

    func ask(question: UInt64, force: Bool) async {
        let asked = Task { [function] in try await function(force) }
        do {
            let token = try await withTaskCancellationHandler {
                try await asked.value
            } onCancel: {
                // This is the SDK's own thread, which must not wait for what the app does when it is cancelled.
                Task.detached { asked.cancel() }
            }
            giveToken(question: question, token: token)
        } catch let error as TokenError {
            refuseToken(question: question, error: error)
        } catch {
            refuseToken(question: question, error: .unavailable(detail: "\(error)"))
        }
    }
}

/// Tells a function what happens.
private final class Listener: EventListener {
    private let function: ListenerFunction

    init(_ function: @escaping ListenerFunction) {
        self.function = function
    }

    func onEvent(event: ClientEvent) throws {
        do {
            try function(event)
        } catch {
            throw CallbackError.failed(detail: "\(error)")
        }
    }
}
