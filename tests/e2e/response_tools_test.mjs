// Tools of OpenAI's Responses, from the real SDK: what is offered, was called and is called, whole
// and streamed, is held to the same as in a chat.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { scope, standard, startGateway, thrown } from './harness.mjs';
import { fakeUpstream, sendJson } from './fake_upstream.mjs';

const object = (properties, more = {}) => ({ type: 'object', properties, ...more });
const WEATHER = object(
  { city: { type: 'string' } },
  { required: ['city'], additionalProperties: false },
);

function withTools(url) {
  const config = standard(url);
  const tools = { allow: ['get_weather', 'search_*', 'type:web_search'], steps: 3, repeats: 2 };
  const chat = config.routes.find((route) => route.name === 'chat');
  const responses = { ...chat, name: 'responses', path: '/v1/responses', tools };
  config.models.small.price_per_tool_call = { web_search: 0 };
  config.models.items = { ...config.models.small };
  const items = {
    ...responses,
    name: 'items',
    models: ['items'],
    tools: { ...tools, unlisted: 'remove', arguments: 'validate' },
  };
  config.routes.push(responses, items);
  return config;
}

let say; // What the model answers with.
const shared = scope(after);
let gateway, upstream, client;
before(async () => {
  upstream = await fakeUpstream(shared, (asked) => say(asked));
  gateway = await startGateway(shared, withTools(upstream.url));
  client = gateway.openai(await gateway.key('acme', '--user', 'ada'));
});
const sent = () => upstream.requests.at(-1).body;

async function refused(made) {
  const error = await thrown(made);
  const { decision } = await gateway.records(error.headers.get('x-request-id'));
  return { error, decision };
}

