// What callers see of answers that are given again: from the cache, of a request that is at work,
// and of the same Idempotency-Key; with the real SDKs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Anthropic, poll, question, standard, startGateway, thrown } from './harness.mjs';
import {
  completion,
  fakeUpstream,
  message,
  sendJson,
  streamWords,
} from './fake_upstream.mjs';

const USAGE = { input: 12, output: 5 };
const PRICE = 12 * 0.001 + 5 * 0.01;

/** Each answer is another one, so that none can pass for another. */
const answering = (t) =>
  fakeUpstream(t, ({ response, body, number }) => {
    const text = `answer ${number}`;
    if (body.model === 'claude') return sendJson(response, message(text, USAGE));
    if (body.stream) return streamWords(response, ['answer', ` ${number}`], USAGE);
    return sendJson(response, completion(text, USAGE));
  });

function withPolicy(upstream, policy) {
  const config = standard(upstream.url);
  for (const route of config.routes) {
    if (['chat', 'messages', 'embeddings'].includes(route.name)) Object.assign(route, policy);
  }
  return config;
}

const text = (data) => data.choices[0].message.content;
const cacheOf = (response) => response.headers.get('x-tollgate-cache');

describe('the cache', () => {
  it('answers the users of a tenant by one answer, and nobody else', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(
      t,
      withPolicy(upstream, { cache: { keep: '10m', scope: 'tenant', price_per_hit: 0.002 } }),
    );
    const ada = gateway.openai(await gateway.key('acme', '--user', 'ada'));
    const bob = gateway.openai(await gateway.key('acme', '--user', 'bob'));
    const eve = gateway.openai(await gateway.key('globex', '--user', 'ada'));
    const ask = question();

    const first = await ada.chat.completions.create(ask).withResponse();
    assert.equal(text(first.data), 'answer 1');
    assert.equal(cacheOf(first.response), 'miss');
    const hit = await bob.chat.completions.create(ask).withResponse();
    assert.deepEqual(hit.data, first.data);
    assert.equal(cacheOf(hit.response), 'hit');
    assert.equal(hit.response.headers.get('x-tollgate-cost-usd'), '0.002');
    const other = await eve.chat.completions.create(ask).withResponse();
    assert.equal(text(other.data), 'answer 2');
    assert.equal(cacheOf(other.response), 'miss');
    assert.equal(upstream.requests.length, 2);

    const { decision, outcome } = await gateway.records(hit.response.headers.get('x-request-id'));
    assert.equal(decision.decision.outcome, 'allowed');
    assert.equal(decision.decision.answered_from, 'cache');
    assert.equal(decision.model.served, 'small');
    assert.equal(Number(outcome.cost_usd), 0.002);
    assert.equal(outcome.usage, undefined);
    assert.equal(outcome.attempts, undefined);

    const labels = { route: 'chat' };
    assert.equal(await gateway.metric('tollgate_cache_total', { ...labels, outcome: 'hit' }), 1);
    assert.equal(await gateway.metric('tollgate_cache_total', { ...labels, outcome: 'miss' }), 2);
    assert.equal(await gateway.metric('tollgate_cache_total', { ...labels, outcome: 'stored' }), 2);
    const saved = await gateway.metric('tollgate_cache_saved_usd_total', labels);
    assert.ok(Math.abs(saved - (PRICE - 0.002)) < 1e-9, `${saved}`);
  });

  it('gives streams, messages and embeddings again as they were', async (t) => {
    const upstream = await fakeUpstream(t, ({ request, response, body, number }) => {
      if (request.url.endsWith('/embeddings')) {
        return sendJson(response, {
          object: 'list',
          model: 'embed',
          data: [{ object: 'embedding', index: 0, embedding: [number, 0.5] }],
          usage: { prompt_tokens: 3, total_tokens: 3 },
        });
      }
      if (body.model === 'claude') return sendJson(response, message(`answer ${number}`, USAGE));
      return streamWords(response, ['answer', ` ${number}`], USAGE);
    });
    const gateway = await startGateway(t, withPolicy(upstream, { cache: {} }));
    const key = await gateway.key('acme', '--user', 'ada');
    const openai = gateway.openai(key);
    const anthropic = gateway.anthropic(Anthropic, key);
    const streamed = async () => {
      let all = '';
      const stream = await openai.chat.completions.create({
        ...question(),
        stream: true,
      });
      for await (const piece of stream) all += piece.choices[0]?.delta?.content ?? '';
      return all;
    };
    assert.equal(await streamed(), 'answer 1');
    assert.equal(await streamed(), 'answer 1');

    const ask = { model: 'claude', max_tokens: 50, messages: question().messages };
    const first = await anthropic.messages.create(ask).withResponse();
    const hit = await anthropic.messages.create(ask).withResponse();
    assert.deepEqual(hit.data, first.data);
    assert.equal(cacheOf(hit.response), 'hit');

    const embed = { model: 'embed', input: 'Hello', encoding_format: 'float' };
    const vector = await openai.embeddings.create(embed);
    assert.deepEqual((await openai.embeddings.create(embed)).data, vector.data);
    assert.equal(upstream.requests.length, 3);
  });

  it('answers what is in flight once, on whatever loop it is', async (t) => {
    let release;
    const released = new Promise((resolve) => (release = resolve));
    const upstream = await fakeUpstream(t, async ({ response, number }) => {
      if (number === 1) await released;
      sendJson(response, completion(`answer ${number}`, USAGE));
    });
    const gateway = await startGateway(
      t,
      withPolicy(upstream, { cache: { scope: 'tenant', coalesce: true } }),
    );
    const client = gateway.openai(await gateway.key('acme', '--user', 'ada'));
    const leaves = new AbortController();
    const ask = question();
    const atWork = (count) =>
      poll(async () => (await gateway.metric('tollgate_concurrent_requests')) === count);
    const all = [client.chat.completions.create(ask)];
    await poll(() => upstream.requests.length === 1);
    for (let i = 0; i < 20; ++i) all.push(client.chat.completions.create(ask));
    const gone = assert.rejects(client.chat.completions.create(ask, { signal: leaves.signal }));
    await atWork(22);
    leaves.abort();
    await gone;
    await atWork(21);
    release();
    const texts = (await Promise.all(all)).map(text);
    assert.equal(upstream.requests.length, 1);
    assert.deepEqual(new Set(texts), new Set(['answer 1']));
  });

  it('lets each go on by itself where the first breaks off', async (t) => {
    let release;
    const released = new Promise((resolve) => (release = resolve));
    const upstream = await fakeUpstream(t, async ({ response, number }) => {
      if (number > 1) return sendJson(response, completion('well', USAGE));
      await released;
      response.destroy();
    });
    const config = withPolicy(upstream, { cache: { coalesce: true } });
    config.retries = { attempts: 1 };
    const gateway = await startGateway(t, config);
    const client = gateway.openai(await gateway.key('acme', '--user', 'ada'));
    const ask = question();
    const all = Array.from({ length: 4 }, () => client.chat.completions.create(ask));
    const settled = Promise.allSettled(all);
    await poll(async () => (await gateway.metric('tollgate_concurrent_requests')) === 4);
    release();
    const outcomes = (await settled).map((one) => one.status).sort();
    assert.deepEqual(outcomes, ['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
  });

  it('keeps nothing for a caller that wants an answer of its own', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, withPolicy(upstream, { cache: {} }));
    const key = await gateway.key('acme', '--user', 'ada');
    for (const said of ['no-store', 'no-cache']) {
      const reply = await gateway.post('/v1/chat/completions', question(), key, {
        'cache-control': said,
      });
      await reply.text();
      assert.equal(cacheOf(reply), null);
    }
    assert.equal(upstream.requests.length, 2);
    assert.equal(await gateway.metric('tollgate_cache_total', { outcome: 'stored' }), 0);
  });
});

