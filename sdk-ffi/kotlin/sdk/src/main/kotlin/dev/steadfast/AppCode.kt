package dev.steadfast


// What the app gives to the SDK. The generated code lets nothing but `Exception` through as an error: an `Error`, a
// `TODO()` say, would leave the provider's caller waiting and, in a coroutine of nobody's, end an Android app.

internal class SafeProvider(private val provider: TokenProvider) : TokenProvider {
    override suspend fun token(force: Boolean): String = try {
        provider.token(force)
    } catch (error: TokenException) {
        throw error
    } catch (error: Throwable) {
        throw TokenException.Unavailable(error.toString())
    }
}

internal class SafeListener(private val listener: EventListener) : EventListener {
    override fun onEvent(event: ClientEvent) = reported { listener.onEvent(event) }
}

internal class SafeLogger(private val logger: Logger) : Logger {
    override fun log(level: LogLevel, line: String) = reported { logger.log(level, line) }
}

internal class SafeTrust(private val trust: ServerTrust) : ServerTrust {
    override fun check(chain: List<ByteArray>, host: String) = reported { trust.check(chain, host) }
}

private inline fun reported(call: () -> Unit) = try {
    call()
} catch (error: CallbackException) {
    throw error
} catch (error: Throwable) {
    throw CallbackException.Failed(error.toString())
}

/**
 * Sends the log of all clients of this process to [logger], from [level] on; `null` ends it. A token is never in it.
 * What the logger throws is ignored; it is called on a thread of the SDK, and may block.
 */
public fun logTo(logger: Logger?, level: LogLevel = LogLevel.DEBUG) {
    Library.load()
    setLogger(logger?.let(::SafeLogger), level)
}
