// How each surface is driven by the SDKs that its users have, whole and streamed. A driver asks one
// thing, holds the answer to what was asked, and tells what the books have to say of it:
//   {id, input?, output?, usd}: x-request-id, the usage that the SDK told, and the price of the
//   usage on record.
// `stream` is a reason where the surface has no streams.
import assert from 'node:assert/strict';
import { Anthropic, Anthropic0, atEnd, countTokens, load } from './harness.mjs';
import { Legacy, LegacyHttp, Modern } from './mcp_servers.mjs';

const ai = await load('ai');
const { createOpenAI } = await load('@ai-sdk/openai');
const { createAnthropic } = await load('@ai-sdk/anthropic');
const langchain = await load('@langchain/openai');
const { ChatAnthropic } = await load('@langchain/anthropic');
const { CohereClient } = await load('cohere-ai');

const PROMPT = 'Write 12 words.';
const ONE_ANSWER = 'its answer is one whole that no provider streams';
const messages = [{ role: 'user', content: PROMPT }];
const twelve = (text) => assert.equal(countTokens(text), 12, text);
const tokens = (usage) => (usage.input * 1000 + usage.output * 10000) / 1e6;
const embedding = (usage) => (usage.input * 100) / 1e6;
const nothing = () => 0;

/** A fetch for SDKs that hide their replies: notes each. */
function noting() {
  const noted = async (...args) => {
    const reply = await fetch(...args);
    noted.replies.push({
      id: reply.headers.get('x-request-id'),
      type: reply.headers.get('content-type') ?? '',
      body: args[1]?.body,
    });
    return reply;
  };
  noted.replies = [];
  return noted;
}

async function piecesOf(stream, textOf) {
  const pieces = [];
  let last;
  for await (const event of stream) {
    const text = textOf(event);
    if (text) pieces.push(text);
    last = event;
  }
  assert.ok(pieces.length > 1, `${pieces.length} pieces`);
  return { text: pieces.join(''), last };
}

// ---- OpenAI's own SDK -----------------------------------------------------------------------------

const openaiChat = {
  sdk: 'openai',
  async whole({ gateway, key }, model) {
    const asked = gateway.openai(key).chat.completions.create({ model, messages });
    const { data, response } = await asked.withResponse();
    twelve(data.choices[0].message.content);
    const { prompt_tokens: input, completion_tokens: output } = data.usage;
    return { id: response.headers.get('x-request-id'), input, output, usd: tokens };
  },
  async stream({ gateway, key }, model) {
    const body = { model, messages, stream: true, stream_options: { include_usage: true } };
    const { data, response } = await gateway.openai(key).chat.completions.create(body).withResponse();
    const { text, last } = await piecesOf(data, (chunk) => chunk.choices[0]?.delta.content);
    twelve(text);
    const { prompt_tokens: input, completion_tokens: output } = last.usage;
    return { id: response.headers.get('x-request-id'), input, output, usd: tokens };
  },
};

const openaiResponses = {
  sdk: 'openai',
  async whole({ gateway, key }, model) {
    const asked = gateway.openai(key).responses.create({ model, input: PROMPT });
    const { data, response } = await asked.withResponse();
    twelve(data.output_text);
    const { input_tokens: input, output_tokens: output } = data.usage;
    return { id: response.headers.get('x-request-id'), input, output, usd: tokens };
  },
  async stream({ gateway, key }, model) {
    const body = { model, input: PROMPT, stream: true };
    const { data, response } = await gateway.openai(key).responses.create(body).withResponse();
    const delta = (event) => (event.type === 'response.output_text.delta' ? event.delta : '');
    const { text, last } = await piecesOf(data, delta);
    twelve(text);
    assert.equal(last.type, 'response.completed');
    const { input_tokens: input, output_tokens: output } = last.response.usage;
    return { id: response.headers.get('x-request-id'), input, output, usd: tokens };
  },
};

const openaiCompletions = {
  sdk: 'openai',
  async whole({ gateway, key }, model) {
    const asked = gateway.openai(key).completions.create({ model, prompt: PROMPT });
    const { data, response } = await asked.withResponse();
    twelve(data.choices[0].text);
    const { prompt_tokens: input, completion_tokens: output } = data.usage;
    return { id: response.headers.get('x-request-id'), input, output, usd: tokens };
  },
  async stream({ gateway, key }, model) {
    const body = { model, prompt: PROMPT, stream: true, stream_options: { include_usage: true } };
    const { data, response } = await gateway.openai(key).completions.create(body).withResponse();
    const { text, last } = await piecesOf(data, (chunk) => chunk.choices[0]?.text);
    twelve(text);
    const { prompt_tokens: input, completion_tokens: output } = last.usage;
    return { id: response.headers.get('x-request-id'), input, output, usd: tokens };
  },
};

