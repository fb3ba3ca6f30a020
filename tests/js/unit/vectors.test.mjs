// The generated reader of envelopes agrees with the golden vectors, frame by frame.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { test } from 'vitest';

// The reader is inside of the package; it is bundled from its source for this test.
const source = new URL('../../../sdk-wasm/npm/src/', import.meta.url).pathname;
const { outputFiles } = await build({
  stdin: { contents: `export * from './frame.js'; export * from './envelope.js';`, resolveDir: source },
  bundle: true, format: 'esm', write: false, platform: 'neutral',
});
const { Picked, Unreadable, readers, excerpt } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);

const vectors = (file) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${file}.json`, import.meta.url), 'utf8')).filter((vector) => vector.direction === 'server');
const services = ['charisma', 'therapybridge', 'saga', 'docproc', 'devcontext'];
const packets = ['', 'open', 'close', 'ping', 'pong', 'upgrade', 'noop', 'connect', 'disconnect', 'event', 'ack', 'connect_error', 'binary_event', 'binary_ack', 'ping', 'pong'];
const statuses = ['uploading', 'analysis_in_progress', 'verifying_ocr', 'complete', 'error', 'transcribing', 'transcribed', 'extracting_notes', 'processed', 'failed', 'ACTIVE', 'PROCESSING', 'COMPLETED', 'FAILED', 'EXPIRED', 'processing', 'completed', 'pending', 'answered', 'follow_up', 'next_question'];
const stages = ['project_review', 'intelligence_report', 'interview_simulation'];

function envelope(p) {
  const out = {};
  const put = (name, value) => {
    if (value !== undefined && !(typeof value === 'number' && Number.isNaN(value))) out[name] = value;
  };
  const shake = (p.bits & 1024) !== 0;
  if (!shake && (p.name !== '' || p.kind)) put('name', p.name);
  for (const name of ['topic', 'item', 'question', 'request', 'text', 'code']) put(name, p[name]);
  if (p.status) put('status', statuses[p.status - 1] ?? 'other');
  const known = stages.filter((_, index) => p.bits & (1 << index));
  if (known.length) put('stages', known);
  const flags = { retryable: 3, can_resume: 5, data_available: 7 };
  for (const [name, at] of Object.entries(flags)) put(name, [undefined, false, true][(p.bits >> at) & 3]);
  if (p.bits & 512) put('has_result', true);
  if (shake) {
    put('sid', p.name);
    put('ping_interval', p.progress);
    put('ping_timeout', p.at);
    put('max_payload', p.eta);
    if (p.bits & 2048) put('upgrades', true);
  } else {
    for (const name of ['progress', 'at', 'eta', 'sequence']) put(name, p[name]);
  }
  return out;
}

for (const service of services) {
  test(`${service}: each frame has the envelope of its vector`, () => {
    const p = new Picked();
    for (const vector of vectors(service)) {
      p.clear();
      readers[service](p, vector.frame);
      const wanted = { ...vector.envelope };
      if (wanted.status !== undefined && !statuses.includes(wanted.status)) wanted.status = 'other';
      const got = envelope(p);
      if (p.message && !p.kind) assert.equal(got.name, wanted.name, vector.id);
      else assert.deepEqual(got, wanted, vector.id);
      if (vector.head) {
        assert.equal(packets[p.head & 15], vector.head.packet, vector.id);
        assert.equal(p.head >> 5, vector.head.attachments ?? 0, vector.id);
        assert.equal((p.head & 16) !== 0, vector.head.namespace !== undefined, vector.id);
        assert.equal((p.head & 15) >= 14, vector.head.probe === true, vector.id);
      }
    }
  });
}

test('bad input is a violation or an unknown message, never a failure', () => {
  const p = new Picked();
  for (const vector of vectors('bad')) {
    p.clear();
    let outcome;
    try {
      readers[vector.service](p, vector.frame);
      outcome = p.message && !p.kind ? 'unknown' : 'message';
    } catch (error) {
      assert.ok(error instanceof Unreadable, `${vector.id}: ${error.stack}`);
      assert.ok(Buffer.byteLength(excerpt(vector.frame)) <= 256, vector.id);
      outcome = 'violation';
    }
    const right = [vector.in_javascript ?? vector.expect, vector.or];
    assert.ok(right.includes(outcome), `${vector.id}: ${outcome}, not ${right.join(' or ')}: ${vector.reason}`);
  }
});
