// A mock of providers that others wrote, as the upstream: what the product's own mock and its
// reader would both have wrong shows here. Asked by the SDKs of the providers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Anthropic, OpenAI, atEnd, load, scope, standard, startGateway, thrown } from './harness.mjs';

const { LLMock } = await load('@copilotkit/aimock');

const SAID = 'The quick brown fox jumps over the lazy dog.';
const CALL = { name: 'get_weather', arguments: '{"city":"Oslo"}' };
const SCHEMA = { type: 'object', properties: { city: { type: 'string' } } };

async function startAimock(t) {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', chunkSize: 8 });
  mock.onMessage('fox', { content: SAID });
  mock.onMessage('weather', { toolCalls: [CALL] });
  mock.onMessage('cut', { content: SAID }, { truncateAfterChunks: 3 });
  mock.onMessage('thoughts', { content: SAID, reasoning: 'A fox, a dog.' });
  mock.onEmbedding('fox', { embedding: [0.25, -0.5, 1] });
  mock.onModerate('fox', { flagged: true, categories: { violence: true } });
  await mock.start();
  atEnd(t, () => mock.stop());
  return mock;
}

function config(url) {
  const made = standard(url);
  // Each failure is looked at by itself.
  for (const upstream of Object.values(made.upstreams)) {
    upstream.circuit_breaker = { consecutive_failures: 1000, failed_share: 1 };
  }
  const chat = made.routes.find((route) => route.name === 'chat');
  made.routes.push({ ...chat, name: 'responses', path: '/v1/responses' });
  made.routes.push({ ...chat, name: 'moderations', path: '/v1/moderations', tools: undefined });
  return made;
}

// Each door: the text and the calls that its SDK gives, whole and streamed.
const DOORS = {
  chat_completions: {
    async whole({ openai }, text, tools) {
      const { data, response } = await openai.chat.completions
        .create({ model: 'small', messages: [{ role: 'user', content: text }], ...this.of(tools) })
        .withResponse();
      return { ...this.read(data.choices[0].message), response };
    },
    async streamed({ openai }, text, tools) {
      const stream = openai.chat.completions.stream({
        model: 'small',
        messages: [{ role: 'user', content: text }],
        stream_options: { include_usage: true },
        ...this.of(tools),
      });
      const data = await stream.finalChatCompletion();
      return { ...this.read(data.choices[0].message) };
    },
    read: ({ content, tool_calls }) => ({
      text: content ?? '',
      calls: (tool_calls ?? []).map((call) => [call.function.name, call.function.arguments]),
    }),
    of: (tools) =>
      tools && { tools: [{ type: 'function', function: { name: CALL.name, parameters: SCHEMA } }] },
  },
  responses: {
    async whole({ openai }, text, tools) {
      const { data, response } = await openai.responses
        .create({ model: 'small', input: text, ...this.of(tools) })
        .withResponse();
      return { ...this.read(data), response };
    },
    async streamed({ openai }, text, tools) {
      const stream = openai.responses.stream({ model: 'small', input: text, ...this.of(tools) });
      const data = await stream.finalResponse();
      return { ...this.read(data) };
    },
    read: (data) => ({
      text: data.output_text,
      calls: data.output
        .filter((item) => item.type === 'function_call')
        .map((item) => [item.name, item.arguments]),
    }),
    of: (tools) =>
      tools && {
        tools: [{ type: 'function', name: CALL.name, parameters: SCHEMA, strict: false }],
      },
  },
  messages: {
    asked(text, tools) {
      const offered = tools && { tools: [{ name: CALL.name, input_schema: SCHEMA }] };
      const messages = [{ role: 'user', content: text }];
      return { model: 'claude', max_tokens: 100, messages, ...offered };
    },
    async whole({ anthropic }, text, tools) {
      const { data, response } = await anthropic.messages
        .create(this.asked(text, tools))
        .withResponse();
      return { ...this.read(data), response };
    },
    async streamed({ anthropic }, text, tools) {
      const data = await anthropic.messages.stream(this.asked(text, tools)).finalMessage();
      return { ...this.read(data) };
    },
    read: ({ content }) => ({
      text: content.filter((it) => it.type === 'text').map((it) => it.text).join(''),
      calls: content
        .filter((it) => it.type === 'tool_use')
        .map((it) => [it.name, JSON.stringify(it.input)]),
    }),
  },
};

