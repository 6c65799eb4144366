// What a caller sees of a provider that fails: another endpoint, another credential or another
// model serves, each attempt held and on record, and no more of them than allowed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poll, standard, startGateway, writeConfig } from './harness.mjs';
import { completion, fakeUpstream, message, sendJson } from './fake_upstream.mjs';

const USAGE = { input: 12, output: 5 };
const ok = (response, text = 'Hello, world!') => sendJson(response, completion(text, USAGE));
const broken = (response) => sendJson(response, { error: { message: 'out of order' } }, 500);

/** `small` of the first server falls back to `claude`, another dialect, of the second. */
function withFallback(first, second, changes = {}) {
  const config = standard(first.url);
  config.upstreams.anthropic.url = second.url;
  config.models.small = { ...config.models.small, fallback: ['claude'], ...changes };
  config.routes[0].models = ['small', 'claude'];
  return config;
}

/** A whole stream of Anthropic's. */
function streamMessage(response, text) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const events = [
    {
      type: 'message_start',
      message: { ...message('', { input: 12, output: 1 }), content: [], stop_reason: null },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: text } },
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 5 },
    },
    { type: 'message_stop' },
  ];
  for (const event of events) {
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
  response.end();
}

describe('fallback', () => {
  it('serves by a model of another dialect, whole and streamed, with a record of each attempt', async (t) => {
    const first = await fakeUpstream(t, ({ response }) => broken(response));
    const second = await fakeUpstream(t, ({ response, body }) => {
      assert.equal(body.model, 'claude');
      if (!body.stream) return sendJson(response, message('Salut!', { input: 12, output: 5 }));
      streamMessage(response, 'Salut!');
    });
    const gateway = await startGateway(t, withFallback(first, second));
    const key = await gateway.key();
    const client = gateway.openai(key);
    const ask = { model: 'small', messages: [{ role: 'user', content: 'Hi' }] };

    const { data, response } = await client.chat.completions.create(ask).withResponse();
    assert.equal(data.choices[0].message.content, 'Salut!');
    assert.equal(response.headers.get('x-tollgate-model'), 'claude');
    assert.equal(response.headers.get('x-tollgate-rule'), 'models.small.fallback');

    let text = '';
    for await (const piece of await client.chat.completions.create({ ...ask, stream: true })) {
      text += piece.choices[0]?.delta?.content ?? '';
    }
    assert.equal(text, 'Salut!');

    const served = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(served.decision.decision.outcome, 'downgraded');
    assert.equal(served.decision.decision.code, 'error');
    assert.equal(served.decision.attempt, 2);
    assert.deepEqual(
      [served.decision.model.asked, served.decision.model.served],
      ['small', 'claude'],
    );
    const failed = await gateway.records(served.decision.follows);
    assert.equal(failed.outcome.decision.code, 'upstream_error');
    assert.equal(failed.outcome.followed_by, served.decision.id);
    assert.equal(failed.outcome.attempts[0].status, 500);
    assert.equal(failed.outcome.cost_usd ?? 0, 0);

    // Two requests, four attempts; only those that were answered cost anything.
    assert.equal(await gateway.metric('tollgate_requests_total', { outcome: 'downgraded' }), 2);
    assert.equal(await gateway.metric('tollgate_requests_total', { outcome: 'refused' }), 0);
    assert.equal(await gateway.metric('tollgate_retries_total', { upstream: 'openai' }), 2);
    assert.equal(await gateway.metric('tollgate_concurrent_requests'), 0);
    const spend = await poll(async () => {
      const now = await gateway.spend();
      return now.output === 10 && now;
    }, 'both in the books');
    assert.equal(spend.usd, 2 * (12 * 0.001 + 5 * 0.01));
    assert.equal(await gateway.metric('tollgate_holds_open'), 0);
  });

  it('stops waiting for a model that says nothing, and charges what that may have cost', async (t) => {
    const first = await fakeUpstream(t, () => {});
    const second = await fakeUpstream(t, ({ response }) => streamMessage(response, 'Salut!'));
    const config = withFallback(first, second, { fallback_after: '100ms' });
    const gateway = await startGateway(t, config);
    const reply = await gateway.chat(await gateway.key(), { stream: true });
    assert.equal(reply.status, 200);
    assert.match(await reply.text(), /Salut!/);
    assert.equal(reply.headers.get('x-tollgate-model'), 'claude');
    const served = await gateway.records(reply.headers.get('x-request-id'));
    assert.equal(served.decision.decision.code, 'timeout');
    const failed = await gateway.records(served.decision.follows);
    assert.equal(failed.outcome.decision.code, 'upstream_timeout');
    assert.ok(Number(failed.outcome.cost_usd) > 0.5, failed.outcome.cost_usd); // 50 cents of output.
    assert.equal(first.cut, 1);
  });

  it('leaves a dead server alone after some failures, serves by the other, and comes back', async (t) => {
    let dead = true;
    const first = await fakeUpstream(t, ({ request, response }) =>
      dead ? request.socket.destroy() : ok(response),
    );
    const second = await fakeUpstream(t, ({ response }) =>
      sendJson(response, message('Salut!', { input: 12, output: 5 })),
    );
    const config = withFallback(first, second);
    config.retries = { share: 1 };
    config.upstreams.openai.circuit_breaker = { open: '50ms', open_max: '100ms' };
    config.edge.workers = 1;
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    for (let asked = 0; asked < 30; asked += 1) {
      const reply = await gateway.chat(key);
      assert.equal(reply.status, 200);
      assert.equal(reply.headers.get('x-tollgate-model'), 'claude');
    }
    assert.ok(first.requests.length < 15, `${first.requests.length} requests to a dead server`);
    assert.ok((await gateway.metric('tollgate_upstream_circuit_opened', { upstream: 'openai' })) > 0);

    dead = false;
    await poll(async () => {
      const reply = await gateway.chat(key);
      assert.equal(reply.status, 200);
      return reply.headers.get('x-tollgate-model') === 'small';
    }, 'the first server to serve again');
    assert.equal(await gateway.metric('tollgate_upstream_unavailable', { upstream: 'openai' }), 0);
  });

  it('is refused by check where it can never be', async (t) => {
    const first = await fakeUpstream(t, ({ response }) => ok(response));
    const config = standard(first.url);
    config.models.small.fallback = ['smal', 'small', 'claude'];
    config.models.hidden.downgrade = [{ to: 'small' }];
    const gateway = await startGateway(t, standard(first.url));
    writeConfig(gateway.file, config);
    const { code, stdout, stderr } = await gateway.run('check');
    assert.equal(code, 2);
    const said = stdout + stderr;
    assert.match(said, /models\.small\.fallback\[0\].*there is no model `smal`; did you mean `small`\?/);
    assert.match(said, /models\.small\.fallback\[1\].*cannot stand in for itself/);
    assert.match(said, /models\.small\.fallback\[2\].*`claude` can never stand in for `small`/);
    assert.match(said, /models\.hidden\.downgrade\[0\]\.to.*name `budget_used`/);
  });
});

