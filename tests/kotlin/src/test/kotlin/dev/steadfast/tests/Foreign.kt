package dev.steadfast.tests

import com.sun.jna.NativeLibrary
import kotlinx.coroutines.delay
import java.io.File
import java.lang.management.ManagementFactory
import javax.management.ObjectName

/** Counts what the SDK holds: objects of ours and its own, waits, memory, tasks, threads, files. */
object Foreign {
    private const val GENERATED = "dev.steadfast.SteadfastKt"
    private val kinds = listOf("NativeTokenProvider", "EventListener", "Logger", "ServerTrust")

    /** Providers, listeners and the like of ours that the library holds. */
    fun objects(): Map<String, Int> = kinds.associateWith { kind ->
        val converter = Class.forName("dev.steadfast.FfiConverterType$kind")
        val field = generateSequence(converter) { it.superclass }
            .firstNotNullOf { type -> type.declaredFields.find { it.name == "handleMap" } }
        size(field.apply { isAccessible = true }.get(converter.getField("INSTANCE").get(null)))
    }

    /** Coroutines that wait for the library. */
    fun waits(): Int = map("uniffiContinuationHandleMap")

    /** Coroutines of ours that the library waits for. */
    fun calls(): Int = map("uniffiForeignFutureHandleMap")

    /** Threads of the library's and of whoever it calls. */
    fun threads(): List<String> = File("/proc/self/task").listFiles().orEmpty()
        .mapNotNull { task -> runCatching { File(task, "comm").readText().trim() }.getOrNull() }
        .filter { it.startsWith("steadfast") }

    /** Open files and sockets. */
    fun files(): Int = File("/proc/self/fd").list().orEmpty().size

    /** What the library counts of its own: blocks of memory, their bytes, tasks. It does where it has debug assertions. */
    data class Held(val blocks: Long, val bytes: Long, val tasks: Long) {
        operator fun minus(other: Held) = Held(blocks - other.blocks, bytes - other.bytes, tasks - other.tasks)

        // A table in use may have become larger: tokio's of threads that may block by 132 bytes when there are four at
        // once, their queue by 64.
        fun isNothing() = blocks <= 0 && bytes < 1024 && tasks <= 0
    }

    fun held(): Held {
        fun count(what: String) = library.getFunction("steadfast_live_$what").invokeLong(arrayOf())
        return Held(count("blocks"), count("bytes"), count("tasks"))
    }

    // The one that the SDK has loaded: another class loader would load another, which holds nothing.
    private val library = NativeLibrary.getInstance("steadfast", Class.forName(GENERATED).classLoader)

    /** The SDK's objects that are alive in Java's heap, which is collected for it, by class. */
    fun instances(): Map<String, Int> {
        val histogram = ManagementFactory.getPlatformMBeanServer().invoke(
            ObjectName("com.sun.management:type=DiagnosticCommand"),
            "gcClassHistogram",
            arrayOf<Any>(arrayOf<String>()),
            arrayOf(Array<String>::class.java.name),
        ) as String
        return histogram.lines().map { it.trim().split(Regex("\\s+")) }
            .filter { it.size >= 4 && it[3].startsWith("dev.steadfast.") && !it[3].startsWith("dev.steadfast.tests.") }
            .associate { it[3].removePrefix("dev.steadfast.") to it[1].toInt() }
    }

    /** Waits until the library holds nothing of ours any more. */
    suspend fun awaitNothing() {
        while (objects().values.sum() + waits() + calls() > 0) delay(10)
    }

    private fun map(name: String): Int =
        size(Class.forName(GENERATED).getDeclaredField(name).apply { isAccessible = true }.get(null))

    private fun size(map: Any): Int =
        map.javaClass.getDeclaredMethod("getSize").apply { isAccessible = true }.invoke(map) as Int
}
