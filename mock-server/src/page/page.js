// The page of the mock server: the journal as a sequence chart, connections and topics. Everything it shows came from
// strangers: it goes into the document as text only.
import { SERVICES, confirmOcr, emitTo, showRules, showTargets, target } from './page-hands.js';
import { showServices } from './page-services.js';
import { $, WORDS, act, ask, clock, copy, draw, fill, hooks, make, options, say } from './page-tools.js';
import { showReport } from './page-verdicts.js';

const KEEP = 5000; // entries in view, and as many held back by a pause
const LANES = 10; // more connections share the last lane
const ROW = 24;
const BEATS = new Set(['(ping)', '(pong)', 'ping', 'pong']);
const CLASSES = {
  in: 'in', out: 'out', ping: 'beat', pong: 'beat', open: 'life', close: 'life', request: 'life', upgraded: 'life', authenticated: 'topic', subscribed: 'topic', unsubscribed: 'topic',
  emptied: 'topic', refused: 'bad', auth_failed: 'bad', denied: 'bad', fault: 'fault',
};
// ---- the journal

let entries = [];
let view = [];
let held = [];
let lost = 0; // by the server's bound or by ours
let lastSeq = 0;
let paused = false;
let chosen; // sequence number
let tailing = true;
let resumes = true;
const lanes = new Map(); // connection → lane
const drawn = new Map(); // sequence number → row

const filter = $('filter').elements;
const isBeat = (entry) => entry.what === 'ping' || entry.what === 'pong' || BEATS.has(entry.type);
const way = (entry) => (entry.what === 'in' || entry.what === 'pong' ? 'in' : entry.what === 'out' || entry.what === 'ping' ? 'out' : 'life');
function fits(entry) {
  const text = filter.text.value.toLowerCase();
  return (
    (!filter.service.value || entry.service === filter.service.value) &&
    (!filter.connection.value || entry.connection === Number(filter.connection.value)) &&
    (!filter.direction.value || way(entry) === filter.direction.value) &&
    (!filter.topic.value || (entry.topic ?? '').includes(filter.topic.value.trim())) &&
    (filter.beats.checked || !isBeat(entry)) &&
    (!text || [entry.detail, entry.type, entry.topic, entry.user, WORDS[entry.what]].some((part) => part?.toLowerCase().includes(text)))
  );
}

/** Gives an entry its place: its connection's lane, and the lanes that are in use beside it. */
function place(entry) {
  let lane = lanes.get(entry.connection);
  if (lane === undefined) {
    const used = new Set(lanes.values());
    lane = 0;
    while (used.has(lane) && lane < LANES - 1) lane += 1;
    // What is told of a connection before it is open or after it is over takes no lane for long.
    if (['open', 'in', 'out', 'ping', 'pong', 'subscribed'].includes(entry.what)) lanes.set(entry.connection, lane);
  }
  entry.lane = lane;
  entry.beside = new Set(lanes.values());
  if (entry.what === 'close') lanes.delete(entry.connection);
}

function take(news) {
  for (const entry of news) {
    place(entry);
    entries.push(entry);
    if (fits(entry)) view.push(entry);
  }
  const over = entries.length - KEEP;
  if (over > 0) {
    const first = entries[over].seq;
    entries = entries.slice(over);
    const gone = view.findIndex((entry) => entry.seq >= first);
    const rows = gone < 0 ? view.length : gone;
    view = view.slice(rows);
    if (!tailing) $('chart').scrollTop -= rows * ROW;
  }
  renderSoon();
}

function hear({ entries: news, missed }) {
  if (missed !== heardMissed) {
    lost += Math.max(0, missed - heardMissed);
    heardMissed = missed;
    lanes.clear();
  }
  if (news.length > 0 && news[0].seq <= lastSeq) forget(); // the server was started again
  lastSeq = news.at(-1)?.seq ?? lastSeq;
  if (paused) {
    held.push(...news);
    const over = held.length - KEEP;
    if (over > 0) {
      held.splice(0, over);
      lost += over;
    }
    tell();
  } else take(news);
  refreshSoon(250);
}
function forget() {
  entries = [];
  view = [];
  held = [];
  lanes.clear();
  lost = 0;
  choose(undefined);
  renderSoon();
}
function sift() {
  view = entries.filter(fits);
  drawn.forEach((row) => row.remove());
  drawn.clear();
  render();
}
function pause(on) {
  paused = on;
  $('pause').setAttribute('aria-pressed', String(on));
  if (!on) {
    const news = held;
    held = [];
    take(news);
  }
  tell();
}
function tell() {
  $('pause').textContent = paused ? `Resume (${held.length} new)` : 'Pause';
  const shown = view.length === entries.length ? `${entries.length} entries` : `${view.length} of ${entries.length} entries`;
  $('told').textContent = lost > 0 ? `${shown}, ${lost} missed` : shown;
}

