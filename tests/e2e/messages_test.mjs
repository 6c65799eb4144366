// The Anthropic SDKs of both API versions against the gateway and the mock model.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  Anthropic,
  Anthropic0,
  countingFetch,
  scope,
  standard,
  startGateway,
  startMock,
  thrown,
} from './harness.mjs';
import { fakeUpstream, message, sendJson } from './fake_upstream.mjs';

const WEATHER = {
  name: 'get_weather',
  input_schema: { type: 'object', properties: { city: { type: 'string' } } },
};

for (const [version, Sdk] of [
  ['1.x', Anthropic],
  ['0.x', Anthropic0],
]) {
  describe(`the Anthropic SDK ${version}`, () => {
    const shared = scope(after);
    let gateway, key, client;
    before(async () => {
      const mock = await startMock(shared);
      gateway = await startGateway(shared, standard(mock.url));
      key = await gateway.key();
      client = gateway.anthropic(Sdk, key);
    });
    const ask = (text, more = {}) => ({
      model: 'claude',
      max_tokens: 100,
      messages: [{ role: 'user', content: text }],
      ...more,
    });

    it('gets a whole message, and the books agree with its usage', async () => {
      const { data, response } = await client.messages
        .create(ask('Write 12 words.'))
        .withResponse();
      assert.equal(data.type, 'message');
      assert.equal(data.stop_reason, 'end_turn');
      assert.equal(data.usage.output_tokens, 12);
      const id = response.headers.get('request-id');
      assert.equal(id, response.headers.get('x-request-id'));
      const { outcome } = await gateway.records(id);
      assert.equal(outcome.usage.output, 12);
      assert.equal(outcome.usage.input, data.usage.input_tokens);
      const cost = data.usage.input_tokens * 0.001 + 0.12;
      assert.ok(Math.abs(Number(outcome.cost_usd) - cost) < 1e-6);
      assert.match(response.headers.get('anthropic-ratelimit-requests-limit') ?? '', /^\d+$/);
    });

    it('gets a stream', async () => {
      const stream = client.messages.stream(ask('Write 12 words.'));
      let pieces = 0;
      stream.on('text', () => (pieces += 1));
      const final = await stream.finalMessage();
      assert.equal(final.usage.output_tokens, 12);
      assert.equal(final.stop_reason, 'end_turn');
      assert.ok(pieces > 1);
    });

    it('calls a tool, whole and streamed', async () => {
      const whole = await client.messages.create(ask('How is the weather?', { tools: [WEATHER] }));
      const streamed = await client.messages
        .stream(ask('How is the weather?', { tools: [WEATHER] }))
        .finalMessage();
      for (const reply of [whole, streamed]) {
        assert.equal(reply.stop_reason, 'tool_use');
        const call = reply.content.find((block) => block.type === 'tool_use');
        assert.equal(call.name, 'get_weather');
        assert.equal(typeof call.input, 'object');
      }
    });

    it('is cut to the cap of the route', async () => {
      const reply = await client.messages.create(ask('Write 1500 words.', { max_tokens: 4000 }));
      assert.equal(reply.usage.output_tokens, 1000);
      assert.equal(reply.stop_reason, 'max_tokens');
    });

    it('gets refusals as the exceptions it knows, and does not retry them', async () => {
      const cases = [
        [
          () => ({ apiKey: 'tg_live_nonsense' }),
          ask('Hi'),
          Sdk.AuthenticationError,
          401,
          'authentication_error',
          'invalid_credential',
        ],
        [
          () => ({}),
          { ...ask('Hi'), model: 'absent' },
          Sdk.NotFoundError,
          404,
          'not_found_error',
          'model_not_found',
        ],
        [
          () => ({}),
          ask('Hi', { tools: [{ ...WEATHER, name: 'delete_all' }] }),
          Sdk.PermissionDeniedError,
          403,
          'permission_error',
          'tool_not_allowed',
        ],
        [
          () => ({}),
          ask('word '.repeat(9000)),
          Sdk.BadRequestError,
          400,
          'invalid_request_error',
          'prompt_too_large',
        ],
        [
          () => ({}),
          ask('x'.repeat(70_000)),
          Sdk.APIError,
          413,
          'request_too_large',
          'body_too_large',
        ],
      ];
      for (const [options, body, Class, status, type, reason] of cases) {
        const counted = countingFetch();
        const picky = gateway.anthropic(Sdk, key, { maxRetries: 2, fetch: counted, ...options() });
        const error = await thrown(() => picky.messages.create(body));
        assert.ok(error instanceof Class, `${reason}: ${error.constructor.name} ${error.message}`);
        assert.equal(error.status, status, reason);
        assert.equal(error.error.type, 'error');
        assert.equal(error.error.error.type, type, reason);
        assert.equal(error.headers.get('x-tollgate-reason'), reason);
        assert.match(error.headers.get('request-id'), /\S/);
        assert.equal(counted.calls, 1, `${reason} was retried`);
      }
    });
  });
}

describe('Anthropic upstreams', () => {
  it('get the key and version header of their dialect, and cached input is priced as told', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(
        response,
        message(
          'Hi.',
          { input: 10, output: 3 },
          {
            usage: {
              input_tokens: 10,
              cache_read_input_tokens: 4,
              cache_creation_input_tokens: 0,
              output_tokens: 3,
            },
          },
        ),
      ),
    );
    const gateway = await startGateway(t, standard(upstream.url));
    const client = gateway.anthropic(Anthropic, await gateway.key());
    const { response } = await client.messages
      .create({
        model: 'claude',
        max_tokens: 20,
        messages: [{ role: 'user', content: 'Hello there, you.' }],
      })
      .withResponse();
    const [{ url, headers }] = upstream.requests;
    assert.equal(url, '/v1/messages');
    assert.equal(headers['x-api-key'], 'upstream-secret');
    assert.match(headers['anthropic-version'], /^\d{4}-\d{2}-\d{2}$/);
    assert.ok(!('authorization' in headers));
    const { outcome } = await gateway.records(response.headers.get('request-id'));
    assert.equal(outcome.usage.cached_input, 4);
    assert.ok(
      Math.abs(Number(outcome.cost_usd) - (10 * 0.001 + 4 * 0.0005 + 3 * 0.01)) < 1e-6,
      `${outcome.cost_usd}`,
    );
  });
});
