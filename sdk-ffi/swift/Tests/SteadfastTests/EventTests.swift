import XCTest

@testable import Steadfast

/// Events when the library itself fails. There is one logger, so this runs before all tests that are not XCTest's.
final class EventTests: XCTestCase {
    private struct Mistake: Error {}

    func testEventsThatFailEndAndTheLogHasWhy() async throws {
        let lines = Locked<[String]>([])
        try SteadfastLog.send(from: .error) { _, line in lines.withLock { $0.append(line) } }
        defer { try? SteadfastLog.send(to: nil) }
        let events = Events<Int> {
            { position, _ in
                if position == 2 { throw Mistake() }
                return (position + 1, position)
            }
        }
        var got: [Int] = []
        for await event in events { got.append(event) }
        XCTAssertEqual(got, [0, 1])
        try await within(.seconds(20)) { try await until { lines.now.contains { $0.contains("Mistake()") } } }
    }
}
