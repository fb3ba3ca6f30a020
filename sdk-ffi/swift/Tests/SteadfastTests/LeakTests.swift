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

    private func client<K: Kit>(_ kit: K, token: String = "t") throws -> Client<K.S> {
        let (provider, listener) = (Canary(), Canary())
        return try Client<K.S>(
            ClientOptions(endpoint: .url("\(Mock.shared.url)/\(kit.slug)")),
            tokenProvider: { _ in
                provider.sing()
                try await Task.sleep(for: .milliseconds(1))
                return token
            },
            listener: { _ in listener.sing() })
    }

    /// One client from its beginning to its end, with everything that can be abandoned on the way.
    private func cycle(_ kit: some Kit, _ number: Int) async throws {
        // Of a user of its own now and then: services limit what one may send in a minute.
        let token = try await Mock.shared.token("cycle-\(number / 10)")
        let client = try client(kit, token: token)
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

    func testAThousandClientsOfEachServiceLeaveNothingBehind() async throws {
        for kit in kits {
            try await within(.seconds(120)) { try await self.thousand(kit) }
        }
    }

    private func thousand(_ kit: some Kit) async throws {
        for number in 0..<200 { try await cycle(kit, number) }
        let (files, memory) = (try openFiles(), try resident())
        for number in 200..<1200 { try await cycle(kit, number) }
        try await until { Canary.alive.now == 0 }
        try await until { try threads() <= 1 }
        XCTAssertLessThanOrEqual(try openFiles(), files + 4)
        let grown = try resident() - memory
        print("1,000 cycles of \(kit.slug): \(grown / 1024) KiB more, \(try openFiles() - files) more files")
        XCTAssertLessThan(grown, 8 * 1024 * 1024)
        try await until { try await Mock.shared.connections().isEmpty }
    }

    func testWhatIsDroppedIsClosed() async throws {
        try await within(.seconds(20)) { try await self.dropped() }
    }

    private func dropped() async throws {
        var client: DocProcClient? = try client(DocProcKit())
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
            let client = try client(DocProcKit())
            left = client
            let waits = (0..<100).map { number in Task { try await client.session("missing-x").live() } }
            waits.forEach { $0.cancel() }
            for wait in waits { _ = try? await wait.value }
        }
        try await until { left == nil && Canary.alive.now == 0 }
        try await until { try await Mock.shared.connections().isEmpty }
    }
}
