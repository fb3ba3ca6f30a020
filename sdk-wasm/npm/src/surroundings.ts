// What happens around a client: the network, the page's visibility, its end and its return.

/** What the client is told. */
export interface Surroundings {
  network(online: boolean): void;
  visible(visible: boolean): void;
  background(): void;
}

/** Watches, where there is something to watch. Gives the function that stops it. */
export function watch(tell: Surroundings): () => void {
  const stops: (() => void)[] = [];
  const on = (target: EventTarget | undefined, type: string, listener: (event: Event) => void): void => {
    if (typeof target?.addEventListener !== 'function') return;
    target.addEventListener(type, listener);
    stops.push(() => target.removeEventListener(type, listener));
  };
  const scope = globalThis as unknown as { document?: Document; navigator?: { onLine?: boolean } } & Partial<EventTarget>;
  const target = typeof scope.addEventListener === 'function' ? (scope as EventTarget) : undefined;
  on(target, 'online', () => tell.network(true));
  on(target, 'offline', () => tell.network(false));
  if (scope.navigator?.onLine === false) tell.network(false);
  const page = scope.document;
  if (page && target) {
    on(page, 'visibilitychange', () => tell.visible(page.visibilityState !== 'hidden'));
    // A page that the browser keeps for the way back is frozen with its sockets.
    on(target, 'pagehide', () => tell.background());
    on(target, 'pageshow', (event) => {
      if ((event as PageTransitionEvent).persisted) tell.visible(true);
    });
    if (page.visibilityState === 'hidden') tell.visible(false);
  }
  return () => {
    for (const stop of stops) stop();
  };
}