describe('aimock as the upstream', () => {
  const shared = scope(after);
  let mock, gateway, clients;
  before(async () => {
    mock = await startAimock(shared);
    gateway = await startGateway(shared, config(mock.url));
    const key = await gateway.key();
    clients = { openai: gateway.openai(key), anthropic: gateway.anthropic(Anthropic, key) };
  });

  for (const [surface, door] of Object.entries(DOORS)) {
    describe(surface, () => {
      it('says the same whole and streamed, and what it cost is in the books', async () => {
        const whole = await door.whole(clients, 'Tell me of the fox');
        const streamed = await door.streamed(clients, 'Tell me of the fox');
        assert.equal(whole.text, SAID);
        assert.equal(streamed.text, SAID);
        // It reports none where a fixture has none: what is paid is counted here.
        const { outcome } = await gateway.records(whole.response.headers.get('x-request-id'));
        assert.ok(outcome.usage.output > 0);
        assert.ok(Number(outcome.cost_usd) > 0);
      });

      it('calls a tool, whole and streamed', async () => {
        for (const way of ['whole', 'streamed']) {
          const { calls } = await door[way](clients, 'How is the weather?', true);
          assert.deepEqual(calls, [[CALL.name, CALL.arguments]], way);
        }
      });

      it('thinks before it speaks, whole and streamed', async () => {
        for (const way of ['whole', 'streamed']) {
          const { text } = await door[way](clients, 'Tell me your thoughts');
          assert.equal(text, SAID, way);
        }
      });

      it('breaks off in the middle: an error, never half an answer as a whole one', async () => {
        const Sdk = surface === 'messages' ? Anthropic : OpenAI;
        const error = await thrown(() => door.streamed(clients, 'cut it'));
        assert.ok(error instanceof Sdk.APIError, error);
      });

      it('fails at random, and each failure is one error of the SDK', async () => {
        const Sdk = surface === 'messages' ? Anthropic : OpenAI;
        for (const chaos of ['dropRate', 'malformedRate', 'disconnectRate']) {
          mock.setChaos({ [chaos]: 1 });
          try {
            for (const way of ['whole', 'streamed']) {
              const error = await thrown(() => door[way](clients, 'Tell me of the fox'));
              assert.ok(error instanceof Sdk.APIError, `${chaos} ${way}: ${error}`);
              assert.ok(error.status >= 429, `${chaos} ${way}: ${error.status}`);
              assert.ok(error.headers.get('x-tollgate-reason'), `${chaos} ${way}`);
            }
          } finally {
            mock.clearChaos();
          }
        }
        assert.equal((await door.whole(clients, 'Tell me of the fox')).text, SAID);
      });
    });
  }

  it('moderates', async () => {
    const { results } = await clients.openai.moderations.create({ model: 'small', input: 'a fox' });
    assert.equal(results[0].flagged, true);
  });

  it('embeds', async () => {
    const { data } = await clients.openai.embeddings.create({ model: 'embed', input: 'a fox' });
    assert.deepEqual(data[0].embedding, [0.25, -0.5, 1]);
  });

  it('says that it is limited, and is left alone as long as it says', async () => {
    mock.setChaos({ rateLimitRate: 1 });
    const ask = () => thrown(() => DOORS.chat_completions.whole(clients, 'Tell me of the fox'));
    assert.equal((await ask()).headers.get('x-tollgate-rule'), 'upstreams.openai');
    mock.clearChaos();
    const refused = await ask();
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get('x-tollgate-rule'), 'upstreams.openai.circuit_breaker');
    assert.ok(Number(refused.headers.get('retry-after')) > 1);
  });
});
