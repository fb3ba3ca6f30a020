/// The log of all clients of this process.
public enum SteadfastLog {
    /// Sends the log to a function, from this level on; `nil` ends it. It is called for one line after the other, on a
    /// thread of the SDK. A token is never in it, and what the function throws is ignored.
    public static func send(
        from level: LogLevel = .debug, to function: (@Sendable (LogLevel, String) throws -> Void)?
    ) throws {
        try setLogger(logger: function.map(Lines.init), level: level)
    }
}

/// Hands the lines to a function.
private final class Lines: Logger {
    private let function: @Sendable (LogLevel, String) throws -> Void

    init(_ function: @escaping @Sendable (LogLevel, String) throws -> Void) {
        self.function = function
    }

    func log(level: LogLevel, line: String) throws {
        do {
            try function(level, line)
        } catch {
            throw CallbackError.failed(detail: "\(error)")
        }
    }
}