let asked = false;
function renderSoon() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    render();
  });
}
const narrow = matchMedia('(max-width: 720px)');
function render() {
  const chart = $('chart');
  $('rows').style.height = `${view.length * ROW}px`;
  if (tailing) chart.scrollTop = view.length * ROW;
  const from = Math.max(0, Math.floor(chart.scrollTop / ROW) - 8);
  const upTo = Math.min(view.length, Math.ceil((chart.scrollTop + chart.clientHeight) / ROW) + 8);
  const sight = view.slice(from, upTo);
  const step = narrow.matches ? 14 : 26;
  const count = 1 + sight.reduce((most, entry) => Math.max(most, entry.lane, ...entry.beside), 0);
  const width = 22 + count * step;
  if (chart.dataset.width !== String(width)) {
    chart.dataset.width = width;
    chart.style.setProperty('--lanes', `${width}px`);
    drawn.forEach((row) => row.remove());
    drawn.clear();
  }
  const wanted = new Set(sight.map((entry) => entry.seq));
  for (const [seq, row] of drawn) {
    if (wanted.has(seq)) continue;
    row.remove();
    drawn.delete(seq);
  }
  sight.forEach((entry, i) => {
    let row = drawn.get(entry.seq);
    if (!row) {
      row = rowOf(entry, view[from + i - 1], step, width);
      drawn.set(entry.seq, row);
      $('rows').append(row);
    }
    row.style.top = `${(from + i) * ROW}px`;
    row.setAttribute('aria-posinset', from + i + 1);
    row.setAttribute('aria-setsize', view.length);
    row.setAttribute('aria-selected', String(entry.seq === chosen));
  });
  if (drawn.has(chosen)) chart.setAttribute('aria-activedescendant', `row-${chosen}`);
  else chart.removeAttribute('aria-activedescendant');
  $('no-rows').hidden = view.length > 0;
  $('no-rows').textContent = entries.length > 0 ? 'Nothing passes the filter.' : 'No frames yet.';
  $('latest').hidden = tailing;
  tell();
}

const words = { in: 'client to server', out: 'server to client', life: '' };
function rowOf(entry, before, step, width) {
  const gap = before ? Date.parse(entry.at) - Date.parse(before.at) : 0;
  const name = entry.type ?? WORDS[entry.what] ?? entry.what;
  const colour = isBeat(entry) ? 'beat' : (CLASSES[entry.what] ?? 'life');
  const label = [`entry ${entry.seq}`, clock(entry.at), entry.service, entry.connection > 0 && `connection ${entry.connection}`, words[way(entry)], name, entry.topic, entry.detail].filter(Boolean).join(', ');
  const time = clock(entry.at);
  const kind = make('span', { class: 'kind' }, name);
  if (entry.topic) kind.append(' ', make('i', {}, entry.topic));
  return make(
    'div',
    {
      class: `row k-${colour}${gap >= 1000 ? ' late' : ''}`, id: `row-${entry.seq}`, role: 'option', 'aria-label': label.slice(0, 300), 'data-seq': entry.seq, 'data-what': entry.what,
      'data-gap': gap >= 1000 ? `${(gap / 1000).toFixed(1)} s` : undefined,
    },
    make('span', { class: 'seq dim' }, String(entry.seq)),
    make('time', { datetime: entry.at }, narrow.matches ? time.slice(3, 11) : time),
    chartOf(entry, step, width),
    make('span', { class: 'service dim' }, entry.service),
    kind,
    make('span', { class: 'text' }, entry.detail.slice(0, 400)),
  );
}
function chartOf(entry, step, width) {
  const svg = draw('svg', { width, height: ROW, 'aria-hidden': 'true' });
  const server = 8.5;
  const x = (lane) => server + 14 + (lane + 0.5) * step;
  svg.append(draw('line', { class: 'server', x1: server, x2: server, y1: 0, y2: ROW }));
  for (const lane of entry.beside) {
    const own = lane === entry.lane; // it makes room for the connection's number
    const parts = own ? [entry.what !== 'open' && [0, ROW / 2 - 6], entry.what !== 'close' && [ROW / 2 + 6, ROW]] : [[0, ROW]];
    for (const [y1, y2] of parts.filter(Boolean)) svg.append(draw('line', { class: 'lane', x1: x(lane), x2: x(lane), y1, y2 }));
  }
  const mid = ROW / 2;
  const end = x(entry.lane) - 3 - 3 * String(entry.connection).length;
  const tip = (at, to) => draw('path', { class: 'tip', d: `M${at} ${mid}l${-6 * to} -3.5v7z` });
  if (way(entry) === 'life') {
    if (['open', 'close', 'refused', 'request'].includes(entry.what))
      svg.append(draw('line', { class: 'arrow', x1: server, x2: end, y1: mid, y2: mid, 'stroke-dasharray': '2 3' }));
    svg.append(draw('circle', { class: 'tip', cx: server, cy: mid, r: 3 }));
  } else if (way(entry) === 'in') svg.append(draw('line', { class: 'arrow', x1: server + 5, x2: end, y1: mid, y2: mid }), tip(server + 1, -1));
  else svg.append(draw('line', { class: 'arrow', x1: server, x2: end - 5, y1: mid, y2: mid }), tip(end, 1));
  svg.append(draw('text', { x: x(entry.lane), y: mid + 3.5 }, entry.connection || '·')); // 0 is none
  return svg;
}

