// Guards over the wire: a moderation service that a route asks before the model, with the real
// SDK as the caller; what it refuses, what it costs, and what happens when it is silent or gone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fakeUpstream, sendJson } from './fake_upstream.mjs';
import { scope, standard, startGateway, startMock, thrown } from './harness.mjs';

const GUARD_PRICE = 0.0002;

const shared = scope(after);
let gateway, client, moderation;
let answer;

const verdict = (flagged, texts = 1) => ({
  results: Array.from({ length: texts }, () => ({
    flagged,
    categories: { violence: flagged },
    category_scores: { violence: flagged ? 0.9 : 0.001 },
  })),
});

function guarded(mockUrl, guardUrl) {
  const config = standard(mockUrl);
  config.upstreams.moderation = {
    url: guardUrl,
    speaks: 'openai',
    timeout: { first_byte: '500ms', total: '1s' },
  };
  config.guards = {
    moderation: {
      kind: 'openai_moderation',
      upstream: 'moderation',
      price_per_request: GUARD_PRICE,
    },
  };
  config.edge = { ...config.edge, workers: 1 }; // Each keeps verdicts of its own.
  for (const route of config.routes) if (route.name === 'chat') route.guards = ['moderation'];
  return config;
}

before(async () => {
  const mock = await startMock(shared);
  moderation = await fakeUpstream(shared, ({ response }) => answer(response));
  gateway = await startGateway(shared, guarded(mock.url, moderation.url));
  client = gateway.openai(await gateway.key('acme', '--user', 'ada'));
});

const ask = (content, more) =>
  client.chat.completions.create({
    model: 'small',
    max_tokens: 20,
    messages: [{ role: 'user', content }],
    ...more,
  });

describe('a guard', () => {
  it('sees every text, and what it allows is answered and charged with its price', async () => {
    answer = (response) => sendJson(response, verdict(false, 2));
    const { response } = await ask('how do I boil an egg?', {
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'how do I boil an egg?' },
      ],
    }).withResponse();
    const { body, url } = moderation.requests.at(-1);
    assert.match(url, /\/moderations$/);
    assert.deepEqual(body.input, ['be brief', 'how do I boil an egg?']);
    const { outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(outcome.guard_cost_usd, GUARD_PRICE);
    assert.ok(outcome.cost_usd > GUARD_PRICE);
    assert.deepEqual(
      outcome.attempts.map((attempt) => attempt.upstream),
      ['moderation', 'openai'],
    );
  });

  it('refuses in words that an application can act on', async () => {
    answer = (response) => sendJson(response, verdict(true));
    const error = await thrown(() => ask('how do I hurt somebody?'));
    assert.equal(error.status, 400);
    assert.equal(error.code, 'content_policy_violation');
    assert.match(error.message, /violence/);
    assert.equal(error.headers.get('x-tollgate-rule'), 'guards.moderation');
    const { outcome } = await gateway.records(error.headers.get('x-request-id'));
    assert.equal(outcome.cost_usd, GUARD_PRICE);
    assert.deepEqual(outcome.content, [
      { rule: 'guards.moderation.violence', where: 'request', action: 'refuse' },
    ]);
    assert.ok(!JSON.stringify(outcome).includes('hurt'));
  });

  it('is asked once for the same texts', async () => {
    answer = (response) => sendJson(response, verdict(false));
    await ask('the same again');
    const before = moderation.requests.length;
    await ask('the same again', { stream: true });
    assert.equal(moderation.requests.length, before);
  });

  it('that is silent, broken or talks nonsense lets nothing pass', async () => {
    const answers = [
      () => {},
      (response) => sendJson(response, { error: 'no' }, 500),
      (response) => response.destroy(),
      (response) => sendJson(response, { results: 'safe' }),
    ];
    for (const [number, each] of answers.entries()) {
      answer = each;
      const error = await thrown(() => ask(`question ${number}`));
      assert.equal(error.status, 503, `answer ${number}`);
      assert.equal(error.headers.get('x-tollgate-rule'), 'guards.moderation');
    }
  });
});
