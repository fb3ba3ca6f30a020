// The parts that need androidx, for an app of yours: they are not compiled here.

package dev.steadfast.examples

import android.app.Application
import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.setContent
import androidx.activity.viewModels
import androidx.lifecycle.AndroidViewModel
import androidx.lifecycle.viewModelScope
import dev.steadfast.ClientOptions
import dev.steadfast.DocProcClient
import dev.steadfast.DocProcSessionModel
import dev.steadfast.Endpoint
import dev.steadfast.android.AndroidTrust
import dev.steadfast.android.followAndroid

/** One client for the whole app. It hears of the network and of the app's coming and going by itself. */
class ExampleApplication : Application() {
    lateinit var client: DocProcClient

    override fun onCreate() {
        super.onCreate()
        // To the emulator, 10.0.2.2 is the machine that it runs on. It is another address than the emulator's own, so a
        // plain URL must be allowed, here and in the network security configuration. Leave it out for a server with TLS.
        val options = ClientOptions(endpoint = Endpoint.Url("http://10.0.2.2:8090/docproc"), allowInsecure = true)
        client = DocProcClient(options, serverTrust = AndroidTrust())
        client.followAndroid(this)
    }
}

class DocumentViewModel(application: Application) : AndroidViewModel(application) {
    /** Lives as long as the view model, through turns of the screen. */
    val document = DocProcSessionModel((application as ExampleApplication).client, "session_1", viewModelScope)
}

class MainActivity : ComponentActivity() {
    private val model: DocumentViewModel by viewModels()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContent { SessionScreen(model.document) }
    }
}
