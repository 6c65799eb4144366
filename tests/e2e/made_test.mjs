// Images, speech and recordings, by the real SDK: what is made, what is paid for it, and what is refused.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OpenAI, scope, standard, startGateway, startMock, thrown } from './harness.mjs';

function studio(url) {
  const config = standard(url);
  const { allow } = config.routes[0];
  const prompt = { body: '64KiB', input_tokens: 4000, choices: 4 };
  const upstream = 'openai';
  Object.assign(config.models, {
    'dall-e-3': {
      upstream,
      tokenizer: 'o200k_base',
      price_per_image: { '1024x1024': 0.04, 'hd/1024x1024': 0.08 },
    },
    'gpt-image-1': {
      upstream,
      images: 'gpt-4o',
      tokenizer: 'o200k_base',
      price_per_million: { input: 5, output: 40 },
      tokens_per_image: { 'low/1024x1024': 272, 'high/1024x1024': 4160 },
    },
    'whisper-1': { upstream, tokenizer: 'o200k_base', price_per_minute: 0.006 },
    'tts-1': { upstream, tokenizer: 'o200k_base', price_per_million_characters: 15 },
  });
  config.routes.push(
    {
      name: 'images',
      path: '/v1/images/generations',
      models: ['dall-e-3', 'gpt-image-1'],
      allow,
      prompt,
      content: { request: ['secrets'] },
    },
    {
      name: 'edits',
      path: '/v1/images/edits',
      models: ['gpt-image-1'],
      allow,
      prompt: { ...prompt, body: '1MiB' },
    },
    { name: 'speech', path: '/v1/audio/speech', models: ['tts-1'], allow, prompt },
    ...['transcriptions', 'translations'].map((name) => ({
      name,
      path: `/v1/audio/${name}`,
      models: ['whisper-1'],
      allow,
      prompt: { ...prompt, body: '1MiB' },
      content: { request: ['secrets'], response: ['secrets'] },
    })),
  );
  return config;
}

