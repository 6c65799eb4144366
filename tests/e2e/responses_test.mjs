// OpenAI's Responses, whole and streamed, by the real SDK: the same controls as every surface.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OpenAI, countTokens, scope, standard, startGateway, startMock, thrown } from './harness.mjs';
import { fakeUpstream, sendJson } from './fake_upstream.mjs';

const WEATHER = {
  type: 'function',
  name: 'get_weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  strict: true,
};
const SECRET = 'AKIA' + 'Q3EGRS5WXNB7TC2V'; // In two, as it is one.

// The route of chats as one of responses, with more of it.
function responses(url, more = {}) {
  const config = standard(url);
  const chat = config.routes.find((route) => route.path === '/v1/chat/completions');
  config.routes.push({ ...chat, name: 'responses', path: '/v1/responses', ...more });
  return config;
}

describe('Responses', () => {
  const shared = scope(after);
  let gateway, key, client;
  before(async () => {
    const mock = await startMock(shared);
    gateway = await startGateway(shared, responses(mock.url));
    key = await gateway.key();
    client = gateway.openai(key);
  });
  const ask = (input, more = {}) => ({ model: 'small', input, ...more });

  it('come whole, and the books agree with their usage', async () => {
    const { data, response } = await client.responses.create(ask('Write 12 words.')).withResponse();
    assert.equal(data.status, 'completed');
    assert.equal(data.usage.output_tokens, 12);
    assert.equal(countTokens(data.output_text), 12);
    const { decision, outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(decision.surface, 'responses');
    assert.equal(outcome.usage.output, 12);
    assert.equal(outcome.usage.input, data.usage.input_tokens);
    assert.equal(decision.prompt.input_tokens_counted, data.usage.input_tokens);
  });

  it('come as a stream, event by event', async () => {
    const kinds = [];
    const stream = client.responses.stream(ask('Write 12 words.'));
    for await (const event of stream) kinds.push(event.type);
    const final = await stream.finalResponse();
    assert.equal(countTokens(final.output_text), 12);
    assert.equal(kinds.filter((kind) => kind === 'response.output_text.delta').length, 12);
    assert.equal(kinds[0], 'response.created');
    assert.equal(kinds.at(-1), 'response.completed');
  });

  it('call a tool, whole and streamed, and take its answer', async () => {
    const asked = ask('How is the weather?', { tools: [WEATHER] });
    const whole = await client.responses.create(asked);
    const streamed = await client.responses.stream(asked).finalResponse();
    for (const reply of [whole, streamed]) {
      const call = reply.output.find((item) => item.type === 'function_call');
      assert.equal(call.name, 'get_weather');
      assert.deepEqual(JSON.parse(call.arguments), { city: 'example' });
      const next = await client.responses.create(
        ask(
          [
            { role: 'user', content: 'How is the weather?' },
            ...reply.output,
            { type: 'function_call_output', call_id: call.call_id, output: 'Sunny.' },
          ],
          { tools: [WEATHER] },
        ),
      );
      assert.match(next.output_text, /\S/);
    }
  });

  it('refuse a tool that is not allowed', async () => {
    const error = await thrown(() =>
      client.responses.create(ask('Hi', { tools: [{ ...WEATHER, name: 'delete_all' }] })),
    );
    assert.ok(error instanceof OpenAI.PermissionDeniedError, error.message);
    assert.equal(error.headers.get('x-tollgate-reason'), 'tool_not_allowed');
    const provider = await thrown(() =>
      client.responses.create(ask('Hi', { tools: [{ type: 'web_search' }] })),
    );
    assert.equal(provider.headers.get('x-tollgate-reason'), 'tool_not_allowed');
  });

  it('are cut to the cap of the route, whole and streamed', async () => {
    const asked = ask('Write 1500 words.', { max_output_tokens: 4000 });
    const whole = await client.responses.create(asked);
    assert.equal(whole.usage.output_tokens, 1000);
    assert.equal(whole.status, 'incomplete');
    assert.equal(whole.incomplete_details.reason, 'max_output_tokens');
    const streamed = await client.responses.stream(asked).finalResponse();
    assert.equal(streamed.usage.output_tokens, 1000);
  });

  it('are refused by name where they ask for what is not counted', async () => {
    for (const [more, param] of [
      [{ store: true }, 'store'],
      [{ background: true }, 'background'],
      [{ previous_response_id: 'resp_of_another' }, 'previous_response_id'],
      [{ conversation: 'conv_of_another' }, 'conversation'],
      [{ input: [{ type: 'item_reference', id: 'msg_of_another' }] }, 'input[0]'],
    ]) {
      const error = await thrown(() => client.responses.create({ ...ask('Hi'), ...more }));
      assert.equal(error.status, 400, param);
      assert.equal(error.headers.get('x-tollgate-reason'), 'unsupported_parameter', param);
      assert.equal(error.param, param);
    }
  });

  it('of others cannot be read: such paths do not exist', async () => {
    for (const [method, path] of [
      ['GET', '/v1/responses/resp_mock_1'],
      ['DELETE', '/v1/responses/resp_mock_1'],
      ['POST', '/v1/responses/resp_mock_1/cancel'],
      ['GET', '/v1/responses/resp_mock_1/input_items'],
      ['POST', '/v1/conversations'],
    ]) {
      const reply = await fetch(gateway.url + path, {
        method,
        headers: { authorization: `Bearer ${key.secret}` },
      });
      assert.equal(reply.status, 404, `${method} ${path}`);
    }
  });
});

describe('An upstream that never ends a response', () => {
  it('is ended by the cap, with all that was said', async () => {
    const t = scope(after);
    const mock = await startMock(t, ['--tokens-per-second', '100000', '--fail', 'overrun']);
    const gateway = await startGateway(t, responses(mock.url));
    const client = gateway.openai(await gateway.key());
    const events = [];
    const stream = client.responses.stream({
      model: 'small',
      input: 'Write 100 words.',
      max_output_tokens: 20,
    });
    for await (const event of stream) events.push(event);
    const final = await stream.finalResponse();
    assert.equal(final.status, 'incomplete');
    assert.equal(final.incomplete_details.reason, 'max_output_tokens');
    const said = events
      .filter((event) => event.type === 'response.output_text.delta')
      .map((event) => event.delta)
      .join('');
    assert.equal(countTokens(said), 20);
    assert.equal(final.output[0].content[0].text, said);
    const numbers = events.map((event) => event.sequence_number);
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => at),
    );
  });
});