describe('Idempotency-Key', () => {
  it('gives a retry the answer that was lost on the way, and charges it once', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, withPolicy(upstream, { idempotency: { keep: '10m' } }));
    const key = await gateway.key('acme', '--user', 'ada');
    const ids = [];
    // The answer to the first try is lost behind the gateway.
    const losing = async (url, init) => {
      const reply = await fetch(url, init);
      ids.push(reply.headers.get('x-request-id'));
      if (ids.length > 1) return reply;
      await reply.text();
      throw new TypeError('the connection was lost');
    };
    const client = gateway.openai(key, { maxRetries: 1, fetch: losing });
    const { data, response } = await client.chat.completions
      .create(question(), { headers: { 'Idempotency-Key': 'order-1' } })
      .withResponse();
    assert.equal(text(data), 'answer 1');
    assert.equal(response.headers.get('idempotent-replayed'), 'true');
    assert.equal(response.headers.get('x-tollgate-cost-usd'), '0.00');
    assert.equal(upstream.requests.length, 1);
    const { decision, outcome } = await gateway.records(ids[1]);
    assert.equal(decision.decision.answered_from, 'idempotency_key');
    assert.equal(decision.client_retries, 1);
    assert.equal(outcome.cost_usd, undefined);
    const first = await gateway.records(ids[0]);
    assert.equal(first.decision.client_retries, undefined);
    assert.ok(Math.abs(Number(first.outcome.cost_usd) - PRICE) < 1e-9);
  });

  it('gives an SDK that lost patience what was made meanwhile, and charges it once', async (t) => {
    let release;
    const released = new Promise((resolve) => (release = resolve));
    const upstream = await fakeUpstream(t, async ({ response, number }) => {
      await released;
      sendJson(response, completion(`answer ${number}`, USAGE));
    });
    const gateway = await startGateway(t, withPolicy(upstream, { idempotency: {} }));
    const key = await gateway.key('acme', '--user', 'ada');
    const client = gateway.openai(key, { timeout: 300, maxRetries: 10 });
    const headers = { 'idempotency-key': 'order-7' };
    const asked = client.chat.completions.create(question(), { headers }).withResponse();
    const retries = () => gateway.metric('tollgate_concurrent_requests');
    await poll(async () => (await retries()) >= 2, 'a retry that waits for the first');
    release();
    const { data, response } = await asked;
    assert.equal(text(data), 'answer 1');
    assert.equal(response.headers.get('idempotent-replayed'), 'true');
    assert.equal(upstream.requests.length, 1);
    await poll(async () => (await retries()) === 0, 'the end of all');
    const { usd } = await poll(async () => {
      const spend = await gateway.spend();
      return spend.usd > 0 && spend;
    }, 'what it cost');
    assert.ok(Math.abs(usd - PRICE) < 1e-9, `${usd}`);
  });

  it('refuses another request with the same key, and absurd keys, in the dialect', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, withPolicy(upstream, { idempotency: {} }));
    const key = await gateway.key('acme', '--user', 'ada');
    const openai = gateway.openai(key);
    const anthropic = gateway.anthropic(Anthropic, key);
    const headers = { 'Idempotency-Key': 'order-1' };
    await openai.chat.completions.create(question(), { headers });
    const error = await thrown(() =>
      openai.chat.completions.create(question('Other.'), { headers }),
    );
    assert.equal(error.status, 422);
    assert.equal(error.code, 'idempotency_key_reused');
    assert.equal(error.type, 'idempotency_error');
    assert.match(error.message, /was used with another request/);

    const ask = (words) => ({
      model: 'claude',
      max_tokens: 50,
      messages: question(words).messages,
    });
    // A key holds on its route alone.
    const first = await anthropic.messages.create(ask('One.'), { headers }).withResponse();
    const again = await anthropic.messages.create(ask('One.'), { headers }).withResponse();
    assert.deepEqual(again.data, first.data);
    assert.equal(again.response.headers.get('idempotent-replayed'), 'true');
    const other = await thrown(() => anthropic.messages.create(ask('Two.'), { headers }));
    assert.equal(other.status, 422);
    assert.equal(other.error.error.type, 'invalid_request_error');

    const absurd = await thrown(() =>
      openai.chat.completions.create(
        question(),
        { headers: { 'Idempotency-Key': 'k'.repeat(256) } },
      ),
    );
    assert.equal(absurd.status, 400);
    assert.match(absurd.message, /longer than 255 bytes/);
    assert.equal(upstream.requests.length, 2);
  });

  it('keeps no failure', async (t) => {
    const upstream = await fakeUpstream(t, ({ response, number }) =>
      number === 1
        ? sendJson(response, { error: { message: 'out of order' } }, 500)
        : sendJson(response, completion('well', USAGE)),
    );
    const config = withPolicy(upstream, { idempotency: {} });
    config.retries = { attempts: 1 };
    const gateway = await startGateway(t, config);
    const client = gateway.openai(await gateway.key('acme', '--user', 'ada'), { maxRetries: 1 });
    const data = await client.chat.completions.create(
      question(),
      { headers: { 'Idempotency-Key': 'order-1' } },
    );
    assert.equal(text(data), 'well');
    assert.equal(upstream.requests.length, 2);
  });
});
