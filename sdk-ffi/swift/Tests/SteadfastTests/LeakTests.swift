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

    /// Knows a client or a session for as long as somebody holds it.
    private struct Weak: @unchecked Sendable {
        weak var object: AnyObject?
    }

    private static let clients = Locked<[Weak]>([])

    private func watched<Object: AnyObject>(_ object: Object) -> Object {
        Self.clients.withLock { $0.append(Weak(object: object)) }
        return object
    }

    /// What the library counts of its own: blocks of memory, their bytes, tasks. It does where it has debug assertions.
    private struct Held {
        let blocks, bytes, tasks: Int

        init() throws {
            func count(_ what: String) throws -> Int {
                let symbol = try XCTUnwrap(dlsym(nil, "steadfast_live_\(what)"), "the library does not count its \(what)")
                return unsafeBitCast(symbol, to: (@convention(c) () -> Int).self)()
            }
            blocks = try count("blocks")
            bytes = try count("bytes")
            tasks = try count("tasks")
        }

        // A table in use may have become larger: tokio's of threads that may block by 132 bytes when there are four at
        // once, their queue by 64.
        func isMore(than other: Held) -> Bool {
            blocks > other.blocks || bytes >= other.bytes + 1024 || tasks > other.tasks
        }
    }

    private func client<K: Kit>(_ kit: K, token: String = "t") throws -> Client<K.S> {
        let (provider, listener) = (Canary(), Canary())
        return watched(try Client<K.S>(
            ClientOptions(endpoint: .url("\(Mock.shared.url)/\(kit.slug)")),
            tokenProvider: { _ in
                provider.sing()
                try await Task.sleep(for: .milliseconds(1))
                return token
            },
            listener: { _ in listener.sing() }))
    }

    /// One client from its beginning to its end, with everything that can be abandoned on the way.
    private func cycle(_ kit: some Kit, _ number: Int) async throws {
        // Of a user of its own now and then: services limit what one may send in a minute.
        let token = try await Mock.shared.token("cycle-\(number / 10)")
        let client = try client(kit, token: token)
        var events = client.events.makeAsyncIterator()
        let session = watched(try client.session("quiet-\(number)"))
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
        try await nothingLeft()
        let (files, memory, before) = (try openFiles(), try resident(), try Held())
        for number in 200..<1200 { try await cycle(kit, number) }
        try await nothingLeft()
        let late = ContinuousClock.now + .seconds(20)
        try await until { try !Held().isMore(than: before) || .now > late }
        XCTAssertLessThanOrEqual(try openFiles(), files + 4)
        let held = try Held()
        let (blocks, bytes) = (held.blocks - before.blocks, held.bytes - before.bytes)
        let grown = try resident() - memory
        print("1,000 clients of \(kit.slug): the library holds \(blocks) blocks of \(bytes) bytes more, the process \(grown / 1024) KiB")
        XCTAssertFalse(held.isMore(than: before))
        // Also what the library does not know of: Swift's own, and stacks.
        XCTAssertLessThan(grown, 8 * 1024 * 1024)
        try await until { try await Mock.shared.connections().isEmpty }
    }

    private func nothingLeft() async throws {
        try await until { Canary.alive.now == 0 && Self.clients.withLock { $0.removeAll { $0.object == nil }; return $0.isEmpty } }
        try await until { try threads() <= 1 }
    }

    func testTheLibraryCountsWhatItHolds() async throws {
        try await within(.seconds(20)) { try await self.counted() }
    }

    private func counted() async throws {
        let before = try Held()
        let client = try client(DocProcKit())
        let session = watched(try client.session("quiet-counted"))
        try await session.live()
        let now = try Held()
        XCTAssertGreaterThan(now.blocks, before.blocks + 20)
        XCTAssertGreaterThan(now.bytes, before.bytes + 8 * 1024)
        XCTAssertGreaterThan(now.tasks, before.tasks)
        XCTAssertEqual(Self.clients.withLock { $0.filter { $0.object != nil }.count }, 2)
        session.close()
        await client.shutdown()
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
