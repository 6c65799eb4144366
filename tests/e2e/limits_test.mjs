// Rates, concurrency and money: what is refused consumes nothing, whoever waits as told passes,
// and no crowd of requests spends more than there is.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  Anthropic,
  assertRefused,
  countingFetch,
  OpenAI,
  poll,
  question,
  QUESTION_TOKENS,
  standard,
  startGateway,
  thrown,
  waitAsTold,
} from './harness.mjs';
import { completion, fakeUpstream, sendJson, streamWords } from './fake_upstream.mjs';

const USED = { input: QUESTION_TOKENS, output: 2 };
const COST = QUESTION_TOKENS * 0.001 + 0.02;
const answering = (t) =>
  fakeUpstream(t, ({ response }) => sendJson(response, completion('Hi.', USED)));

/** An upstream that answers nobody until released. */
async function holding(t, usage = USED) {
  const held = [];
  const upstream = await fakeUpstream(t, ({ response }) => held.push(response));
  upstream.release = () =>
    held.splice(0).forEach((response) => sendJson(response, completion('Hi.', usage)));
  return upstream;
}

describe('rate limits', () => {
  it('the three figures of the contract, as they are written there', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, {
      ...standard(upstream.url),
      limits: {
        tenant_id: {
          requests_per_minute: 120,
          input_tokens_per_minute: 80000,
          concurrent_requests: 6,
        },
      },
    });
    const key = await gateway.key();
    const other = await gateway.key('globex');

    let response;
    let passed = 0;
    for (;;) {
      response = await gateway.chat(key);
      if (response.status !== 200) break;
      passed += 1;
      await response.text();
    }
    // The burst, and what was earned back while it was spent.
    assert.ok(passed >= 120 && passed < 240, `${passed} passed`);
    const { body, headers } = await assertRefused(
      response,
      429,
      'rate_limited',
      'rate_limit_exceeded',
    );
    assert.equal(body.error.type, 'requests');
    assert.equal(headers.get('x-tollgate-rule'), 'limits.tenant_id.requests_per_minute');
    assert.ok(Number(headers.get('retry-after')) >= 1 && Number(headers.get('retry-after')) <= 60);
    assert.equal((await gateway.chat(other)).status, 200, 'another tenant has its own');

    const forwarded = upstream.requests.length;
    await waitAsTold(headers);
    assert.equal((await gateway.chat(key)).status, 200, 'whoever waits as told passes');
    assert.equal(upstream.requests.length, forwarded + 1, 'a refused request was forwarded');
  });

  it('input tokens are counted exactly, and a refused request consumes nothing', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, {
      ...standard(upstream.url),
      limits: {
        tenant_id: {
          requests_per_minute: 1000,
          input_tokens_per_minute: 600,
          concurrent_requests: 10,
        },
      },
    });
    const key = await gateway.key();
    const long = { messages: [{ role: 'user', content: 'word '.repeat(400) }] };
    assert.equal((await gateway.chat(key, long)).status, 200);
    for (let i = 0; i < 5; ++i) {
      const { body } = await assertRefused(await gateway.chat(key, long), 429, 'rate_limited');
      assert.equal(body.error.type, 'tokens');
    }
    // Of 600, some 400 are gone: the five that were refused took nothing of the rest.
    assert.equal((await gateway.chat(key)).status, 200);
  });

  it('SDKs come back by themselves when told when', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, {
      ...standard(upstream.url),
      limits: { tenant_id: { requests_per_minute: 600 } },
    });
    const key = await gateway.key();
    let refused;
    do {
      refused = await gateway.chat(key);
      await refused.text();
    } while (refused.status === 200);
    const counted = countingFetch();
    const client = gateway.openai(key, { maxRetries: 5, fetch: counted });
    const reply = await client.chat.completions.create(question());
    assert.equal(reply.object, 'chat.completion');
    assert.ok(counted.calls <= 3, `${counted.calls} attempts`);
  });

  it('a limit of one route does not touch another', async (t) => {
    const upstream = await answering(t);
    const config = standard(upstream.url);
    config.routes[0].limits = { tenant_id: { requests_per_day: 2 } };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const codes = [];
    for (let i = 0; i < 3; ++i) codes.push((await gateway.chat(key)).status);
    assert.deepEqual(codes, [200, 200, 429]);
    const other = await gateway.post(
      '/v1/completions',
      { model: 'small', prompt: 'a', max_tokens: 2 },
      key,
    );
    assert.equal(other.status, 200);
  });

  it('an observed limit lets pass and says what it would have done', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, {
      ...standard(upstream.url),
      limits: { tenant_id: { requests_per_minute: 1, mode: 'observe' } },
    });
    const key = await gateway.key();
    assert.equal((await gateway.chat(key)).status, 200);
    const second = await gateway.chat(key);
    assert.equal(second.status, 200);
    const { decision } = await gateway.records(second.headers.get('x-request-id'), 'decision');
    assert.match(
      JSON.stringify(decision.decision.observed),
      /limits\.tenant_id\.requests_per_minute/,
    );
  });

  it('concurrency is given back however a request ends', async (t) => {
    const upstream = await holding(t);
    const gateway = await startGateway(t, {
      ...standard(upstream.url),
      limits: { tenant_id: { concurrent_requests: 3 } },
    });
    const key = await gateway.key();
    const leave = new AbortController();
    const running = [gateway.chat(key), gateway.chat(key)];
    const leaving = fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      signal: leave.signal,
      body: JSON.stringify(question()),
      headers: { authorization: `Bearer ${key.secret}`, 'content-type': 'application/json' },
    }).catch(() => null);
    await poll(() => upstream.requests.length === 3, 'three requests at work');
    await assertRefused(await gateway.chat(key), 429, 'concurrency_limited', 'rate_limit_exceeded');

    leave.abort();
    await leaving;
    // A fourth is let in once the one that left is settled.
    const fourth = poll(async () => {
      const response = gateway.chat(key);
      const first = await Promise.race([
        response,
        poll(() => upstream.requests.length >= 4, 'a fourth').then(() => null),
      ]);
      return first === null ? { response } : null;
    }, 'room for a fourth request');
    const { response } = await fourth;
    upstream.release();
    for (const each of [...running, response]) assert.equal((await each).status, 200);
  });
});

