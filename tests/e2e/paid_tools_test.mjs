// Tools that the provider runs, by the real SDKs: each call is paid, held at the most that the
// request lets the provider make, and settled at those that the answer tells.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Anthropic, OpenAI, poll, scope, standard, startGateway, thrown } from './harness.mjs';
import { fakeUpstream, message, sendJson } from './fake_upstream.mjs';

const PRICES = { web_search: 0.01, file_search: 0.0025, web_fetch: 0, code_execution: 0.05 };

function searching(url) {
  const config = standard(url);
  const route = (name) => config.routes.find((one) => one.name === name);
  const tools = {
    allow: ['type:web_search', 'type:file_search', 'type:web_fetch', 'type:code_execution'],
    calls: 4,
  };
  for (const name of Object.keys(config.models)) {
    config.models[name].price_per_tool_call = PRICES;
  }
  config.models.unpriced = { ...config.models.small };
  delete config.models.unpriced.price_per_tool_call;
  route('chat').tools = tools;
  route('messages').tools = tools;
  config.routes.push({
    ...route('chat'),
    name: 'responses',
    path: '/v1/responses',
    models: ['small', 'unpriced'],
    tools,
  });
  return config;
}

const item = (type, more = {}) => ({ type, id: `${type}_1`, status: 'completed', ...more });
const text = {
  ...item('message'),
  role: 'assistant',
  content: [{ type: 'output_text', text: 'Oslo', annotations: [] }],
};
const whole = (output, status = 'completed') => ({
  id: 'resp_1',
  object: 'response',
  created_at: 0,
  status,
  model: 'm',
  output,
  usage: { input_tokens: 60, output_tokens: 20, total_tokens: 80 },
});

function streamed(response, output) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let sequence_number = 0;
  const tell = (type, more) =>
    response.write(
      `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence_number++, ...more })}\n\n`,
    );
  tell('response.created', { response: { ...whole([]), status: 'in_progress', usage: null } });
  output.forEach((one, output_index) => {
    tell('response.output_item.added', { output_index, item: { ...one, status: 'in_progress' } });
    tell('response.output_item.done', { output_index, item: one });
  });
  tell('response.completed', { response: whole(output) });
  response.end();
}