/** Silence, 16 bits, one channel, 8,000 samples a second. */
function wav(milliseconds) {
  const data = Buffer.alloc(milliseconds * 16);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  for (const [value, at, bytes] of [
    [16, 16, 4], [1, 20, 2], [1, 22, 2], [8000, 24, 4], [16000, 28, 4], [2, 32, 2], [16, 34, 2],
  ]) {
    head.writeUIntLE(value, at, bytes);
  }
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

describe('Images, speech and recordings', () => {
  const shared = scope(after);
  let gateway, key, openai;
  before(async () => {
    const mock = await startMock(shared);
    gateway = await startGateway(shared, studio(mock.url));
    key = await gateway.key();
    openai = gateway.openai(key);
  });
  const told = async (response) => gateway.records(response.headers.get('x-request-id'));

  it('images are paid by how many came', async () => {
    const { data, response } = await openai.images
      .generate({ model: 'dall-e-3', prompt: 'A red door', n: 2, size: '1024x1024', quality: 'hd' })
      .withResponse();
    assert.equal(data.data.length, 2);
    assert.equal(Buffer.from(data.data[0].b64_json, 'base64').toString('latin1', 1, 4), 'PNG');
    assert.equal(Number(response.headers.get('x-tollgate-cost-usd')), 0.16);
    const { decision, outcome } = await told(response);
    assert.equal(decision.surface, 'image_generations');
    assert.deepEqual(decision.prompt.held, { images: 2 });
    assert.equal(outcome.usage.images, 2);
    assert.equal(Number(outcome.cost_usd), 0.16);
    const metrics = await (await gateway.adminGet('/metrics')).text();
    assert.match(metrics, /tollgate_units_total\{tenant="acme",model="dall-e-3",kind="images"\} 2/);
  });

  it('a GPT Image model is paid by the tokens that it tells', async () => {
    const { data, response } = await openai.images
      .generate({ model: 'gpt-image-1', prompt: 'A red door', quality: 'low', size: '1024x1024' })
      .withResponse();
    const { decision, outcome } = await told(response);
    assert.equal(decision.prompt.output_tokens_cap, 272);
    assert.equal(outcome.usage.source, 'provider');
    assert.equal(outcome.usage.output, data.usage.output_tokens);
    const cost = (data.usage.input_tokens * 5 + data.usage.output_tokens * 40) / 1e6;
    assert.ok(Math.abs(Number(outcome.cost_usd) - cost) < 2e-6);
  });

  it('edits are held with the images that they are made of', async () => {
    const made = await openai.images.generate({ model: 'gpt-image-1', prompt: 'A door' });
    const pixel = Buffer.from(made.data[0].b64_json, 'base64');
    const image = (name) => new File([pixel], name, { type: 'image/png' });
    for (const asked of [
      { image: image('a.png'), mask: image('mask.png') },
      { image: [image('a.png'), image('b.png')], n: 2, input_fidelity: 'low' },
    ]) {
      const { data, response } = await openai.images
        .edit({ model: 'gpt-image-1', prompt: 'A red door', quality: 'low', size: '1024x1024', ...asked })
        .withResponse();
      assert.equal(data.data.length, asked.n ?? 1);
      const { decision, outcome } = await told(response);
      assert.equal(decision.surface, 'image_edits');
      assert.equal(decision.prompt.images, 2);
      assert.equal(outcome.usage.source, 'provider');
      assert.ok(outcome.usage.input > 2 * 255, JSON.stringify(outcome.usage));
      assert.equal(outcome.usage.images, asked.n ?? 1);
    }
    for (const [asked, words] of [
      [{ image: new File(['GIF89a'], 'a.gif') }, /PNG/],
      [{ input_fidelity: 'high' }, /input_fidelity/],
      [{ response_format: 'url' }, /response_format/],
    ]) {
      const error = await thrown(() =>
        openai.images.edit({ model: 'gpt-image-1', prompt: 'A', image: image('a.png'), ...asked }),
      );
      assert.match(error.message, words);
    }
    const error = await thrown(() =>
      openai.images.createVariation({ model: 'dall-e-2', image: image('a.png') }),
    );
    assert.ok(error instanceof OpenAI.NotFoundError);
  });

  it('what has no price, hands out an address or asks for too many is refused', async () => {
    for (const [asked, words] of [
      [{ size: '256x256' }, /no price/],
      [{ response_format: 'url' }, /address/],
      [{ n: 5 }, /choices/],
      [{ stream: true }, /stream/],
      [{ prompt: 'AKIA' + 'Q3EGRS5WXNB7TC2V' }, /content|secret/i],
    ]) {
      const error = await thrown(() =>
        openai.images.generate({ model: 'dall-e-3', prompt: 'A red door', ...asked }),
      );
      assert.ok(error instanceof OpenAI.APIError, String(error));
      assert.match(error.message, words);
      const { outcome } = await gateway.records(error.headers.get('x-request-id'));
      assert.equal(outcome.decision.outcome, 'refused');
    }
  });

  it('speech is paid by its characters and comes as it is made', async () => {
    const input = 'Grüße '.repeat(40);
    const spoken = await openai.audio.speech.create({
      model: 'tts-1',
      voice: 'alloy',
      input,
      response_format: 'wav',
    });
    assert.equal(spoken.headers.get('content-type'), 'audio/wav');
    const sound = Buffer.from(await spoken.arrayBuffer());
    assert.equal(sound.toString('latin1', 0, 4), 'RIFF');
    assert.equal(sound.length, 44 + Math.floor((8000 * input.length) / 15));
    const { outcome } = await told(spoken);
    assert.equal(outcome.usage.characters, 240);
    assert.equal(Number(outcome.cost_usd), 0.0036);
    const error = await thrown(() =>
      openai.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'Hi', stream_format: 'sse' }),
    );
    assert.match(error.message, /stream_format/);
  });

  it('speech that breaks off is not taken for whole', async () => {
    const mock = await startMock(shared, ['--fail', 'cut']);
    const other = await startGateway(shared, studio(mock.url));
    const client = other.openai(await other.key());
    const spoken = await client.audio.speech.create({
      model: 'tts-1',
      voice: 'alloy',
      input: 'Hello there '.repeat(100),
    });
    await assert.rejects(() => spoken.arrayBuffer());
    const { outcome } = await other.records(spoken.headers.get('x-request-id'));
    assert.equal(outcome.decision.outcome, 'cut');
    assert.equal(outcome.usage.characters, 1200);
  });

  it('the text of a recording is paid by its seconds, in every format', async () => {
    const file = new File([wav(2500)], 'speech.flac', { type: 'audio/flac' });
    for (const [response_format, expected] of [
      [undefined, (made) => made.text],
      ['verbose_json', (made) => made.segments[0].text],
      ['text', (made) => made],
      ['srt', (made) => made.match(/00:00:03,000\n(.*)/)[1]],
      ['vtt', (made) => made.match(/^WEBVTT\n\n.*\n(.*)/)[1]],
    ]) {
      const { data, response } = await openai.audio.transcriptions
        .create({
          model: 'whisper-1',
          file,
          language: 'en',
          prompt: 'A door',
          response_format,
          ...(response_format === 'verbose_json' && { timestamp_granularities: ['word', 'segment'] }),
        })
        .withResponse();
      assert.equal(expected(data).trim().split(' ').length, 6, response_format);
      const { decision, outcome } = await told(response);
      assert.equal(decision.surface, 'transcriptions');
      assert.deepEqual(decision.prompt.held, { audio_seconds: 3 });
      assert.equal(outcome.usage.audio_seconds, 3);
      assert.equal(Number(outcome.cost_usd), 0.0003);
    }
    const { data, response } = await openai.audio.translations
      .create({ model: 'whisper-1', file })
      .withResponse();
    assert.equal(data.text.trim().split(' ').length, 6);
    assert.equal((await told(response)).decision.surface, 'translations');
  });

  it('the text of a recording comes as events where it is asked for so', async () => {
    const file = new File([wav(2500)], 'a.wav');
    const { data, response } = await openai.audio.transcriptions
      .create({ model: 'whisper-1', file, stream: true })
      .withResponse();
    let said = '';
    let end;
    for await (const event of data) {
      if (event.type === 'transcript.text.delta') said += event.delta;
      if (event.type === 'transcript.text.done') end = event;
    }
    assert.equal(said.trim().split(' ').length, 6);
    assert.equal(end.text, said);
    const { decision, outcome } = await told(response);
    assert.deepEqual(decision.prompt.held, { audio_seconds: 3 });
    assert.equal(outcome.usage.audio_seconds, 3);
    assert.equal(Number(outcome.cost_usd), 0.0003);
    for (const [fail, code] of [['leak', 'content_refused'], ['cut', 'upstream_error']]) {
      const mock = await startMock(shared, ['--fail', fail]);
      const other = await startGateway(shared, studio(mock.url));
      const client = other.openai(await other.key());
      const { data: events, response: begun } = await client.audio.transcriptions
        .create({ model: 'whisper-1', file: new File([wav(10000)], 'a.wav'), stream: true })
        .withResponse()
        .catch((error) => ({ data: null, response: error }));
      let heard = '';
      if (events) {
        const error = await thrown(async () => {
          for await (const event of events) heard += event.delta ?? '';
        });
        assert.ok(error instanceof OpenAI.APIError, String(error));
      }
      assert.doesNotMatch(heard, /Q3EGRS5WXNB7TC2V/);
      const records = await other.records(begun.headers.get('x-request-id'));
      assert.equal(records.outcome.decision.code, code);
      assert.equal(records.outcome.usage.audio_seconds, 10, 'it was made');
    }
  });

  it('what cannot be measured, inspected or streamed is refused', async () => {
    const file = new File([wav(100)], 'a.wav');
    for (const [asked, words] of [
      [{ file: new File(['OggS and so on'], 'a.ogg') }, /no WAV and no MP3/],
      [{ prompt: 'AKIA' + 'Q3EGRS5WXNB7TC2V' }, /content|secret/i],
      [{ stream: true, response_format: 'text' }, /stream/],
      [{ response_format: 'diarized_json' }, /response_format/],
      [{ include: ['logprobs'] }, /include/],
      [{ model: 'tts-1' }, /tts-1/],
    ]) {
      const error = await thrown(() =>
        openai.audio.transcriptions.create({ model: 'whisper-1', file, ...asked }),
      );
      assert.ok(error instanceof OpenAI.APIError, String(error));
      assert.match(error.message, words);
    }
    const json = await gateway.post('/v1/audio/transcriptions', { model: 'whisper-1' }, key);
    assert.equal(json.status, 400);
    assert.match((await json.json()).error.message, /multipart/);
  });

  it('a secret that a recording holds does not come out of it', async () => {
    const mock = await startMock(shared, ['--fail', 'leak']);
    const other = await startGateway(shared, studio(mock.url));
    const client = other.openai(await other.key());
    const file = new File([wav(10000)], 'a.wav');
    for (const response_format of ['json', 'text', 'srt']) {
      const error = await thrown(() =>
        client.audio.transcriptions.create({ model: 'whisper-1', file, response_format }),
      );
      assert.equal(error.headers.get('x-tollgate-reason'), 'content_refused');
      assert.doesNotMatch(error.message, /Q3EGRS5WXNB7TC2V/);
    }
  });
});