/** Of OpenAI's surfaces that only answer whole. */
function openaiWhole(usd, ask, check) {
  return {
    sdk: 'openai',
    async whole(door, model) {
      const { data, response } = await ask(door.gateway.openai(door.key), model, door).withResponse();
      check(data);
      return { id: response.headers.get('x-request-id'), usd };
    },
    stream: ONE_ANSWER,
  };
}

const isPng = ({ data }) =>
  assert.equal(Buffer.from(data[0].b64_json, 'base64').toString('latin1', 1, 4), 'PNG');
const pixel = async ({ gateway }) => {
  const painter = gateway.openai(await gateway.key('acme', '--user', 'painter'));
  const made = await painter.images.generate({ model: 'gpt-image-1', prompt: 'A door' });
  return new File([Buffer.from(made.data[0].b64_json, 'base64')], 'a.png', { type: 'image/png' });
};

/** Silence of so many seconds: 16 bits, one channel, 8,000 samples a second. */
function recording(seconds) {
  const data = Buffer.alloc(seconds * 16000);
  const head = Buffer.from('RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0', 'latin1');
  const rest = Buffer.alloc(20);
  head.writeUInt32LE(36 + data.length, 4);
  rest.writeUInt32LE(8000, 0);
  rest.writeUInt32LE(16000, 4);
  rest.writeUInt16LE(2, 8);
  rest.writeUInt16LE(16, 10);
  rest.write('data', 12);
  rest.writeUInt32LE(data.length, 16);
  return new File([head, rest, data], 'a.wav');
}
const sixWords = (text) => assert.equal(text.trim().split(' ').length, 6, text);
const minutes = (usage) => (usage.audio_seconds / 60) * 0.006;

const openaiSpeech = {
  sdk: 'openai',
  async whole({ gateway, key }, model) {
    const input = 'Hello there. '.repeat(40);
    const asked = { model, voice: 'alloy', input, response_format: 'wav' };
    const spoken = await gateway.openai(key).audio.speech.create(asked);
    const sound = Buffer.from(await spoken.arrayBuffer());
    assert.equal(sound.toString('latin1', 0, 4), 'RIFF');
    const usd = (usage) => (usage.characters * 15) / 1e6;
    return { id: spoken.headers.get('x-request-id'), usd, characters: input.length };
  },
  async stream({ gateway, key }, model) {
    const input = 'Hello there. '.repeat(40);
    const spoken = await gateway.openai(key).audio.speech.create({ model, voice: 'alloy', input });
    let bytes = 0;
    for await (const piece of spoken.body) bytes += piece.length;
    assert.ok(bytes > 1000);
    const usd = (usage) => (usage.characters * 15) / 1e6;
    return { id: spoken.headers.get('x-request-id'), usd, characters: input.length };
  },
};

const openaiTranscriptions = {
  sdk: 'openai',
  async whole({ gateway, key }, model) {
    const asked = gateway.openai(key).audio.transcriptions.create({ model, file: recording(3) });
    const { data, response } = await asked.withResponse();
    sixWords(data.text);
    return { id: response.headers.get('x-request-id'), usd: minutes, audio_seconds: 3 };
  },
  async stream({ gateway, key }, model) {
    const body = { model, file: recording(3), stream: true };
    const asked = gateway.openai(key).audio.transcriptions.create(body);
    const { data, response } = await asked.withResponse();
    const { text, last } = await piecesOf(data, (event) => event.delta);
    sixWords(text);
    assert.equal(last.type, 'transcript.text.done');
    return { id: response.headers.get('x-request-id'), usd: minutes, audio_seconds: 3 };
  },
};

// ---- Anthropic's own SDKs -------------------------------------------------------------------------

const anthropicMessages = (Sdk, sdk) => ({
  sdk,
  async whole({ gateway, key }, model) {
    const client = gateway.anthropic(Sdk, key);
    const asked = client.messages.create({ model, max_tokens: 100, messages });
    const { data, response } = await asked.withResponse();
    twelve(data.content[0].text);
    const { input_tokens: input, output_tokens: output } = data.usage;
    return { id: response.headers.get('request-id'), input, output, usd: tokens };
  },
  async stream({ gateway, key }, model) {
    const client = gateway.anthropic(Sdk, key);
    const stream = client.messages.stream({ model, max_tokens: 100, messages });
    const { text } = await piecesOf(stream, (event) => event.delta?.text);
    twelve(text);
    const { usage } = await stream.finalMessage();
    const { input_tokens: input, output_tokens: output } = usage;
    return { id: stream.request_id, input, output, usd: tokens };
  },
});

