package dev.steadfast

/** A message of one service, with what is the same for all services in front. */
public data class TypedMessage<out M : Any>(
    /** Its name as sent, also if this SDK does not know it. */
    val name: String,
    /** The topic it is about; `null` if it is about the connection. */
    val topic: String?,
    /** Its progress as 0.0–1.0, if it tells one; the raw number is in the data. */
    val progress: Double?,
    /** When the service says it happened, Unix ms with fractions. */
    val at: Double?,
    /** It is older than what the snapshot shows. */
    val outdated: Boolean,
    /** It makes up for something missed while the connection was down. */
    val recovered: Boolean,
    /** The message itself. */
    val data: M,
    /** The payload as sent, with the fields this SDK does not know: one JSON value. */
    val raw: String,
) {
    internal companion object {
        /** Takes the service's own message out of one that may be of any service. */
        fun <M : Any> of(message: Message): TypedMessage<M> = with(message) {
            val own: Any = when (val data = data) {
                is ServiceMessage.Charisma -> data.value
                is ServiceMessage.TherapyBridge -> data.value
                is ServiceMessage.Saga -> data.value
                is ServiceMessage.DocProc -> data.value
                is ServiceMessage.DevContext -> data.value
            }
            @Suppress("UNCHECKED_CAST") // a client of one service gets messages of that service
            TypedMessage(name, topic, progress, at, outdated, recovered, own as M, raw)
        }
    }
}
