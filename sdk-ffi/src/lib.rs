//! The native libraries that Swift, Kotlin and Python load.