describe('The content policy of a route of responses', () => {
  it('reads instructions, items and calls, and masks what it is told to', async () => {
    const t = scope(after);
    const upstream = await fakeUpstream(t, ({ response }) => {
      sendJson(response, {
        id: 'resp_1',
        object: 'response',
        created_at: 0,
        status: 'completed',
        model: 'm',
        output: [
          {
            id: 'msg_1',
            type: 'message',
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: 'Done.', annotations: [] }],
          },
        ],
        usage: { input_tokens: 9, output_tokens: 2, total_tokens: 11 },
      });
    });
    const gateway = await startGateway(
      t,
      responses(upstream.url, {
        content: { request: ['secrets'], on_match: 'refuse' },
      }),
    );
    const client = gateway.openai(await gateway.key());
    for (const [more, where] of [
      [{ input: `My key is ${SECRET}` }, /input/],
      [{ input: 'Hi', instructions: `Use ${SECRET}` }, /instructions/],
      [
        {
          input: [
            { role: 'user', content: 'Hi' },
            {
              type: 'function_call',
              call_id: 'c',
              name: 'get_weather',
              arguments: JSON.stringify({ SECRET }),
            },
            { type: 'function_call_output', call_id: 'c', output: 'ok' },
          ],
        },
        /input\[1\]/,
      ],
      [
        {
          input: [
            { role: 'user', content: [{ type: 'input_text', text: SECRET }] },
          ],
        },
        /input\[0\]/,
      ],
    ]) {
      const error = await thrown(() => client.responses.create({ model: 'small', ...more }));
      assert.equal(error.status, 400, error.message);
      assert.equal(error.headers.get('x-tollgate-reason'), 'content_refused');
      assert.match(error.message, where);
    }
    assert.equal(upstream.requests.length, 0);
    const passed = await client.responses.create({ model: 'small', input: 'Hi' });
    assert.equal(passed.output_text, 'Done.');
    assert.equal(upstream.requests.length, 1);
    assert.equal(upstream.requests[0].url, '/v1/responses');
    assert.equal(upstream.requests[0].body.store, false);
  });

  it('stops a secret that an answer leaks, split over its events', async () => {
    const t = scope(after);
    const mock = await startMock(t, ['--tokens-per-second', '100000', '--fail', 'leak']);
    const gateway = await startGateway(
      t,
      responses(mock.url, { content: { response: ['secrets'], on_match: 'refuse' } }),
    );
    const client = gateway.openai(await gateway.key());
    const stream = client.responses.stream({ model: 'small', input: 'Write 60 words.' });
    const events = [];
    for await (const event of stream) events.push(event);
    assert.equal(events.at(-1).type, 'response.incomplete');
    assert.equal(events.at(-1).response.incomplete_details.reason, 'content_filter');
    const error = await thrown(() =>
      client.responses.create({ model: 'small', input: 'Write 60 words.' }),
    );
    assert.equal(error.headers.get('x-tollgate-reason'), 'content_refused');
  });
});