const countedTokens = {
  sdk: '@anthropic-ai/sdk',
  async whole({ gateway, key }, model) {
    const asked = gateway.anthropic(Anthropic, key).messages.countTokens({ model, messages });
    const { data, response } = await asked.withResponse();
    assert.ok(data.input_tokens > 0);
    return { id: response.headers.get('request-id'), usd: nothing };
  },
  stream: 'its answer is one number',
};

// ---- The AI SDK -----------------------------------------------------------------------------------

globalThis.AI_SDK_LOG_WARNINGS = false;
const aiSdk = (of) => ({
  sdk: 'ai',
  async whole({ gateway, key }, model) {
    const said = await ai.generateText({ model: of(gateway, key, model), prompt: PROMPT });
    twelve(said.text);
    const { inputTokens: input, outputTokens: output } = said.usage;
    return { id: said.response.headers['x-request-id'], input, output, usd: tokens };
  },
  async stream({ gateway, key }, model) {
    const stream = ai.streamText({ model: of(gateway, key, model), prompt: PROMPT });
    twelve((await piecesOf(stream.textStream, (piece) => piece)).text);
    const { inputTokens: input, outputTokens: output } = await stream.usage;
    const { headers } = await stream.response;
    return { id: headers['x-request-id'], input, output, usd: tokens };
  },
});
const aiOpenAI = (gateway, key) =>
  createOpenAI({ apiKey: key.secret, baseURL: `${gateway.url}/v1` });
const aiAnthropic = (gateway, key) =>
  createAnthropic({ apiKey: key.secret, baseURL: `${gateway.url}/v1` });

const aiEmbeddings = {
  sdk: 'ai',
  async whole({ gateway, key }, name) {
    const model = aiOpenAI(gateway, key).embedding(name);
    const made = await ai.embed({ model, value: PROMPT });
    assert.ok(made.embedding.length > 0);
    return { id: made.response.headers['x-request-id'], input: made.usage.tokens, usd: embedding };
  },
  stream: ONE_ANSWER,
};

// ---- LangChain ------------------------------------------------------------------------------------

const langChain = (of) => ({
  sdk: 'langchain',
  async whole({ gateway, key }, model) {
    const fetch = noting();
    const said = await of(gateway, key, model, fetch).invoke(PROMPT);
    twelve(said.text);
    const { input_tokens: input, output_tokens: output } = said.usage_metadata;
    return { id: fetch.replies[0].id, input, output, usd: tokens };
  },
  async stream({ gateway, key }, model) {
    const fetch = noting();
    let whole;
    const { text } = await piecesOf(await of(gateway, key, model, fetch).stream(PROMPT), (piece) => {
      whole = whole ? whole.concat(piece) : piece;
      return piece.text;
    });
    twelve(text);
    // Of messages it takes the input that a stream begins with, which of a translated one is a bound,
    // and adds the output that it begins with to what it ends with.
    const isExact = !of.begins || model === of.begins;
    const { input_tokens: input } = isExact ? whole.usage_metadata : {};
    return { id: fetch.replies[0].id, input, usd: tokens };
  },
});
const langChainOpenAI = (more) => (gateway, key, model, fetch) =>
  new langchain.ChatOpenAI({
    model,
    apiKey: key.secret,
    configuration: { baseURL: `${gateway.url}/v1`, fetch },
    ...more,
  });
const langChainAnthropic = (gateway, key, model, fetch) =>
  new ChatAnthropic({
    model,
    apiKey: key.secret,
    anthropicApiUrl: gateway.url,
    clientOptions: { fetch },
  });
langChainAnthropic.begins = 'by_messages';

// ---- The others -----------------------------------------------------------------------------------

const cohereRerank = {
  sdk: 'cohere-ai',
  async whole({ gateway, key }, model) {
    const fetch = noting();
    const client = new CohereClient({ token: key.secret, environment: gateway.url, fetch });
    const documents = ['A door.', 'A wall.'];
    const asked = { model, query: 'What is a gateway?', documents, topN: 1 };
    const { results } = await client.rerank(asked, { maxRetries: 0 });
    assert.equal(results[0].index, 0);
    return { id: fetch.replies[0].id, usd: embedding };
  },
  stream: ONE_ANSWER,
};

