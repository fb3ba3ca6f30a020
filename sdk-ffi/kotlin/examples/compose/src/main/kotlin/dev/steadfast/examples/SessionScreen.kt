package dev.steadfast.examples

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.material3.Button
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.material3.TextField
import androidx.compose.runtime.Composable
import androidx.compose.runtime.collectAsState
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.rememberCoroutineScope
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.unit.dp
import dev.steadfast.Clarification
import dev.steadfast.DocProcClarificationStatus
import dev.steadfast.DocProcSessionModel
import dev.steadfast.SteadfastException
import kotlinx.coroutines.launch

/** A document on its way through DocProc: how far it is, what the models found, and what they ask. */
@Composable
fun SessionScreen(model: DocProcSessionModel, modifier: Modifier = Modifier) {
    val view by model.view.collectAsState()
    val results by model.modelResults.collectAsState()
    val questions by model.clarifications.collectAsState()

    Column(modifier.padding(16.dp), verticalArrangement = Arrangement.spacedBy(12.dp)) {
        Text(model.topic, style = MaterialTheme.typography.titleMedium)
        val progress = view.snapshot?.progress
        if (progress == null || view.done) {
            Text(if (view.done) "Done" else if (view.isConnected) "Waiting" else "Connecting")
        } else {
            LinearProgressIndicator(progress = { progress.toFloat() }, modifier = Modifier.fillMaxWidth())
            Text(view.snapshot?.message.orEmpty())
        }
        if (view.snapshot?.staleSince != null) Text("Not up to date: the connection was lost")
        view.error?.let { Text(it, color = MaterialTheme.colorScheme.error) }
        results.forEach { Text("${it.modelName}: ${it.status}") }
        questions.filter { it.asked.status == DocProcClarificationStatus.Pending }.forEach { Question(it) }
    }
}

@Composable
private fun Question(question: Clarification) {
    val scope = rememberCoroutineScope()
    var answer by remember(question.asked.clarificationId) { mutableStateOf("") }
    var trouble by remember { mutableStateOf<String?>(null) }

    Text(question.asked.question.orEmpty())
    Row(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
        TextField(answer, { answer = it })
        Button(
            onClick = {
                scope.launch {
                    trouble = try {
                        question.respond(answer)
                        null
                    } catch (error: SteadfastException) {
                        error.message
                    }
                }
            },
        ) { Text("Answer") }
    }
    trouble?.let { Text(it, color = MaterialTheme.colorScheme.error) }
}
