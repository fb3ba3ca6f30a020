// What the page can do to the server: faults, with the rules in force, and messages of its own.
import { $, act, ask, fill, make, options, say } from './page-tools.js';

const SAMPLES = {
  charisma: { status: 'complete' },
  therapybridge: { status: 'processed', progress: 100 },
  saga: { message: 'hello' },
  docproc: { status: 'COMPLETED', progress: 100 },
  devcontext: { stage: 'project_review', completedStages: ['project_review'], progress: 33, dataAvailable: true },
};
const EVENTS = { saga: 'export_started', docproc: 'progress', devcontext: 'stage_completed' };
export const SERVICES = Object.keys(SAMPLES);

let connections = [];
/** The connections that faults may concern. */
export function showTargets(open, items) {
  connections = open;
  options($('faults').elements.target, items, 'every connection');
}
/** The connection that faults concern, if it is one. */
export function target(connection) {
  $('faults').elements.target.value = connection;
}
/** What is emitted goes to this topic. */
export function emitTo({ service, topic }) {
  emit.service.value = service;
  emit.topic.value = topic;
  sample();
}

// ---- faults

const faults = $('faults').elements;
const emit = $('emit').elements;
const now = (action) => ({ match: { when: 'now' }, action });
const next = (action) => ({ match: { when: 'out' }, action, times: 1 });
const FAULTS = {
  fin: () => now({ do: 'drop', how: 'fin' }),
  rst: () => now({ do: 'drop', how: 'rst' }),
  close: () => now({ do: 'drop', how: 'close', code: Number(faults.code.value) }),
  stall: () => now({ do: 'stall' }),
  resume: () => now({ do: 'resume' }),
  expire: () => now({ do: 'expire_token' }),
  replace: () => now({ do: 'replace' }),
  malformed: () => next({ do: 'malformed' }),
  duplicate: () => next({ do: 'duplicate' }),
  swallow: () => next({ do: 'swallow' }),
  delay: () => next({ do: 'delay', by: faults.by.value }),
  refuse: () => ({ match: { when: 'upgrade' }, action: { do: 'refuse', status: Number(faults.status.value) }, times: 1 }),
};
/** A span of time, as the server takes one. */
const SPAN = /^\d+(\.\d+)?\s*(ms|s|m|h)$/;
/** Whether what stands beside a button is something that it can do. */
function fits(button) {
  const input = button.closest('.pair')?.querySelector('input');
  const wrong = input?.name === 'by' && !SPAN.test(input.value.trim()) ? 'Write a time with its unit, such as 200ms or 2s' : '';
  input?.setCustomValidity(wrong);
  return input?.reportValidity() ?? true;
}
/** Those whom a fault of now concerns. */
function concerned() {
  const chosen = faults.target.value;
  return connections.filter((one) => !chosen || String(one.connection) === chosen);
}
const many = (n) => (n === 1 ? '1 connection' : `${n} connections`);
function nobody() {
  throw new Error(faults.target.value ? `#${faults.target.value} is not connected any more` : 'Nobody is connected: there is nothing to do it to');
}
function fault(button) {
  if (!fits(button)) return undefined;
  if (button.dataset.fault === 'kick') return kick();
  const rule = FAULTS[button.dataset.fault]();
  const chosen = faults.target.value;
  if (chosen && rule.match.when !== 'upgrade') rule.match.connection = Number(chosen);
  return act(async () => {
    const { applied } = await ask('POST', 'faults', rule);
    if (rule.match.when !== 'now') return `${button.textContent}: in force, ${place(rule.match)}, once`;
    if (applied === 0) nobody();
    return `${button.textContent}: done to ${chosen ? `#${chosen}` : many(applied)}`;
  });
}
/** Ends the tokens of those who are concerned for good, also the ones that they have not shown yet. */
function kick() {
  return act(async () => {
    const users = [...new Set(concerned().map((one) => one.user).filter(Boolean))];
    if (concerned().length === 0) nobody();
    if (users.length === 0) throw new Error('Nobody has said yet who it is');
    for (const user of users) await ask('POST', 'kick', { user });
    return `Kicked ${users.join(', ')}: no token of theirs lets in any more`;
  });
}

function sample() {
  const service = emit.service.value;
  const isSample = !emit.data.value || Object.values(SAMPLES).some((one) => JSON.stringify(one, null, 2) === emit.data.value);
  if (isSample) emit.data.value = JSON.stringify(SAMPLES[service] ?? {}, null, 2);
  if (!emit.event.value || Object.values(EVENTS).includes(emit.event.value)) emit.event.value = EVENTS[service] ?? '';
}
/** Lets a Charisma session go on. */
export const confirmOcr = (topic) => act(async () => (await ask('POST', 'confirm', { service: 'charisma', topic }), `OCR of ${topic} confirmed`));

$('emit').addEventListener('submit', (event) => {
  event.preventDefault();
  act(async () => {
    let data;
    try {
      data = JSON.parse(emit.data.value || 'null');
    } catch (error) {
      throw new Error(`The data is not JSON: ${error.message}`);
    }
    const { delivered } = await ask('POST', 'emit', { service: emit.service.value, topic: emit.topic.value, event: emit.event.value || undefined, data });
    return delivered === 1 ? 'Sent to 1 connection' : `Sent to ${delivered} connections`;
  });
});
$('confirm').addEventListener('click', () => (emit.topic.value ? confirmOcr(emit.topic.value) : (say('Write the topic first', true), emit.topic.focus())));
emit.service.addEventListener('change', sample);
$('faults').addEventListener('click', (event) => event.target.dataset.fault && fault(event.target));
$('faults').addEventListener('submit', (event) => event.preventDefault());

const WHERE = { accept: 'a TCP connection', upgrade: 'a connect', in: 'a message from the client', out: 'a message to the client', now: 'the connections' };
/** Where a rule looks, in words. */
function place({ when, service, connection, number, user, topic, type, nth, after, chance }) {
  const of = [service && `on ${service}`, connection && `of #${connection}`, number && `of the service's #${number}`, user && `of ${user}`, topic && `about ${topic}`, type && `called ${type}`];
  const which = [nth && `from the ${nth}th on`, after && `after ${after}`, chance && `with a chance of ${chance}`];
  return [when && `at ${WHERE[when]}`, ...of, ...which].filter(Boolean).join(' ');
}
/** The rules in force, in words. */
export function showRules(rules) {
  fill($('rules'), rules, (rule) => String(rule.id), (rule) => {
    const { do: what, ...how } = rule.action;
    const details = Object.entries(how).filter(([, value]) => value !== null).map(([name, value]) => `${name.replaceAll('_', ' ')} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
    const often = `done ${rule.applied === 1 ? 'once' : `${rule.applied} times`}${rule.times ? ` of ${rule.times}` : ''}`;
    return make('li', {}, make('span', {}, make('b', {}, what.replaceAll('_', ' ')), ` ${[...details, place(rule.match ?? {})].filter(Boolean).join(', ')}; ${often}`),
      make('button', { type: 'button', 'aria-label': `Remove the fault ${what}`, click: () => act(async () => (await ask('DELETE', `faults/${rule.id}`), 'Removed')) }, '✕'));
  });
}
for (const service of SERVICES) emit.service.append(make('option', { value: service }, service));
sample();