// ---- one frame

function choose(seq, scroll = false) {
  const entry = entries.find((one) => one.seq === seq);
  // Looking at a frame holds the chart still; it goes on from there afterwards.
  if (entry && chosen === undefined) resumes = tailing;
  if (!entry && chosen !== undefined) tailing = resumes;
  chosen = entry?.seq;
  $('detail').hidden = !entry;
  if (entry) {
    tailing = false;
    show(entry);
    const at = view.indexOf(entry) * ROW;
    const chart = $('chart');
    if (at >= 0 && (scroll || at < chart.scrollTop || at + ROW > chart.scrollTop + chart.clientHeight))
      chart.scrollTop = at < chart.scrollTop + ROW ? at - ROW : at - chart.clientHeight + 2 * ROW;
  }
  renderSoon();
}
let full = '';
async function show(entry) {
  const name = entry.type ?? WORDS[entry.what];
  $('h-detail').textContent = `${{ in: '→ ', out: '← ', life: '' }[way(entry)]}${name}`;
  const facts = {
    time: clock(entry.at), service: entry.service, connection: entry.connection, user: entry.user, topic: entry.topic, direction: words[way(entry)] || undefined, code: entry.code,
    'ended by': entry.by, token: entry.token, rule: entry.rule, entry: entry.seq, 'cut from': entry.cut_from && `${entry.cut_from} bytes`,
  };
  $('facts').replaceChildren(...Object.entries(facts).filter(([, value]) => value !== undefined && value !== null).map(([key, value]) => make('div', {}, make('dt', {}, key), make('dd', {}, String(value)))));
  const put = (text) => {
    full = text;
    $('body').textContent = pretty(text) || '(no text)';
  };
  put(entry.detail);
  if (entry.cut_from) {
    const [whole] = await ask('GET', `log?after=${entry.seq - 1}&limit=1`).catch(() => []);
    if (whole?.seq === chosen) put(whole.detail);
  }
}
/** JSON with line breaks; Socket.IO's digits stay before it. */
function pretty(text) {
  const digits = /^\d*/.exec(text)[0];
  try {
    const value = JSON.parse(text.slice(digits.length));
    return typeof value === 'object' && value !== null ? `${digits}${digits ? ' ' : ''}${JSON.stringify(value, null, 2)}` : text;
  } catch {
    return text;
  }
}

// ---- connections, topics, rules, verdicts

let connections = [];
let timer;
let refreshing = false;
function refreshSoon(ms) {
  if (timer) return;
  timer = setTimeout(() => {
    timer = undefined;
    refresh();
  }, ms);
}
let hasReport = true;
let reportedAt = -1;
let reportAfter = 0;
async function refresh() {
  if (refreshing) return refreshSoon(150);
  refreshing = true;
  try {
    const [open, topics, rules] = await Promise.all([ask('GET', 'connections'), ask('GET', 'topics'), ask('GET', 'faults')]);
    connections = open;
    showConnections();
    showTopics(topics);
    showRules(rules);
    if (hasReport && (reportedAt !== lastSeq || reportAfter < Date.now() - 10_000) && reportAfter < Date.now() - 1000) {
      reportedAt = lastSeq;
      reportAfter = Date.now();
      await ask('GET', 'report').then((report) => showReport(report, prove), (error) => {
        if (error.status === 404) hasReport = false;
        $('verdicts').hidden = true;
      });
    } else if (hasReport && reportedAt !== lastSeq) refreshSoon(1000);
  } catch {
    // The event stream says that the server is away.
  }
  refreshing = false;
}

