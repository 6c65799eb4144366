// The OpenAI SDK against the gateway and the mock model: what it gets must be what it would get
// from the provider, and the books must say the same.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  countTokens,
  QUESTION_TOKENS,
  scope,
  startGateway,
  startMock,
  standard,
} from './harness.mjs';
import {
  chunk,
  beginStream,
  completion,
  endStream,
  fakeUpstream,
  sendJson,
} from './fake_upstream.mjs';

const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
};

describe('the OpenAI SDK', () => {
  let gateway, key, client;
  const shared = scope(after);
  before(async () => {
    const mock = await startMock(shared);
    gateway = await startGateway(shared, standard(mock.url));
    key = await gateway.key('acme', '--user', 'ada');
    client = gateway.openai(key);
  });

  it('gets a whole reply, and the books agree with its usage', async () => {
    const ask = {
      model: 'small',
      messages: [{ role: 'user', content: 'Write 20 words.' }],
      max_tokens: 100,
    };
    const before = await gateway.spend();
    const { data, response } = await client.chat.completions.create(ask).withResponse();
    assert.equal(data.object, 'chat.completion');
    assert.equal(data.choices[0].message.role, 'assistant');
    assert.equal(countTokens(data.choices[0].message.content), data.usage.completion_tokens);
    assert.equal(data.usage.completion_tokens, 20);

    const id = response.headers.get('x-request-id');
    const { decision, outcome } = await gateway.records(id);
    assert.equal(decision.decision.outcome, 'allowed');
    assert.equal(decision.actor.tenant, 'acme');
    assert.equal(decision.actor.subject, 'ada');
    assert.equal(outcome.route, 'chat');
    assert.equal(outcome.model.served, 'small');
    assert.equal(outcome.usage.source, 'provider');
    assert.equal(outcome.usage.input, data.usage.prompt_tokens);
    assert.equal(outcome.usage.output, data.usage.completion_tokens);
    const cost = data.usage.prompt_tokens * 0.001 + data.usage.completion_tokens * 0.01;
    assert.ok(Math.abs(Number(outcome.cost_usd) - cost) < 1e-6, `${outcome.cost_usd} for ${cost}`);
    assert.ok(Math.abs(Number(response.headers.get('x-tollgate-cost-usd')) - cost) < 1e-6);
    assert.equal(response.headers.get('x-tollgate-model'), 'small');
    assert.match(response.headers.get('x-ratelimit-limit-requests'), /^\d+$/);

    const after = await gateway.spend();
    assert.ok(Math.abs(after.usd - before.usd - cost) < 1e-6, `spent ${after.usd - before.usd}`);
    assert.equal(after.input - before.input, data.usage.prompt_tokens);
    assert.equal(after.output - before.output, 20);
  });

  it('gets a stream, with usage only where it asked for it', async () => {
    const ask = {
      model: 'small',
      messages: [{ role: 'user', content: 'Write 15 words.' }],
      stream: true,
    };
    for (const asked of [false, true]) {
      const options = asked ? { stream_options: { include_usage: true } } : {};
      const stream = await client.chat.completions.create({ ...ask, ...options });
      let text = '';
      let finish = null;
      const usages = [];
      for await (const part of stream) {
        text += part.choices[0]?.delta.content ?? '';
        finish = part.choices[0]?.finish_reason ?? finish;
        if (part.usage) usages.push(part.usage);
        if (!asked) assert.equal(part.choices.length, 1, 'a chunk that was not asked for');
      }
      assert.equal(countTokens(text), 15);
      assert.equal(finish, 'stop');
      assert.deepEqual(
        usages.map((usage) => usage.completion_tokens),
        asked ? [15] : [],
      );
    }
  });

  it('calls a tool and goes on with its answer', async () => {
    const messages = [{ role: 'user', content: 'How is the weather in Graz?' }];
    const first = await client.chat.completions.create({
      model: 'small',
      messages,
      tools: [WEATHER],
    });
    const [call] = first.choices[0].message.tool_calls;
    assert.equal(first.choices[0].finish_reason, 'tool_calls');
    assert.equal(call.function.name, 'get_weather');
    JSON.parse(call.function.arguments);

    messages.push(first.choices[0].message, {
      role: 'tool',
      tool_call_id: call.id,
      content: '21 degrees',
    });
    const second = await client.chat.completions.create({
      model: 'small',
      messages,
      tools: [WEATHER],
    });
    assert.equal(second.choices[0].finish_reason, 'stop');
    assert.ok(second.choices[0].message.content.length > 0);
  });

  it('streams a tool call whose arguments come in pieces', async () => {
    const runner = client.chat.completions.stream({
      model: 'small',
      messages: [{ role: 'user', content: 'How is the weather in Graz?' }],
      tools: [WEATHER],
    });
    const final = await runner.finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls[0].function.name, 'get_weather');
    JSON.parse(final.choices[0].message.tool_calls[0].function.arguments);
  });

  it('gets two choices, both counted', async () => {
    const { data, response } = await client.chat.completions
      .create({
        model: 'small',
        n: 2,
        messages: [{ role: 'user', content: 'Write 10 words.' }],
        max_tokens: 50,
      })
      .withResponse();
    assert.equal(data.choices.length, 2);
    const { outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(outcome.usage.output, 20);
  });

  it('is cut to the cap of the route, not refused', async () => {
    const { data } = await client.chat.completions
      .create({
        model: 'small',
        messages: [{ role: 'user', content: 'Write 1500 words.' }],
        max_tokens: 5000,
      })
      .withResponse();
    assert.equal(data.usage.completion_tokens, 1000);
    assert.equal(data.choices[0].finish_reason, 'length');
  });

  it('gets embeddings, completions and the models it may use, no others', async () => {
    const embedding = await client.embeddings.create({ model: 'embed', input: ['one', 'two'] });
    assert.equal(embedding.data.length, 2);
    assert.ok(embedding.usage.prompt_tokens >= 2);

    const whole = await client.completions.create({
      model: 'small',
      prompt: 'Write 5 words.',
      max_tokens: 20,
    });
    assert.equal(countTokens(whole.choices[0].text), 5);
    let text = '';
    const stream = await client.completions.create({
      model: 'small',
      prompt: 'Write 5 words.',
      max_tokens: 20,
      stream: true,
    });
    for await (const part of stream) text += part.choices[0]?.text ?? '';
    assert.equal(countTokens(text), 5);

    const models = [];
    for await (const model of client.models.list()) models.push(model.id);
    assert.ok(models.includes('small'));
    assert.ok(!models.includes('hidden'));
  });
});

