package dev.steadfast.tests

import java.io.File
import java.net.Socket
import java.nio.file.Path
import java.security.KeyStore
import java.security.cert.Certificate
import java.security.cert.X509Certificate
import java.util.Base64
import javax.net.ssl.SSLContext
import javax.net.ssl.SSLEngine
import javax.net.ssl.TrustManagerFactory
import javax.net.ssl.X509ExtendedTrustManager
import javax.net.ssl.X509TrustManager

/** A certificate authority of a test, made by the JDK's `keytool`. */
class Authority(private val folder: Path) {
    private val file = folder.resolve("keys.p12").toString()

    init {
        keytool("-alias", "root", "-dname", "CN=A test's root", "-ext", "bc:c")
    }

    private val root: Certificate = store().getCertificate("root")

    /** The certificate to trust. */
    val rootPem: String = pem("CERTIFICATE", root.encoded)

    /** One that trusts this authority alone. */
    val manager: X509TrustManager = run {
        val store = KeyStore.getInstance("PKCS12").apply { load(null) }
        store.setCertificateEntry("root", root)
        val factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
        factory.init(store)
        factory.trustManagers.filterIsInstance<X509TrustManager>().first()
    }

    /** A mock server with a certificate for a name (`dns:…` or `ip:…`). */
    fun mock(name: String): Mock {
        keytool("-alias", name, "-signer", "root", "-dname", "CN=A test's server", "-ext", "san=$name")
        val store = store()
        val chain = folder.resolve("${name.drop(4)}.chain.pem")
        val key = folder.resolve("${name.drop(4)}.key.pem")
        chain.toFile().writeText(store.getCertificateChain(name).joinToString("") { pem("CERTIFICATE", it.encoded) })
        key.toFile().writeText(pem("PRIVATE KEY", store.getKey(name, PASSWORD.toCharArray()).encoded))
        // Our own questions to it are not what is tested, and its name may be another.
        val trust = SSLContext.getInstance("TLS").apply { init(null, arrayOf(Trusting), null) }
        return Mock("--tls", "$chain,$key", trust = trust)
    }

    private fun store() = KeyStore.getInstance(File(file), PASSWORD.toCharArray())

    private fun keytool(vararg arguments: String) {
        val program = File(System.getProperty("java.home"), "bin/keytool").path
        val common = listOf("-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-storetype", "PKCS12", "-keystore", file, "-storepass", PASSWORD)
        val process = ProcessBuilder(listOf(program) + common + arguments).redirectErrorStream(true).start()
        val said = process.inputStream.bufferedReader().readText()
        check(process.waitFor() == 0) { said }
    }

    private fun pem(kind: String, der: ByteArray): String =
        "-----BEGIN $kind-----\n${Base64.getMimeEncoder(64, "\n".toByteArray()).encodeToString(der)}\n-----END $kind-----\n"

    private companion object {
        const val PASSWORD = "test-only"
    }

    private object Trusting : X509ExtendedTrustManager() {
        override fun checkClientTrusted(chain: Array<X509Certificate>, type: String) = Unit
        override fun checkClientTrusted(chain: Array<X509Certificate>, type: String, socket: Socket) = Unit
        override fun checkClientTrusted(chain: Array<X509Certificate>, type: String, engine: SSLEngine) = Unit
        override fun checkServerTrusted(chain: Array<X509Certificate>, type: String) = Unit
        override fun checkServerTrusted(chain: Array<X509Certificate>, type: String, socket: Socket) = Unit
        override fun checkServerTrusted(chain: Array<X509Certificate>, type: String, engine: SSLEngine) = Unit
        override fun getAcceptedIssuers(): Array<X509Certificate> = arrayOf()
    }
}
