// Tools that a model is offered and calls, from the real SDKs: who may offer which, what is
// removed, which calls of an answer reach the caller, whole and streamed, and what is on record.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Anthropic, poll, scope, standard, startGateway, thrown } from './harness.mjs';
import {
  beginStream,
  chunk,
  completion,
  endStream,
  fakeUpstream,
  message,
  openaiUsage,
  sendJson,
} from './fake_upstream.mjs';

const USAGE = { input: 60, output: 20 };
const object = (properties, more = {}) => ({ type: 'object', properties, ...more });
const tool = (name, parameters = object({})) => ({
  type: 'function',
  function: { name, parameters },
});
const claudeTool = (name, input_schema = object({})) => ({ name, input_schema });
const WEATHER = object(
  { city: { type: 'string' }, unit: { enum: ['C', 'F'] } },
  { required: ['city'], additionalProperties: false },
);

function withTools(url) {
  const config = standard(url);
  const route = (name) => config.routes.find((one) => one.name === name);
  const policy = {
    allow: ['get_weather', 'search_*', 'type:web_search'],
    deny: ['search_secrets'],
    by_role: { admin: ['delete_user'] },
    definitions: 4,
    calls: 2,
    steps: 3,
    repeats: 2,
  };
  route('chat').tools = policy;
  route('messages').tools = policy;
  const also = (name, of, tools) => {
    config.models[name] = { ...config.models[route(of).models[0]] };
    config.routes.push({ ...route(of), name, models: [name], tools });
  };
  also('removing', 'chat', { ...policy, unlisted: 'remove' });
  also('claude-removing', 'messages', { ...policy, unlisted: 'remove' });
  also('strict', 'chat', { ...policy, arguments: 'validate' });
  also('claude-strict', 'messages', { ...policy, arguments: 'validate' });
  also('watched', 'chat', { ...policy, mode: 'observe' });
  also('none', 'chat', {});
  config.tenants.globex.tools = { deny: ['get_weather'] };
  for (const model of Object.values(config.models)) model.price_per_tool_call = { web_search: 0 };
  return config;
}

let say; // What the model answers with.
const shared = scope(after);
let gateway, upstream, key, client, claude;
before(async () => {
  upstream = await fakeUpstream(shared, (asked) => say(asked));
  gateway = await startGateway(shared, withTools(upstream.url));
  key = await gateway.key('acme', '--user', 'ada');
  client = gateway.openai(key);
  claude = gateway.anthropic(Anthropic, key);
});

const ask = (model, more) => ({
  model,
  max_tokens: 50,
  messages: [{ role: 'user', content: 'How is the weather?' }],
  ...more,
});
const sent = () => upstream.requests.at(-1).body;
const said = () => (say = ({ response }) => sendJson(response, completion('Hi', USAGE)));
const claudeSaid = () => (say = ({ response }) => sendJson(response, message('Hi', USAGE)));

async function refused(made) {
  const before = upstream.requests.length;
  const error = await thrown(made);
  const { decision } = await gateway.records(error.headers.get('x-request-id'));
  return { error, decision, left: upstream.requests.length - before };
}

// ---- Requests ----------------------------------------------------------------------------------

