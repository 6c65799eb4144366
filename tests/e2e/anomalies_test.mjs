// Variants of one prompt over many keys, through the program: seen among ordinary requests, told in
// the record and the metrics, refused where that is asked, and known again after a restart.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { assertRefused, folder, standard, startGateway, startMock, thrown } from './harness.mjs';

// Texts that are the same in every run.
function source(seed) {
  let state = seed;
  const next = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const word = () =>
    Array.from({ length: 4 + next(6) }, () => String.fromCharCode(97 + next(26))).join('');
  const words = (count) => Array.from({ length: count }, word);
  const variant = (base) => {
    const changed = [...base];
    for (let i = 0; i < 3; i++) changed[next(changed.length)] = word();
    return [...changed, ...words(next(4))].join(' ');
  };
  // One that is told with near certainty: which are near enough is a matter of a secret hash.
  const near = (base) => base.with(next(base.length), word()).join(' ');
  return { words, variant, near };
}

function watching(mockUrl, anomalies) {
  const config = standard(mockUrl);
  config.routes.find((route) => route.name === 'chat').anomalies = anomalies;
  return config;
}

async function keysOf(gateway, count) {
  const keys = [];
  for (let i = 0; i < count; i++) keys.push(await gateway.key('acme'));
  return keys;
}

// The first answer that is no success, of a few: five variants alone would be no campaign yet.
async function refusedOf(ask) {
  for (let i = 0; i < 4; i++) {
    const reply = await ask();
    if (reply.status !== 200) return reply;
  }
  assert.fail('none of four variants was refused');
}

const say = (text) => ({
  max_tokens: 5,
  messages: [
    { role: 'system', content: 'You are the assistant of one application with many keys.' },
    { role: 'user', content: text },
  ],
});

describe('a campaign of variants', () => {
  it('is told within 25 of its requests and nothing else is, and survives a restart', async (t) => {
    const mock = await startMock(t);
    const cwd = folder(t);
    const gateway = await startGateway(t, watching(mock.url, {}), { cwd });
    const keys = await keysOf(gateway, 12);
    const { words, variant, near } = source(7);
    const base = words(40);
    let told = 0;
    for (let i = 0; i < 25; i++) {
      for (const key of [keys[8 + (i % 4)], keys[i % 4]]) {
        const usual = await gateway.chat(key, say(words(30).join(' ')));
        assert.equal(usual.status, 200);
        await gateway.records(usual.headers.get('x-request-id'));
        const before = await gateway.metric('tollgate_anomalies', { action: 'alert' });
        assert.equal(before, told);
      }
      const reply = await gateway.chat(keys[i % 8], say(variant(base)));
      assert.equal(reply.status, 200, await reply.text());
      // Its end is on record, and so it is counted.
      await gateway.records(reply.headers.get('x-request-id'));
      told = await gateway.metric('tollgate_anomalies', { action: 'alert' });
    }
    assert.ok(told > 0 && told <= 20, `${told} told`);

    await gateway.program.stop();
    const again = await startGateway(t, watching(mock.url, { on_anomaly: 'refuse' }), { cwd });
    const reply = await refusedOf(() => again.chat(keys[11], say(near(base))));
    const { headers, body } = await assertRefused(reply, 403, 'anomaly_refused');
    assert.match(body.error.message, /\(campaign\)/);
    const { decision } = await again.records(headers.get('x-request-id'));
    assert.equal(decision.decision.rule, 'routes.chat.anomalies');
    assert.deepEqual(decision.anomaly, { score: 80, reasons: ['campaign'], action: 'refuse' });
    assert.ok(decision.prompt.features.words > 30);
    assert.ok(!JSON.stringify(decision).includes(base[0]));
    assert.equal((await again.chat(keys[11], say(words(30).join(' ')))).status, 200);

    const client = again.openai(keys[10]);
    const error = await thrown(async () => {
      for (let i = 0; i < 4; i++) {
        await client.chat.completions.create({ model: 'small', ...say(near(base)) });
      }
    });
    assert.equal(error.status, 403);
    assert.equal(error.code, 'permission_denied');
  });

  it('is forgotten, and that is said, where what was kept is damaged', async (t) => {
    const mock = await startMock(t);
    const cwd = folder(t);
    writeFileSync(path.join(cwd, 'tollgate.db.anomalies'), 'no snapshot');
    const gateway = await startGateway(t, watching(mock.url, {}), { cwd });
    assert.match(gateway.program.stderr, /tollgate\.db\.anomalies: .*learned anew/);
    const [key] = await keysOf(gateway, 1);
    assert.equal((await gateway.chat(key, say('hello'))).status, 200);
  });

  it('is said where it cannot be kept', async (t) => {
    const mock = await startMock(t);
    const cwd = folder(t);
    mkdirSync(path.join(cwd, 'tollgate.db.anomalies'));
    const gateway = await startGateway(t, watching(mock.url, {}), { cwd });
    const [key] = await keysOf(gateway, 1);
    const reply = await gateway.chat(key, say('hello'));
    assert.equal(reply.status, 200);
    await gateway.records(reply.headers.get('x-request-id'));
    await gateway.program.stop();
    assert.match(gateway.program.stderr, /tollgate\.db\.anomalies: it cannot be replaced .*\n/);
    assert.ok(!existsSync(path.join(cwd, 'tollgate.db.anomalies.new')));
  });
});