describe('Tools that the provider runs', () => {
  const shared = scope(after);
  let gateway, upstream, key, client, claude, say;
  before(async () => {
    upstream = await fakeUpstream(shared, (asked) => say(asked));
    gateway = await startGateway(shared, searching(upstream.url));
    key = await gateway.key('acme', '--user', 'ada');
    client = gateway.openai(key);
    claude = gateway.anthropic(Anthropic, key);
  });
  const sent = () => upstream.requests.at(-1).body;
  const told = (response) => gateway.records(response.headers.get('x-request-id'));
  const ask = (more = {}) => ({
    model: 'small',
    input: 'Capital of Norway?',
    max_output_tokens: 50,
    tools: [{ type: 'web_search' }],
    ...more,
  });
  // Sixty of a tenth of a cent and twenty of a cent.
  const TOKENS = 0.26;

  it('are held at the most calls and paid by those that were made', async () => {
    say = ({ response }) =>
      sendJson(
        response,
        whole([
          item('web_search_call', { action: { type: 'search', query: 'x' } }),
          item('web_search_call', { action: { type: 'open_page', url: 'https://a.example' } }),
          item('web_search_call', { action: { type: 'search', query: 'y' } }),
          text,
        ]),
      );
    const { data, response } = await client.responses.create(ask()).withResponse();
    assert.equal(data.output_text, 'Oslo');
    assert.equal(sent().max_tool_calls, 4);
    const { decision, outcome } = await told(response);
    assert.equal(decision.prompt.tool_calls_cap, 4);
    assert.match(decision.price_version, /;tool_calls:web_search=0\.01$/);
    assert.deepEqual(outcome.usage.tool_calls, { web_search: 2 });
    assert.equal(Number(outcome.cost_usd), TOKENS + 0.02);

    const { response: bounded } = await client.responses
      .create(ask({ max_tool_calls: 1 }))
      .withResponse();
    assert.equal(sent().max_tool_calls, 1);
    const one = await told(bounded);
    assert.deepEqual(one.outcome.usage.tool_calls, { web_search: 1 }, 'no more than was held');
    const held = ({ decision: made }) => Number(made.budget[0].held_usd);
    assert.ok(Math.abs(held({ decision }) - held(one) - 0.03) < 0.001, 'three calls more');
    assert.equal(await gateway.metric('tollgate_units_total', { kind: 'tool_calls' }), 3);
  });

  it('are counted once in a stream', async () => {
    say = ({ response }) =>
      streamed(response, [item('web_search_call'), item('file_search_call'), text]);
    const tools = [{ type: 'web_search' }, { type: 'file_search', vector_store_ids: ['vs_1'] }];
    const { data, response } = await client.responses
      .create(ask({ tools, stream: true }))
      .withResponse();
    const types = [];
    for await (const event of data) types.push(event.type);
    assert.equal(types.at(-1), 'response.completed');
    const { outcome } = await told(response);
    assert.deepEqual(outcome.usage.tool_calls, { web_search: 1, file_search: 1 });
    assert.equal(Number(outcome.cost_usd), TOKENS + 0.0125);
  });

  it('of Anthropic are bounded each, and paid as reported', async () => {
    say = ({ response }) =>
      sendJson(
        response,
        message(
          [
            { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } },
            { type: 'text', text: 'Oslo' },
          ],
          { input: 60, output: 20 },
          {
            usage: {
              input_tokens: 60,
              output_tokens: 20,
              server_tool_use: { web_search_requests: 2 },
            },
          },
        ),
      );
    const { data, response } = await claude.messages
      .create({
        model: 'claude',
        max_tokens: 50,
        messages: [{ role: 'user', content: 'Capital of Norway?' }],
        tools: [
          { type: 'web_search_20250305', name: 'web_search' },
          { type: 'web_fetch_20250910', name: 'web_fetch', max_uses: 2 },
        ],
      })
      .withResponse();
    assert.equal(data.content[1].text, 'Oslo');
    assert.deepEqual(
      sent().tools.map((tool) => tool.max_uses),
      [4, 2],
    );
    const { decision, outcome } = await told(response);
    assert.equal(decision.prompt.tool_calls_cap, 6);
    assert.deepEqual(outcome.usage.tool_calls, { web_search: 2 });
    assert.equal(Number(outcome.cost_usd), TOKENS + 0.02);
  });

  it('without a price or a bound are refused by name', async () => {
    const asked = upstream.requests.length;
    const unpriced = await thrown(() => client.responses.create(ask({ model: 'unpriced' })));
    assert.ok(unpriced instanceof OpenAI.BadRequestError, String(unpriced));
    assert.match(unpriced.message, /models\.unpriced\.price_per_tool_call\.web_search/);
    assert.equal(unpriced.param, 'tools[0]');
    const unbounded = await thrown(() =>
      claude.messages.create({
        model: 'claude',
        max_tokens: 50,
        messages: [{ role: 'user', content: 'x' }],
        tools: [{ type: 'code_execution_20250825', name: 'code_execution' }],
      }),
    );
    assert.match(unbounded.message, /cannot be held to a number/);
    const chat = await thrown(() =>
      client.chat.completions.create({
        model: 'small',
        messages: [{ role: 'user', content: 'x' }],
        tools: [{ type: 'web_search' }],
      }),
    );
    assert.match(chat.message, /cannot be held to a number/);
    assert.equal(upstream.requests.length, asked);
  });

  it('are in the books by tool, beside what all else cost', async () => {
    const rows = await poll(async () => {
      const all = await gateway.json('spend', '--by', 'tool');
      return Object.fromEntries(all.map((row) => [row.tool, row]));
    }, 'the books');
    const { none, ...tools } = rows;
    const made = Object.fromEntries(
      Object.entries(tools).map(([tool, row]) => [tool, [row.requests, Number(row.cost_usd)]]),
    );
    assert.deepEqual(made.file_search, [1, 0.0025]);
    const searches = made.web_search[0];
    assert.ok(searches >= 4, JSON.stringify(made));
    assert.ok(Math.abs(made.web_search[1] - searches * PRICES.web_search) < 1e-9);
    const [total] = await gateway.json('spend', '--by', 'total');
    const sum = Object.values(rows).reduce((usd, row) => usd + Number(row.cost_usd), 0);
    assert.ok(Math.abs(sum - Number(total.cost_usd)) < 1e-6, `${sum} of ${total.cost_usd}`);
    assert.equal(none.requests, total.requests);
    const csv = (await gateway.run('spend', '--by', 'tool', '--format', 'csv')).stdout;
    assert.match(csv, /^web_search,\d+,0,0,0,/m);
    assert.match((await gateway.run('spend', '--by', 'tool')).stdout, /^none /m);
    const shown = await (await gateway.adminGet('/admin/v1/spend?by=tool')).json();
    assert.ok((shown.data ?? shown).some((row) => row.tool === 'file_search'));
  });
});
