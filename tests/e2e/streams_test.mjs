// Streams: metered as they pass, ended correctly at a cap, billed when the caller leaves.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  assertRefused,
  countTokens,
  poll,
  question,
  QUESTION_TOKENS,
  standard,
  startGateway,
  startMock,
} from './harness.mjs';
import { beginStream, chunk, fakeUpstream, streamWords } from './fake_upstream.mjs';

const events = (text) =>
  text
    .split('\n\n')
    .filter((it) => it.startsWith('data: '))
    .map((it) => it.slice(6));
const WORDS = 'one two three four five six seven eight nine ten'
  .split(' ')
  .map((word) => `${word} `);

async function readSome(response, enough) {
  const reader = response.body.getReader();
  let text = '';
  while (!enough(text)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  return { reader, text };
}

describe('streams', () => {
  it('pass as they come, piece by piece', async (t) => {
    let go;
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      response.write(chunk({ content: 'first' }));
      go = () => streamTail(response);
    });
    const streamTail = (response) => {
      response.write(chunk({ content: ' second' }));
      response.write(chunk({}, 'stop'));
      response.end('data: [DONE]\n\n');
    };
    const gateway = await startGateway(t, standard(upstream.url));
    const response = await gateway.chat(await gateway.key(), { stream: true });
    assert.match(response.headers.get('content-type'), /^text\/event-stream/);
    const { reader, text } = await readSome(response, (it) => it.includes('first'));
    assert.ok(!text.includes('second'));
    go();
    let rest = '';
    for (let part; !(part = await reader.read()).done;) rest += Buffer.from(part.value).toString();
    assert.equal(events(rest).at(-1), '[DONE]');
  });

  it('a caller that leaves ends the upstream and is billed for what was made', async (t) => {
    let made = 0;
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      const more = () => {
        if (response.destroyed || response.closed) return;
        made += 1;
        response.write(chunk({ content: ' word' }), () => setImmediate(more));
      };
      more();
    });
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key();
    const leave = new AbortController();
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      signal: leave.signal,
      body: JSON.stringify({ ...question(), stream: true, max_tokens: 900 }),
      headers: { authorization: `Bearer ${key.secret}`, 'content-type': 'application/json' },
    });
    await readSome(response, (text) => text.split(' word').length > 20);
    leave.abort();
    await poll(() => upstream.cut === 1, "the end of the upstream's stream");
    const { outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(outcome.usage.source, 'counted');
    assert.ok(
      outcome.usage.output >= 20 && outcome.usage.output <= Math.min(made, 900),
      `${outcome.usage.output} of ${made}`,
    );
    const { usd, output } = await gateway.spend();
    assert.equal(output, outcome.usage.output);
    assert.ok(Math.abs(usd - Number(outcome.cost_usd)) < 1e-6 && usd >= 0.2);
    assert.equal(await gateway.metric('tollgate_holds_open'), 0);
  });

  it('an upstream that runs over the cap is cut with a correct ending', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      streamWords(response, Array(200).fill(WORDS).flat(), {
        input: QUESTION_TOKENS,
        output: 2000,
      }),
    );
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key();
    const client = gateway.openai(key);
    const stream = await client.chat.completions.create({
      ...question(),
      stream: true,
      max_tokens: 30,
      stream_options: { include_usage: true },
    });
    let text = '';
    let finish = null;
    let usage = null;
    for await (const part of stream) {
      text += part.choices[0]?.delta.content ?? '';
      finish = part.choices[0]?.finish_reason ?? finish;
      usage = part.usage ?? usage;
    }
    assert.equal(finish, 'length');
    assert.ok(countTokens(text) <= 31, `${countTokens(text)} tokens came`);
    assert.ok(usage.completion_tokens <= 31);
    const { usd } = await poll(async () => {
      const spent = await gateway.spend();
      return spent.usd > 0 && spent;
    }, 'the books');
    assert.ok(usd <= 0.35, `${usd} for 30 tokens`);
  });

  it('a whole reply that runs over the cap is not charged beyond what was held', async (t) => {
    const mock = await startMock(t, ['--fail', 'overrun']);
    const config = standard(mock.url);
    config.tenants.acme.budget = { usd: 2, per: 'month', when_exhausted: 'refuse' };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const response = await gateway.chat(key, {
      messages: [{ role: 'user', content: 'Write 100 words.' }],
      max_tokens: 20,
    });
    await response.text();
    const { outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.ok(Number(outcome.cost_usd) > 0);
  });

  it('usage of a provider that lies is not believed', async (t) => {
    for (const [lie, usage] of [
      ['low', { input: 0, output: 0 }],
      ['high', { input: 1e9, output: 1e9 }],
      ['negative', { input: -5, output: -5 }],
    ]) {
      const upstream = await fakeUpstream(t, ({ response }) => streamWords(response, WORDS, usage));
      const gateway = await startGateway(t, standard(upstream.url));
      const response = await gateway.chat(await gateway.key(), { stream: true, max_tokens: 50 });
      await response.text();
      const { outcome } = await gateway.records(response.headers.get('x-request-id'));
      assert.equal(outcome.usage.source, 'counted', lie);
      assert.ok(
        outcome.usage.output >= 10 && outcome.usage.output <= 50,
        `${lie}: ${outcome.usage.output}`,
      );
      assert.ok(
        outcome.usage.input > 5 && outcome.usage.input < 50,
        `${lie}: ${outcome.usage.input}`,
      );
    }
  });

  it('a provider that reports no usage is counted', async (t) => {
    const mock = await startMock(t, ['--usage', 'off']);
    const gateway = await startGateway(t, standard(mock.url));
    const key = await gateway.key();
    for (const stream of [false, true]) {
      const response = await gateway.chat(key, {
        stream,
        messages: [{ role: 'user', content: 'Write 25 words.' }],
      });
      await response.text();
      const { outcome } = await gateway.records(response.headers.get('x-request-id'));
      assert.equal(outcome.usage.source, 'counted');
      assert.equal(outcome.usage.output, 25);
    }
  });

  it('a stream that a budget cannot carry to its worst case does not begin', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) => streamWords(response, WORDS));
    const config = standard(upstream.url);
    config.tenants.acme.budget = { usd: 0.2, per: 'month', when_exhausted: 'refuse' };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    await assertRefused(
      await gateway.chat(key, { stream: true, max_tokens: 50 }),
      429,
      'budget_exhausted',
    );
    assert.equal(upstream.requests.length, 0);
    assert.equal((await gateway.chat(key, { stream: true, max_tokens: 10 })).status, 200);
  });

  it('many at once, each whole', async (t) => {
    const mock = await startMock(t, ['--tokens-per-second', '200']);
    const gateway = await startGateway(t, standard(mock.url));
    const key = await gateway.key();
    const texts = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const response = await gateway.chat(key, {
          stream: true,
          messages: [{ role: 'user', content: 'Write 30 words.' }],
        });
        return response.text();
      }),
    );
    for (const text of texts) assert.equal(events(text).at(-1), '[DONE]');
    await poll(async () => (await gateway.spend()).output === 3000, 'all tokens in the books');
  });
});
