// Every refusal that a caller can meet, as the exception that the OpenAI SDK makes of it: its
// class, status, code and our reason; asked once where asking again is no use; nothing forwarded.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  assertRefused,
  countingFetch,
  OpenAI,
  question,
  scope,
  standard,
  startGateway,
  thrown,
} from './harness.mjs';
import { completion, fakeUpstream, sendJson } from './fake_upstream.mjs';

const tool = (name) => ({ type: 'function', function: { name, parameters: { type: 'object' } } });

describe('refusals in the OpenAI dialect', () => {
  const shared = scope(after);
  let upstream, gateway, key;
  before(async () => {
    upstream = await fakeUpstream(shared, ({ response }) =>
      sendJson(response, completion('Hi.', { input: 9, output: 2 })),
    );
    const config = standard(upstream.url);
    config.routes.push({
      name: 'strict',
      path: '/v1/strict',
      surface: 'chat_completions',
      models: ['small'],
      allow: [{ tenants: ['acme'] }],
      prompt: { output_tokens: 100, on_output_over: 'refuse' },
    });
    gateway = await startGateway(shared, config);
    key = await gateway.key();
  });

  const cases = [
    // name, client options, request, class, status, code, reason
    [
      'no such key',
      { apiKey: 'sk-of-another-provider' },
      {},
      'AuthenticationError',
      401,
      'invalid_api_key',
      'invalid_credential',
    ],
    [
      'an unknown model',
      {},
      { model: 'absent' },
      'NotFoundError',
      404,
      'model_not_found',
      'model_not_found',
    ],
    [
      'a tool not allowed',
      {},
      { tools: [tool('delete_all')] },
      'PermissionDeniedError',
      403,
      'permission_denied',
      'tool_not_allowed',
    ],
    [
      'a provider tool not allowed',
      {},
      { tools: [{ type: 'web_search' }] },
      'PermissionDeniedError',
      403,
      'permission_denied',
      'tool_not_allowed',
    ],
    [
      'too long a prompt',
      {},
      { messages: [{ role: 'user', content: 'word '.repeat(5000) }] },
      'BadRequestError',
      400,
      'context_length_exceeded',
      'prompt_too_large',
    ],
    [
      'too large a body',
      {},
      { messages: [{ role: 'user', content: 'x'.repeat(70_000) }] },
      'APIError',
      413,
      'request_too_large',
      'body_too_large',
    ],
    ['too many choices', {}, { n: 3 }, 'BadRequestError', 400, null, 'invalid_request'],
    ['a negative cap', {}, { max_tokens: -1 }, 'BadRequestError', 400, null, 'invalid_request'],
    [
      'a cap that is no number',
      {},
      { max_tokens: 'lots' },
      'BadRequestError',
      400,
      null,
      'invalid_request',
    ],
    ['no messages', {}, { messages: undefined }, 'BadRequestError', 400, null, 'invalid_request'],
  ];
  for (const [name, options, changes, className, status, code, reason] of cases) {
    it(name, async () => {
      const forwarded = upstream.requests.length;
      const counted = countingFetch();
      const client = gateway.openai(key, { maxRetries: 2, fetch: counted, ...options });
      const error = await thrown(() =>
        client.chat.completions.create({ ...question(), ...changes }),
      );
      assert.ok(error instanceof OpenAI[className], `${error.constructor.name}: ${error.message}`);
      assert.equal(error.status, status);
      if (code) assert.equal(error.code, code);
      assert.equal(error.headers.get('x-tollgate-reason'), reason);
      assert.match(error.requestID, /\S/);
      assert.equal(counted.calls, 1, 'it was retried');
      assert.equal(upstream.requests.length, forwarded, 'it was forwarded');
      const { decision } = await gateway.records(error.requestID, 'decision');
      assert.equal(decision.decision.outcome, 'refused');
      assert.equal(decision.decision.code, reason);
    });
  }

  it('one answer for a model that is hidden and one that is absent', async () => {
    const answers = [];
    for (const model of ['hidden', 'absent']) {
      const response = await gateway.chat(key, { model });
      const { body } = await assertRefused(
        response,
        404,
        response.headers.get('x-tollgate-reason'),
        'model_not_found',
      );
      const { message } = body.error;
      answers.push(
        `${response.headers.get('x-tollgate-reason')}: ${message.replaceAll(model, 'MODEL')}`,
      );
    }
    assert.equal(answers[0], answers[1]);
  });

  it('no credential, an odd one, two that differ', async () => {
    await assertRefused(await gateway.chat(null), 401, 'missing_credential', 'invalid_api_key');
    const basic = await gateway.post('/v1/chat/completions', question(), null, {
      authorization: 'Basic YTpi',
    });
    await assertRefused(basic, 401, 'invalid_credential', 'invalid_api_key');
    const other = await gateway.key('globex');
    const both = await gateway.post('/v1/chat/completions', question(), key, {
      'x-api-key': other.secret,
    });
    await assertRefused(both, 400, 'credential_conflict');
    const same = await gateway.post('/v1/chat/completions', question(), key, {
      'x-api-key': key.secret,
    });
    assert.equal(same.status, 200);
  });

  it('a secret with one letter changed is no key', async () => {
    const { secret } = key;
    for (const at of [9, 25, secret.length - 1]) {
      const changed = secret.slice(0, at) + (secret[at] === 'a' ? 'b' : 'a') + secret.slice(at + 1);
      await assertRefused(await gateway.chat({ secret: changed }), 401, 'invalid_credential');
    }
  });

  it('a route that exists for others, a path that does not, a method that is not served', async () => {
    await assertRefused(
      await gateway.post('/v1/locked', question(), key),
      403,
      'route_not_allowed',
      'permission_denied',
    );
    await assertRefused(await gateway.post('/v1/responses', question(), key), 404, 'not_found');
    await assertRefused(
      await gateway.post('/V1/chat/completions', question(), key),
      404,
      'not_found',
    );
    const get = await fetch(`${gateway.url}/v1/chat/completions`, {
      headers: { authorization: `Bearer ${key.secret}` },
    });
    await assertRefused(get, 404, 'not_found');
  });

  it('a tenant that no line of the route allows', async () => {
    const outsider = await gateway.key('initech');
    const response = await gateway.chat(outsider);
    assert.ok([403, 404].includes(response.status));
    assert.match(response.headers.get('x-tollgate-reason'), /route_not_allowed|model_not_found/);
  });

  it('more output than the route gives, where it is told to refuse', async () => {
    const response = await gateway.post('/v1/strict', { ...question(), max_tokens: 101 }, key);
    await assertRefused(response, 400, 'output_cap_exceeded', 'max_tokens_exceeded');
    assert.equal(
      (await gateway.post('/v1/strict', { ...question(), max_tokens: 100 }, key)).status,
      200,
    );
  });

  it('JSON that is none, or not what it seems', async () => {
    const bodies = [
      ['{"model": "small", "messages": [', 'invalid_json'],
      ['', 'invalid_json'],
      ['[1, 2]', 'invalid_json'],
      ['{"model":"small","model":"hidden","messages":[]}', 'duplicate_key'],
      ['{"model":"small","mod\\u0065l":"hidden","messages":[]}', 'duplicate_key'],
      [
        '{"model":"small","messages":[{"role":"user","content":"a","content":"b"}]}',
        'duplicate_key',
      ],
      [`{"model":"small","messages":${'['.repeat(3000)}${']'.repeat(3000)}}`, 'invalid_json'],
      ['{"model":"small","messages":[]} {}', 'invalid_json'],
      ['{"model":"small","messages":[],"temperature":NaN}', 'invalid_json'],
    ];
    for (const [text, reason] of bodies) {
      const forwarded = upstream.requests.length;
      await assertRefused(await gateway.post('/v1/chat/completions', text, key), 400, reason);
      assert.equal(upstream.requests.length, forwarded);
    }
    const broken = Buffer.from(
      '{"model":"small","messages":[{"role":"user","content":"\xff\xfe"}]}',
      'latin1',
    );
    await assertRefused(
      await gateway.post('/v1/chat/completions', broken, key),
      400,
      'invalid_json',
    );
  });

  it('a key of its own expiry', async () => {
    const expiring = await gateway.key('acme', '--expires', '1s');
    let response;
    do {
      response = await gateway.chat(expiring);
      await response.clone().text();
    } while (response.status === 200);
    await assertRefused(response, 401, 'expired_credential', 'invalid_api_key');
  });
});
