// A conversation in one dialect, served by a model server that speaks another: by the real SDKs.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  Anthropic,
  countTokens, scope, standard, startGateway, startMock, thrown,
} from './harness.mjs';
import { beginStream, chunk, endStream, fakeUpstream, sendJson } from './fake_upstream.mjs';

const CITY = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const SURFACES = ['chat_completions', 'responses', 'messages'];
const PATHS = {
  chat_completions: '/v1/chat/completions',
  responses: '/v1/responses',
  messages: '/v1/messages',
};

// Every conversation's door, to models of upstreams that each serve one of them alone.
function doors(url, more = {}) {
  const config = standard(url);
  const { upstream, ...small } = config.models.small;
  const chat = config.routes.find((route) => route.path === '/v1/chat/completions');
  config.routes = config.routes.filter((route) => !Object.values(PATHS).includes(route.path));
  for (const surface of SURFACES) {
    const isMessages = surface === 'messages';
    config.upstreams[`only_${surface}`] = {
      url: isMessages ? url : `${url}/v1`,
      speaks: isMessages ? 'anthropic' : 'openai',
      surfaces: [surface],
      credential: 'sk-upstream-secret',
      ...more.upstream,
    };
    config.models[`by_${surface}`] = { ...small, upstream: `only_${surface}` };
    const models = SURFACES.map((each) => `by_${each}`);
    config.routes.push({ ...chat, name: surface, path: PATHS[surface], models, ...more.route });
  }
  return config;
}

// One question by each surface, and what comes of it, in the same words.
const ASK = {
  async chat_completions(gateway, key, model, { stream, tools, turns = [] }) {
    const client = gateway.openai(key);
    const body = {
      model,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Write 12 words.' },
        ...turns.flatMap(({ call, result }) => [
          {
            role: 'assistant',
            content: null,
            tool_calls: [
              {
                id: call.id,
                type: 'function',
                function: { name: call.name, arguments: JSON.stringify(call.input) },
              },
            ],
          },
          { role: 'tool', tool_call_id: call.id, content: result },
        ]),
      ],
      ...(tools && {
        tools: [{ type: 'function', function: { name: 'get_weather', parameters: CITY } }],
      }),
    };
    const { data, response } = stream
      ? await (async () => {
          const runner = client.chat.completions.stream({
            ...body,
            stream_options: { include_usage: true },
          });
          const data = await runner.finalChatCompletion();
          return { data };
        })()
      : await client.chat.completions.create(body).withResponse();
    const { message, finish_reason: reason } = data.choices[0];
    return {
      id: response?.headers.get('x-request-id'),
      text: message.content,
      calls: (message.tool_calls ?? []).map((call) => ({
        id: call.id,
        name: call.function.name,
        input: JSON.parse(call.function.arguments),
      })),
      ended: { stop: 'said', tool_calls: 'called', length: 'cut' }[reason],
      input: data.usage.prompt_tokens,
      output: data.usage.completion_tokens,
    };
  },
  async responses(gateway, key, model, { stream, tools, turns = [] }) {
    const client = gateway.openai(key);
    const body = {
      model,
      instructions: 'Be brief.',
      input: [
        { role: 'user', content: 'Write 12 words.' },
        ...turns.flatMap(({ call, result }) => [
          {
            type: 'function_call',
            call_id: call.id,
            name: call.name,
            arguments: JSON.stringify(call.input),
          },
          { type: 'function_call_output', call_id: call.id, output: result },
        ]),
      ],
      ...(tools && {
        tools: [{ type: 'function', name: 'get_weather', parameters: CITY, strict: true }],
      }),
    };
    const data = stream
      ? await client.responses.stream(body).finalResponse()
      : await client.responses.create(body);
    const calls = data.output.filter((item) => item.type === 'function_call');
    return {
      text: data.output_text,
      calls: calls.map((call) => ({
        id: call.call_id,
        name: call.name,
        input: JSON.parse(call.arguments),
      })),
      ended: data.status !== 'completed' ? 'cut' : calls.length > 0 ? 'called' : 'said',
      input: data.usage.input_tokens,
      output: data.usage.output_tokens,
    };
  },
  async messages(gateway, key, model, { stream, tools, turns = [] }) {
    const client = gateway.anthropic(Anthropic, key);
    const body = {
      model,
      max_tokens: 50,
      system: 'Be brief.',
      messages: [
        { role: 'user', content: 'Write 12 words.' },
        ...turns.flatMap(({ call, result }) => [
          {
            role: 'assistant',
            content: [{ type: 'tool_use', id: call.id, name: call.name, input: call.input }],
          },
          {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: call.id, content: result }],
          },
        ]),
      ],
      ...(tools && { tools: [{ name: 'get_weather', input_schema: CITY }] }),
    };
    const data = stream
      ? await client.messages.stream(body).finalMessage()
      : await client.messages.create(body);
    return {
      text: data.content.map((block) => block.text ?? '').join(''),
      calls: data.content
        .filter((block) => block.type === 'tool_use')
        .map(({ id, name, input }) => ({ id, name, input })),
      ended: { end_turn: 'said', tool_use: 'called', max_tokens: 'cut' }[data.stop_reason],
      input: data.usage.input_tokens + (data.usage.cache_read_input_tokens ?? 0),
      output: data.usage.output_tokens,
    };
  },
};

