// Servers of OpenAI's family, each with what it does otherwise: asked as they want it, and answers
// that its callers' SDKs read, in their own dialect and in another.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Anthropic, standard, startGateway } from './harness.mjs';
import { fakeUpstream, sendJson } from './fake_upstream.mjs';

const TOOL = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
};
const ARGUMENTS = '{"city":"Oslo"}';

const USAGE = { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 };

// What each is told by, and what stands in its answers beside what all have.
const FLAVOURS = {
  azure: {
    upstream: {
      credential_header: 'api-key',
      query: 'api-version=2024-10-21',
      output_cap_field: 'max_completion_tokens',
      surfaces: ['chat_completions'],
    },
    path: '/openai/deployments/gpt',
    first: {
      id: '',
      object: '',
      created: 0,
      model: '',
      choices: [],
      prompt_filter_results: [{ prompt_index: 0, content_filter_results: { hate: {} } }],
    },
    choice: { content_filter_results: { hate: { filtered: false, severity: 'safe' } } },
    // The name first, the arguments piece by piece.
    pieces: ({ id, type, name }, index) => [
      [{ index, id, type, function: { name, arguments: '' } }],
      [{ index, function: { arguments: '{"city"' } }],
      [{ index, function: { arguments: ':"Oslo"}' } }],
    ],
    message: { annotations: [], refusal: null },
    check(request, body) {
      assert.equal(
        request.url,
        '/openai/deployments/gpt/chat/completions?api-version=2024-10-21',
      );
      assert.equal(request.headers['api-key'], 'server-secret');
      assert.equal(request.headers.authorization, undefined);
      assert.equal(body.max_tokens, undefined);
      assert.ok(body.max_completion_tokens > 0);
    },
  },
  vllm: {
    upstream: { surfaces: ['chat_completions'] },
    path: '/v1',
    choice: { stop_reason: null, token_ids: null },
    stopped: { stop_reason: 'END' },
    // Piece by piece, with what is not known as null.
    pieces: ({ id, type, name }, index) => [
      [{ index, id, type, function: { name, arguments: '' } }],
      [{ index, id: null, type: null, function: { name: null, arguments: '{"city"' } }],
      [{ index, id: null, type: null, function: { name: null, arguments: ':"Oslo"}' } }],
    ],
    message: {
      annotations: null,
      audio: null,
      function_call: null,
      tool_calls: [],
      reasoning: 'Hm.',
      reasoning_content: 'Hm.',
    },
    more: { prompt_logprobs: null, kv_transfer_params: null, service_tier: null },
    check(request, body) {
      assert.equal(request.url, '/v1/chat/completions');
      assert.equal(request.headers.authorization, 'Bearer server-secret');
      assert.equal(body.max_tokens, body.max_completion_tokens);
    },
  },
  sglang: {
    upstream: { surfaces: ['chat_completions'] },
    path: '/v1',
    choice: { matched_stop: 151645 },
    stopped: { matched_stop: 'END' },
    pieces: ({ id, type, name }, index) => [
      [{ index, id, type, function: { name, arguments: '' } }],
      [{ index, id: null, type, function: { name: null, arguments: ARGUMENTS } }],
    ],
    message: { reasoning_content: null, tool_calls: null },
    more: { metadata: { weight_version: 'default' } },
    check(request) {
      assert.equal(request.url, '/v1/chat/completions');
    },
  },
  ollama: {
    upstream: { surfaces: ['chat_completions'] },
    path: '/v1',
    choice: {},
    // Whole.
    pieces: ({ id, type, name }, index) => [
      [{ index, id, type, function: { name, arguments: ARGUMENTS } }],
    ],
    message: { reasoning: 'Hm.' },
    more: { system_fingerprint: 'fp_ollama' },
    check(request) {
      assert.equal(request.url, '/v1/chat/completions');
    },
  },
};

