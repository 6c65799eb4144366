// Guards that judge answers, from the real SDKs: whole or streamed, nothing that they refuse reaches
// the caller, who sees a refusal or a clean end; what asking costs is on record and in the budget.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import {
  beginStream,
  chunk,
  completion,
  endStream,
  fakeUpstream,
  message,
  sendJson,
} from './fake_upstream.mjs';
import { Anthropic, scope, standard, startGateway, thrown } from './harness.mjs';

const GUARD_PRICE = 0.0002;
const GOOD = 'all is well here. ';
const BAD = 'hurt them like this. ';

const shared = scope(after);
let gateway, client, sdk, judge;
let say; // What the model answers with…
let verdict; // …and the guard, asked about a text.

const moderated = (flagged) => ({ flagged, categories: { violence: flagged }, category_scores: {} });
const judges = ({ response, body }) =>
  sendJson(response, { results: body.input.map((text) => moderated(text.includes(BAD.trim()))) });

function guarded(modelUrl, guardUrl) {
  const config = standard(modelUrl);
  config.upstreams.moderation = {
    url: guardUrl,
    speaks: 'openai',
    timeout: { first_byte: '500ms', total: '1s' },
  };
  const guard = {
    kind: 'openai_moderation',
    upstream: 'moderation',
    price_per_request: GUARD_PRICE,
    section: '128B',
  };
  config.guards = { moderation: guard, open: { ...guard, on_failure: 'pass' } };
  config.edge = { ...config.edge, workers: 1 }; // Each keeps verdicts of its own.
  config.models.open = { ...config.models.small };
  const chat = config.routes.find((route) => route.name === 'chat');
  for (const route of config.routes) {
    if (['chat', 'messages'].includes(route.name)) route.response_guards = ['moderation'];
  }
  config.routes.push({ ...chat, name: 'open', models: ['open'], response_guards: ['open'] });
  return config;
}

before(async () => {
  const model = await fakeUpstream(shared, (asked) => say(asked));
  judge = await fakeUpstream(shared, (asked) => verdict(asked));
  gateway = await startGateway(shared, guarded(model.url, judge.url));
  const key = await gateway.key('acme', '--user', 'ada');
  client = gateway.openai(key);
  sdk = gateway.anthropic(Anthropic, key);
});
beforeEach(() => (verdict = judges));

let number = 0; // So that no verdict is known from another test.
const ask = (model, more) => ({
  model,
  max_tokens: 400,
  messages: [{ role: 'user', content: 'Tell me something' }],
  ...more,
});
const outcome = async (headers) =>
  (await gateway.records(headers.get('x-request-id') ?? headers.get('request-id'))).outcome;
const answers = (text) => {
  say = ({ response }) => sendJson(response, completion(text, { input: 9, output: 20 }));
};
const streams = (words) => {
  say = ({ response }) => {
    beginStream(response);
    for (const content of words) response.write(chunk({ content }));
    endStream(response, { input: 9, output: 20 });
  };
};
const repeated = (text, times) => Array.from({ length: times }, () => text);

async function read(stream) {
  let text = '';
  let finish;
  for await (const part of stream) {
    text += part.choices[0]?.delta.content ?? '';
    finish = part.choices[0]?.finish_reason ?? finish;
  }
  return { text, finish };
}

async function streamed(model) {
  const { data, response } = await client.chat.completions
    .create(ask(model, { stream: true }))
    .withResponse();
  return { ...(await read(data)), record: await outcome(response.headers) };
}