describe('Translation', () => {
  const shared = scope(after);
  let gateway, key;
  before(async () => {
    const mock = await startMock(shared);
    gateway = await startGateway(
      shared,
      doors(mock.url, { route: { tools: { allow: ['get_weather'] } } }),
    );
    key = await gateway.key();
  });

  for (const asked of SURFACES) {
    for (const spoken of SURFACES) {
      if (asked === spoken) continue;
      for (const stream of [false, true]) {
        const how = stream ? 'streamed' : 'whole';
        it(`serves ${asked} by ${spoken}, ${how}`, async () => {
          const said = await ASK[asked](gateway, key, `by_${spoken}`, { stream });
          assert.equal(countTokens(said.text), 12);
          assert.equal(said.ended, 'said');
          assert.equal(said.output, 12);
          assert.ok(said.input > 0);
          assert.deepEqual(said.calls, []);
        });

        it(`carries a call of a tool and its result from ${asked} to ${spoken}, ${how}`, async () => {
          const called = await ASK[asked](gateway, key, `by_${spoken}`, { stream, tools: true });
          assert.equal(called.ended, 'called');
          assert.equal(called.calls.length, 1);
          assert.equal(called.calls[0].name, 'get_weather');
          assert.deepEqual(called.calls[0].input, { city: 'example' });
          assert.ok(called.calls[0].id);
          const turns = [{ call: called.calls[0], result: 'Sunny.' }];
          const next = await ASK[asked](gateway, key, `by_${spoken}`, {
            stream,
            tools: true,
            turns,
          });
          assert.equal(next.ended, 'said');
          assert.match(next.text, /\S/);
        });
      }
    }
  }

  it('puts on record what was asked, and pays what the server reports', async () => {
    const said = await ASK.chat_completions(gateway, key, 'by_messages', {});
    const { decision, outcome } = await gateway.records(said.id);
    assert.equal(decision.surface, 'chat_completions');
    assert.equal(decision.model.upstream, 'only_messages');
    assert.equal(outcome.usage.source, 'provider');
    assert.equal(outcome.usage.input, said.input);
    assert.equal(outcome.usage.output, said.output);
  });

  it('refuses by its name what has no counterpart, and asks nobody', async () => {
    const error = await thrown(() =>
      gateway.openai(key).chat.completions.create({
        model: 'by_messages',
        messages: [{ role: 'user', content: 'Hello.' }],
        frequency_penalty: 0.5,
      }),
    );
    assert.equal(error.status, 400);
    assert.equal(error.code, 'unsupported_parameter');
    assert.equal(error.param, 'frequency_penalty');
    assert.match(error.message, /cannot be carried over/);
    const { outcome } = await gateway.records(error.headers.get('x-request-id'));
    assert.equal(outcome.decision.outcome, 'refused');
    assert.equal(outcome.attempts, undefined);
  });

  it('refuses a tool that is not allowed, whatever the server speaks', async () => {
    const error = await thrown(() =>
      gateway.anthropic(Anthropic, key).messages.create({
        model: 'by_responses',
        max_tokens: 50,
        messages: [{ role: 'user', content: 'Hello.' }],
        tools: [{ name: 'rm', input_schema: CITY }],
      }),
    );
    assert.equal(error.status, 403);
    assert.equal(error.headers.get('x-tollgate-reason'), 'tool_not_allowed');
  });
});