describe('a request', () => {
  it('may offer what the route allows by name, pattern and type, and nothing else', async () => {
    said();
    const tools = [tool('get_weather'), tool('search_docs'), { type: 'web_search' }];
    const { _request_id: id } = await client.chat.completions.create(ask('small', { tools }));
    assert.deepEqual(sent().tools, tools);
    const { decision } = await gateway.records(id);
    assert.deepEqual(decision.tools, { offered: ['get_weather', 'search_docs', 'web_search'] });
    for (const [offered, rule, named] of [
      [tool('rm'), 'routes.chat.tools', 'rm'],
      [tool('Get_Weather'), 'routes.chat.tools', 'Get_Weather'],
      [tool('get_we\u0430ther'), 'routes.chat.tools', undefined],
      [tool('get_weather\u200b'), 'routes.chat.tools', undefined],
      [tool('search_secrets'), 'routes.chat.tools.deny', 'search_secrets'],
      [tool('delete_user'), 'routes.chat.tools', 'delete_user'],
      [{ type: 'code_interpreter' }, 'routes.chat.tools', 'code_interpreter'],
      [{ type: 'teleport_20270101' }, 'routes.chat.tools', 'teleport_20270101'],
    ]) {
      const { error, decision, left } = await refused(() =>
        client.chat.completions.create(ask('small', { tools: [tool('search_x'), offered] })),
      );
      assert.equal(error.status, 403);
      assert.equal(error.code, 'permission_denied');
      assert.equal(error.param, 'tools[1]');
      assert.equal(decision.decision.code, 'tool_not_allowed');
      assert.equal(decision.decision.rule, rule);
      if (named) assert.deepEqual(decision.tools.refused, [named]);
      assert.equal(left, 0);
    }
  });

  it('of the Anthropic SDK is held to the same', async () => {
    claudeSaid();
    const search = { type: 'web_search_20250305', name: 'web_search' };
    await claude.messages.create(ask('claude', { tools: [claudeTool('get_weather'), search] }));
    assert.equal(sent().tools.length, 2);
    for (const offered of [claudeTool('rm'), { type: 'bash_20250124', name: 'bash' }]) {
      const { error, decision } = await refused(() =>
        claude.messages.create(ask('claude', { tools: [offered] })),
      );
      assert.equal(error.status, 403);
      assert.equal(error.error.error.type, 'permission_error');
      assert.equal(decision.decision.rule, 'routes.messages.tools');
    }
  });

  it('may offer what a role is allowed, and never what a tenant is denied', async () => {
    said();
    const admin = gateway.openai(await gateway.key('acme', '--user', 'root', '--role', 'admin'));
    await admin.chat.completions.create(ask('small', { tools: [tool('delete_user')] }));
    const other = gateway.openai(await gateway.key('globex'));
    await other.chat.completions.create(ask('small', { tools: [tool('search_docs')] }));
    const { decision } = await refused(() =>
      other.chat.completions.create(ask('small', { tools: [tool('get_weather')] })),
    );
    assert.equal(decision.decision.rule, 'tenants.globex.tools.deny');
  });

  it('may offer none where a route says nothing of tools', async () => {
    const { decision } = await refused(() =>
      client.chat.completions.create(ask('none', { tools: [tool('get_weather')] })),
    );
    assert.equal(decision.decision.rule, 'routes.none.tools');
  });

  it('has tools of names of their own, and not too many', async () => {
    const twice = await refused(() =>
      client.chat.completions.create(ask('small', { tools: [tool('search_a'), tool('search_A')] })),
    );
    assert.equal(twice.error.status, 400);
    const many = [1, 2, 3, 4, 5].map((i) => tool(`search_${i}`));
    const { error, decision } = await refused(() =>
      client.chat.completions.create(ask('small', { tools: many })),
    );
    assert.equal(decision.decision.rule, 'routes.chat.tools.definitions');
    assert.match(error.message, /5 tools.*At most 4/);
  });

  it('chooses among what it offers', async () => {
    for (const tool_choice of [
      { type: 'function', function: { name: 'search_docs' } },
      {
        type: 'allowed_tools',
        allowed_tools: {
          mode: 'auto',
          tools: [{ type: 'function', function: { name: 'search_docs' } }],
        },
      },
    ]) {
      const { error } = await refused(() =>
        client.chat.completions.create(
          ask('small', { tools: [tool('get_weather')], tool_choice }),
        ),
      );
      assert.equal(error.status, 400);
      assert.equal(error.param, 'tool_choice');
    }
    const { error } = await refused(() =>
      claude.messages.create(
        ask('claude', {
          tools: [claudeTool('get_weather')],
          tool_choice: { type: 'tool', name: 'search_docs' },
        }),
      ),
    );
    assert.equal(error.status, 400);
    said();
    const tool_choice = { type: 'function', function: { name: 'get_weather' } };
    await client.chat.completions.create(
      ask('small', { tools: [tool('get_weather')], tool_choice }),
    );
    assert.deepEqual(sent().tool_choice, tool_choice);
  });

  it('is sent without tools that are not allowed, where the route removes them', async () => {
    said();
    const tools = [tool('rm'), tool('get_weather'), { type: 'code_interpreter' }];
    const { _request_id: id } = await client.chat.completions.create(
      ask('removing', { tools, tool_choice: 'auto', parallel_tool_calls: false }),
    );
    assert.deepEqual(sent().tools, [tool('get_weather')]);
    assert.equal(sent().tool_choice, 'auto');
    const { decision } = await gateway.records(id);
    assert.deepEqual(decision.tools, {
      offered: ['rm', 'get_weather', 'code_interpreter'],
      removed: ['rm', 'code_interpreter'],
    });
    await client.chat.completions.create(
      ask('removing', { tools: [tool('rm')], tool_choice: 'auto', parallel_tool_calls: true }),
    );
    for (const gone of ['tools', 'tool_choice', 'parallel_tool_calls']) {
      assert.ok(!(gone in sent()), gone);
    }
    claudeSaid();
    await claude.messages.create(
      ask('claude-removing', { tools: [claudeTool('rm'), claudeTool('get_weather')] }),
    );
    assert.deepEqual(sent().tools, [claudeTool('get_weather')]);
    for (const tool_choice of ['required', { type: 'function', function: { name: 'rm' } }]) {
      const { error, decision } = await refused(() =>
        client.chat.completions.create(ask('removing', { tools: [tool('rm')], tool_choice })),
      );
      assert.equal(error.status, 403);
      assert.equal(decision.decision.rule, 'routes.removing.tools');
    }
    const removed = { route: 'removing', tool: 'other', outcome: 'removed' };
    await poll(async () => (await gateway.metric('tollgate_tools_total', removed)) >= 3, 'counts');
  });
});

