package dev.steadfast

import com.sun.jna.Callback
import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native

/** The native library, loaded once. */
internal object Library {
    // JNA would make a new Java thread for each call from the SDK's threads. This way each stays attached, as a daemon
    // that keeps no JVM alive, until it ends.
    private val attached = CallbackThreadInitializer(true, false, "steadfast")
    private val callbacks: List<Callback> = listOf(
        uniffiRustFutureContinuationCallbackImpl,
        uniffiForeignFutureDroppedCallbackImpl,
        uniffiCallbackInterfaceNativeTokenProvider.ask,
        uniffiCallbackInterfaceEventListener.onEvent,
        uniffiCallbackInterfaceLogger.log,
        uniffiCallbackInterfaceServerTrust.check,
    )

    init {
        callbacks.forEach { Native.setCallbackThreadInitializer(it, attached) }
    }

    fun load() = uniffiEnsureInitialized()
}
