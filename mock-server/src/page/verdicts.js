// What clients did wrong, with the entries that prove it.
import { $, WORDS, fill, make } from './page-tools.js';

/** Findings that are told of each verdict, and entries of each. */
const MOST = 10;

/** Findings of one kind as one: of the same service about the same token, or saying the same apart from numbers. */
function grouped(findings) {
  const groups = new Map();
  for (const { text, connection, service, proof } of findings) {
    const key = `${service} ${proof.findLast((one) => one.token)?.token ?? text.replace(/\d+(\.\d+)?/g, '#')}`;
    const group = groups.get(key) ?? { times: 0, proof: [] };
    const entries = proof.map(({ seq, what, type }) => ({ seq, name: type ?? WORDS[what] ?? what })).filter(({ seq }) => !group.proof.some((one) => one.seq === seq));
    groups.set(key, { text, connection, service, times: group.times + 1, proof: [...group.proof, ...entries].slice(-MOST) });
  }
  return [...groups.values()].slice(-MOST);
}

/** Shows a report; `prove` shows an entry of the journal. */
export function showReport({ verdicts }, prove) {
  $('verdicts').hidden = false;
  const found = verdicts.reduce((sum, ruling) => sum + ruling.count, 0);
  $('n-verdicts').textContent = found > 0 ? `${found} found` : 'nothing found';
  $('to-verdicts').textContent = found > 0 ? `${found} found` : 'nothing found';
  $('to-verdicts').className = found > 0 ? 'found' : '';
  $('to-verdicts').hidden = false;
  const slim = verdicts.map(({ verdict, count, findings }) => ({ verdict, count, groups: grouped(findings) }));
  fill($('rulings'), slim, (ruling) => ruling.verdict, ({ verdict, count, groups }) => {
    const line = [make('span', { class: count > 0 ? 'found' : 'dim' }, verdict.replaceAll('_', ' ')), make('span', { class: count > 0 ? 'found num' : 'dim' }, count > 0 ? String(count) : '✓')];
    if (count === 0) return make('li', {}, make('div', { class: 'ruling' }, ...line));
    const one = ({ text, connection, service, times, proof }) => [
      make('p', {}, `${service} #${connection}: ${text}${times > 1 ? ` (${times} such)` : ''}`),
      make('div', { class: 'proof' }, ...proof.map(({ seq, name }) => make('button', { type: 'button', title: 'Show this entry in the journal', click: () => prove(seq) }, `${seq} ${name}`))),
    ];
    return make('li', {}, make('details', {}, make('summary', {}, make('span', { class: 'ruling' }, ...line)), ...groups.flatMap(one)));
  });
}
