// A budget that a request no longer fits: another model, less output, or through with an alarm,
// by the SDKs of both dialects, whole and streamed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  Anthropic,
  assertRefused,
  poll,
  question,
  QUESTION_TOKENS,
  standard,
  startGateway,
  startMock,
} from './harness.mjs';
import { completion, fakeUpstream, sendJson } from './fake_upstream.mjs';

const WORDS = 12;
// Twelve tokens of at most a hundred: a bit over a dollar is held, thirteen cents are spent.
const words = { messages: question(`Write ${WORDS} words.`).messages, max_tokens: 100 };
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-6, `${a}, not ${b}`);

/** A tenth of the price of its neighbour, in each dialect. */
function config(upstreamUrl, budget) {
  const made = standard(upstreamUrl);
  const cheap = { price_per_million: { input: 100, output: 1000 } };
  made.models.cheap = { ...made.models.small, ...cheap };
  made.models.haiku = { ...made.models.claude, ...cheap };
  made.routes.find((route) => route.name === 'chat').models.push('cheap');
  made.routes.find((route) => route.name === 'messages').models.push('haiku');
  made.tenants.acme.budget = budget;
  return made;
}

// Of each dialect: what is asked, by whom it is served, and what the caller has of it in the end.
const dialects = {
  openai: {
    asked: 'small',
    served: 'cheap',
    async ask(gateway, key, stream) {
      const { data, response } = await gateway
        .openai(key)
        .chat.completions.create({
          model: 'small',
          ...words,
          stream,
        })
        .withResponse();
      if (!stream) return { response, end: data.choices[0].finish_reason };
      let end;
      for await (const chunk of data) end = chunk.choices[0]?.finish_reason ?? end;
      return { response, end };
    },
    ends: { whole: 'stop', cut: 'length' },
  },
  anthropic: {
    asked: 'claude',
    served: 'haiku',
    async ask(gateway, key, stream) {
      const { data, response } = await gateway
        .anthropic(Anthropic, key)
        .messages.create({
          model: 'claude',
          ...words,
          stream,
        })
        .withResponse();
      if (!stream) return { response, end: data.stop_reason };
      let end;
      for await (const event of data) end = event.delta?.stop_reason ?? end;
      return { response, end };
    },
    ends: { whole: 'end_turn', cut: 'max_tokens' },
  },
};

for (const [name, dialect] of Object.entries(dialects)) {
  describe(`an exhausted budget, ${name}`, () => {
    for (const stream of [false, true]) {
      const how = stream ? 'streamed' : 'whole';

      it(`is served by the cheaper model, ${how}`, async (t) => {
        const mock = await startMock(t);
        const budget = {
          usd: 0.5,
          per: 'total',
          when_exhausted: { downgrade_to: dialect.served },
        };
        const gateway = await startGateway(t, config(mock.url, budget));
        const key = await gateway.key();
        const { response, end } = await dialect.ask(gateway, key, stream);
        assert.equal(end, dialect.ends.whole);
        assert.equal(response.headers.get('x-tollgate-model'), dialect.served);
        assert.equal(response.headers.get('x-tollgate-rule'), 'tenants.acme.budget');
        assert.equal(response.headers.get('x-tollgate-reason'), null);
        const records = await gateway.records(response.headers.get('x-request-id'));
        for (const { decision, model } of Object.values(records)) {
          assert.equal(decision.outcome, 'downgraded');
          assert.equal(decision.code, 'budget_exhausted');
          assert.equal(decision.rule, 'tenants.acme.budget');
          assert.deepEqual(model, { asked: dialect.asked, served: dialect.served, upstream: name });
        }
        const { usage, cost_usd } = records.outcome;
        assert.equal(usage.output, WORDS);
        near(Number(cost_usd), usage.input * 0.0001 + WORDS * 0.001);
        assert.equal(await gateway.metric('tollgate_requests_total', { outcome: 'downgraded' }), 1);
        near((await gateway.spendOf(1)).usd, Number(cost_usd));
        const told = await gateway.json('spend', '--by', 'model');
        const rows = Array.isArray(told) ? told : (told.rows ?? told.spend ?? told.data);
        assert.deepEqual(
          rows.map((row) => row.model ?? row.subject ?? row.name),
          [dialect.served],
        );
      });

      it(`is served with less output, ${how}`, async (t) => {
        const mock = await startMock(t);
        const budget = { usd: 0.5, per: 'total', when_exhausted: { cap_output_tokens: 10 } };
        const gateway = await startGateway(t, config(mock.url, budget));
        const key = await gateway.key();
        const { response, end } = await dialect.ask(gateway, key, stream);
        assert.equal(end, dialect.ends.cut);
        assert.equal(response.headers.get('x-tollgate-model'), dialect.asked);
        assert.equal(response.headers.get('x-tollgate-rule'), 'tenants.acme.budget');
        const { decision, outcome } = await gateway.records(response.headers.get('x-request-id'));
        assert.equal(decision.decision.outcome, 'downgraded');
        assert.equal(outcome.decision.outcome, 'downgraded');
        assert.equal(outcome.usage.output, 10);
      });
    }
  });
}

