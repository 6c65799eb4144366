// A saturated model server: who waits, who is served, and who is told that there is no place.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertRefused, poll, question, standard, startGateway } from './harness.mjs';
import { completion, fakeUpstream, openaiUsage, sendJson } from './fake_upstream.mjs';

/** A server that answers when it is told to, the oldest request first. */
async function heldUpstream(t) {
  const waiting = [];
  const upstream = await fakeUpstream(t, ({ response, body }) => waiting.push({ response, body }));
  upstream.waiting = waiting;
  upstream.release = () => {
    const { response, body } = waiting.shift();
    sendJson(response, completion('Hello!', openaiUsage({ input: 12, output: 4 })));
    return body;
  };
  return upstream;
}

function saturated(upstream, changes = {}) {
  const config = standard(upstream.url);
  Object.assign(config.upstreams.openai, {
    concurrent_requests: 2,
    queue: { length: 100, wait: '60s' },
    ...changes,
  });
  return config;
}

describe('a saturated upstream', () => {
  it('gives two tenants their shares of tokens, though one asks ten times more', async (t) => {
    const upstream = await heldUpstream(t);
    const config = saturated(upstream);
    const gateway = await startGateway(t, config);
    const keys = { modest: await gateway.key('acme'), greedy: await gateway.key('globex') };
    const served = { modest: 0, greedy: 0 };
    let over = false;
    const refused = [];
    const caller = async (who) => {
      while (!over) {
        const reply = await gateway.post('/v1/chat/completions', question(`I am ${who}.`), keys[who]);
        if (reply.status === 200) await reply.json();
        else if (!over) refused.push(reply.status);
      }
    };
    const callers = [
      ...Array.from({ length: 4 }, () => caller('modest')),
      ...Array.from({ length: 40 }, () => caller('greedy')),
    ];
    for (let released = 0; released < 300; released += 1) {
      await poll(() => upstream.waiting.length === 2, 'two requests at work');
      const body = upstream.release();
      const who = body.messages[0].content.includes('modest') ? 'modest' : 'greedy';
      // The first few came before there was anything to share.
      if (released >= 20) served[who] += 16;
    }
    over = true;
    const end = setInterval(() => upstream.waiting.length > 0 && upstream.release(), 1);
    await Promise.all(callers);
    clearInterval(end);
    assert.deepEqual(refused, []);
    const share = served.modest / (served.modest + served.greedy);
    assert.ok(share > 0.45 && share < 0.55, `${JSON.stringify(served)}: a share of ${share}`);
    assert.equal(await gateway.metric('tollgate_holds_open'), 0);
  });

  it('keeps the weights of tenants', async (t) => {
    const upstream = await heldUpstream(t);
    const config = saturated(upstream);
    config.tenants.acme.weight = 3;
    const gateway = await startGateway(t, config);
    const keys = { heavy: await gateway.key('acme'), light: await gateway.key('globex') };
    const served = { heavy: 0, light: 0 };
    let over = false;
    const caller = async (who) => {
      while (!over) {
        const reply = await gateway.post('/v1/chat/completions', question(`I am ${who}.`), keys[who]);
        await reply.text();
      }
    };
    const callers = ['heavy', 'light'].flatMap((who) =>
      Array.from({ length: 12 }, () => caller(who)),
    );
    for (let released = 0; released < 220; released += 1) {
      await poll(() => upstream.waiting.length === 2, 'two requests at work');
      const body = upstream.release();
      if (released >= 20) served[body.messages[0].content.includes('heavy') ? 'heavy' : 'light'] += 1;
    }
    over = true;
    const end = setInterval(() => upstream.waiting.length > 0 && upstream.release(), 1);
    await Promise.all(callers);
    clearInterval(end);
    const ratio = served.heavy / served.light;
    assert.ok(ratio > 2.7 && ratio < 3.3, `${JSON.stringify(served)}: ${ratio} to 1`);
  });

  it('refuses whom no place came up for, and lets go of whoever leaves', async (t) => {
    const upstream = await heldUpstream(t);
    const config = saturated(upstream, { queue: { length: 3, wait: '100ms' } });
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const busy = [gateway.chat(key), gateway.chat(key)];
    await poll(() => upstream.waiting.length === 2, 'two requests at work');
    const late = await gateway.chat(key);
    await assertRefused(late, 503, 'overloaded', 'server_is_overloaded');
    assert.equal(late.headers.get('x-tollgate-rule'), 'upstreams.openai.queue');
    assert.ok(Number(late.headers.get('retry-after')) >= 1);
    const { outcome } = await gateway.records(late.headers.get('x-request-id'));
    assert.ok(Number(outcome.duration.queue) >= 0.1, JSON.stringify(outcome.duration));
    assert.equal(outcome.cost_usd ?? 0, 0);

    const leaving = new AbortController();
    const gone = fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key.secret}` },
      body: JSON.stringify(question()),
      signal: leaving.signal,
    }).catch(() => 'gone');
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 3, 'three holds');
    leaving.abort();
    assert.equal(await gone, 'gone');
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 2, 'two holds');
    upstream.release();
    upstream.release();
    for (const reply of busy) assert.equal((await reply).status, 200);
    assert.equal(upstream.requests.length, 2);
  });
});
