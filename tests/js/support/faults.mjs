// Every fault of the mock on every service: what the app sees of it, and that it goes on. In Node and in pages.
import { pause, until } from './wait.mjs';

/** What the server sends about a topic at a progress, and the type under which it arrives. */
const updates = {
  charisma: { type: 'session_status', data: (topic, progress) => ({ type: 'session_status', sessionId: topic, status: 'uploading', progress }) },
  therapybridge: { type: 'progress', data: (topic, progress) => ({ session_id: topic, status: 'transcribing', progress: progress * 100 }) },
  saga: { type: 'export_progress', data: (topic, progress) => ({ projectId: topic, exportId: 'e1', progress: progress * 100 }) },
  docproc: { type: 'progress', data: (topic, progress) => ({ sessionId: topic, status: 'PROCESSING', progress: progress * 100 }) },
  devcontext: { type: 'stage_completed', data: (topic, progress) => ({ analysisId: topic, stage: 'project_review', completedStages: ['project_review'], progress: progress * 100, dataAvailable: true }) },
};
const services = Object.keys(updates);
/** Where an event has a name beside its data. */
const named = ['saga', 'docproc', 'devcontext'];
const SILENCE = 1200;

/** What the servers are started with: one that pings often, one that hardly does. */
export const options = {
  pinging: ['--ping-interval', '200ms', '--ping-timeout', '30s', '--set', 'charisma.heartbeat=json', '--set', 'charisma.ping_interval=200ms', '--set', 'therapybridge.ping_interval=200ms', '--set', 'docproc.auth=on'],
  quiet: ['--set', 'docproc.auth=on'],
};

/**
 * The faults by their names. Each gives a function that tries it on all services at once and tells what went wrong.
 * `place` is part of the topics' names, `servers` are those above: `url`, `emit` and `fault` of each; `catalogue` is what
 * `mock-server faults --json` prints, of which the levels are tried that are named.
 */