describe('exhausted budgets', () => {
  it('serve on until nothing fits, and spend no more than there is', async (t) => {
    const mock = await startMock(t);
    const budget = { usd: 1.2, per: 'total', when_exhausted: { downgrade_to: 'cheap' } };
    const gateway = await startGateway(t, config(mock.url, budget));
    const key = await gateway.key();
    const served = [];
    let response;
    for (;;) {
      response = await gateway.chat(key, words);
      if (response.status !== 200) break;
      await response.text();
      served.push(response.headers.get('x-tollgate-model'));
    }
    const { body, headers } = await assertRefused(response, 429, 'budget_exhausted');
    assert.match(body.error.message, /1\.20 USD/);
    assert.equal(headers.get('x-tollgate-rule'), 'tenants.acme.budget');
    assert.equal(headers.get('x-should-retry'), 'false');
    const first = served.indexOf('cheap');
    assert.ok(first >= 1, 'the model that was asked, while it fits');
    assert.ok(
      served.slice(first).every((model) => model === 'cheap'),
      'then the other',
    );
    const { usd } = await gateway.spendOf(served.length);
    assert.ok(usd <= 1.2 && usd > 1.0, `${usd} spent`);
  });

  it('hold a crowd', async (t) => {
    const held = [];
    const upstream = await fakeUpstream(t, ({ response }) => held.push(response));
    // Of the cheap model's worst case, a bit over ten cents, four.
    const budget = { usd: 0.45, per: 'total', when_exhausted: { downgrade_to: 'cheap' } };
    const gateway = await startGateway(t, config(upstream.url, budget));
    const key = await gateway.key();
    let refused = 0;
    const all = Array.from({ length: 40 }, () =>
      gateway.chat(key, { max_tokens: 100 }).then((response) => {
        if (response.status !== 200) refused += 1;
        return response;
      }),
    );
    await poll(() => refused === 36 && upstream.requests.length === 4, 'four at work');
    for (const { body } of upstream.requests) assert.equal(body.model, 'cheap');
    const usage = { input: QUESTION_TOKENS, output: 100 };
    for (const response of held) sendJson(response, completion('Hi.', usage));
    await Promise.all(all);
    const { usd } = await gateway.spendOf(4);
    near(usd, 4 * (QUESTION_TOKENS * 0.0001 + 0.1));
  });

  it('keep what was held for the other model when it is killed', async (t) => {
    const upstream = await fakeUpstream(t, () => {}); // Never answers.
    const made = config(upstream.url, {
      usd: 0.45,
      per: 'total',
      when_exhausted: { downgrade_to: 'cheap' },
    });
    const gateway = await startGateway(t, made);
    const key = await gateway.key();
    const gone = gateway.chat(key, { max_tokens: 100 }).catch(() => {});
    await poll(() => upstream.requests.length === 1, 'the request at work');
    await gateway.program.kill();
    await gone;
    const again = await startGateway(t, made, { cwd: gateway.cwd });
    near((await again.spend()).usd, QUESTION_TOKENS * 0.0001 + 0.1);
    const told = await again.json('spend', '--by', 'model');
    const rows = Array.isArray(told) ? told : (told.rows ?? told.spend ?? told.data);
    assert.deepEqual(
      rows.map((row) => row.model ?? row.subject ?? row.name),
      ['cheap'],
    );
  });

  it('open no model to whom it is closed', async (t) => {
    const mock = await startMock(t);
    const made = config(mock.url, {
      usd: 0.5,
      per: 'total',
      when_exhausted: { downgrade_to: 'hidden' },
    });
    made.models.hidden.price_per_million = { input: 1, output: 1 };
    const gateway = await startGateway(t, made);
    const key = await gateway.key();
    const refused = await gateway.chat(key, words);
    const { headers } = await assertRefused(refused, 429, 'budget_exhausted');
    const { outcome } = await gateway.records(headers.get('x-request-id'));
    assert.deepEqual(outcome.model, { asked: 'small', served: 'small', upstream: 'openai' });
    const wizard = await gateway.key('acme', '--role', 'wizard');
    const served = await gateway.chat(wizard, words);
    assert.equal(served.status, 200, await served.text());
    assert.equal(served.headers.get('x-tollgate-model'), 'hidden');
  });

  it('that allow and alert do so once, and the others still refuse', async (t) => {
    const mock = await startMock(t);
    const made = config(mock.url, { usd: 0.5, per: 'total', when_exhausted: 'allow_and_alert' });
    made.budgets = { global: { usd: 1.5, per: 'total', when_exhausted: 'refuse' } };
    const gateway = await startGateway(t, made);
    const key = await gateway.key();
    let passed = 0;
    let response;
    for (;;) {
      response = await gateway.chat(key, words);
      if (response.status !== 200) break;
      await response.text();
      assert.equal(response.headers.get('x-tollgate-rule'), null);
      const { outcome } = await gateway.records(response.headers.get('x-request-id'));
      assert.equal(outcome.decision.outcome, 'allowed');
      assert.deepEqual(outcome.decision.observed, ['tenants.acme.budget']);
      passed += 1;
    }
    assert.ok(passed >= 2, `${passed} passed`);
    const { headers } = await assertRefused(response, 429, 'budget_exhausted');
    assert.equal(headers.get('x-tollgate-rule'), 'budgets.global');
    const alarms = gateway.program.stderr.match(/budget tenants\.acme\.budget of acme has .*/g);
    assert.equal(alarms.length, 1, alarms.join('\n'));
    assert.match(alarms[0], /reached 20\d\.?\d* % \(1\.01\d* of 0\.50 USD\)/);
    assert.equal(await gateway.metric('tollgate_budget_alerts'), 1);
  });
});