describe('A server of another dialect that misbehaves', () => {
  async function ask(t, answer, more = {}) {
    const upstream = await fakeUpstream(t, answer);
    const gateway = await startGateway(t, doors(upstream.url, more));
    return { gateway, key: await gateway.key(), upstream };
  }
  const hello = { max_tokens: 50, messages: [{ role: 'user', content: 'Hello.' }] };

  it('is a server error where its answer cannot be carried over', async (t) => {
    const { gateway, key } = await ask(t, ({ response }) =>
      sendJson(response, {
        choices: [
          {
            index: 0,
            message: {
              role: 'assistant',
              content: null,
              tool_calls: [
                { id: 'a', type: 'function', function: { name: 'x', arguments: '{"a":' } },
              ],
            },
            finish_reason: 'tool_calls',
          },
        ],
      }),
    );
    const error = await thrown(() =>
      gateway.anthropic(Anthropic, key).messages.create({ model: 'by_chat_completions', ...hello }),
    );
    assert.equal(error.status, 502);
    assert.equal(error.headers.get('x-tollgate-reason'), 'upstream_error');
  });

  it('that breaks off ends as an error of the caller’s dialect', async (t) => {
    const { gateway, key } = await ask(t, ({ response }) => {
      beginStream(response);
      response.write(chunk({ role: 'assistant', content: 'Hello' }));
      response.end();
    });
    const error = await thrown(() =>
      gateway
        .anthropic(Anthropic, key)
        .messages.stream({ model: 'by_chat_completions', ...hello })
        .finalMessage(),
    );
    assert.match(error.message, /api_error|could not be understood/);
  });

  it('is held to the cap and to what may be called', async (t) => {
    const { gateway, key } = await ask(
      t,
      ({ response }) => {
        beginStream(response);
        response.write(chunk({ role: 'assistant', content: 'Look: ' }));
        response.write(
          chunk({
            tool_calls: [
              { index: 0, id: 'a', type: 'function', function: { name: 'rm', arguments: '{}' } },
            ],
          }),
        );
        response.write(chunk({}, 'tool_calls'));
        endStream(response, { input: 9, output: 9 });
      },
      { route: { tools: { allow: ['get_weather'] } } },
    );
    const final = await gateway
      .anthropic(Anthropic, key)
      .messages.stream({ model: 'by_chat_completions', ...hello })
      .finalMessage();
    assert.equal(final.stop_reason, 'refusal');
    assert.deepEqual(
      final.content.map((block) => block.type),
      ['text'],
    );
  });

  it('gets none of the caller’s fields that the operator lets drop', async (t) => {
    const seen = [];
    const { gateway, key } = await ask(
      t,
      ({ response, body }) => {
        seen.push(body);
        sendJson(response, {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'm',
          content: [{ type: 'text', text: 'Hello.' }],
          stop_reason: 'end_turn',
          usage: { input_tokens: 9, output_tokens: 2 },
        });
      },
      { upstream: { drop_fields: ['seed'] } },
    );
    const reply = await gateway.openai(key).chat.completions.create({
      model: 'by_messages',
      messages: [{ role: 'user', content: 'Hello.' }],
      seed: 7,
      stop: 'x',
    });
    assert.equal(reply.choices[0].message.content, 'Hello.');
    assert.equal(seen[0].seed, undefined);
    assert.deepEqual(seen[0].stop_sequences, ['x']);
    assert.ok(seen[0].max_tokens > 0);
  });
});
