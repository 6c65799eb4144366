// Images and recordings, from the real SDKs through the gateway to the mock model: what they cost
// is in the usage, the books and the record, and no model gets what has no formula there.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import zlib from 'node:zlib';
import {
  Anthropic,
  Anthropic0,
  countTokens,
  scope,
  standard,
  startGateway,
  startMock,
  thrown,
} from './harness.mjs';

/** A real PNG, grey, as an encoder writes it. */
function png(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(zlib.crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8; // Bits of grey.
  const pixels = zlib.deflateSync(Buffer.alloc((width + 1) * height));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]).toString('base64');
}

/** A second of silence for each 16,000 bytes. */
function wav(seconds) {
  const data = Buffer.alloc(16000 * seconds);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); // PCM
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(16000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]).toString('base64');
}

function withMedia(mockUrl) {
  const config = standard(mockUrl);
  const { small, claude } = config.models;
  const prices = { ...small.price_per_million, audio: 40000 };
  Object.assign(config.models, {
    eyes: { ...small, images: 'gpt-4o', audio: 'openai', price_per_million: prices },
    claude_eyes: { ...claude, images: 'claude' },
  });
  config.routes[0].models.push('eyes');
  for (const route of config.routes)
    if (['chat', 'messages'].includes(route.name))
      route.prompt = { ...route.prompt, media_domains: ['images.example.com', '*.cdn.example.com'] };
  config.routes.find((route) => route.name === 'messages').models.push('claude_eyes');
  return config;
}

const QUESTION = 'What is in this? Write 9 words.';
// The text, four around the message, two where its parts are joined, three to prime the answer.
const TEXT_TOKENS = countTokens(QUESTION) + 9;

const shared = scope(after);
let gateway, key;
before(async () => {
  const mock = await startMock(shared);
  gateway = await startGateway(shared, withMedia(mock.url));
  key = await gateway.key('acme', '--user', 'ada');
});

