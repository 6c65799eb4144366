// Streams of MCP servers that break off: a real client goes on where it was; what it goes on by is
// of its actor, its session and its request alone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { assertRefused, scope, standard, startGateway } from './harness.mjs';
import { EventStore, fakeServer, json, legacyClient, LegacyServer, sessionServer } from './mcp_servers.mjs';

const shared = scope(after);
let gateway, polling, hostile, ada, eve;
let answer = (response) => void response.destroy(); // What the hostile server does.
let worked = 0;

function create() {
  const server = new LegacyServer.McpServer({ name: 'polling', version: '1' });
  server.registerTool('poll', { description: 'Polls.', inputSchema: {} }, async (_, { closeSSEStream }) => {
    worked += 1;
    closeSSEStream();
    return { content: [{ type: 'text', text: 'worked' }] };
  });
  return { server };
}

before(async () => {
  polling = await sessionServer(shared, create, { eventStore: new EventStore(), retryInterval: 10 });
  hostile = await fakeServer(shared, (response, body, request) => answer(response, body, request));
  const config = standard('http://127.0.0.1:1');
  const allow = [{ tenants: ['acme'] }];
  const one = { url: polling.url, tools: { allow: ['poll'] }, price_per_call: 0.01 };
  const bad = { url: hostile.url, credential: 'hostile-secret', tools: { allow: ['search'] } };
  config.routes.push(
    { name: 'one', path: '/mcp/one', allow, mcp: one },
    { name: 'many', path: '/mcp/many', allow, mcp: { servers: { polling: one, bad } } },
    { name: 'bad', path: '/mcp/bad', allow, mcp: bad },
  );
  gateway = await startGateway(shared, config);
  ada = await gateway.key('acme', '--user', 'ada');
  eve = await gateway.key('acme', '--user', 'eve');
});

const at = (path) => gateway.url + path;

describe('a client whose stream broke off', () => {
  for (const [path, tool] of [['/mcp/one', 'poll'], ['/mcp/many', 'polling__poll']]) {
    it(`goes on with it: ${path}`, async (t) => {
      const { client } = await legacyClient(t, at(path), ada);
      const before = worked;
      const called = await client.callTool({ name: tool, arguments: {} });
      assert.equal(called.content[0].text, 'worked');
      assert.equal(worked, before + 1);
      const resumed = polling.seen.filter(({ method, headers }) => method === 'GET' && headers['last-event-id']);
      assert.match(resumed.at(-1).headers['last-event-id'], /^e \d+$/);
    });
  }
});

describe('an event id', () => {
  const opened = (body) => ({
    jsonrpc: '2.0',
    id: body.id,
    result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } },
  });
  let sessions = 0;
  const plays = (behave) => (response, body, request) => {
    if (body?.method === 'initialize') return json(response, opened(body), 200, { 'mcp-session-id': `h${(sessions += 1)}` });
    if (request.method === 'DELETE' || body?.method?.startsWith('notifications/')) return void response.writeHead(202).end();
    return behave(response, body, request);
  };
  const events = (response, ...parts) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(parts.join(''));
  };
  const initialize = {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
  };
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  const tools = (id) => JSON.stringify({ jsonrpc: '2.0', id, result: { tools: [{ name: 'search' }, { name: 'delete' }] } });
  const send = (path, message, session, key = ada) =>
    gateway.post(path, message, key, session ? { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' } : {});
  const begin = async (path = '/mcp/bad', key = ada) =>
    (await send(path, initialize, undefined, key)).headers.get('mcp-session-id');
  const resume = (session, id, { key = ada, path = '/mcp/bad' } = {}) =>
    fetch(at(path), {
      headers: {
        authorization: `Bearer ${key.secret}`,
        accept: 'text/event-stream',
        'mcp-session-id': session,
        'mcp-protocol-version': '2025-11-25',
        'last-event-id': id,
      },
    });
  const id_in = (text) => text.match(/^id: (.*)$/m)?.[1];
  async function broken(session) {
    answer = plays((response) => events(response, 'id: e7\nretry: 25\ndata: \n\n'));
    const response = await send('/mcp/bad', list, session);
    const text = await response.text();
    assert.doesNotMatch(text, /error|e7/);
    assert.match(text, /^retry: 25$/m);
    const record = (await gateway.records(response.headers.get('x-request-id'))).outcome;
    assert.equal(record.decision.outcome, 'allowed');
    return id_in(text);
  }

  it('resumes what was asked, which is still held to who asked', async () => {
    answer = plays(() => {});
    const session = await begin();
    const id = await broken(session);
    answer = plays((response) => events(response, `id: e8\ndata: ${tools(1)}\n\n`));
    const text = await (await resume(session, id)).text();
    assert.equal(hostile.seen.at(-1).headers['last-event-id'], 'e7');
    assert.deepEqual(JSON.parse(text.match(/^data: (.*)$/m)[1]).result.tools, [{ name: 'search' }]);
    answer = plays((response) => events(response, `id: e8\ndata: ${tools(2)}\n\n`));
    assert.match(await (await resume(session, id)).text(), /"error"/);
  });

  it('is of no use to anybody else, in another session, or changed', async () => {
    answer = plays(() => {});
    const session = await begin();
    const mine = await begin();
    const theirs = await begin('/mcp/bad', eve);
    const id = await broken(session);
    const before = hostile.seen.length;
    await assertRefused(await resume(mine, id), 400, 'invalid_request');
    await assertRefused(await resume(theirs, id, { key: eve }), 400, 'invalid_request');
    await assertRefused(await resume(session, id, { key: eve }), 404, 'not_found');
    for (const wrong of ['e7', 'x.y', id.slice(1), `${id}A`, 'a'.repeat(5000)]) {
      await assertRefused(await resume(session, wrong), 400, 'invalid_request');
    }
    assert.equal(hostile.seen.length, before);
    const many = await begin('/mcp/many');
    await assertRefused(await resume(many, id, { path: '/mcp/many' }), 400, 'invalid_request');
  });

  it('that tells our credential, or is too long, does not pass', async () => {
    const session = await begin();
    for (const id of ['x hostile-secret', 'e'.repeat(3000), 'caf\u00e9']) {
      answer = plays((response) => events(response, `id: ${id}\ndata: \n\n`, `retry: 1x\ndata: \n\n`));
      const response = await send('/mcp/bad', list, session);
      // Without one there is nothing to go on by: it is an error.
      await assertRefused(response, 502, 'upstream_error');
    }
  });
});