export function faults({ place, connect, token, assert, servers, catalogue, levels = ['tcp', 'http', 'websocket', 'message', 'protocol'] }) {
  let count = 0;
  /** A client with one live topic, on one of the servers. */
  async function open(service, server) {
    const topic = `quiet-${service}-${place}-${++count}`;
    const asked = [];
    // Another one when it has to be: those of the same second are alike.
    const provider = ({ force }) => (asked.push(force), token({ sub: topic, ttl: force ? '2h' : '1h', role: service === 'therapybridge' ? 'therapist' : 'facilitator' }));
    const timings = { baseDelay: 20, maxDelay: 100, restartSpread: 50, handshakeTimeout: 3000, pingInterval: 300, pongTimeout: 600, browserProbeInterval: 400, probeTimeout: 600, maxRetryAfter: 1000 };
    const client = connect({ service, url: server.url(service), token: provider, attemptsPerMinute: 60, fetchOnStage: false, ...timings, ...(server === servers.pinging && service !== 'devcontext' ? { silenceLimit: SILENCE } : {}) });
    const subscription = client.subscribe(topic);
    await subscription.live();
    const { type, data } = updates[service];
    const send = (progress) => server.emit(service, topic, data(topic, progress), named.includes(service) ? type : undefined);
    const hears = (progress) => until(client, (event) => event.topic === topic && event.type === type && event.progress === progress, 20_000);
    return {
      service, server, client, subscription, topic, asked, type, send, hears,
      now: (action) => server.fault({ service, topic, when: 'now' }, action),
      next: (action, when = 'out') => server.fault({ service, topic, when, type: when === 'out' && service !== 'therapybridge' ? type : undefined }, action, 1),
      gap: () => until(subscription, (event) => event.type === 'gap'),
    };
  }

  /** It lost its connection once, has its topic again, and hears what follows. */
  async function cameBack({ service, client, subscription, send, hears }) {
    assert.equal(subscription.state.status, 'live', service);
    assert.equal(client.stats().reconnects, 1, service);
    const heard = hears(0.75);
    await send(0.75);
    await heard;
  }
  /** It never lost its connection, and hears what follows. */
  async function stayed({ service, client, send, hears }) {
    const heard = hears(0.75);
    await send(0.75);
    await heard;
    assert.equal(client.stats().reconnects, 0, service);
  }

  const lost = (action) => async (one) => {
    const gap = one.gap();
    await one.now(action);
    await gap;
    await cameBack(one);
  };

  const faults = {
    'drop, by a close frame': lost({ do: 'drop', how: 'close', code: 1001 }),
    'drop, by FIN': lost({ do: 'drop', how: 'fin' }),
    'drop, by RST': lost({ do: 'drop', how: 'rst' }),
    'malformed: it is reported and passed over': async (one) => {
      const violation = until(one.client, (event) => event.type === 'violation');
      await one.next({ do: 'malformed' });
      await one.send(0.25);
      await violation;
      assert.equal(one.client.stats().violations, 1, one.service);
      await stayed(one);
    },
    'duplicate: the picture is that of one': async (one) => {
      await one.next({ do: 'duplicate', copies: 3 });
      const heard = one.hears(0.25);
      await one.send(0.25);
      await heard;
      await stayed(one);
      assert.equal(one.client.stats().violations, 0, one.service);
      if (one.service === 'saga') assert.equal(one.subscription.snapshot.items.length, 1);
    },
    'swallow: what follows is heard': async (one) => {
      const seen = [];
      one.subscription.on('*', (event) => event.type === one.type && seen.push(event.progress));
      await one.next({ do: 'swallow' });
      await one.send(0.25);
      await stayed(one);
      assert.deepEqual(seen, [0.75], one.service);
    },
    'delay: it comes late, and in order': async (one) => {
      const seen = [];
      one.subscription.on('*', (event) => event.type === one.type && seen.push(event.progress));
      await one.next({ do: 'delay', by: '300ms' });
      await one.send(0.25);
      assert.deepEqual(seen, [], one.service);
      await stayed(one);
      assert.deepEqual(seen, [0.25, 0.75], one.service);
    },
    'trickle: bytes in small pieces make the same frames': async (one) => {
      await one.now({ do: 'trickle', bytes: 7, pause: '1ms' });
      await stayed(one);
      assert.equal(one.client.stats().violations, 0, one.service);
    },
    'expire: another token is fetched, and the topic is live again': async (one) => {
      const gap = one.gap();
      await one.now({ do: 'expire_token' });
      await gap;
      assert.ok(one.asked.includes(true), `${one.service}: asked with force`);
      await cameBack(one);
    },
    'replace: the place is taken back only on demand': async (one) => {
      const displaced = until(one.client, (event) => event.type === 'state' && event.state.status === 'displaced');
      await one.now({ do: 'replace' });
      await displaced;
      const gap = one.gap();
      one.client.takeOver();
      await gap;
      await cameBack(one);
    },
    'stall: pings keep a connection, their silence ends it': async (one) => {
      await pause(SILENCE * 1.5);
      assert.equal(one.client.stats().reconnects, 0, one.service);
      await lost({ do: 'stall' })(one);
    },
    'refuse: it is tried again until the server lets it in': async (one) => {
      await one.server.fault({ service: one.service }, { do: 'refuse', status: 503 }, 2);
      await lost({ do: 'drop', how: 'rst' })(one);
      assert.equal(one.client.stats().attempts, 4, one.service);
    },
  };

  async function each(run, server) {
    const all = await Promise.all(services.map((service) => open(service, server)));
    try {
      const results = await Promise.allSettled(all.map(run));
      return results.flatMap(({ reason }, at) => (reason ? [`${services[at]}: ${reason.message}; ${all[at].client.diagnose().text}`] : []));
    } finally {
      for (const { client } of all) await client.close();
    }
  }
  /** Whatever a fault does to the next message, or to the next upgrade after a drop: what follows is heard in the end. */
  const survives = ({ match = {}, action, times = 1 }) => async (one) => {
    one.client.on('state', ({ state }) => state.status === 'displaced' && one.client.takeOver());
    // Where a host sees it, a 404 is about the session on TherapyBridge: it is asked for anew.
    one.client.on('subscription', ({ topic, state }) => state.status === 'refused' && one.client.subscribe(topic));
    if (match.nth) {
      await one.next(action);
    } else {
      await one.server.fault({ ...match, service: one.service }, action, times);
      await one.now({ do: 'drop', how: 'rst' });
    }
    let over = false;
    const heard = one.hears(0.75).finally(() => (over = true));
    for (await one.send(0.25); !over; await Promise.race([heard, pause(200)])) await one.send(0.75);
    await one.client.ready();
  };
  const known = [];
  // Of TCP those alone that concern one connection.
  for (const { name, level, example: { rule } } of catalogue) {
    const { match, ...rest } = JSON.parse(rule ?? '{}');
    if (levels.includes(level) && (match?.nth || (!match && level !== 'tcp'))) known.push([name, survives({ match, ...rest })]);
  }
  const tries = Object.entries(faults).map(([name, run]) => [name, () => each(run, name.startsWith('stall') ? servers.pinging : servers.quiet)]);
  const catalogued = async () => {
    const wrong = [];
    // Some at a time: each has topics of its own.
    const some = async () => {
      for (let next; (next = known.shift()); ) wrong.push(...(await each(next[1], servers.pinging)).map((what) => `${next[0]}: ${what}`));
    };
    const count = known.length;
    await Promise.all(Array.from({ length: 4 }, some));
    return count > 10 ? wrong : [`only ${count} faults`];
  };
  return { ...Object.fromEntries(tries), 'every fault of the catalogue that meets a connection': catalogued };
}