describe('health checks', () => {
  it('leave an endpoint alone that says it is not well, before a request finds out', async (t) => {
    let well = false;
    const servers = [];
    for (let i = 0; i < 2; i += 1) {
      servers.push(
        await fakeUpstream(t, ({ request, response }) => {
          if (request.url !== '/health') return ok(response, `server ${i}`);
          assert.equal(request.headers.authorization, undefined);
          return sendJson(response, {}, i === 0 && !well ? 503 : 200);
        }),
      );
    }
    const config = standard(servers[0].url);
    config.upstreams.openai.urls = servers.map((it) => `${it.url}/v1`);
    delete config.upstreams.openai.url;
    config.upstreams.openai.health_check = { path: '/health', every: '100ms' };
    config.upstreams.openai.circuit_breaker = { open_max: '10m', open: '10m' };
    const gateway = await startGateway(t, config);
    const unavailable = (server) =>
      gateway.metric('tollgate_upstream_unavailable', { url: `${server.url}/v1` });
    await poll(async () => (await unavailable(servers[0])) === 1, 'the first to be left alone');
    assert.equal(await unavailable(servers[1]), 0);
    const key = await gateway.key();
    const ask = (name) => gateway.chat(key, { messages: [{ role: 'user', content: name }] });
    for (let i = 0; i < 10; i += 1) {
      assert.equal((await (await ask(`${i}`)).json()).choices[0].message.content, 'server 1');
    }
    well = true;
    await poll(async () => {
      const reply = await (await ask(`${Math.random()}`)).json();
      return reply.choices[0].message.content === 'server 0';
    }, 'the first to serve again');
  });

  it('hold nobody to a check that was on its way when it was taken out', async (t) => {
    let gaveUp = false;
    let asked = false;
    const server = await fakeUpstream(t, ({ request, response }) => {
      if (request.url !== '/health') return ok(response, 'served');
      asked = true;
      response.on('close', () => (gaveUp = true));
    });
    const config = standard(server.url);
    config.upstreams.openai.health_check = { path: '/health', every: '2s' };
    const gateway = await startGateway(t, config);
    await poll(() => asked, 'the check');
    delete config.upstreams.openai.health_check;
    await gateway.reload(config);
    await poll(() => gaveUp, 'its end');
    const key = await gateway.key();
    for (let i = 0; i < 5; i += 1) {
      const reply = await gateway.chat(key, { messages: [{ role: 'user', content: `${i}` }] });
      assert.equal(reply.status, 200, await reply.text());
    }
    assert.equal(await gateway.metric('tollgate_upstream_unavailable', {}), 0);
  });
});

