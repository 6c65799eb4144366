// Rules of the operator's own, and requests of which parts are masked, from the real SDKs: what
// the model is sent, what it costs, and what is on record.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Anthropic, scope, standard, startGateway, thrown } from './harness.mjs';
import {
  beginStream,
  chunk,
  completion,
  endStream,
  fakeUpstream,
  message,
  sendJson,
} from './fake_upstream.mjs';

const ANN = 'ann@hoverly.com';
const BOB = 'bob@hoverly.org';
const FIRST = '[REDACTED:pii.email#1]';
const SECOND = '[REDACTED:pii.email#2]';

function masking(url) {
  const config = standard(url);
  config.content = {
    rules: {
      employee: { pattern: '\\bEMP-[0-9]{4,6}\\b' },
      project: { words: ['Blue Harvest'] },
    },
  };
  config.models.told = { ...config.models.small };
  config.routes.push({
    ...config.routes.find((route) => route.name === 'chat'),
    name: 'told',
    models: ['told'],
    content: { response: ['own'] },
  });
  for (const route of config.routes) {
    if (!['chat', 'messages'].includes(route.name)) continue;
    route.content = {
      request: ['pii', 'own'],
      on_match: 'redact',
      restore: true,
      overrides: { 'own.project': { on_match: 'refuse' } },
    };
  }
  return config;
}

let say; // What the model answers with.
const shared = scope(after);
let gateway, upstream, key, client, sdk;
before(async () => {
  upstream = await fakeUpstream(shared, (asked) => say(asked));
  gateway = await startGateway(shared, masking(upstream.url));
  key = await gateway.key('acme', '--user', 'ada');
  client = gateway.openai(key);
  sdk = gateway.anthropic(Anthropic, key);
});

const ask = (model, content, more) => ({
  model,
  max_tokens: 200,
  messages: [{ role: 'user', content }],
  ...more,
});
const last = () => upstream.requests.at(-1).body;

describe('the OpenAI SDK', () => {
  it('is refused what a rule of the operator finds', async () => {
    const asked = upstream.requests.length;
    for (const content of ['about BLUE *harvest', 'about bl\u00fce h\u0430rvest']) {
      const error = await thrown(() => client.chat.completions.create(ask('small', content)));
      assert.equal(error.status, 400);
      assert.equal(error.code, 'content_policy_violation');
      assert.match(error.message, /own\.project/);
      const { decision } = await gateway.records(error.headers.get('x-request-id'));
      assert.equal(decision.content[0].rule, 'own.project');
      assert.equal(decision.content[0].where, 'messages[0].content:6+' + bytes(content.slice(6)));
    }
    assert.equal(upstream.requests.length, asked);
  });

  it('sends masks, the same for the same, and nothing of what they stand for', async () => {
    say = ({ response }) => sendJson(response, completion('Done.', { input: 40, output: 3 }));
    const call = {
      id: 'c1',
      type: 'function',
      function: { name: 'get_weather', arguments: JSON.stringify({ to: `x\n${BOB}`, n: [ANN] }) },
    };
    const { response } = await client.chat.completions
      .create(
        ask('small', 'x', {
          user: ANN,
          messages: [
            { role: 'system', content: `The user is ${ANN}, EMP-12345.` },
            { role: 'user', content: [{ type: 'text', text: `Write to "${BOB}"\n` }] },
            { role: 'assistant', content: null, tool_calls: [call] },
            { role: 'tool', tool_call_id: 'c1', content: `sent to bob\u200b@hoverly.org` },
          ],
        }),
      )
      .withResponse();
    const sent = last();
    assert.equal(sent.messages[0].content, `The user is ${FIRST}, [REDACTED:own.employee#1].`);
    assert.equal(sent.messages[1].content[0].text, `Write to "${SECOND}"\n`);
    const passed = JSON.parse(sent.messages[2].tool_calls[0].function.arguments);
    assert.deepEqual(passed, { to: `x\n${SECOND}`, n: [FIRST] });
    assert.equal(sent.user, FIRST);
    // Written with a character that nobody sees it is another text.
    assert.equal(sent.messages[3].content, 'sent to [REDACTED:pii.email#3]');
    assert.ok(!upstream.requests.at(-1).text.includes('@hoverly'));
    const { decision } = await gateway.records(response.headers.get('x-request-id'));
    assert.ok(!JSON.stringify(decision).includes('@hoverly'));
    const places = decision.content.map((found) => found.where);
    assert.ok(places.includes(`messages[0].content:12+${ANN.length}`), places.join());
    for (const found of decision.content) assert.equal(found.action, 'redact');
    assert.equal(decision.decision.outcome, 'allowed');
  });

  it('has the same masks on its next turn, and is refused what cannot be masked', async () => {
    say = ({ response }) => sendJson(response, completion('Done.', { input: 40, output: 3 }));
    const first = { role: 'user', content: `I am ${ANN}` };
    await client.chat.completions.create(ask('small', 'x', { messages: [first] }));
    const before = last().messages[0];
    const more = [first, { role: 'assistant', content: 'Hi' }, { role: 'user', content: BOB }];
    await client.chat.completions.create(ask('small', 'x', { messages: more }));
    assert.deepEqual(last().messages[0], before);
    assert.equal(last().messages[2].content, SECOND);

    const asked = upstream.requests.length;
    const error = await thrown(() =>
      client.chat.completions.create(ask('small', 'x', { metadata: { [ANN]: 'x' } })),
    );
    assert.equal(error.status, 400);
    assert.equal(error.param, 'metadata');
    assert.match(error.message, /cannot be masked/);
    assert.equal(upstream.requests.length, asked);
  });
});

