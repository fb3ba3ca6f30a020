import Foundation
import Steadfast

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// A running mock server. It ends with the process.
final class Mock: Sendable {
    /// One for all tests.
    static let shared = Mock()

    let url: String
    private let server: Server

    init(_ arguments: String...) {
        server = Server(["--port", "0", "--step", "40ms", "--set", "docproc.clarification=wait"] + arguments)
        url = server.url
    }

    func stop() {
        server.stop()
    }

    /// Tells the control interface something.
    @discardableResult
    func post(_ path: String, _ body: [String: any Sendable]) async throws -> [String: any Sendable] {
        var request = URLRequest(url: URL(string: "\(url)/_mock/\(path)")!)
        request.httpMethod = "POST"
        request.httpBody = try JSONSerialization.data(withJSONObject: body)
        let (data, answer) = try await URLSession.shared.data(for: request)
        let text = String(decoding: data, as: UTF8.self)
        guard (answer as? HTTPURLResponse)?.statusCode == 200 else { throw Trouble("\(path): \(text)") }
        return try JSONSerialization.jsonObject(with: data) as? [String: any Sendable] ?? [:]
    }

    struct Connection: Decodable {
        let connection: Int
        let user: String?
    }

    /// The connections that are open.
    func connections() async throws -> [Connection] {
        let (data, _) = try await URLSession.shared.data(from: URL(string: "\(url)/_mock/connections")!)
        return try JSONDecoder().decode([Connection].self, from: data)
    }

    /// The connections that are open, of one user.
    func connections(of user: String) async throws -> [Int] {
        try await connections().filter { $0.user == user }.map(\.connection)
    }

    func token(_ user: String, ttl: String = "1h") async throws -> String {
        guard let token = try await post("tokens", ["sub": user, "ttl": ttl])["token"] as? String else {
            throw Trouble("the mock gave no token")
        }
        return token
    }

    /// Does something to all connections of a user, once.
    func fault(_ user: String, when: String = "now", _ action: [String: any Sendable]) async throws {
        try await post("faults", ["match": ["user": user, "when": when], "action": action, "times": 1])
    }

    func drop(_ user: String) async throws {
        try await fault(user, ["do": "drop", "how": "close", "code": 1011])
    }

    func emit(_ kit: some Kit, _ topic: String, _ event: String? = nil, _ data: [String: any Sendable]) async throws {
        var body: [String: any Sendable] = ["service": kit.slug, "topic": topic, "data": data]
        body["event"] = event
        try await post("emit", body)
    }
}

struct Trouble: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// The server's process.
private final class Server: @unchecked Sendable {
    static let all = Locked<[Process]>([])

    let url: String
    private let process = Process()

    init(_ arguments: [String]) {
        let path = ProcessInfo.processInfo.environment["MOCK_SERVER"] ?? "mock-server"
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        // Whoever runs the tests waits until nobody holds their standard error any more.
        process.standardError = FileHandle.nullDevice
        atexit { Server.all.withLock { $0.forEach { Server.end($0) } } }
        do { try process.run() } catch { fatalError("the mock server (MOCK_SERVER) can't be started: \(error)") }
        Server.all.withLock { [process] in $0.append(process) }
        var text = ""
        var found: String?
        while found == nil {
            let data = pipe.fileHandleForReading.availableData
            guard !data.isEmpty else { fatalError("the mock server has ended: \(text)") }
            text += String(decoding: data, as: UTF8.self)
            found = text.firstMatch(of: /control API at (https?:\/\/[^\/\s]+)/).map { String($0.1) }
        }
        url = found!
        // What it says from now on is read away, so that it never waits for us.
        pipe.fileHandleForReading.readabilityHandler = { if $0.availableData.isEmpty { $0.readabilityHandler = nil } }
    }

    func stop() {
        Server.end(process)
        process.waitUntilExit()
    }

    /// Not by SIGTERM, which whoever is started from a thread of Dispatch never gets.
    private static func end(_ process: Process) {
        kill(process.processIdentifier, SIGKILL)
    }
}

/// A value that several threads share.
final class Locked<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    var now: Value { withLock { $0 } }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}

extension Mock {
    /// One where DocProc wants tokens too.
    static let requiringTokens = Mock("--set", "docproc.auth=on")
    /// One that speaks TLS, with a certificate of a private root.
    static let secure = Mock("--tls", "\(Certificates.folder)/good.pem,\(Certificates.folder)/good.key")
    /// One that speaks TLS, with a certificate of another name.
    static let misnamed = Mock("--tls", "\(Certificates.folder)/wrong.pem,\(Certificates.folder)/wrong.key")
}

/// Where the certificates are that were made for these tests.
enum Certificates {
    static let folder = ProcessInfo.processInfo.environment["CERTIFICATES"] ?? "certificates"
    static let root = "\(folder)/root.pem"
}

/// How something fails that must.
func failure<Result>(_ body: () async throws -> Result) async throws -> SteadfastError {
    do {
        let result = try await body()
        throw Trouble("it did not fail, and gave \(result)")
    } catch let error as SteadfastError {
        return error
    }
}

/// Waits for something that can only be asked for.
func until(isolation: isolated (any Actor)? = #isolation, _ condition: () async throws -> Bool) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(10)) }
}

/// Cancels what takes too long, which then fails.
func within(_ limit: Duration, _ body: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: limit)
            throw Trouble("not done after \(limit)")
        }
        try await group.next()
        group.cancelAll()
    }
}

extension AsyncSequence {
    /// What is made of the first element of which something can be made.
    func firstNonNil<Result>(_ make: (Element) -> Result?) async rethrows -> Result? {
        for try await element in self {
            if let result = make(element) { return result }
        }
        return nil
    }
}