// ---- Conversations -----------------------------------------------------------------------------

const called = (id, name, args = '{}') => ({
  role: 'assistant',
  tool_calls: [{ id, type: 'function', function: { name, arguments: args } }],
});
const result = (id) => ({ role: 'tool', tool_call_id: id, content: 'done' });
const turns = (...calls) => [
  { role: 'user', content: 'Go on' },
  ...calls.flatMap(([name, args], i) => [called(`c${i}`, name, args), result(`c${i}`)]),
];

describe('a conversation', () => {
  it('holds no call of a tool that is not allowed', async () => {
    const { error, decision } = await refused(() =>
      client.chat.completions.create(ask('small', { messages: turns(['rm', '{}']) })),
    );
    assert.equal(error.status, 403);
    assert.equal(error.param, 'messages[1]');
    assert.deepEqual(decision.tools.refused, ['rm']);
    const use = { type: 'tool_use', id: 't', name: 'rm', input: {} };
    const messages = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: [use] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'x' }] },
    ];
    const other = await refused(() => claude.messages.create(ask('claude', { messages })));
    assert.equal(other.error.status, 403);
    assert.deepEqual(other.decision.tools.refused, ['rm']);
  });

  it('goes on for so many steps, and not by one call again and again', async () => {
    said();
    const steps = (count) => turns(...[1, 2, 3, 4].slice(0, count).map((i) => [`search_${i}`]));
    await client.chat.completions.create(ask('small', { messages: steps(3) }));
    const many = await refused(() =>
      client.chat.completions.create(ask('small', { messages: steps(4) })),
    );
    assert.equal(many.decision.decision.rule, 'routes.chat.tools.steps');
    const same = ['get_weather', '{"city":"Oslo"}'];
    const alike = ['get_weather', '{ "city" : "Oslo" }'];
    await client.chat.completions.create(ask('small', { messages: turns(same, alike) }));
    const loop = await refused(() =>
      client.chat.completions.create(ask('small', { messages: turns(same, alike, same) })),
    );
    assert.equal(loop.decision.decision.rule, 'routes.chat.tools.repeats');
    assert.match(loop.error.message, /3 times.*loop/);
    await client.chat.completions.create(
      ask('small', { messages: turns(same, alike, ['get_weather', '{"city":"Rome"}']) }),
    );
  });
});

// ---- Answers -----------------------------------------------------------------------------------

const call = (name, args, index = 0) => ({
  index,
  id: `call_${index}`,
  type: 'function',
  function: { name, arguments: args },
});
const whole = (...calls) =>
  (say = ({ response }) =>
    sendJson(
      response,
      completion(null, USAGE, { message: { tool_calls: calls }, finish: 'tool_calls' }),
    ));
function streaming(...deltas) {
  say = ({ response }) => {
    beginStream(response);
    for (const delta of deltas) response.write(chunk(delta));
    response.write(chunk({}, 'tool_calls'));
    response.write(chunk({}, null, { choices: [], usage: openaiUsage(USAGE) }));
    response.end('data: [DONE]\n\n');
  };
}
const TOOLS = [tool('get_weather', WEATHER), tool('search_docs')];

let lastId; // Of the stream that was read last.
async function read(model, tools = TOOLS) {
  const { data: stream, request_id } = await client.chat.completions
    .create(ask(model, { tools, stream: true }))
    .withResponse();
  lastId = request_id;
  const got = { text: '', args: '', names: [], finish: null };
  for await (const { choices } of stream) {
    const { delta, finish_reason } = choices[0] ?? { delta: {} };
    got.text += delta.content ?? '';
    for (const one of delta.tool_calls ?? []) {
      if (one.function?.name) got.names.push(one.function.name);
      got.args += one.function?.arguments ?? '';
    }
    got.finish = finish_reason ?? got.finish;
  }
  return got;
}

