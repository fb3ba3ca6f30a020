// One client for each service, made once, beside the components and never in an effect.
import { connect, type Client, type Service, type ServiceEvent } from 'steadfast';
import { HistoryStore } from './history.js';
import { address, getToken } from './mock.js';

/** A client and what happened to it. */
export interface Line<S extends Service> {
  client: Client<S>;
  history: HistoryStore;
}

// The real limits are 30 s and more; nobody wants to wait that long for a demonstration.
const impatient = {
  silenceLimit: 6000, pingInterval: 3000, pongTimeout: 2000, browserProbeInterval: 3000, probeTimeout: 2000, stableAfter: 2000, maxDelay: 8000,
};

function line<S extends Service>(service: S): Line<S> {
  const history = new HistoryStore();
  const client = connect<S>({
    service,
    url: `${address}/${service}`,
    token: ({ force, signal }) => {
      if (force) history.say('The token was refused; a new one is fetched', 'busy');
      return getToken(service, signal);
    },
    ...impatient,
  });
  client.on('*', (event) => history.take(event as ServiceEvent));
  return { client, history };
}

export const lines = {
  charisma: line('charisma'),
  therapybridge: line('therapybridge'),
  saga: line('saga'),
  docproc: line('docproc'),
  devcontext: line('devcontext'),
};

// When this very module is replaced while developing, its clients go with it.
import.meta.hot?.dispose(() => {
  for (const { client } of Object.values(lines)) void client.close();
});
