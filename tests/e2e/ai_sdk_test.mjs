// The AI SDK against the gateway: its OpenAI provider, which speaks Responses unless it is told to
// chat, and its Anthropic provider, whole and streamed, with tools that it runs step by step.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  countTokens,
  countingFetch,
  load,
  scope,
  standard,
  startGateway,
  startMock,
  thrown,
} from './harness.mjs';

const ai = await load('ai');
const { APICallError, Output, embed, embedMany, generateText, jsonSchema, stepCountIs } = ai;
const { streamText, tool } = ai;
const { createOpenAI } = await load('@ai-sdk/openai');
const { createAnthropic } = await load('@ai-sdk/anthropic');

const SECRET = 'AKIA' + 'Q3EGRS5WXNB7TC2V'; // In two, as it is one.
globalThis.AI_SDK_LOG_WARNINGS = false;

function weather(calls) {
  return tool({
    description: 'The weather of a city.',
    inputSchema: jsonSchema({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    }),
    execute: async ({ city }) => {
      calls.push(city);
      return { city, weather: 'sunny' };
    },
  });
}

function config(url) {
  const made = standard(url);
  for (const route of made.routes) {
    if (route.prompt) route.content = { request: ['secrets'] };
  }
  made.models.small.images = 'gpt-4o';
  made.models.claude.images = 'claude';
  made.routes[0].allow[0].tenants.push('poor'); // All routes have these.
  made.tenants.poor = { ...made.tenants.acme, budget: { ...made.tenants.acme.budget, usd: 0.01 } };
  const named = (name) => made.routes.find((route) => route.name === name);
  // The tool by which its Anthropic provider has a model answer with an object.
  named('messages').tools = { allow: ['get_weather', 'json'] };
  const chat = named('chat');
  made.routes.push({ ...chat, name: 'responses', path: '/v1/responses' });
  return made;
}

const KEPT_HERE = { providerOptions: { openai: { store: false } } };

const DOORS = [
  ['chat', (clients) => clients.openai.chat('small')],
  ['responses', (clients) => clients.openai('small')],
  ['messages', (clients) => clients.anthropic('claude')],
];

