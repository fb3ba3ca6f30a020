package dev.steadfast.tests

import com.sun.jna.NativeLibrary
import com.sun.jna.Structure
import kotlinx.coroutines.delay
import java.io.File

/** Counts what the SDK holds of this process: objects of ours, waits, threads, files. */
object Foreign {
    private const val GENERATED = "dev.steadfast.SteadfastKt"
    private val kinds = listOf("TokenProvider", "EventListener", "Logger", "ServerTrust")

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

    /** Memory that is allocated outside of Java's heap, bytes: what the library takes, and the JVM's own. */
    fun allocated(): Long {
        val info = libc.getFunction("mallinfo2").invoke(MallInfo::class.java, arrayOf()) as MallInfo
        return info.uordblks + info.hblkhd
    }

    /** What the C library says of its heaps. */
    @Structure.FieldOrder("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    class MallInfo : Structure(), Structure.ByValue {
        @JvmField var arena = 0L
        @JvmField var ordblks = 0L
        @JvmField var smblks = 0L
        @JvmField var hblks = 0L
        @JvmField var hblkhd = 0L
        @JvmField var usmblks = 0L
        @JvmField var fsmblks = 0L
        @JvmField var uordblks = 0L
        @JvmField var fordblks = 0L
        @JvmField var keepcost = 0L
    }

    private val libc = NativeLibrary.getInstance("c")

    /** Waits until the library holds nothing of ours any more. */
    suspend fun awaitNothing() {
        while (objects().values.sum() + waits() + calls() > 0) delay(10)
    }

    private fun map(name: String): Int =
        size(Class.forName(GENERATED).getDeclaredField(name).apply { isAccessible = true }.get(null))

    private fun size(map: Any): Int =
        map.javaClass.getDeclaredMethod("getSize").apply { isAccessible = true }.invoke(map) as Int
}
