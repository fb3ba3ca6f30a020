import dev.steadfast.CharismaClient
import dev.steadfast.Client
import dev.steadfast.ClientOptions
import dev.steadfast.DevContextClient
import dev.steadfast.DocProcClient
import dev.steadfast.Endpoint
import dev.steadfast.SagaClient
import dev.steadfast.SessionEvent
import dev.steadfast.SubscriptionState
import dev.steadfast.TherapyBridgeClient
import dev.steadfast.logTo
import dev.steadfast.useSuspending
import kotlinx.coroutines.runBlocking
import kotlin.system.exitProcess

private const val USAGE = """follow SERVICE URL TOPIC [--insecure] [--log]

Follows a topic to its end. SERVICE is charisma, therapybridge, saga, docproc or devcontext; a token is taken from the
variable TOKEN. --insecure allows plain ws and http to another machine, --log shows what the client does."""

fun main(arguments: Array<String>) {
    val (flags, words) = arguments.partition { it.startsWith("--") }
    if (words.size != 3) {
        System.err.println(USAGE)
        exitProcess(2)
    }
    val (service, url, topic) = words
    if ("--log" in flags) logTo({ level, line -> System.err.println("$level $line") })
    val options = ClientOptions(
        endpoint = Endpoint.Url(url),
        token = System.getenv("TOKEN"),
        allowInsecure = "--insecure" in flags,
    )
    val well = runBlocking { client(service, options).useSuspending { follow(it, topic) } }
    exitProcess(if (well) 0 else 1)
}

private fun client(service: String, options: ClientOptions): Client<*> = when (service) {
    "charisma" -> CharismaClient(options)
    "therapybridge" -> TherapyBridgeClient(options)
    "saga" -> SagaClient(options)
    "docproc" -> DocProcClient(options)
    "devcontext" -> DevContextClient(options)
    else -> error("there is no service $service\n\n$USAGE")
}

/** Prints what happens; true if the job ended well. */
private suspend fun follow(client: Client<*>, topic: String): Boolean = client.session(topic).use { session ->
    session.events.collect { event ->
        when (event) {
            is SessionEvent.Message -> with(event.message) {
                println(name + (progress?.let { " ${(it * 100).toInt()} %" } ?: ""))
            }
            is SessionEvent.State -> when (val state = event.state) {
                is SubscriptionState.Refused -> println("refused: ${state.why.text}. ${state.why.help}")
                else -> println("subscription: $state")
            }
            is SessionEvent.Gap -> println("something may have been missed")
            else -> {}
        }
    }
    val snapshot = session.snapshot.value
    println("end: ${snapshot?.phase} ${snapshot?.message ?: snapshot?.error ?: ""}")
    snapshot?.terminal == true && snapshot.error == null
}