// Its answer to anything: a thought where it tells one, and a text.
function answer(flavour, { request, response, body }) {
  flavour.check(request, body);
  const head = { id: 'chatcmpl-1', created: 1700000000, model: 'gpt', ...flavour.more };
  const choice = (more) => ({ index: 0, logprobs: null, ...flavour.choice, ...more });
  const calls = body.tools
    ? ['call_1', 'call_2'].map((id) => ({ id, type: 'function', name: 'get_weather' }))
    : [];
  const stopped = body.stop ? flavour.stopped : {};
  const reason = calls.length > 0 ? 'tool_calls' : 'stop';
  const words = calls.length > 0 ? null : 'All is well.';
  if (!body.stream) {
    return sendJson(response, {
      ...head,
      object: 'chat.completion',
      choices: [
        choice({
          message: {
            role: 'assistant',
            content: words,
            ...flavour.message,
            ...(calls.length > 0 && {
              tool_calls: calls.map(({ id, type, name }) => ({
                id,
                type,
                function: { name, arguments: ARGUMENTS },
              })),
            }),
          },
          finish_reason: reason,
          ...stopped,
        }),
      ],
      usage: USAGE,
    });
  }
  assert.deepEqual(body.stream_options, { include_usage: true });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (event) => response.write(`data: ${JSON.stringify(event)}\n\n`);
  const chunk = (delta, finish_reason = null, more = {}) =>
    send({
      ...head,
      object: 'chat.completion.chunk',
      choices: [choice({ delta, finish_reason, ...more })],
      usage: null,
    });
  if (flavour.first) send(flavour.first);
  chunk({ role: 'assistant', content: '', ...flavour.message });
  if (words !== null) {
    chunk({ content: 'All is' });
    chunk({ content: ' well.' });
  }
  for (const [index, call] of calls.entries()) {
    for (const tool_calls of flavour.pieces(call, index)) chunk({ tool_calls });
  }
  chunk({}, reason, stopped);
  send({ ...head, object: 'chat.completion.chunk', choices: [], usage: USAGE });
  response.write('data: [DONE]\n\n');
  response.end();
}

async function serve(t, flavour, answers = answer) {
  const failures = [];
  const upstream = await fakeUpstream(t, (exchange) => {
    try {
      answers(flavour, exchange);
    } catch (error) {
      failures.push(error);
      exchange.response.writeHead(500).end();
    }
  });
  const config = standard(upstream.url);
  const chat = config.routes.find((route) => route.name === 'chat');
  config.upstreams.server = {
    url: upstream.url + flavour.path,
    speaks: 'openai',
    credential: 'server-secret',
    ...flavour.upstream,
  };
  const { upstream: _, ...small } = config.models.small;
  config.models = { gpt: { ...small, upstream: 'server' } };
  const tools = { allow: ['get_weather'], arguments: 'validate' };
  const paths = ['/v1/chat/completions', '/v1/messages', '/v1/responses'];
  config.routes = paths.map((path) => ({ ...chat, name: path.split('/')[2], path, models: ['gpt'], tools }));
  const gateway = await startGateway(t, config);
  return { gateway, key: await gateway.key(), failures };
}