describe('the OpenAI SDK', () => {
  let client;
  before(() => (client = gateway.openai(key)));
  const ask = (model, ...parts) => ({
    model,
    max_tokens: 50,
    messages: [{ role: 'user', content: [{ type: 'text', text: QUESTION }, ...parts] }],
  });
  const image = (url, detail) => ({ type: 'image_url', image_url: { url, detail } });
  const dataUrl = (width, height) => `data:image/png;base64,${png(width, height)}`;

  it('sends an image, and pays for it by its size', async () => {
    const { data, response } = await client.chat.completions
      .create(ask('eyes', image(dataUrl(1024, 1024), 'high')))
      .withResponse();
    assert.equal(data.usage.prompt_tokens, TEXT_TOKENS + 765);
    const { decision, outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(decision.prompt.images, 1);
    assert.equal(outcome.usage.input, TEXT_TOKENS + 765);
    assert.equal(outcome.usage.source, 'provider');
    const cost = (TEXT_TOKENS + 765) * 0.001 + 9 * 0.01;
    assert.ok(Math.abs(Number(outcome.cost_usd) - cost) < 1e-6, `${outcome.cost_usd} for ${cost}`);
  });

  it('streams about an image of low detail', async () => {
    const stream = await client.chat.completions.create({
      ...ask('eyes', image(dataUrl(1024, 1024), 'low')),
      stream: true,
      stream_options: { include_usage: true },
    });
    let usage;
    for await (const chunk of stream) usage = chunk.usage ?? usage;
    assert.equal(usage.prompt_tokens, TEXT_TOKENS + 85);
  });

  it('sends a recording, and pays for it by its length and at its price', async () => {
    const audio = { type: 'input_audio', input_audio: { data: wav(2), format: 'wav' } };
    const { data, response } = await client.chat.completions
      .create(ask('eyes', audio))
      .withResponse();
    assert.equal(data.usage.prompt_tokens, TEXT_TOKENS + 20);
    assert.equal(data.usage.prompt_tokens_details.audio_tokens, 20);
    const { decision, outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(decision.prompt.audio_seconds, 2);
    assert.equal(outcome.usage.audio_input, 20);
    const cost = TEXT_TOKENS * 0.001 + 20 * 0.04 + 9 * 0.01;
    assert.ok(Math.abs(Number(outcome.cost_usd) - cost) < 1e-6, `${outcome.cost_usd} for ${cost}`);
  });

  it('is told which setting is missing where a model has no formula', async () => {
    const error = await thrown(() =>
      client.chat.completions.create(ask('small', image(dataUrl(5, 5)))),
    );
    assert.equal(error.status, 400);
    assert.equal(error.code, 'unsupported_parameter');
    assert.equal(error.param, 'messages[0].content[1]');
    assert.match(error.message, /models\.small\.images/);
  });

  it('sends an image by an address that is listed, and holds the dearest', async () => {
    for (const url of [
      'https://images.example.com/cat.png?size=large',
      'https://eu.cdn.example.com/cat.png',
    ]) {
      const { data, response } = await client.chat.completions
        .create(ask('eyes', image(url, 'high')))
        .withResponse();
      const { decision } = await gateway.records(response.headers.get('x-request-id'));
      assert.equal(decision.prompt.images, 1);
      assert.deepEqual(decision.prompt.media_domains, [new URL(url).hostname]);
      assert.ok(decision.prompt.input_tokens_counted >= TEXT_TOKENS + 85 + 8 * 170);
      assert.ok(data.usage.prompt_tokens <= decision.prompt.input_tokens_counted);
    }
  });

  it('is refused an image by another address, and one that is no image', async () => {
    for (const [url, words] of [
      ['https://example.com/cat.png', /routes\.chat\.prompt\.media_domains/],
      ['https://cdn.example.com/cat.png', /routes\.chat\.prompt\.media_domains/],
      ['https://images.example.com.evil.example/', /routes\.chat\.prompt\.media_domains/],
      ['https://images.example.com@evil.example/', /no plain name of a host/],
      ['https://evil.example\\@images.example.com/', /no plain name of a host/],
      ['https://images.ex\tample.com/', /no plain name of a host/],
      ['https://images%2eexample.com/', /no plain name of a host/],
      ['https://169.254.169.254/latest/meta-data', /no IP address/],
      ['http://images.example.com/', /begin with `https/],
      [`data:image/jpeg;base64,${png(5, 5)}`, /not the JPEG/],
      ['data:image/png;base64,iVBORw0KGgo=', /header is damaged/],
    ]) {
      const error = await thrown(() => client.chat.completions.create(ask('eyes', image(url))));
      assert.equal(error.status, 400);
      assert.equal(error.param, 'messages[0].content[1].image_url.url');
      assert.match(error.message, words);
    }
  });
});

for (const [version, Sdk] of [
  ['1.x', Anthropic],
  ['0.x', Anthropic0],
]) {
  describe(`the Anthropic SDK ${version}`, () => {
    const ask = (model, ...blocks) => ({
      model,
      max_tokens: 50,
      messages: [{ role: 'user', content: [...blocks, { type: 'text', text: QUESTION }] }],
    });
    const image = (width, height) => ({
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: png(width, height) },
    });

    it('sends an image, and pays for it by its size', async () => {
      const client = gateway.anthropic(Sdk, key);
      const plain = await client.messages.create(ask('claude_eyes'));
      const seen = await client.messages.create(ask('claude_eyes', image(200, 200)));
      assert.equal(seen.usage.input_tokens - plain.usage.input_tokens, 64);
    });

    it('sends an image by an address that is listed, and no other', async () => {
      const client = gateway.anthropic(Sdk, key);
      const at = (url) => ({ type: 'image', source: { type: 'url', url } });
      const plain = await client.messages.create(ask('claude_eyes'));
      const seen = await client.messages.create(
        ask('claude_eyes', at('https://images.example.com/cat.png')),
      );
      assert.equal(seen.usage.input_tokens - plain.usage.input_tokens, 1600);
      const error = await thrown(() =>
        client.messages.create(ask('claude_eyes', at('https://evil.example/cat.png'))),
      );
      assert.equal(error.status, 400);
      assert.match(error.message, /routes\.messages\.prompt\.media_domains/);
    });

    it('is refused it where the model has no formula', async () => {
      const client = gateway.anthropic(Sdk, key);
      const error = await thrown(() => client.messages.create(ask('claude', image(200, 200))));
      assert.equal(error.status, 400);
      assert.match(error.message, /models\.claude\.images/);
    });
  });
}
