package dev.steadfast.tests

import dev.steadfast.CharismaClient
import dev.steadfast.ConnectionState
import dev.steadfast.ManagedTrust
import dev.steadfast.ServerTrust
import dev.steadfast.SteadfastException
import dev.steadfast.SubscriptionState
import dev.steadfast.WhyKind
import dev.steadfast.useSuspending
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import java.nio.file.Path

/** Whom a client trusts. */
class TlsTest {
    @ParameterizedTest
    @EnumSource
    fun `a root of one's own`(case: Case) = within {
        val user = "tls-${case.slug}"
        trusted.let { mock ->
            case.client(mock, user) { copy(extraRootPem = listOf(authority.rootPem)) }.useSuspending { client ->
                client.session("quiet-$user").live()
            }
            case.client(mock, user).useSuspending { client ->
                val session = client.session("quiet-$user")
                assertThrows<SteadfastException.Command> { session.live() }
                assertTrue(client.diagnose().text.contains("certificate"), client.diagnose().text)
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    fun `a certificate of another name`(case: Case) = within {
        wrong.let { mock ->
            val options = case.options(mock, "t")
            for (client in listOf(
                case.client(options.copy(extraRootPem = listOf(authority.rootPem))),
                case.client(options, trust = ManagedTrust(authority.manager)),
            )) {
                client.useSuspending {
                    val session = client.session("s")
                    assertThrows<SteadfastException.Command> { session.live() }
                    // Where each session has a connection of its own, it is the session that is refused.
                    val why = (client.state.value as? ConnectionState.Failed)?.why
                        ?: (session.state.value as SubscriptionState.Refused).why
                    assertEquals(WhyKind.TLS, why.kind)
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    fun `a trust manager decides`(case: Case) = within {
        val user = "trust-${case.slug}"
        trusted.let { mock ->
            val asked = mutableListOf<String>()
            val trust = ServerTrust { chain, host ->
                asked += host
                ManagedTrust(authority.manager).check(chain, host)
            }
            case.client(case.options(mock, mock.token(user)), trust = trust).useSuspending { client ->
                client.session("quiet-$user").live()
            }
            assertEquals("127.0.0.1", asked.first())
        }
        Foreign.awaitNothing()
    }

    @Test
    fun `a trust manager refuses`() = within {
        trusted.let { mock ->
            val options = Case.CHARISMA.options(mock, "t")
            for (trust in listOf(ManagedTrust(), ServerTrust { _, _ -> TODO("not trusted, by an Error") })) {
                CharismaClient(options, serverTrust = trust).useSuspending { client ->
                    assertThrows<SteadfastException.Command> { client.ready() }
                    assertEquals(WhyKind.TLS, (client.state.value as ConnectionState.Failed).why.kind)
                }
            }
        }
    }

    private companion object {
        @TempDir
        @JvmStatic
        lateinit var folder: Path

        val authority by lazy { Authority(folder) }
        val trusted by lazy { authority.mock("ip:127.0.0.1") }
        val wrong by lazy { authority.mock("dns:wrong.example") }

        @AfterAll
        @JvmStatic
        fun stop() {
            trusted.close()
            wrong.close()
        }
    }
}