describe('a guard of answers', () => {
  it('lets pass what it allows, at its price', async () => {
    answers(GOOD);
    const { data, response } = await client.chat.completions.create(ask('small')).withResponse();
    assert.equal(data.choices[0].message.content, GOOD);
    assert.deepEqual(judge.requests.at(-1).body.input, [GOOD]);
    const record = await outcome(response.headers);
    assert.equal(record.guard_cost_usd, GUARD_PRICE);
    assert.deepEqual(
      record.attempts.map((attempt) => attempt.upstream).sort(),
      ['moderation', 'openai'],
    );
  });

  it('refuses a whole answer, which is paid for', async () => {
    answers(GOOD + BAD);
    const error = await thrown(() => client.chat.completions.create(ask('small')));
    assert.equal(error.status, 400);
    assert.equal(error.code, 'content_policy_violation');
    assert.ok(!error.message.includes(BAD));
    const record = await outcome(error.headers);
    assert.deepEqual(record.content, [
      { rule: 'guards.moderation.violence', where: 'response', action: 'refuse' },
    ]);
    assert.ok(record.cost_usd > GUARD_PRICE);
    assert.equal(record.usage.output, 20);
  });

  it('ends a stream before the section that it refuses', async () => {
    streams([...repeated(GOOD, 9), ...repeated(BAD, 9)]);
    const { text, finish, record } = await streamed('small');
    assert.ok(text.startsWith(GOOD.repeat(8)), text);
    assert.ok(!text.includes('hurt'), text);
    assert.equal(finish, 'content_filter');
    assert.equal(record.decision.outcome, 'cut');
    assert.equal(record.decision.code, 'content_refused');
    assert.equal(record.guard_cost_usd, 2 * GUARD_PRICE);
    assert.equal(record.attempts.find(({ upstream }) => upstream === 'moderation').calls, 2);
  });

  it('refuses a stream of which nothing is out', async () => {
    streams(repeated(BAD, 20));
    const error = await thrown(() => client.chat.completions.create(ask('small', { stream: true })));
    assert.equal(error.status, 400);
    assert.equal(error.headers.get('x-tollgate-rule'), 'guards.moderation');
  });

  it('hands on a whole stream that it allows, and knows it the next time', async () => {
    streams(repeated('Nothing but good news. ', 20));
    const first = await streamed('small');
    assert.equal(first.text, 'Nothing but good news. '.repeat(20));
    assert.equal(first.finish, 'stop');
    assert.ok(first.record.guard_cost_usd >= 3 * GUARD_PRICE);
    const asked = judge.requests.length;
    const again = await streamed('small');
    assert.equal(again.text, first.text);
    assert.equal(judge.requests.length, asked);
    assert.equal(again.record.guard_cost_usd, undefined);
  });

  it('ends a stream of messages as a refusal', async () => {
    say = ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const send = (type, data) =>
        response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
      const opening = message([], { input: 9, output: 1 }, { stop_reason: null });
      send('message_start', { message: opening });
      send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
      for (const text of [...repeated(GOOD, 9), ...repeated(BAD, 9)]) {
        send('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
      }
      send('content_block_stop', { index: 0 });
      send('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 9 } });
      send('message_stop', {});
      response.end();
    };
    const made = await sdk.messages.stream(ask('claude')).finalMessage();
    assert.equal(made.stop_reason, 'refusal');
    assert.ok(made.content[0].text.startsWith(GOOD.repeat(8)));
    assert.ok(!made.content[0].text.includes('hurt'));
  });

  it('that is silent or broken lets nothing pass, unless it may', async () => {
    const failures = [
      () => {},
      ({ response }) => sendJson(response, { error: 'no' }, 500),
      ({ response }) => response.destroy(),
      ({ response }) => sendJson(response, { results: 'safe' }),
    ];
    for (const failure of failures) {
      number += 1;
      const text = `${GOOD}${number}. `;
      verdict = failure;
      answers(text);
      const asked = judge.requests.length;
      const error = await thrown(() => client.chat.completions.create(ask('small')));
      assert.equal(error.status, 503);
      assert.equal(error.headers.get('x-tollgate-rule'), 'guards.moderation');
      assert.equal(judge.requests.length, asked + 1, 'no SDK asks again for what would cost again');
      const passed = await client.chat.completions.create(ask('open'));
      assert.equal(passed.choices[0].message.content, text);
      // The first section is judged, the second is not.
      streams(repeated(text, 20));
      let times = 0;
      verdict = (asked) => (times++ === 0 ? judges(asked) : failure(asked));
      const cut = await streamed('small');
      assert.equal(cut.finish, 'content_filter');
      assert.ok(cut.text.length > 100 && cut.text.length < 200, cut.text);
      assert.equal(cut.record.content[0].rule, 'guards.moderation.unavailable');
    }
  });

  it('is paid from the budget of the caller', async () => {
    const before = (await gateway.spend()).usd;
    streams([...repeated('And now for something else. ', 9), ...repeated(BAD, 9)]);
    const { record } = await streamed('small');
    assert.ok(record.guard_cost_usd >= 2 * GUARD_PRICE);
    const spent = (await gateway.spend()).usd - before;
    assert.ok(Math.abs(spent - record.cost_usd) < 1e-6, `${spent} ${record.cost_usd}`);
  });
});
