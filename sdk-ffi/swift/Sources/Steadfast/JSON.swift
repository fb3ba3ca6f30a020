import Foundation

/// One JSON value, kept as the text that was sent.
///
/// ```swift
/// struct Pages: Decodable { let pages: Int }
/// let pages = try snapshot.raw?.decode(Pages.self).pages
/// ```
public struct JSON: Hashable, Sendable, CustomStringConvertible {
    /// The text as sent.
    public let text: String

    /// Keeps a text that is one JSON value.
    public init(text: String) {
        self.text = text
    }

    /// Reads the value as a type of yours.
    public func decode<T: Decodable>(_ type: T.Type = T.self, by decoder: JSONDecoder = JSONDecoder()) throws -> T {
        try decoder.decode(type, from: Data(text.utf8))
    }

    /// The text as sent.
    public var description: String { text }
}

extension Message {
    /// When the service says it happened.
    public var date: Date? { Date(milliseconds: at) }
}

extension Snapshot {
    /// The service's time of the last change.
    public var updateDate: Date? { Date(milliseconds: updatedAt) }
    /// Since when the picture may be old because the topic is not live.
    public var staleDate: Date? { Date(milliseconds: staleSince.map(Double.init)) }
}

extension Date {
    init?(milliseconds: Double?) {
        guard let milliseconds else { return nil }
        self.init(timeIntervalSince1970: milliseconds / 1000)
    }
}