describe('an answer', () => {
  const pieces = (text, size) => text.match(new RegExp(`[^]{1,${size}}`, 'g'));
  const request = (more) => ask('small', `I am ${ANN}, "EMP-1234", he is ${BOB}`, more);
  const TEXT = `Dear ${SECOND}, ${FIRST} [and] ${FIRST}`;
  const RESTORED = `Dear ${BOB}, ${ANN} [and] ${ANN}`;
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters: {} } }];

  it('has the values again, in its text and in the arguments of tools', async () => {
    const call = {
      id: 'c1',
      type: 'function',
      function: { name: 'get_weather', arguments: JSON.stringify({ to: [FIRST, '"'] }) },
    };
    say = ({ response }) =>
      sendJson(
        response,
        completion(TEXT, { input: 40, output: 9 }, { message: { tool_calls: [call] } }),
      );
    const whole = await client.chat.completions.create(request({ tools }));
    const said = whole.choices[0].message;
    assert.equal(said.content, RESTORED);
    assert.deepEqual(JSON.parse(said.tool_calls[0].function.arguments), { to: [ANN, '"'] });
    // Nobody else's: a request without that value keeps the mask.
    const other = await client.chat.completions.create(ask('small', 'x', { tools }));
    assert.equal(other.choices[0].message.content, TEXT);
  });

  it('has them in a stream, however it is cut', async () => {
    for (const size of [1, 2, 5, 9, 200]) {
      say = ({ response }) => {
        beginStream(response);
        for (const content of pieces(TEXT, size)) response.write(chunk({ content }));
        const first = { index: 0, id: 'c1', type: 'function' };
        const named = { ...first, function: { name: 'get_weather', arguments: '' } };
        response.write(chunk({ tool_calls: [named] }));
        for (const part of pieces(JSON.stringify({ to: [FIRST, SECOND] }), size)) {
          response.write(chunk({ tool_calls: [{ index: 0, function: { arguments: part } }] }));
        }
        endStream(response, { input: 40, output: 30 });
      };
      const stream = await client.chat.completions.create(request({ stream: true, tools }));
      let text = '';
      let given = '';
      for await (const part of stream) {
        const delta = part.choices[0]?.delta;
        text += delta?.content ?? '';
        given += delta?.tool_calls?.[0]?.function?.arguments ?? '';
      }
      assert.equal(text, RESTORED, `pieces of ${size}`);
      assert.deepEqual(JSON.parse(given), { to: [ANN, BOB] });
    }
  });

  it('is held to the rules of the operator', async () => {
    const said = 'He is EMP-12345, who';
    say = ({ response, body }) => {
      if (!body.stream) return sendJson(response, completion(said, { input: 9, output: 9 }));
      beginStream(response);
      for (const content of pieces(said, 3)) response.write(chunk({ content }));
      endStream(response, { input: 9, output: 9 });
    };
    const error = await thrown(() => client.chat.completions.create(ask('told', 'Who?')));
    assert.equal(error.code, 'content_policy_violation');
    assert.match(error.message, /own\.employee/);
    const stream = await client.chat.completions.create(ask('told', 'Who?', { stream: true }));
    let text = '';
    let finish;
    for await (const part of stream) {
      text += part.choices[0]?.delta.content ?? '';
      finish = part.choices[0]?.finish_reason ?? finish;
    }
    assert.ok('He is '.startsWith(text), text);
    assert.equal(finish, 'content_filter');
  });

  it('has them from Anthropic, whole and streamed', async () => {
    say = ({ response, body }) => {
      const input = { to: FIRST };
      if (!body.stream) {
        const call = { type: 'tool_use', id: 't1', name: 'get_weather', input };
        const text = { type: 'text', text: TEXT };
        return sendJson(response, message([text, call], { input: 40, output: 9 }));
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const send = (type, data) =>
        response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
      const opening = message([], { input: 9, output: 1 }, { stop_reason: null });
      send('message_start', { message: opening });
      send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
      for (const text of pieces(TEXT, 3)) {
        send('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
      }
      send('content_block_stop', { index: 0 });
      const block = { type: 'tool_use', id: 't1', name: 'get_weather', input: {} };
      send('content_block_start', { index: 1, content_block: block });
      for (const partial_json of pieces(JSON.stringify(input), 4)) {
        send('content_block_delta', { index: 1, delta: { type: 'input_json_delta', partial_json } });
      }
      send('content_block_stop', { index: 1 });
      send('message_delta', { delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 9 } });
      send('message_stop', {});
      response.end();
    };
    const tools = [{ name: 'get_weather', input_schema: { type: 'object' } }];
    const asked = ask('claude', `I am ${ANN}, he is ${BOB}`, { tools });
    const whole = await sdk.messages.create(asked);
    const streamed = await sdk.messages.stream(asked).finalMessage();
    for (const { content } of [whole, streamed]) {
      assert.equal(content[0].text, RESTORED);
      assert.deepEqual(content[1].input, { to: ANN });
    }
  });
});

describe('the Anthropic SDK', () => {
  it('sends masks in every block', async () => {
    say = ({ response }) => sendJson(response, message('Done.', { input: 40, output: 3 }));
    await sdk.messages.create(
      ask('claude', 'x', {
        system: [{ type: 'text', text: `For ${ANN}.` }],
        messages: [
          { role: 'user', content: 'x' },
          {
            role: 'assistant',
            content: [{ type: 'tool_use', id: 't1', name: 'get_weather', input: { name: [`"${BOB}"`] } }],
          },
          {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: 't1', content: `by ${ANN}` }],
          },
        ],
      }),
    );
    const sent = last();
    assert.ok(!upstream.requests.at(-1).text.includes('@hoverly'));
    assert.match(sent.system[0].text, /^For \[REDACTED:pii\.email#\d\]\.$/);
    assert.match(sent.messages[1].content[0].input.name[0], /^"\[REDACTED:pii\.email#\d\]"$/);
    const result = sent.messages[2].content[0].content;
    assert.equal(result.slice(3), sent.system[0].text.slice(4, -1), 'the same for the same');
  });
});

function bytes(text) {
  return Buffer.from(text).length;
}
