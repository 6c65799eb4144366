// LangChain against the gateway: chat, Responses, completions and embeddings by its OpenAI package,
// messages by its Anthropic one.
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

const { ChatOpenAI, OpenAI, OpenAIEmbeddings } = await load('@langchain/openai');
const { ChatAnthropic } = await load('@langchain/anthropic');
const { HumanMessage, ToolMessage } = await load('@langchain/core/messages');
const { tool } = await load('@langchain/core/tools');

const SECRET = 'AKIA' + 'Q3EGRS5WXNB7TC2V'; // In two, as it is one.

const named = (name) =>
  tool(async ({ city }) => `Sunny in ${city}.`, {
    name,
    description: 'The weather of a city.',
    schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  });

function config(url) {
  const made = standard(url);
  for (const route of made.routes) {
    if (route.prompt) route.content = { request: ['secrets'] };
  }
  made.routes[0].allow[0].tenants.push('poor'); // All routes have these.
  made.tenants.poor = { ...made.tenants.acme, budget: { ...made.tenants.acme.budget, usd: 0.01 } };
  const chat = made.routes.find((route) => route.name === 'chat');
  made.routes.push({ ...chat, name: 'responses', path: '/v1/responses' });
  return made;
}

it('LangChain goes on once a rate limit lets it', async (t) => {
  const mock = await startMock(t);
  const limited = config(mock.url);
  limited.limits.tenant_id.requests_per_minute = 30; // One each two seconds.
  const gateway = await startGateway(t, limited);
  const key = await gateway.key();
  while ((await gateway.chat(key)).status === 200);
  const fetch = countingFetch();
  const configuration = { baseURL: `${gateway.url}/v1`, fetch };
  const model = new ChatOpenAI({ model: 'small', apiKey: key.secret, configuration });
  assert.equal(countTokens((await model.invoke('Write 3 words.')).text), 3);
  // It waits for lengths of its own, not for what it is told.
  assert.ok(fetch.calls >= 2 && fetch.calls <= 4, `${fetch.calls} calls`);
});

describe('LangChain', () => {
  const shared = scope(after);
  let gateway, key;
  before(async () => {
    const mock = await startMock(shared);
    gateway = await startGateway(shared, config(mock.url));
    key = await gateway.key();
  });
  const openai = (Kind, who, more = {}, fetch = globalThis.fetch) =>
    new Kind({
      model: 'small',
      apiKey: who.secret,
      configuration: { baseURL: `${gateway.url}/v1`, fetch },
      ...more,
    });
  const DOORS = [
    ['chat', (who, fetch) => openai(ChatOpenAI, who, {}, fetch)],
    ['responses', (who, fetch) => openai(ChatOpenAI, who, { useResponsesApi: true }, fetch)],
    [
      'messages',
      (who, fetch = globalThis.fetch) =>
        new ChatAnthropic({
          model: 'claude',
          apiKey: who.secret,
          anthropicApiUrl: gateway.url,
          clientOptions: { fetch },
        }),
    ],
  ];

  for (const [surface, of] of DOORS) {
    describe(surface, () => {
      it('answers whole and streamed, with its usage', async () => {
        const whole = await of(key).invoke('Write 12 words.');
        assert.equal(countTokens(whole.text), 12);
        assert.equal(whole.usage_metadata.output_tokens, 12);
        let streamed;
        let pieces = 0;
        for await (const piece of await of(key).stream('Write 12 words.')) {
          streamed = streamed ? streamed.concat(piece) : piece;
          pieces += 1;
        }
        assert.ok(pieces > 1);
        assert.equal(countTokens(streamed.text), 12);
        // It adds what a message begins with, 1, to what it ends with, as with the provider itself.
        const more = surface === 'messages' ? 1 : 0;
        assert.equal(streamed.usage_metadata.output_tokens, 12 + more);
      });

      it('has a tool called, whole and streamed, and tells what it answered', async () => {
        const weather = named('get_weather');
        const model = of(key).bindTools([weather]);
        const question = new HumanMessage('How is the weather?');
        let streamed;
        for await (const piece of await model.stream([question]))
          streamed = streamed ? streamed.concat(piece) : piece;
        for (const asked of [await model.invoke([question]), streamed]) {
          assert.equal(asked.tool_calls.length, 1);
          const [call] = asked.tool_calls;
          assert.equal(call.name, 'get_weather');
          assert.deepEqual(call.args, { city: 'example' });
          const result = await weather.invoke({ ...call, type: 'tool_call' });
          assert.ok(ToolMessage.isInstance(result));
          const next = await model.invoke([question, asked, result]);
          assert.match(next.text, /\S/);
        }
      });

      it('gets refusals as the errors of its SDK, and asks once', async () => {
        const stranger = await gateway.key('initech');
        const poor = await gateway.key('poor');
        for (const [who, text, tools, status, reason] of [
          [{ secret: 'tg_live_nonsense' }, 'Hi', [], 401, 'invalid_credential'],
          [stranger, 'Hi', [], 403, 'route_not_allowed'],
          [key, 'Hi', [named('delete_all')], 403, 'tool_not_allowed'],
          [key, `My key is ${SECRET}.`, [], 400, 'content_refused'],
          [poor, 'Hi', [], 429, 'budget_exhausted'],
        ]) {
          for (const way of ['invoke', 'stream']) {
            const fetch = countingFetch();
            const model = of(who, fetch);
            const bound = tools.length > 0 ? model.bindTools(tools) : model;
            const error = await thrown(() => bound[way](text));
            assert.equal(error.status, status, `${reason}: ${error}`);
            assert.equal(error.headers.get('x-tollgate-reason'), reason);
            assert.equal(fetch.calls, 1, `${reason} by ${way}`);
          }
        }
      });
    });
  }

  it('is told by an error of its own that a prompt is too long', async () => {
    for (const [surface, of] of DOORS.slice(0, 2)) {
      const error = await thrown(() => of(key).invoke('word '.repeat(9000)));
      assert.equal(error.name, 'ContextOverflowError', `${surface}: ${error}`);
    }
  });

  it('completes and embeds', async () => {
    const completion = openai(OpenAI, key);
    assert.match(await completion.invoke('Write 6 words.'), /\S/);
    const pieces = [];
    for await (const piece of await completion.stream('Write 6 words.')) pieces.push(piece);
    assert.match(pieces.join(''), /\S/);
    const vectors = openai(OpenAIEmbeddings, key, { model: 'embed' });
    assert.ok((await vectors.embedQuery('Hello')).length > 0);
    assert.equal((await vectors.embedDocuments(['Hello', 'world'])).length, 2);
  });
});