describe('one at a time', () => {
  it('whoever has a whole answer may ask again at once', async (t) => {
    const gateway = await startGateway(t, {
      ...standard((await answering(t)).url),
      limits: { tenant_id: { concurrent_requests: 1 } },
    });
    const key = await gateway.key();
    for (let i = 0; i < 100; i += 1) assert.equal((await gateway.chat(key)).status, 200, `${i}`);
  });

  it('and so may who has a stream to its end', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      streamWords(response, ['Hi', '.'], USED),
    );
    const gateway = await startGateway(t, {
      ...standard(upstream.url),
      limits: { tenant_id: { concurrent_requests: 1 } },
    });
    const key = await gateway.key();
    const client = gateway.openai(key, { maxRetries: 0 });
    for (let i = 0; i < 100; i += 1) {
      let text = '';
      for await (const chunk of await client.chat.completions.create({
        ...question(),
        stream: true,
      })) {
        text += chunk.choices[0]?.delta.content ?? '';
      }
      assert.equal(text, 'Hi.');
    }
  });
});

describe('budgets', () => {
  // A request: 100 tokens of output held at a cent each and some input at a tenth: a bit over 1 USD.
  const dear = { max_tokens: 100 };

  it('a crowd never spends more than there is', async (t) => {
    const upstream = await holding(t, { ...USED, output: 100 });
    const config = standard(upstream.url);
    config.tenants.acme.budget = { usd: 5.5, per: 'month', when_exhausted: 'refuse' };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const crowd = 40;
    const refused = [];
    const all = Array.from({ length: crowd }, () =>
      gateway.chat(key, dear).then((response) => {
        if (response.status !== 200) refused.push(response);
        return response;
      }),
    );
    await poll(
      () => refused.length === crowd - 5 && upstream.requests.length === 5,
      'five at work, all others refused',
    );
    upstream.release();
    const statuses = (await Promise.all(all)).map((response) => response.status);
    assert.equal(statuses.filter((status) => status === 200).length, 5);
    for (const response of refused) {
      const { body, headers } = await assertRefused(
        response,
        429,
        'budget_exhausted',
        'project_spend_limit_exceeded',
      );
      assert.equal(body.error.type, 'insufficient_quota');
      assert.equal(headers.get('x-should-retry'), 'false');
      assert.equal(headers.get('retry-after'), null);
    }
    const { usd } = await gateway.spendOf(5);
    assert.ok(Math.abs(usd - 5 * (QUESTION_TOKENS * 0.001 + 1)) < 1e-6, `${usd} spent`);
  });

  for (const usd of [0, 0.000001, 0.05])
    it(`one of ${usd} dollars, less than a request may cost, lets none through`, async (t) => {
      const upstream = await fakeUpstream(t, ({ response }) =>
        sendJson(response, completion('one', { input: QUESTION_TOKENS, output: 1 })),
      );
      const config = standard(upstream.url);
      config.tenants.acme.budget = { usd, per: 'month', when_exhausted: 'refuse' };
      const gateway = await startGateway(t, config);
      const response = await gateway.chat(await gateway.key());
      assert.equal(response.status, 429);
      assert.equal(response.headers.get('x-tollgate-reason'), 'budget_exhausted');
      assert.equal(response.headers.get('x-tollgate-rule'), 'tenants.acme.budget');
      assert.equal(upstream.requests.length, 0);
      assert.equal(await gateway.metric('tollgate_holds_open'), 0);
    });

  it('what was held and not used is given back', async (t) => {
    const upstream = await answering(t); // Uses two of a hundred tokens.
    const config = standard(upstream.url);
    config.tenants.acme.budget = { usd: 1.5, per: 'day', when_exhausted: 'refuse' };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    let passed = 0;
    let response;
    while ((response = await gateway.chat(key, dear)).status === 200) passed += 1;
    // Until less is left than one request may cost at worst.
    assert.ok(passed >= 10 && passed <= 18, `${passed} passed`);
    await assertRefused(response, 429, 'budget_exhausted');
    assert.equal(
      (await gateway.chat(key, { max_tokens: 5 })).status,
      200,
      'a smaller one still fits',
    );
  });

  it('a day ends at midnight of its time zone', async (t) => {
    const upstream = await answering(t);
    const config = standard(upstream.url);
    config.time_zone = 'Asia/Kathmandu';
    config.tenants.acme.budget = { usd: 1.2, per: 'day', when_exhausted: 'refuse' };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const passed = await gateway.chat(key, dear);
    assert.equal(passed.status, 200);
    const { decision } = await gateway.records(passed.headers.get('x-request-id'));
    const [budget] = decision.budget;
    assert.match(budget.window_start, /T18:15:00\.000000Z$/);
    assert.match(budget.window_end, /T00:00:00\+05:45$/);
    assert.equal(Date.parse(budget.window_end) - Date.parse(budget.window_start), 86_400_000);
    let count = 1;
    let response = passed;
    while (response.status === 200) {
      response = await gateway.chat(key, dear);
      count += response.status === 200;
    }
    const { body } = await assertRefused(response, 429, 'budget_exhausted');
    assert.match(body.error.message, /again after \S+T00:00:00\+05:45 \(Asia\/Kathmandu\)\./);
    // What was spent just now is of today in any other zone too.
    await gateway.spendOf(count);
    for (const zone of ['America/New_York', 'UTC']) {
      config.time_zone = zone;
      await gateway.reload(config);
      const refused = await assertRefused(await gateway.chat(key, dear), 429, 'budget_exhausted');
      assert.match(refused.body.error.message, zone === 'UTC' ? /T00:00:00Z\./ : /New_York\)\./);
    }
  });

  it('no SDK asks again', async (t) => {
    const upstream = await answering(t);
    const config = standard(upstream.url);
    config.tenants.acme.budget = { usd: 0, per: 'month', when_exhausted: 'refuse' };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    for (const ask of [
      (fetch) => gateway.openai(key, { maxRetries: 2, fetch }).chat.completions.create(question()),
      (fetch) =>
        gateway
          .anthropic(Anthropic, key, { maxRetries: 2, fetch })
          .messages.create({ ...question(), model: 'claude' }),
    ]) {
      const counted = countingFetch();
      const error = await thrown(() => ask(counted));
      assert.equal(error.status, 429);
      assert.ok(
        error instanceof OpenAI.RateLimitError || error instanceof Anthropic.RateLimitError,
      );
      assert.equal(counted.calls, 1);
    }
    assert.equal(upstream.requests.length, 0);
  });

  it('every scope is charged or none', async (t) => {
    const upstream = await answering(t);
    const config = standard(upstream.url);
    config.budgets = { user_id: { usd: 1000, per: 'day' }, model: { usd: 0.5, per: 'total' } };
    const gateway = await startGateway(t, config);
    const key = await gateway.key('acme', '--user', 'ada');
    await assertRefused(await gateway.chat(key, dear), 429, 'budget_exhausted');
    assert.equal(await gateway.metric('tollgate_holds_open'), 0);
    assert.equal((await gateway.chat(key, { max_tokens: 10 })).status, 200);
    assert.ok(Math.abs((await gateway.spendOf(1)).usd - COST) < 1e-6);
  });
});