describe('Servers of the family', () => {
  for (const [name, flavour] of Object.entries(FLAVOURS)) {
    for (const stream of [false, true]) {
      it(`${name} is asked as it wants, and read by every SDK, ${stream ? 'streamed' : 'whole'}`, async (t) => {
        const { gateway, key, failures } = await serve(t, flavour);
        const messages = [{ role: 'user', content: 'Is all well?' }];
        const openai = gateway.openai(key);
        const asked = { model: 'gpt', messages };
        const chat = stream
          ? await openai.chat.completions
              .stream({ ...asked, stream_options: { include_usage: true } })
              .finalChatCompletion()
          : await openai.chat.completions.create(asked);
        assert.deepEqual(failures, []);
        assert.equal(chat.choices[0].message.content, 'All is well.');
        assert.equal(chat.usage.completion_tokens, 5);

        const anthropic = gateway.anthropic(Anthropic, key);
        const body = { ...asked, max_tokens: 50 };
        const message = stream
          ? await anthropic.messages.stream(body).finalMessage()
          : await anthropic.messages.create(body);
        assert.deepEqual(failures, []);
        const thinks = (flavour.message.reasoning ?? flavour.message.reasoning_content) === 'Hm.';
        assert.deepEqual(
          message.content.map((block) => block.thinking ?? block.text),
          thinks ? ['Hm.', 'All is well.'] : ['All is well.'],
        );
        assert.equal(message.stop_reason, 'end_turn');
        assert.equal(message.usage.output_tokens, 5);

        const question = { model: 'gpt', input: 'Is all well?' };
        const response = stream
          ? await openai.responses.stream(question).finalResponse()
          : await openai.responses.create(question);
        assert.deepEqual(failures, []);
        assert.equal(response.output_text, 'All is well.');
        assert.equal(response.usage.output_tokens, 5);
      });

      it(`${name} calls tools, and every SDK has the calls, ${stream ? 'streamed' : 'whole'}`, async (t) => {
        const { gateway, key, failures } = await serve(t, flavour);
        const messages = [{ role: 'user', content: 'How is the weather?' }];
        const openai = gateway.openai(key);
        const asked = { model: 'gpt', messages, tools: [TOOL] };
        const chat = stream
          ? await openai.chat.completions.stream(asked).finalChatCompletion()
          : await openai.chat.completions.create(asked);
        assert.deepEqual(failures, []);
        assert.equal(chat.choices[0].finish_reason, 'tool_calls');
        assert.deepEqual(
          chat.choices[0].message.tool_calls.map(({ id, function: { name, arguments: given } }) => [id, name, given]),
          [
            ['call_1', 'get_weather', ARGUMENTS],
            ['call_2', 'get_weather', ARGUMENTS],
          ],
        );

        const { name: tool, parameters } = TOOL.function;
        const anthropic = gateway.anthropic(Anthropic, key);
        const body = {
          model: 'gpt',
          messages,
          max_tokens: 50,
          tools: [{ name: tool, input_schema: parameters }],
        };
        const message = stream
          ? await anthropic.messages.stream(body).finalMessage()
          : await anthropic.messages.create(body);
        assert.deepEqual(failures, []);
        assert.equal(message.stop_reason, 'tool_use');
        assert.deepEqual(
          message.content.filter((block) => block.type === 'tool_use').map(({ id, name, input }) => [id, name, input]),
          [
            ['call_1', 'get_weather', { city: 'Oslo' }],
            ['call_2', 'get_weather', { city: 'Oslo' }],
          ],
        );

        const question = {
          model: 'gpt',
          input: 'How is the weather?',
          tools: [{ type: 'function', name: tool, parameters, strict: true }],
        };
        const response = stream
          ? await openai.responses.stream(question).finalResponse()
          : await openai.responses.create(question);
        assert.deepEqual(failures, []);
        assert.deepEqual(
          response.output
            .filter((item) => item.type === 'function_call')
            .map((item) => [item.call_id, item.name, item.arguments]),
          [
            ['call_1', 'get_weather', ARGUMENTS],
            ['call_2', 'get_weather', ARGUMENTS],
          ],
        );
      });

      if (!flavour.stopped) continue;
      it(`${name} tells the stop sequence, ${stream ? 'streamed' : 'whole'}`, async (t) => {
        const { gateway, key, failures } = await serve(t, flavour);
        const anthropic = gateway.anthropic(Anthropic, key);
        const body = {
          model: 'gpt',
          messages: [{ role: 'user', content: 'Is all well?' }],
          max_tokens: 50,
          stop_sequences: ['END'],
        };
        const message = stream
          ? await anthropic.messages.stream(body).finalMessage()
          : await anthropic.messages.create(body);
        assert.deepEqual(failures, []);
        assert.equal(message.stop_reason, 'stop_sequence');
        assert.equal(message.stop_sequence, 'END');
      });
    }
  }

  // What Azure's content filter refuses: the caller's to mend, so no fault of the server's.
  it("azure's content filter is told as it is, to every SDK", async (t) => {
    const { gateway, key } = await serve(t, FLAVOURS.azure, (_, { response }) =>
      sendJson(
        response,
        {
          error: {
            message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            type: null,
            param: 'prompt',
            code: 'content_filter',
            status: 400,
            innererror: {
              code: 'ResponsibleAIPolicyViolation',
              content_filter_result: { hate: { filtered: true, severity: 'high' } },
            },
          },
        },
        400,
      ),
    );
    const messages = [{ role: 'user', content: 'x' }];
    const openai = gateway.openai(key);
    for (const stream of [false, true]) {
      await assert.rejects(openai.chat.completions.create({ model: 'gpt', messages, stream }), (error) => {
        assert.equal(error.status, 400);
        assert.match(error.message, /content management policy/);
        return true;
      });
      await assert.rejects(openai.responses.create({ model: 'gpt', input: 'x', stream }), { status: 400 });
      await assert.rejects(
        gateway.anthropic(Anthropic, key).messages.create({ model: 'gpt', messages, max_tokens: 5, stream }),
        { status: 400 },
      );
    }
  });
});