describe('what goes upstream', () => {
  it('is written anew: our credential, the capped request, nothing of the caller', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('Hi.', { input: QUESTION_TOKENS, output: 2 })),
    );
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key();
    const response = await gateway.post(
      '/v1/chat/completions',
      '{ "model" : "small",  "messages":[{"role":"user","content":"h\\u00e9"}], "seed": 7, "unheard_of": "x" }',
      key,
      {
        cookie: 'a=b',
        'x-forwarded-for': '1.2.3.4',
        'x-stainless-lang': 'js',
        'x-request-id': 'mine',
      },
    );
    assert.equal(response.status, 200);
    assert.notEqual(response.headers.get('x-request-id'), 'mine');

    const [{ headers, body, text, url }] = upstream.requests;
    assert.equal(url, '/v1/chat/completions');
    assert.equal(headers.authorization, 'Bearer upstream-secret');
    assert.ok(!JSON.stringify(headers).includes(key.secret));
    for (const name of ['cookie', 'x-stainless-lang', 'x-forwarded-for'])
      assert.ok(!(name in headers), name);
    assert.equal(body.messages[0].content, 'hé');
    assert.equal(body.seed, 7, 'a harmless field passes');
    assert.equal(body.unheard_of, 'x', 'a single value that nobody knows passes');
    assert.equal(body.max_tokens ?? body.max_completion_tokens, 1000, 'the cap is written in');
    assert.ok(!text.includes(' : '), "the body is not the caller's own bytes");
  });

  it('asks for usage in a stream and hides it, and lets comments pass', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      response.write(': ping\n\n');
      response.write(chunk({ content: 'Hi' }));
      endStream(response, { input: QUESTION_TOKENS, output: 1 });
    });
    const gateway = await startGateway(t, standard(upstream.url));
    const response = await gateway.chat(await gateway.key(), { stream: true });
    const text = await response.text();
    assert.equal(upstream.requests[0].body.stream_options.include_usage, true);
    assert.ok(!text.includes('"usage":{'), text);
    assert.ok(text.includes(': ping'));
    assert.ok(text.endsWith('data: [DONE]\n\n'));
    const { outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(outcome.usage.input, QUESTION_TOKENS);
    assert.equal(outcome.usage.source, 'provider');
  });

  it('keeps two tenants apart in the books', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('Hi.', { input: QUESTION_TOKENS, output: 2 })),
    );
    const gateway = await startGateway(t, standard(upstream.url));
    const [acme, globex] = [await gateway.key('acme'), await gateway.key('globex')];
    for (const key of [acme, acme, globex]) assert.equal((await gateway.chat(key)).status, 200);
    await gateway.spendOf(2, 'acme');
    await gateway.spendOf(1, 'globex');
  });
});