/** A client of the revisions with sessions, and one of 2026-07-28. */
const mcpClients = {
  '@modelcontextprotocol/sdk': {
    client: () => new Legacy.Client({ name: 'test', version: '1' }, { capabilities: {} }),
    Transport: LegacyHttp.StreamableHTTPClientTransport,
  },
  '@modelcontextprotocol/client': {
    client: () =>
      new Modern.Client(
        { name: 'test', version: '1' },
        { versionNegotiation: { mode: { pin: '2026-07-28' } } },
      ),
    Transport: Modern.StreamableHTTPClientTransport,
  },
};

/** A call of a tool of the server at `path`, whose answer comes as `type`. */
const mcpCall = (sdk, path, name, type) => async (door) => {
  const fetch = noting();
  const { client: make, Transport } = mcpClients[sdk];
  const client = make();
  const headers = { authorization: `Bearer ${door.key.secret}` };
  const url = new URL(door.gateway.url + path);
  await client.connect(new Transport(url, { requestInit: { headers }, fetch }));
  atEnd(door.test, () => client.close().catch(() => {}));
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), [name]);
  const { content } = await client.callTool({ name, arguments: { message: 'hi', query: 'hi' } });
  assert.equal(content[0].type, 'text');
  const calls = fetch.replies.filter(({ body }) => body?.includes('"tools/call"'));
  assert.equal(calls.length, 1);
  assert.ok(calls[0].type.startsWith(type), calls[0].type);
  return { id: calls[0].id, usd: () => 0.25 };
};

/** What is asked of a response that the provider keeps; the one who asks made it. */
const kept = (ask, check) => ({
  sdk: 'openai',
  async whole({ gateway, key }, model) {
    const { responses } = gateway.openai(key);
    const made = await responses.create({ model, input: PROMPT, store: true });
    const { data, response } = await ask(responses, made.id)
      .withResponse()
      .catch((error) => ({ data: error, response: error }));
    check(data, made);
    return { id: response.headers.get('x-request-id'), usd: nothing };
  },
  stream: '`stream` is refused there by its name',
});

const said = { type: 'message', role: 'user', content: 'Be brief.' };
/** What is asked of a conversation that the provider keeps; the one who asks made it. */
const talk = (ask, check) => ({
  sdk: 'openai',
  async whole({ gateway, key }) {
    const { conversations } = gateway.openai(key);
    const made = await conversations.create({ metadata: { topic: 'a' }, items: [said] });
    const { data: items } = await conversations.items.list(made.id);
    const { data, response } = await ask(conversations, made.id, items[0].id).withResponse();
    check(data, { made, item: items[0] });
    return { id: response.headers.get('x-request-id'), usd: nothing };
  },
  stream: 'it is told whole',
});
const isItem = (data, { item }) => assert.deepEqual(data, item);
const at = (conversation_id) => ({ conversation_id });

