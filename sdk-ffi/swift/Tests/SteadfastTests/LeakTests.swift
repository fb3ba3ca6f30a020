import Foundation
import Steadfast
import XCTest

/// What is left when everything was let go: counted alone in its process, before the other tests begin.
final class Leaks: XCTestCase, @unchecked Sendable {
    /// Counts the providers and listeners that somebody still holds.
    private final class Canary: Sendable {
        static let alive = Locked(0)

        init() {
            Canary.alive.withLock { $0 += 1 }
        }

        deinit {
            Canary.alive.withLock { $0 -= 1 }
        }

        func sing() {}
    }

    private func client(_ user: String) throws -> DocProcClient {
        let (provider, listener) = (Canary(), Canary())
        return try DocProcClient(
            ClientOptions(endpoint: .url("\(Mock.shared.url)/docproc")),
            tokenProvider: { _ in
                provider.sing()
                try await Task.sleep(for: .milliseconds(1))
                return user
            },
            listener: { _ in listener.sing() })
    }

    /// One client from its beginning to its end, with everything that can be abandoned on the way.
    private func cycle(_ number: Int) async throws {
        let client = try client("cycle-\(number)")
        var events = client.events.makeAsyncIterator()
        let session = try client.session("quiet-\(number)")
        if number.isMultiple(of: 10) { try await session.live() }
        let reading = Task { for await _ in session.events {} }
        let command = Task { try await client.session("quiet-other-\(number)").live() }
        _ = await events.next()
        command.cancel()
        session.close()
        await client.shutdown()
        await reading.value
        _ = try? await command.value
    }

    /// The names of the threads that belong to the SDK.
    private func threads() throws -> Int {
        let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
        return tasks.filter { task in
            (try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8))?.hasPrefix("steadfast") == true
        }.count
    }

    private func openFiles() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }

    private func resident() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return Int(text.split(separator: " ")[1])! * 4096
    }

    func testAThousandClientsLeaveNothingBehind() async throws {
        try await within(.seconds(120)) { try await self.thousand() }
    }

    private func thousand() async throws {
        for number in 0..<200 { try await cycle(number) }
        let (files, memory) = (try openFiles(), try resident())
        for number in 200..<1200 { try await cycle(number) }
        try await until { Canary.alive.now == 0 }
        try await until { try threads() <= 1 }
        XCTAssertLessThanOrEqual(try openFiles(), files + 4)
        let grown = try resident() - memory
        print("1,000 cycles: \(grown / 1024) KiB more, \(try openFiles() - files) more files")
        XCTAssertLessThan(grown, 8 * 1024 * 1024)
        try await until { try await Mock.shared.connections().isEmpty }
    }

    func testWhatIsDroppedIsClosed() async throws {
        try await within(.seconds(20)) { try await self.dropped() }
    }

    private func dropped() async throws {
        var client: DocProcClient? = try client("dropped")
        var session = try client?.session("quiet-dropped")
        try await session?.live()
        let waiting = Task { [events = session!.events] in for await _ in events {} }
        let connections = try await Mock.shared.connections()
        XCTAssertEqual(connections.count, 1)
        waiting.cancel()
        await waiting.value
        session = nil
        client = nil
        try await until { try await Mock.shared.connections().isEmpty }
        try await until { Canary.alive.now == 0 }
    }

    func testACancelledCommandAndItsClientAreLetGo() async throws {
        try await within(.seconds(20)) { try await self.cancelled() }
    }

    private func cancelled() async throws {
        weak var left: DocProcClient?
        do {
            let client = try client("cancelled")
            left = client
            let waits = (0..<100).map { number in Task { try await client.session("missing-x").live() } }
            waits.forEach { $0.cancel() }
            for wait in waits { _ = try? await wait.value }
        }
        try await until { left == nil && Canary.alive.now == 0 }
        try await until { try await Mock.shared.connections().isEmpty }
    }
}
