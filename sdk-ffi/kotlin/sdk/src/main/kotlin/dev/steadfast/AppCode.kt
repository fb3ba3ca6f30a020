package dev.steadfast

import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive

// What the app gives to the SDK. The generated code lets nothing but `Exception` through as an error: an `Error`, a
// `TODO()` say, would leave the caller waiting and, in a coroutine of nobody's, end an Android app.

/**
 * Gives tokens: asked before every attempt to connect and ahead of a token's expiry, one call at a time, for at most
 * 15 s; then its coroutine is cancelled.
 */
public fun interface TokenProvider {
    /**
     * Gives a token. [force] says that the last one was refused, so that a cached one is of no use.
     *
     * @throws TokenException.Denied if there will be none; after anything else it is asked again later.
     */
    public suspend fun token(force: Boolean): String
}

internal class Tokens(private val provider: TokenProvider) : NativeTokenProvider {
    override suspend fun ask(question: ULong, force: Boolean) = try {
        currentCoroutineContext().ensureActive() // it may be given up before it begins
        giveToken(question, provider.token(force))
    } catch (error: TokenException) {
        refuseToken(question, error)
    } catch (error: Throwable) {
        refuseToken(question, TokenException.Unavailable(error.toString()))
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
