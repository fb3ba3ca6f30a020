package dev.steadfast.android

import android.app.Activity
import android.app.Application
import android.content.Context
import android.net.ConnectivityManager
import android.net.Network
import android.os.Bundle
import dev.steadfast.Client

/**
 * Tells a client what Android tells the app, until it is closed: whether there is a network and that it changed, and
 * whether the app is in front. In the background the connection is closed after 25 s; in front again it is made at once.
 *
 * Call it where the client is made, best in `Application.onCreate`, before any activity has started. Needs Android 7 and
 * the permission `ACCESS_NETWORK_STATE`. May be called from any thread.
 */
public fun Client<*>.followAndroid(application: Application): AutoCloseable {
    val manager = application.getSystemService(Context.CONNECTIVITY_SERVICE) as ConnectivityManager
    val network = DefaultNetwork { online -> networkChanged(online) }
    // It calls at once if there is a network, and is silent if there is none.
    if (manager.activeNetwork == null) networkChanged(online = false)
    manager.registerDefaultNetworkCallback(network)
    val screens = Screens(VisibleCount(::foreground, ::background))
    application.registerActivityLifecycleCallbacks(screens)
    return AutoCloseable {
        manager.unregisterNetworkCallback(network)
        application.unregisterActivityLifecycleCallbacks(screens)
    }
}

/** The network that the app's connections take by default. */
internal class DefaultNetwork(private val changed: (online: Boolean) -> Unit) : ConnectivityManager.NetworkCallback() {
    override fun onAvailable(network: Network): Unit = changed(true)

    override fun onLost(network: Network): Unit = changed(false)
}

/** Counts activities that can be seen. One that is made anew, as the screen was turned, has not left. */
internal class VisibleCount(private val foreground: () -> Unit, private val background: () -> Unit) {
    private var visible = 0

    fun started() {
        visible += 1
        if (visible == 1) foreground()
    }

    fun stopped(returns: Boolean) {
        visible -= 1
        if (visible == 0 && !returns) background()
    }
}

/** Hears of all activities of the app, on the main thread. */
internal class Screens(private val count: VisibleCount) : Application.ActivityLifecycleCallbacks {
    override fun onActivityStarted(activity: Activity): Unit = count.started()

    override fun onActivityStopped(activity: Activity): Unit = count.stopped(activity.isChangingConfigurations)

    override fun onActivityCreated(activity: Activity, state: Bundle?): Unit = Unit

    override fun onActivityResumed(activity: Activity): Unit = Unit

    override fun onActivityPaused(activity: Activity): Unit = Unit

    override fun onActivitySaveInstanceState(activity: Activity, state: Bundle): Unit = Unit

    override fun onActivityDestroyed(activity: Activity): Unit = Unit
}