describe('an answer', () => {
  it('that is whole has calls of what was offered, and no other', async () => {
    whole(call('get_weather', '{"city":"Oslo"}'), call('search_docs', '{}'));
    const good = await client.chat.completions.create(ask('small', { tools: TOOLS }));
    assert.equal(good.choices[0].message.tool_calls.length, 2);
    const { outcome } = await gateway.records(good._request_id);
    assert.deepEqual(outcome.tools, { called: ['get_weather', 'search_docs'] });
    for (const [calls, rule] of [
      [[call('rm', '{}')], 'routes.chat.tools'],
      [[call('search_other', '{}')], 'routes.chat.tools'], // Allowed, and not offered.
      [[call('get_weather', '{}'), call('search_secrets', '{}')], 'routes.chat.tools.deny'],
      [[call('get_weather', '{"city":')], 'routes.chat.tools.arguments'],
      [[0, 1, 2].map((i) => call('search_docs', '{}', i)), 'routes.chat.tools.calls'],
    ]) {
      whole(...calls.flat());
      const error = await thrown(() =>
        client.chat.completions.create(ask('small', { tools: TOOLS })),
      );
      assert.equal(error.status, 403, rule);
      const { outcome } = await gateway.records(error.headers.get('x-request-id'));
      assert.equal(outcome.decision.outcome, 'refused');
      assert.equal(outcome.decision.rule, rule);
      assert.equal(outcome.tools.refused.length, 1);
      assert.ok(Number(outcome.cost_usd) > 0, 'it was made');
    }
    const counted = { route: 'chat', tool: 'get_weather', outcome: 'called' };
    await poll(async () => (await gateway.metric('tollgate_tools_total', counted)) >= 1, 'a count');
  });

  it('has no call where nothing was offered, not even in the first form of one', async () => {
    const legacy = { function_call: { name: 'rm', arguments: '{}' } };
    for (const extra of [{ tool_calls: [call('get_weather', '{}')] }, legacy]) {
      say = ({ response }) => sendJson(response, completion(null, USAGE, { message: extra }));
      const error = await thrown(() => client.chat.completions.create(ask('small')));
      assert.equal(error.status, 403);
    }
  });

  it('that is streamed is ended before a call that may not be made', async () => {
    streaming(
      { content: 'Let me ' },
      { content: 'see.' },
      { tool_calls: [call('rm', '')] },
      { tool_calls: [{ index: 0, function: { arguments: '{"path":"/"}' } }] },
    );
    const got = await read('small');
    assert.equal(got.text, 'Let me see.');
    assert.deepEqual(got.names, []);
    assert.equal(got.args, '');
    assert.equal(got.finish, 'content_filter');
    const { outcome: record } = await gateway.records(lastId);
    assert.equal(record.decision.outcome, 'cut');
    assert.equal(record.decision.code, 'tool_not_allowed');
    assert.deepEqual(record.tools, { called: ['rm'], refused: ['rm'] });
    // Before anything else there is a true refusal.
    say = ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk({ role: 'assistant', tool_calls: [call('rm', '{}')] }));
      endStream(response, USAGE);
    };
    const error = await thrown(() => read('small'));
    assert.equal(error.status, 403);
  });

  it('that is streamed passes calls as they come, and ends where they are none', async () => {
    const pieces = ['{"ci', 'ty":', '"Oslo"}'].map((arguments_) => ({
      tool_calls: [{ index: 0, function: { arguments: arguments_ } }],
    }));
    streaming({ tool_calls: [call('get_weather', '')] }, ...pieces);
    const good = await read('small');
    assert.deepEqual(good, {
      text: '',
      args: '{"city":"Oslo"}',
      names: ['get_weather'],
      finish: 'tool_calls',
    });
    for (const deltas of [
      [{ tool_calls: [call('get_', '')] }, { tool_calls: [call('weather', '{}')] }],
      [{ tool_calls: [{ index: 0, function: { arguments: '{}' } }] }],
      [{ tool_calls: [call('get_weather', '{')] }],
      [{ tool_calls: 'get_weather' }],
    ]) {
      streaming({ content: 'x' }, ...deltas);
      const bad = await read('small');
      assert.equal(bad.finish, 'content_filter');
    }
  });

  it('of the Anthropic SDK is held to the same, whole and streamed', async () => {
    const tools = [claudeTool('get_weather', WEATHER)];
    const use = (name, input = {}) => ({ type: 'tool_use', id: 'toolu_1', name, input });
    const answered = (block) =>
      (say = ({ response }) =>
        sendJson(response, message([block], USAGE, { stop_reason: 'tool_use' })));
    answered(use('get_weather', { city: 'Oslo' }));
    const good = await claude.messages.create(ask('claude', { tools }));
    assert.equal(good.content[0].name, 'get_weather');
    for (const block of [
      use('rm'),
      { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } },
    ]) {
      answered(block);
      const error = await thrown(() => claude.messages.create(ask('claude', { tools })));
      assert.equal(error.status, 403);
      assert.equal(error.error.error.type, 'permission_error');
    }
    const events = (name, ...json) =>
      (say = ({ response }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const send = (type, data) =>
          response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
        send('message_start', { message: message([], USAGE, { stop_reason: null }) });
        send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
        send('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'So:' } });
        send('content_block_stop', { index: 0 });
        send('content_block_start', { index: 1, content_block: use(name) });
        for (const partial_json of json)
          send('content_block_delta', {
            index: 1,
            delta: { type: 'input_json_delta', partial_json },
          });
        send('content_block_stop', { index: 1 });
        send('message_delta', {
          delta: { stop_reason: 'tool_use', stop_sequence: null },
          usage: { output_tokens: 20 },
        });
        send('message_stop', {});
        response.end();
      });
    const final = (model) => claude.messages.stream(ask(model, { tools })).finalMessage();
    for (const model of ['claude', 'claude-strict']) {
      events('get_weather', '{"city"', ':"Oslo"}');
      const passed = await final(model);
      assert.deepEqual(passed.content[1].input, { city: 'Oslo' });
      assert.equal(passed.stop_reason, 'tool_use');
      events('rm', '{}');
      const cut = await final(model);
      assert.deepEqual(
        cut.content.map((block) => block.type),
        ['text'],
      );
      assert.equal(cut.stop_reason, 'refusal');
    }
    events('get_weather', '{"city"', ':1}');
    const held = await final('claude-strict');
    assert.equal(held.content.length, 1, 'nothing of the call');
    assert.equal(held.stop_reason, 'refusal');
  });

  it('has arguments that fit their schema before the caller has any of them', async () => {
    whole(call('get_weather', '{"city":"Oslo","unit":"C"}'));
    await client.chat.completions.create(ask('strict', { tools: TOOLS }));
    const pieces = (args) =>
      [...args].map((piece) => ({ tool_calls: [{ index: 0, function: { arguments: piece } }] }));
    for (const [args, why] of [
      ['{"city":1}', '`city` is of another type'],
      ['{}', '`city` is missing'],
      ['{"city":"Oslo","unit":"K"}', '`unit` is none of the values'],
      ['{"city":"Oslo","z":1}', 'does not know'],
      ['{"city":"Oslo","city":"Rome"}', 'twice'],
      ['{"city":', 'not valid JSON'],
    ]) {
      whole(call('get_weather', args));
      const error = await thrown(() =>
        client.chat.completions.create(ask('strict', { tools: TOOLS })),
      );
      assert.equal(error.status, 403);
      assert.ok(error.message.includes(why), error.message);
      streaming({ content: 'So:' }, { tool_calls: [call('get_weather', '')] }, ...pieces(args));
      const got = await read('strict');
      assert.deepEqual(got, { text: 'So:', args: '', names: [], finish: 'content_filter' });
    }
    const good = '{"city":"Oslo"}';
    streaming({ content: 'So:' }, { tool_calls: [call('get_weather', '')] }, ...pieces(good));
    assert.deepEqual(await read('strict'), {
      text: 'So:',
      args: good,
      names: ['get_weather'],
      finish: 'tool_calls',
    });
    const odd = tool('get_weather', object({ city: { type: 'string', pattern: '^O' } }));
    const { error, decision } = await refused(() =>
      client.chat.completions.create(ask('strict', { tools: [odd] })),
    );
    assert.equal(error.status, 400);
    assert.match(error.message, /`pattern` is not understood/);
    assert.equal(decision.decision.rule, 'routes.strict.tools.arguments');
  });

  it('is let pass and told of where the route only observes', async () => {
    whole(call('rm', '{'));
    const answer = await client.chat.completions.create(ask('watched', { tools: [tool('rm')] }));
    assert.equal(answer.choices[0].message.tool_calls[0].function.name, 'rm');
    const { decision, outcome } = await gateway.records(answer._request_id);
    assert.deepEqual(decision.decision.observed, ['routes.watched.tools']);
    assert.ok(outcome.decision.observed.includes('routes.watched.tools.arguments'));
    assert.deepEqual(outcome.tools, { called: ['rm'], refused: ['rm'] });
  });
});