function showConnections() {
  const shown = connections.slice(0, 200);
  const picked = filter.connection.value;
  fill($('connections'), shown.map((one) => ({ ...one, picked: String(one.connection) === picked })), (one) => String(one.connection), (one) =>
    make('li', {}, make('button', {
      type: 'button', class: 'pick', 'aria-pressed': String(one.picked), title: 'Show only this connection, and aim faults at it',
      click: () => pick(one.picked ? '' : String(one.connection)),
    },
    make('span', { class: 'num' }, `#${one.connection}`),
    make('span', { class: 'cut' }, one.service, ' ', make('span', { class: 'dim' }, one.user ?? 'not known yet')),
    make('time', { class: 'dim', datetime: one.since }, clock(one.since).slice(0, 8)),
    make('span', { class: 'cut dim' }, one.topics.length > 0 ? one.topics.join(', ') : one.path))));
  $('n-connections').textContent = connections.length > shown.length ? `${shown.length} of ${connections.length}` : connections.length || '';
  $('no-connections').hidden = connections.length > 0;
  const items = shown.map((one) => [String(one.connection), `#${one.connection} ${one.service} ${one.user ?? ''}`.trim()]);
  options(filter.connection, items, 'all');
  showTargets(connections, items);
  $('counts').textContent = connections.length === 1 ? '1 connection' : `${connections.length} connections`;
}
function pick(connection) {
  filter.connection.value = connection;
  target(connection);
  sift();
  showConnections();
}

/** What Saga has said of a project, the furthest first: an export comes after its story. */
const SAGA = ['export_failed', 'export_ready', 'export_progress', 'export_started', 'story_processed', 'transcript_updated', 'story_processing', 'story_uploaded'];
/** A topic's state as its service keeps it: how far it is, from 0 to 1, and in which phase. */
const READ = {
  charisma: ({ status, upload }) => ({ done: status?.status === 'complete' ? 1 : status ? status.progress : upload?.progress, phase: status?.status ?? (upload && 'uploading') }),
  therapybridge: ({ progress, status }) => ({ done: progress / 100, phase: status }),
  saga: (state) => {
    const running = state.export_started?.exportId;
    const phase = SAGA.find((name) => state[name] && (!running || !name.startsWith('export') || state[name].exportId === running));
    const { exportId, progress } = state.export_progress ?? {};
    // How far an earlier export came says nothing of this one.
    return { done: phase === 'export_ready' ? 1 : phase?.startsWith('export') && state[phase].exportId === exportId ? progress / 100 : undefined, phase };
  },
  docproc: ({ progress }) => ({ done: progress?.progress / 100, phase: progress?.status }),
  devcontext: ({ completedStages, status }) => ({ done: completedStages?.length / 3, phase: status }),
};
function read({ service, state }) {
  const { done, phase } = READ[service]?.(state ?? {}) ?? {};
  return { done: Number.isFinite(done) ? Math.min(1, Math.max(0, done)) : undefined, phase: typeof phase === 'string' ? phase : '' };
}
function showTopics(topics) {
  const shown = topics.slice(-200);
  fill($('topics'), shown, (topic) => `${topic.service} ${topic.topic}`, (topic) => {
    const { done: progress, phase } = read(topic);
    const status = phase || (topic.running ? 'running' : '');
    const waits = topic.service === 'charisma' && status === 'verifying_ocr';
    return make('li', { class: /fail|error/i.test(status) ? 'failed' : undefined },
      make('button', { type: 'button', class: 'name cut', title: `Show only ${topic.topic}, and emit to it`, click: () => aim(topic) }, topic.topic),
      make('span', { class: 'done' }, progress === undefined ? '' : `${Math.round(progress * 100)} %`),
      make('span', { class: 'of' }, make('span', { class: 'cut' }, [topic.service, status].filter(Boolean).join(' · ')), make('span', {}, topic.subscribers === 1 ? '1 follower' : `${topic.subscribers} followers`)),
      progress === undefined ? undefined : make('progress', { max: 1, value: progress, 'aria-label': `Progress of ${topic.topic}` }),
      waits ? make('button', { type: 'button', class: 'wait', click: () => confirmOcr(topic.topic) }, 'Confirm OCR') : undefined);
  });
  $('n-topics').textContent = topics.length > shown.length ? `${shown.length} of ${topics.length}` : topics.length || '';
  $('no-topics').hidden = topics.length > 0;
  const names = [...new Set(shown.map((topic) => topic.topic))];
  const list = $('topic-names');
  if (names.join('\n') !== [...list.children].map((option) => option.value).join('\n')) list.replaceChildren(...names.map((value) => make('option', { value })));
}
function aim({ service, topic }) {
  const on = filter.topic.value !== topic;
  filter.topic.value = on ? topic : '';
  emitTo({ service, topic });
  sift();
}
function prove(seq) {
  const entry = entries.find((one) => one.seq === seq);
  if (!entry) return say(`Entry ${seq} is not in view any more: GET /_mock/report has it`, true);
  if (!fits(entry)) {
    $('filter').reset();
    sift();
  }
  choose(seq, true);
  $('chart').focus();
}

