package dev.steadfast.android

import android.net.http.X509TrustManagerExtensions
import dev.steadfast.ManagedTrust
import java.security.cert.X509Certificate

/**
 * Trusts whom Android trusts: its roots, those that its user or an administrator added, and what the app's network
 * security configuration says of each host. Without it, Mozilla's list decides.
 *
 * ```kotlin
 * val client = CharismaClient(options, tokens, serverTrust = AndroidTrust())
 * ```
 */
public class AndroidTrust : ManagedTrust() {
    private val perHost = X509TrustManagerExtensions(manager)

    override fun checkParsed(chain: List<X509Certificate>, host: String) {
        perHost.checkServerTrusted(chain.toTypedArray(), KEY_EXCHANGE, host)
    }
}