describe('endpoints', () => {
  it('keep a conversation, and take over from one that fails', async (t) => {
    const servers = [];
    let down = -1;
    for (let i = 0; i < 3; i += 1) {
      servers.push(
        await fakeUpstream(t, ({ response }) => (i === down ? broken(response) : ok(response))),
      );
    }
    const config = standard(servers[0].url);
    config.upstreams.openai.urls = servers.map((it) => `${it.url}/v1`);
    delete config.upstreams.openai.url;
    config.retries = { share: 1 };
    const gateway = await startGateway(t, config);
    const client = gateway.openai(await gateway.key());
    const talk = async (name, turns) => {
      const messages = [{ role: 'user', content: `I am ${name}.` }];
      for (let turn = 0; turn < turns; turn += 1) {
        const { choices } = await client.chat.completions.create({ model: 'small', messages });
        messages.push(choices[0].message, { role: 'user', content: 'And then?' });
      }
    };
    for (let i = 0; i < 12; i += 1) await talk(`caller ${i}`, 4);
    const asked = servers.map((it) => it.requests.length);
    assert.equal(asked.reduce((sum, it) => sum + it), 48);
    // Each conversation was at one of them.
    for (const server of servers) {
      assert.equal(server.requests.length % 4, 0, String(asked));
      assert.ok(server.requests.length > 0, String(asked));
    }
    down = 1;
    for (let i = 0; i < 12; i += 1) await talk(`caller ${i}`, 1); // None fails.
  });

  it('use the next credential where one is refused or limited', async (t) => {
    const seen = [];
    const upstream = await fakeUpstream(t, ({ request, response }) => {
      const credential = request.headers.authorization;
      seen.push(credential);
      if (credential === 'Bearer sk-up-a') return sendJson(response, { error: { message: 'no' } }, 401);
      if (credential === 'Bearer sk-up-b') {
        return sendJson(response, { error: { message: 'slow down' } }, 429, { 'retry-after': '60' });
      }
      return ok(response);
    });
    const config = standard(upstream.url);
    delete config.upstreams.openai.credential;
    config.upstreams.openai.credentials = ['sk-up-a', 'sk-up-b', 'sk-up-c'];
    config.retries = { share: 1 };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    for (let i = 0; i < 6; i += 1) {
      assert.equal((await gateway.chat(key, { messages: [{ role: 'user', content: `${i}` }] })).status, 200);
    }
    // Each of the two that are of no use was tried once, and then left alone.
    assert.ok(seen.filter((it) => it === 'Bearer sk-up-a').length <= 1, String(seen));
    assert.ok(seen.filter((it) => it === 'Bearer sk-up-b').length <= 1, String(seen));
    const metrics = await (await gateway.adminGet('/metrics')).text();
    assert.doesNotMatch(metrics, /sk-up/);
  });
});

describe('downgrade', () => {
  it('serves by a cheaper model once so much of a budget is used', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) => ok(response));
    const config = standard(upstream.url);
    config.models.cheap = {
      ...config.models.small,
      price_per_million: { input: 1, output: 10 },
    };
    config.models.small.downgrade = [{ to: 'cheap', budget_used: 0.5 }];
    config.routes[0].models = ['small', 'cheap'];
    config.tenants.acme.budget.usd = 1.2;
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const models = [];
    let left = 1.2;
    for (let i = 0; i < 20; i += 1) {
      const reply = await gateway.chat(key);
      assert.equal(reply.status, 200);
      const model = reply.headers.get('x-tollgate-model');
      assert.equal(model, left > 0.6 ? 'small' : 'cheap', `${left} dollars were left`);
      if (model === 'cheap') {
        assert.equal(reply.headers.get('x-tollgate-rule'), 'models.small.downgrade[0]');
      }
      models.push(model);
      left = Number(reply.headers.get('x-tollgate-budget-remaining-usd'));
    }
    assert.deepEqual(new Set(models), new Set(['small', 'cheap']));
  });
});