describe('the AI SDK', () => {
  const shared = scope(after);
  let gateway, key;
  before(async () => {
    const mock = await startMock(shared);
    gateway = await startGateway(shared, config(mock.url));
    key = await gateway.key();
  });
  const clientsOf = ({ secret }, fetch = globalThis.fetch) => ({
    openai: createOpenAI({ apiKey: secret, baseURL: `${gateway.url}/v1`, fetch }),
    anthropic: createAnthropic({ apiKey: secret, baseURL: `${gateway.url}/v1`, fetch }),
  });

  for (const [surface, of] of DOORS) {
    describe(surface, () => {
      it('answers whole, and the books agree with its usage', async () => {
        const said = await generateText({ model: of(clientsOf(key)), prompt: 'Write 12 words.' });
        assert.equal(countTokens(said.text), 12);
        assert.equal(said.usage.outputTokens, 12);
        assert.equal(said.finishReason, 'stop');
        const id = said.response.headers['x-request-id'];
        const { decision, outcome } = await gateway.records(id);
        assert.equal(decision.surface, surface === 'chat' ? 'chat_completions' : surface);
        assert.equal(outcome.usage.output, 12);
        assert.equal(outcome.usage.input, said.usage.inputTokens);
      });

      it('answers as a stream', async () => {
        const stream = streamText({ model: of(clientsOf(key)), prompt: 'Write 12 words.' });
        let pieces = 0;
        for await (const piece of stream.textStream) pieces += piece === '' ? 0 : 1;
        assert.ok(pieces > 1, `${pieces} pieces`);
        assert.equal(countTokens(await stream.text), 12);
        assert.equal((await stream.usage).outputTokens, 12);
        assert.equal(await stream.finishReason, 'stop');
      });

      it('has its tools run step by step, whole and streamed', async () => {
        for (const run of [generateText, streamText]) {
          const calls = [];
          const said = run({
            model: of(clientsOf(key)),
            prompt: 'How is the weather?',
            tools: { get_weather: weather(calls) },
            stopWhen: stepCountIs(2),
          });
          const { steps, text } = await (run === streamText
            ? said.consumeStream().then(async () => ({
                steps: await said.steps,
                text: await said.text,
              }))
            : said);
          assert.deepEqual(calls, ['example'], run.name);
          assert.equal(steps.length, 2, run.name);
          assert.equal(steps[0].finishReason, 'tool-calls', run.name);
          assert.match(text, /\S/, run.name);
        }
      });

      it('goes on with a conversation', async () => {
        const model = of(clientsOf(key));
        const messages = [{ role: 'user', content: 'Write 3 words.' }];
        const first = await generateText({ model, messages });
        messages.push(...first.response.messages, { role: 'user', content: 'Write 4 words.' });
        const second = await generateText({ model, messages, ...KEPT_HERE });
        assert.equal(countTokens(second.text), 4);
        if (surface !== 'responses') return;
        // Unless it is told that the provider keeps nothing, it refers to what that would keep.
        const error = await thrown(() => generateText({ model, messages }));
        assert.ok(APICallError.isInstance(error), error);
        assert.equal(error.statusCode, 400);
        assert.match(error.message, /input\[1\].*what the provider keeps.*`store: false`/);
      });

      it('is cut to the cap of the route, and told so', async () => {
        const model = of(clientsOf(key));
        const asked = { model, prompt: 'Write 1500 words.', maxOutputTokens: 4000 };
        const whole = await generateText(asked);
        assert.equal(whole.usage.outputTokens, 1000);
        assert.equal(whole.finishReason, 'length');
        const stream = streamText(asked);
        await stream.consumeStream();
        assert.equal((await stream.usage).outputTokens, 1000);
        assert.equal(await stream.finishReason, 'length');
      });

      it('takes what it is asked to hold to, and images in the request', async () => {
        const pixel =
          'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
        const said = await generateText({
          model: of(clientsOf(key)),
          system: 'You are brief.',
          temperature: 0.5,
          topP: 0.9,
          stopSequences: surface === 'responses' ? undefined : ['END'],
          messages: [
            {
              role: 'user',
              content: [
                { type: 'text', text: 'Write 5 words.' },
                { type: 'image', image: Buffer.from(pixel, 'base64') },
              ],
            },
          ],
        });
        assert.equal(countTokens(said.text), 5);
      });

      it('has a model answer with an object', async () => {
        const asked = generateText({
          model: of(clientsOf(key)),
          prompt: 'Write 5 words.',
          output: Output.object({
            schema: jsonSchema({
              type: 'object',
              properties: { city: { type: 'string' } },
              required: ['city'],
              additionalProperties: false,
            }),
          }),
        }).then((said) => said.output);
        if (surface === 'messages') {
          assert.deepEqual(await asked, { city: 'example' });
        } else {
          // The mock writes words, not objects: that they come is what is asked.
          assert.equal((await thrown(() => asked)).name, 'AI_NoObjectGeneratedError');
        }
      });

      it('takes what a provider alone has', async () => {
        const providerOptions = {
          openai: {
            metadata: { job: '7' },
            parallelToolCalls: false,
            promptCacheKey: 'job-7',
            reasoningEffort: 'low',
            safetyIdentifier: 'user-7',
            serviceTier: 'default',
            store: false,
            textVerbosity: 'low',
            user: 'user-7',
          },
          anthropic: {
            cacheControl: { type: 'ephemeral' },
            disableParallelToolUse: true,
            effort: 'low',
            metadata: { userId: 'user-7' },
            thinking: { type: 'adaptive' },
          },
        };
        for (const run of [generateText, streamText]) {
          const said = await run({
            model: of(clientsOf(key)),
            system: 'You are brief.',
            prompt: 'How is the weather?',
            tools: { get_weather: weather([]) },
            toolChoice: 'auto',
            maxOutputTokens: 100,
            seed: surface === 'chat' ? 7 : undefined,
            providerOptions,
          });
          assert.equal((await said.toolCalls)[0].toolName, 'get_weather', run.name);
        }
      });

      it('is refused tools of the provider that are not allowed', async () => {
        const clients = clientsOf(key);
        const tools =
          surface === 'messages'
            ? { search: clients.anthropic.tools.webSearch_20250305({ maxUses: 1 }) }
            : { search: clients.openai.tools.webSearch({}) };
        if (surface === 'chat') return; // Which has none.
        const error = await thrown(() =>
          generateText({ model: of(clients), prompt: 'What is new?', tools }),
        );
        assert.equal(error.responseHeaders?.['x-tollgate-reason'], 'tool_not_allowed', error.message);
      });

      it('gets refusals as its own errors, and asks once', async () => {
        const stranger = await gateway.key('initech');
        const poor = await gateway.key('poor');
        const asked = { prompt: 'Hi' };
        for (const [who, more, status, reason] of [
          [{ secret: 'tg_live_nonsense' }, {}, 401, 'invalid_credential'],
          [key, { tools: { delete_all: weather([]) } }, 403, 'tool_not_allowed'],
          [key, { prompt: `My key is ${SECRET}.` }, 400, 'content_refused'],
          [key, { prompt: 'word '.repeat(9000) }, 400, 'prompt_too_large'],
          [stranger, {}, 403, 'route_not_allowed'],
          // It retries what is 429 whatever the headers say, unless it is told not to.
          [poor, { maxRetries: 0 }, 429, 'budget_exhausted'],
        ]) {
          for (const run of [generateText, streamText]) {
            const fetch = countingFetch();
            const call = { model: of(clientsOf(who, fetch)), ...asked, ...more };
            const error =
              run === generateText ? await thrown(() => run(call)) : await errorOf(run, call);
            assert.ok(APICallError.isInstance(error), `${reason}: ${error}`);
            assert.equal(error.statusCode, status, error.message);
            assert.equal(error.responseHeaders['x-tollgate-reason'], reason);
            assert.equal(error.isRetryable, status === 429);
            assert.match(error.message, /\S/);
            assert.equal(fetch.calls, 1, reason);
          }
        }
      });
    });
  }

  it('embeds, one and many', async () => {
    const model = clientsOf(key).openai.embedding('embed');
    const one = await embed({ model, value: 'Hello' });
    assert.ok(one.embedding.length > 0);
    const many = await embedMany({ model, values: ['Hello', 'world'] });
    assert.equal(many.embeddings.length, 2);
    assert.ok(many.usage.tokens > 0);
  });

  it('completes', async () => {
    const model = clientsOf(key).openai.completion('small');
    const whole = await generateText({ model, prompt: 'Write 6 words.' });
    assert.equal(whole.usage.outputTokens, 6);
    const stream = streamText({ model, prompt: 'Write 6 words.' });
    assert.match(await stream.text, /\S/);
    assert.equal((await stream.usage).outputTokens, 6);
  });
});

it('the AI SDK waits at a rate limit as it is told, and asks again', async (t) => {
  const mock = await startMock(t);
  const limited = config(mock.url);
  limited.limits.tenant_id.requests_per_minute = 30; // One each two seconds.
  const gateway = await startGateway(t, limited);
  const key = await gateway.key();
  while ((await gateway.chat(key)).status === 200);
  const fetch = countingFetch();
  const openai = createOpenAI({ apiKey: key.secret, baseURL: `${gateway.url}/v1`, fetch });
  const said = await generateText({ model: openai.chat('small'), prompt: 'Write 3 words.' });
  assert.equal(countTokens(said.text), 3);
  assert.equal(fetch.calls, 2);
});

async function errorOf(run, call) {
  let seen;
  const stream = run({ ...call, onError: ({ error }) => (seen = error) });
  await stream.consumeStream();
  assert.ok(seen, 'no error was told');
  return seen;
}
