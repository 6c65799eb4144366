// What calls of MCP tools cost: held on the budgets of who calls before they leave, settled at
// their end, free where no work was done, and in record, books and metrics.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { assertRefused, poll, scope, standard, startGateway } from './harness.mjs';
import { fakeServer, json, modernClient, ModernServer, modernServer, stream, z } from './mcp_servers.mjs';

const shared = scope(after);
let gateway, server, hostile;
let answer;

function create() {
  const made = new ModernServer.McpServer({ name: 'paid', version: '1' });
  for (const name of ['search', 'cheap', 'free']) {
    made.registerTool(name, { description: name, inputSchema: z.object({}) }, () => ({
      content: [{ type: 'text', text: name }],
    }));
  }
  return made;
}

before(async () => {
  server = await modernServer(shared, create);
  hostile = await fakeServer(shared, (response, body, request) => answer(response, body, request));
  const config = standard('http://127.0.0.1:1');
  config.tenants.globex.budget = { usd: 0.5, per: 'day', when_exhausted: 'refuse' };
  config.budgets = { user_id: { usd: 1, per: 'day', when_exhausted: 'refuse' } };
  const allow = [{ tenants: ['acme', 'globex'] }];
  const paid = {
    url: server.url,
    tools: { allow: ['*'] },
    price_per_call: 0.1,
    tool_limits: { search: { price_per_call: 0.4 }, free: { price_per_call: 0 } },
  };
  const bad = { url: hostile.url, tools: { allow: ['*'] }, price_per_call: 0.25, timeout: { first_byte: '300ms' } };
  config.routes.push(
    { name: 'paid', path: '/mcp/paid', allow, mcp: paid },
    { name: 'many', path: '/mcp/many', allow, mcp: { servers: { shop: paid } } },
    { name: 'bad', path: '/mcp/bad', allow, mcp: bad },
    { name: 'gone', path: '/mcp/gone', allow, mcp: { ...bad, url: 'http://127.0.0.1:1/mcp' } },
  );
  gateway = await startGateway(shared, config);
});

const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'search', arguments: {} } };
const send = (path, key, message = call) => gateway.post(path, message, key);
const told = async (response) => (await gateway.records(response.headers.get('x-request-id'))).outcome;

describe('a call with a price', () => {
  it('is paid by who calls, until their budget is spent', async (t) => {
    const ada = await gateway.key('acme', '--user', 'ada');
    const { client } = await modernClient(t, `${gateway.url}/mcp/paid`, ada);
    await client.listTools();
    for (const name of ['search', 'cheap', 'free', 'search', 'cheap']) await client.callTool({ name, arguments: {} });
    await assert.rejects(client.callTool({ name: 'search', arguments: {} }), /budget/i);
    await client.callTool({ name: 'free', arguments: {} });
    const spent = await poll(async () => {
      const { usd } = await gateway.spend('acme');
      return usd === 1 && usd;
    });
    assert.equal(spent, 1);
    assert.equal(await gateway.metric('tollgate_spend_usd_total', { tenant: 'acme' }), 1);
    const rows = await gateway.json('spend', '--by', 'tool', '--tenant', 'acme');
    const calls = rows.map((row) => [row.tool, row.requests, Number(row.cost_usd)]);
    assert.deepEqual(
      calls.filter(([tool]) => tool !== 'none'),
      [
        ['mcp:search', 2, 0.8],
        ['mcp:cheap', 2, 0.2],
        ['mcp:free', 2, 0],
      ],
    );
    assert.equal(calls.at(-1)[2], 0, 'nothing else cost anything');
  });

  it('is refused with the words and the rule of the budget; of several servers, too', async () => {
    const eve = await gateway.key('globex', '--user', 'eve');
    const modern = {
      ...call,
      params: {
        ...call.params,
        name: 'shop__search',
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    };
    const headers = { accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'shop__search' };
    const first = await gateway.post('/mcp/many', modern, eve, headers);
    assert.equal(first.status, 200);
    assert.equal((await told(first)).cost_usd, 0.4);
    const refused = await gateway.post('/mcp/many', modern, eve, headers);
    const { body } = await assertRefused(refused, 429, 'budget_exhausted');
    assert.equal(body.error.data.rule, 'tenants.globex.budget');
  });

  it('is free where no work was done, and paid where some may have been', async () => {
    const result = (more) => ({ jsonrpc: '2.0', id: 1, result: { content: [], ...more } });
    const error = { jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'no' } };
    const cases = {
      error: [(r) => json(r, error), undefined],
      'error in a stream': [(r) => (stream(r, error), r.end()), undefined],
      'status 400': [(r) => json(r, error, 400), undefined],
      'status 503': [(r) => void r.writeHead(503).end(), undefined],
      result: [(r) => json(r, result({})), 0.25],
      isError: [(r) => json(r, result({ isError: true })), 0.25],
      silence: [() => {}, 0.25],
      broken: [(r) => (stream(r, { jsonrpc: '2.0', method: 'notifications/message', params: {} }), r.destroy()), 0.25],
    };
    for (const [what, [behave, cost]] of Object.entries(cases)) {
      answer = behave;
      const key = await gateway.key('acme', '--user', what.replaceAll(' ', '-'));
      const response = await send('/mcp/bad', key);
      await response.text().catch(() => {});
      const id = response.headers.get('x-request-id');
      assert.equal((await gateway.records(id)).outcome.cost_usd, cost, what);
    }
    const key = await gateway.key('acme', '--user', 'nobody');
    const unreached = await send('/mcp/gone', key);
    await assertRefused(unreached, 502, 'upstream_error');
    assert.equal((await told(unreached)).cost_usd, undefined);
    // What is no call has no price.
    answer = (r) => json(r, { jsonrpc: '2.0', id: 1, result: { tools: [] } });
    const list = await send('/mcp/bad', key, { jsonrpc: '2.0', id: 1, method: 'tools/list' });
    assert.equal((await told(list)).cost_usd, undefined);
  });
});
