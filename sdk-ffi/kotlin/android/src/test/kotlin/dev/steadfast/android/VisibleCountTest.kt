package dev.steadfast.android

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class VisibleCountTest {
    private val told = mutableListOf<String>()
    private val count = VisibleCount({ told += "foreground" }, { told += "background" })

    @Test
    fun `the first screen and the last one count`() {
        count.started()
        count.started()
        count.stopped(returns = false)
        assertEquals(listOf("foreground"), told)
        count.stopped(returns = false)
        assertEquals(listOf("foreground", "background"), told)
    }

    @Test
    fun `a screen that is turned has not left`() {
        count.started()
        count.stopped(returns = true)
        count.started()
        assertEquals(listOf("foreground", "foreground"), told)
    }
}
