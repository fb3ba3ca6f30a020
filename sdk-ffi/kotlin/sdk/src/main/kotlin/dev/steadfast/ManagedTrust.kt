package dev.steadfast

import java.io.ByteArrayInputStream
import java.security.KeyStore
import java.security.cert.CertificateFactory
import java.security.cert.X509Certificate
import javax.net.ssl.TrustManagerFactory
import javax.net.ssl.X509TrustManager

/**
 * Trusts whom a trust manager of Java's trusts, by default the system's own. Without it, the JVM trusts what its
 * operating system trusts. On Android take `AndroidTrust` of the Android package, which asks per host.
 *
 * The server's name is checked beside it.
 */
public open class ManagedTrust(
    /** Who decides. */
    protected val manager: X509TrustManager = systemManager(),
) : ServerTrust {
    override fun check(chain: List<ByteArray>, host: String) {
        val factory = CertificateFactory.getInstance("X.509")
        val certificates = chain.map { factory.generateCertificate(ByteArrayInputStream(it)) as X509Certificate }
        checkParsed(certificates, host)
    }

    /** Throws `CertificateException` if the chain is not trusted. */
    protected open fun checkParsed(chain: List<X509Certificate>, host: String): Unit =
        manager.checkServerTrusted(chain.toTypedArray(), KEY_EXCHANGE)

    protected companion object {
        /** What TLS 1.3 gives as the key exchange, which is no part of its suites' names. */
        public const val KEY_EXCHANGE: String = "UNKNOWN"

        private fun systemManager(): X509TrustManager {
            val factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
            factory.init(null as KeyStore?)
            return factory.trustManagers.filterIsInstance<X509TrustManager>().first()
        }
    }
}
