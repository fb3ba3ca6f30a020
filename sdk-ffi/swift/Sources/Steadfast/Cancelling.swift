/// Runs a command whose wait ends when the task is cancelled: the generated code takes no notice of that.
func untilCancelled<T: Sendable>(
    _ command: @Sendable (CancelHandle) async throws -> T
) async throws -> T {
    let cancel = CancelHandle()
    do {
        return try await withTaskCancellationHandler {
            try await command(cancel)
        } onCancel: {
            cancel.cancel()
        }
    } catch SteadfastError.command(kind: .cancelled, code: _, detail: _, retryable: _, sent: _) where Task.isCancelled {
        throw CancellationError()
    }
}
