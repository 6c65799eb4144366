// Rules of the operator's own, and requests of which parts are masked, from the real SDKs: what
// the model is sent, what it costs, and what is on record.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Anthropic, scope, standard, startGateway, thrown } from './harness.mjs';
import { completion, fakeUpstream, message, sendJson } from './fake_upstream.mjs';

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
  for (const route of config.routes) {
    if (!['chat', 'messages'].includes(route.name)) continue;
    route.content = {
      request: ['pii', 'own'],
      on_match: 'redact',
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
            content: [{ type: 'tool_use', id: 't1', name: 'f', input: { name: [`"${BOB}"`] } }],
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