/** Of each surface: the models that it is asked with, and its drivers, the first the main one. */
export const DRIVERS = {
  chat_completions: [
    openaiChat,
    aiSdk((gateway, key, model) => aiOpenAI(gateway, key).chat(model)),
    langChain(langChainOpenAI({})),
  ],
  responses: [
    openaiResponses,
    aiSdk((gateway, key, model) => aiOpenAI(gateway, key)(model)),
    langChain(langChainOpenAI({ useResponsesApi: true })),
  ],
  messages: [
    anthropicMessages(Anthropic, '@anthropic-ai/sdk'),
    anthropicMessages(Anthropic0, '@anthropic-ai/sdk 0'),
    aiSdk((gateway, key, model) => aiAnthropic(gateway, key)(model)),
    langChain(langChainAnthropic),
  ],
  completions: [openaiCompletions],
  embeddings: [
    openaiWhole(
      embedding,
      (client, model) => client.embeddings.create({ model, input: PROMPT }),
      ({ data }) => assert.ok(data[0].embedding.length > 0),
    ),
    aiEmbeddings,
  ],
  moderations: [
    openaiWhole(
      embedding,
      (client, model) => client.moderations.create({ model, input: PROMPT }),
      ({ results }) => assert.equal(results[0].flagged, false),
    ),
  ],
  rerank: [cohereRerank],
  image_generations: [
    openaiWhole(
      () => 0.04,
      (client, model) => client.images.generate({ model, prompt: 'A door', size: '1024x1024' }),
      isPng,
    ),
  ],
  image_edits: [
    {
      sdk: 'openai',
      async whole(door, model) {
        const body = { model, prompt: 'A red door', image: await pixel(door) };
        const { data, response } = await door.gateway.openai(door.key).images.edit(body).withResponse();
        isPng(data);
        const { input_tokens: input, output_tokens: output } = data.usage;
        const usd = (usage) => (usage.input * 5 + usage.output * 40) / 1e6;
        return { id: response.headers.get('x-request-id'), input, output, usd };
      },
      stream: '`stream` is refused there: partial images cost tokens of their own',
    },
  ],
  speech: [openaiSpeech],
  transcriptions: [openaiTranscriptions],
  translations: [
    openaiWhole(
      minutes,
      (client, model) => client.audio.translations.create({ model, file: recording(3) }),
      ({ text }) => sixWords(text),
    ),
  ],
  count_tokens: [countedTokens],
  models: [
    openaiWhole(
      nothing,
      (client) => client.models.list(),
      ({ data }) => assert.ok(data.some(({ id }) => id === 'by_messages')),
    ),
    openaiWhole(
      nothing,
      (client) => client.models.retrieve('by_messages'),
      ({ id }) => assert.equal(id, 'by_messages'),
    ),
    {
      sdk: '@anthropic-ai/sdk',
      async whole({ gateway, key }) {
        const asked = gateway.anthropic(Anthropic, key).models.list();
        const { data, response } = await asked.withResponse();
        assert.ok(data.data.some(({ id }) => id === 'by_messages'));
        return { id: response.headers.get('x-request-id'), usd: nothing };
      },
      stream: ONE_ANSWER,
    },
  ],
  mcp: [
    {
      sdk: '@modelcontextprotocol/sdk',
      whole: mcpCall('@modelcontextprotocol/sdk', '/mcp/docs', 'search_docs', 'application/json'),
      stream: mcpCall('@modelcontextprotocol/sdk', '/mcp/everything', 'echo', 'text/event-stream'),
    },
    {
      sdk: '@modelcontextprotocol/client',
      whole: mcpCall('@modelcontextprotocol/client', '/mcp/docs', 'search_docs', 'application/json'),
      stream: mcpCall('@modelcontextprotocol/client', '/mcp/modern', 'tick', 'text/event-stream'),
    },
  ],
  'responses.retrieve': [
    kept(
      (responses, id) => responses.retrieve(id),
      (data, made) => assert.equal(data.output_text, made.output_text),
    ),
  ],
  'responses.input_items': [
    kept(
      (responses, id) => responses.inputItems.list(id),
      ({ data }) => assert.equal(data[0].content[0].text, PROMPT),
    ),
  ],
  'responses.cancel': [
    // Nothing runs in the background, so the provider has nothing to cancel.
    kept(
      (responses, id) => responses.cancel(id),
      (error) => assert.match(error.message, /provider refuses this/),
    ),
  ],
  'responses.delete': [
    kept(
      (responses, id) => responses.delete(id),
      () => {},
    ),
  ],
  'conversations.create': [
    talk(
      (conversations) => conversations.create({ metadata: { topic: 'b' } }),
      ({ metadata }) => assert.deepEqual(metadata, { topic: 'b' }),
    ),
  ],
  'conversations.retrieve': [
    talk(
      (conversations, id) => conversations.retrieve(id),
      ({ id, metadata }, { made }) => assert.deepEqual([id, metadata], [made.id, made.metadata]),
    ),
  ],
  'conversations.update': [
    talk(
      (conversations, id) => conversations.update(id, { metadata: { topic: 'b' } }),
      ({ metadata }) => assert.deepEqual(metadata, { topic: 'b' }),
    ),
  ],
  'conversations.delete': [
    talk(
      (conversations, id) => conversations.delete(id),
      ({ deleted }) => assert.equal(deleted, true),
    ),
  ],
  'conversations.items.create': [
    talk(
      (conversations, id) => conversations.items.create(id, { items: [said, said] }),
      ({ data }) => assert.equal(data.length, 2),
    ),
  ],
  'conversations.items.list': [
    talk(
      (conversations, id) => conversations.items.list(id),
      ({ data }, { item }) => isItem(data[0], { item }),
    ),
  ],
  'conversations.items.retrieve': [
    talk((conversations, id, item) => conversations.items.retrieve(item, at(id)), isItem),
  ],
  'conversations.items.delete': [
    talk(
      (conversations, id, item) => conversations.items.delete(item, at(id)),
      ({ id }, { made }) => assert.equal(id, made.id),
    ),
  ],
};