$('filter').addEventListener('submit', (event) => event.preventDefault());
$('filter').addEventListener('input', () => {
  sift();
  showConnections();
});
$('pause').addEventListener('click', () => pause(!paused));
$('clear').addEventListener('click', () => {
  const open = new Map(lanes);
  forget();
  open.forEach((lane, connection) => lanes.set(connection, lane));
});
$('reset').addEventListener('click', () => $('sure').showModal());
$('sure').addEventListener('close', () => {
  if ($('sure').returnValue !== 'yes') return;
  $('sure').returnValue = '';
  act(async () => {
    await ask('POST', 'reset', {});
    forget();
    return 'The server is as at its start; connections stay open';
  });
});
$('latest').addEventListener('click', () => {
  choose(undefined);
  tailing = true;
  render();
  $('chart').focus();
});
$('close-detail').addEventListener('click', () => {
  choose(undefined);
  $('chart').focus();
});
$('copy').addEventListener('click', () => act(() => copy(full)));
$('detail').addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  choose(undefined);
  $('chart').focus();
});
$('said').addEventListener('click', () => ($('said').className = ''));
$('rows').addEventListener('click', (event) => {
  const seq = Number(event.target.closest('.row')?.dataset.seq);
  if (seq) choose(seq === chosen ? undefined : seq);
});
$('chart').addEventListener('keydown', (event) => {
  const at = view.findIndex((entry) => entry.seq === chosen);
  const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? view.length - 1 : at - 1, Home: 0, End: view.length - 1, PageDown: at + 15, PageUp: at - 15 }[event.key];
  if (event.key === 'Escape') choose(undefined);
  if (to === undefined || view.length === 0) return;
  event.preventDefault();
  choose(view[Math.min(view.length - 1, Math.max(0, at < 0 && event.key === 'ArrowDown' ? view.length - 1 : to))].seq);
});
let scrolledAt = 0;
$('chart').addEventListener('scroll', () => {
  const chart = $('chart');
  const up = chart.scrollTop < scrolledAt;
  scrolledAt = chart.scrollTop;
  const atEnd = chart.scrollTop + chart.clientHeight >= view.length * ROW - ROW;
  if (atEnd && chosen === undefined) tailing = true;
  else if (up && !atEnd) tailing = false;
  renderSoon();
}, { passive: true });
new ResizeObserver(renderSoon).observe($('chart'));
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea, select')) return;
  if (event.key === '/') {
    event.preventDefault();
    filter.text.focus();
  } else if (event.key === 'p') pause(!paused);
});

// ---- begin

for (const service of [...SERVICES, 'echo']) filter.service.append(make('option', { value: service }, service));
showServices();
hooks.refresh = () => refreshSoon(0);
$('address').textContent = location.origin;
let heardMissed = 0;
const link = (state, text) => {
  $('link').dataset.state = state;
  $('link').textContent = text;
};
const news = new EventSource('/_mock/events');
news.addEventListener('open', () => {
  heardMissed = 0;
  link('on', `live on ${location.host}`);
  refreshSoon(0);
});
news.addEventListener('message', (event) => hear(JSON.parse(event.data)));
news.addEventListener('error', () => {
  const over = news.readyState === EventSource.CLOSED;
  link('off', over ? 'the server refuses the journal: too many pages? Reload to try again' : 'the server is away, trying again');
});
setInterval(() => refreshSoon(0), 5000);
tell();
