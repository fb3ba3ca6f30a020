package dev.steadfast.tests

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import javax.net.ssl.SSLContext

/** A running mock server. */
class Mock(vararg arguments: String, trust: SSLContext? = null) : AutoCloseable {
    private val process: Process
    private val http: HttpClient = HttpClient.newBuilder().apply { trust?.let(::sslContext) }.build()

    /** Its address. */
    val url: String

    init {
        val program = System.getenv("MOCK_SERVER") ?: error("MOCK_SERVER names no program; run `cargo xtask test kotlin`")
        val waits = arrayOf("--set", "docproc.clarification=wait")
        process = ProcessBuilder(program, "--port", "0", "--step", "40ms", *waits, *arguments)
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val lines = process.inputStream.bufferedReader()
        url = generateSequence(lines::readLine).firstNotNullOf { CONTROL.find(it)?.groupValues?.get(1) }
        // What it prints later must not fill the pipe.
        Thread({ runCatching { lines.forEachLine { } } }, "mock output").apply { isDaemon = true }.start()
    }

    fun post(path: String, body: String): JsonElement? = ask(path, HttpRequest.BodyPublishers.ofString(body))

    fun get(path: String): JsonElement = ask(path, null) ?: error("$path gave nothing")

    /** The open connections of a user, by number. */
    fun connections(user: String): List<String> = connections { it["user"]?.jsonPrimitive?.content == user }

    fun connections(case: Case): List<String> = connections { it["service"]?.jsonPrimitive?.content == case.slug }

    private fun connections(meant: (JsonObject) -> Boolean): List<String> = list(get("connections"))
        .filter(meant)
        .map { it.getValue("connection").jsonPrimitive.content }

    fun token(user: String, ttl: String = "1h"): String =
        post("tokens", """{"sub":"$user","ttl":"$ttl"}""")!!.jsonObject.getValue("token").jsonPrimitive.content

    /** Closes the user's connections from the server's side. */
    fun drop(user: String) = fault("""{"match":{"user":"$user","when":"now"},"action":{"do":"drop","how":"close","code":1011},"times":1}""")

    fun fault(rule: String) {
        post("faults", rule)
    }

    /** Lets the server send a message about a topic. */
    fun emit(service: String, topic: String, event: String?, data: String) {
        val name = event?.let { "\"$it\"" } ?: "null"
        post("emit", """{"service":"$service","topic":"$topic","event":$name,"data":$data}""")
    }

    override fun close() {
        process.destroy()
        process.waitFor()
    }

    private fun list(element: JsonElement): List<JsonObject> = (element as JsonArray).jsonArray.map { it.jsonObject }

    private fun ask(path: String, body: HttpRequest.BodyPublisher?): JsonElement? {
        val request = HttpRequest.newBuilder(URI("$url/_mock/$path"))
        if (body != null) request.header("content-type", "application/json").POST(body)
        val answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString())
        check(answer.statusCode() in 200..299) { "$path: ${answer.statusCode()} ${answer.body()}" }
        return answer.body().ifEmpty { null }?.let(Json::parseToJsonElement)
    }

    companion object {
        private val CONTROL = Regex("control API at (https?://[^/]+)")

        /** One for all tests. */
        val shared: Mock by lazy { Mock().also { Runtime.getRuntime().addShutdownHook(Thread(it::close)) } }
    }
}