describe('OpenAI Responses', () => {
  const item = (name, args = '{"city":"Oslo"}') => ({
    type: 'function_call',
    id: `fc_${name}`,
    call_id: `call_${name}`,
    name,
    arguments: args,
    status: 'completed',
  });
  const response = (output, status = 'completed') => ({
    id: 'resp_1',
    object: 'response',
    created_at: 0,
    status,
    model: 'm',
    output,
    usage: { input_tokens: 60, output_tokens: 20, total_tokens: 80 },
  });
  const weather = { type: 'function', name: 'get_weather', parameters: WEATHER };
  const other = { type: 'function', name: 'rm', parameters: object({}) };
  const answered = (...output) => (say = ({ response: to }) => sendJson(to, response(output)));
  // The items as they come, and those that the end tells.
  function streamed(items, last = items) {
    say = ({ response: to }) => {
      to.writeHead(200, { 'content-type': 'text/event-stream' });
      let sequence_number = 0;
      const send = (type, more) => {
        const event = JSON.stringify({ type, sequence_number: sequence_number++, ...more });
        to.write(`event: ${type}\ndata: ${event}\n\n`);
      };
      send('response.created', { response: { ...response([], 'in_progress'), usage: null } });
      for (const [output_index, one] of items.entries()) {
        const { arguments: args } = one;
        send('response.output_item.added', {
          output_index,
          item: { ...one, ...(args && { arguments: '' }) },
        });
        const at = { item_id: one.id, output_index };
        for (const delta of args?.match(/.{1,4}/g) ?? [])
          send('response.function_call_arguments.delta', { ...at, delta });
        if (args) send('response.function_call_arguments.done', { ...at, arguments: args });
        send('response.output_item.done', { output_index, item: one });
      }
      send('response.completed', { response: response(last) });
      to.end();
    };
  }
  const ask = (model, more) => ({ model, max_output_tokens: 50, input: 'Hi', ...more });
  const final = (model) =>
    client.responses.stream(ask(model, { tools: [weather] })).finalResponse();

  it('are held to the same: definitions, history and choice', async () => {
    answered();
    for (const [more, param] of [
      [{ tools: [weather, other] }, 'tools[1]'],
      [{ input: [{ role: 'user', content: 'Hi' }, item('rm')] }, 'input[1]'],
    ]) {
      const { error, decision } = await refused(() => client.responses.create(ask('small', more)));
      assert.equal(error.status, 403);
      assert.equal(error.param, param);
      assert.equal(decision.decision.rule, 'routes.responses.tools');
    }
    const chosen = await refused(() =>
      client.responses.create(
        ask('small', { tools: [weather], tool_choice: { type: 'function', name: 'search_docs' } }),
      ),
    );
    assert.equal(chosen.error.param, 'tool_choice');
    await client.responses.create(ask('items', { tools: [other, weather], max_tool_calls: 3 }));
    assert.deepEqual(sent().tools, [weather]);
    const calls = [1, 2, 3].flatMap(() => [
      item('get_weather'),
      { type: 'function_call_output', call_id: 'call_get_weather', output: 'x' },
    ]);
    const loop = await refused(() => client.responses.create(ask('small', { input: calls })));
    assert.equal(loop.decision.decision.rule, 'routes.responses.tools.repeats');
    // Three calls that were made together are one step.
    const together = ['Oslo', 'Rome', 'Lima', 'Bern'].map((city) =>
      item('get_weather', JSON.stringify({ city })),
    );
    await client.responses.create(ask('small', { input: together }));
  });

  it('answer with calls of what was offered alone, whole and streamed', async () => {
    for (const model of ['small', 'items']) {
      answered(item('get_weather'));
      const whole = await client.responses.create(ask(model, { tools: [weather] }));
      assert.equal(whole.output[0].name, 'get_weather');
      streamed([item('get_weather')]);
      assert.equal((await final(model)).output[0].arguments, '{"city":"Oslo"}');
      const search = { type: 'web_search_call', id: 'ws_1', status: 'completed', action: {} };
      for (const bad of [item('rm'), search]) {
        answered(bad);
        const error = await thrown(() => client.responses.create(ask(model, { tools: [weather] })));
        assert.equal(error.status, 403);
      }
      // In the stream, and only where a client takes all of it from.
      for (const last of [[item('rm')], [item('get_weather'), item('rm')]]) {
        streamed([last[0]], last);
        const cut = await final(model).then(
          (told) => told,
          (error) => error,
        );
        assert.ok(!JSON.stringify(cut.output ?? []).includes('"rm"'), JSON.stringify(cut));
        assert.ok(cut.status === 'incomplete' || cut.status === 403, JSON.stringify(cut));
      }
    }
    streamed([item('get_weather', '{"city":1}')]);
    const held = await final('items');
    assert.equal(held.status, 'incomplete');
    assert.equal(held.output.length, 0, 'nothing of the call');
  });

  // What this version has not heard of: a call of a tool, whatever it is called, and an item that is
  // none.
  it('answer with items of kinds that nobody knows: a call is none that was offered, another passes', async () => {
    const call = { type: 'teleport_call', id: 'tp_1', status: 'completed', target: 'x' };
    const note = { type: 'hologram', id: 'ho_1', content: [{ type: 'ray', text: 'x' }] };
    for (const model of ['small', 'items']) {
      answered(note, item('get_weather'));
      const whole = await client.responses.create(ask(model, { tools: [weather] }));
      assert.deepEqual(whole.output[0], note);
      streamed([note]);
      const events = [];
      const stream = await client.responses.create(ask(model, { tools: [weather], stream: true }));
      for await (const event of stream) events.push(event);
      const done = events.find((event) => event.type === 'response.output_item.done');
      assert.deepEqual(done.item, note);
      assert.equal(events.at(-1).response.output[0].type, 'hologram');

      answered(call);
      const { error, decision } = await refused(() =>
        client.responses.create(ask(model, { tools: [weather] })),
      );
      assert.equal(error.status, 403);
      assert.equal(decision.decision.outcome, 'allowed', 'of the request');
      streamed([call]);
      const told = [];
      const cut = await thrown(async () => {
        const made = await client.responses.create(ask(model, { tools: [weather], stream: true }));
        for await (const event of made) told.push(event);
        assert.equal(told.at(-1).type, 'response.incomplete');
        throw Object.assign(new Error('cut'), { status: 403 });
      });
      assert.equal(cut.status, 403);
      assert.ok(!JSON.stringify(told).includes('teleport'), JSON.stringify(told));
    }
  });
});
