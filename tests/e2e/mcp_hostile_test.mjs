// MCP servers that lie, break off, are slow, huge or gone, and callers that send what is no
// message: each gets a clear answer, and none takes the gateway with it.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { assertRefused, poll, scope, standard, startGateway } from './harness.mjs';
import { fakeServer, json, legacyClient, stream } from './mcp_servers.mjs';

const shared = scope(after);
let gateway, server, ada;
let answer; // (response, body, request): what the server does.

before(async () => {
  server = await fakeServer(shared, (response, body, request) => answer(response, body, request));
  const config = standard('http://127.0.0.1:1');
  config.edge.workers = 1;
  const allow = [{ tenants: ['acme'] }];
  const mcp = {
    url: server.url,
    credential: 'server-secret',
    tools: { allow: ['search', 'slow'] },
    answer: '16KiB',
    timeout: { first_byte: '500ms', between_chunks: '10s', total: '20s' },
  };
  config.routes.push(
    { name: 'bad', path: '/mcp/bad', allow, mcp },
    { name: 'gone', path: '/mcp/gone', allow, mcp: { ...mcp, url: 'http://127.0.0.1:1/mcp' } },
    { name: 'asks', path: '/mcp/asks', allow, mcp: { ...mcp, server_requests: ['elicitation'] } },
  );
  gateway = await startGateway(shared, config);
  ada = await gateway.key('acme', '--user', 'ada');
});

const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'search', arguments: {} } };
const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
const done = { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'found' }] } };
const send = (message, path = '/mcp/bad', headers = {}) => gateway.post(path, message, ada, headers);
const events = (text) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice(6)));

async function recorded(response) {
  return (await gateway.records(response.headers.get('x-request-id'))).outcome;
}

describe('a server that is not to be believed', () => {
  const lies = {
    'answers another request': { ...done, id: 2 },
    'answers without an id': { jsonrpc: '2.0', result: {} },
    'answers with a result and an error': { ...done, error: { code: 1, message: 'x' } },
    'sends a batch': [done],
    'sends no JSON-RPC': { result: {} },
    'asks instead': { jsonrpc: '2.0', id: 9, method: 'sampling/createMessage', params: {} },
  };
  for (const [what, message] of Object.entries(lies)) {
    it(`${what}: 502, and the caller gets none of it`, async () => {
      answer = (response) => json(response, message);
      const response = await send(call);
      const { body } = await assertRefused(response, 502, 'upstream_error');
      assert.equal(body.id, 1);
      assert.equal((await recorded(response)).decision.code, 'upstream_error');
    });
  }

  it('is no JSON, is HTML, or has no list in its list', async () => {
    answer = (response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":');
    await assertRefused(await send(call), 502, 'upstream_error');
    answer = (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>');
    await assertRefused(await send(call), 502, 'upstream_error');
    answer = (response) => json(response, { jsonrpc: '2.0', id: 1, result: { tools: 'all' } });
    await assertRefused(await send(list), 502, 'upstream_error');
  });

  it('has two tools of one name: neither is there', async () => {
    const tools = [{ name: 'search' }, { name: 'slow' }, { name: 'search', description: 'evil' }];
    answer = (response) => json(response, { jsonrpc: '2.0', id: 1, result: { tools } });
    const response = await send(list);
    assert.deepEqual((await response.json()).result.tools, [{ name: 'slow' }]);
    assert.equal((await recorded(response)).mcp.withheld, 2);
  });

  it('repeats our credential: it is hidden', async () => {
    const told = { ...done, result: { content: [{ type: 'text', text: 'Bearer server-secret' }] } };
    answer = (response) => json(response, told);
    assert.match(await (await send(call)).text(), /Bearer \[hidden\]/);
    answer = (response) => json(response, { error: { code: -1, message: 'server-secret' } }, 400);
    assert.doesNotMatch(await (await send(call)).text(), /server-secret/);
  });

  it('gives a session id that is none: the caller gets no session', async () => {
    const opened = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } };
    const opening = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {} } };
    answer = (response) => json(response, { jsonrpc: '2.0', id: 1, result: opened }, 200, { 'mcp-session-id': 'a b' });
    const response = await send(opening);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('mcp-session-id'), null);
    opened.protocolVersion = '2024-11-05';
    await assertRefused(await send(opening), 502, 'upstream_error');
  });
});

describe('a server that is not well', () => {
  it('is gone', async () => {
    const response = await send(call, '/mcp/gone');
    const { body } = await assertRefused(response, 502, 'upstream_error');
    assert.match(body.error.message, /could not be reached/);
  });

  it('is slow: 504', async () => {
    answer = () => {};
    await assertRefused(await send(call), 504, 'upstream_timeout');
  });

  it('is huge, whole or in a stream', async () => {
    const huge = { ...done, result: { content: [{ type: 'text', text: 'x'.repeat(20_000) }] } };
    answer = (response) => json(response, huge);
    await assertRefused(await send(call), 502, 'upstream_error');
    answer = (response) => {
      stream(response, huge);
      response.end();
    };
    await assertRefused(await send(call), 502, 'upstream_error');
    // A line that never ends.
    answer = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: ' + 'x'.repeat(40_000));
    };
    await assertRefused(await send(call), 502, 'upstream_error');
  });

  it('says no: what is the caller\'s to mend is told, what is not is ours', async () => {
    answer = (response) => json(response, { jsonrpc: '2.0', id: 1, error: { code: -32602, message: 'no such page' } }, 400);
    const told = await send(call);
    assert.equal(told.status, 400);
    assert.deepEqual((await told.json()).error, { code: -32602, message: 'no such page' });
    assert.equal((await recorded(told)).mcp.failed, true);
    for (const [status, reason, ours] of [[401, 'upstream_error', 502], [403, 'upstream_error', 502], [500, 'upstream_error', 502], [503, 'overloaded', 503], [302, 'upstream_error', 502]]) {
      answer = (response) => json(response, {}, status, { location: 'http://127.0.0.1:1/' });
      await assertRefused(await send(call), ours, reason);
    }
  });

  it('breaks off a stream: the caller hears so in its words, and the stream ends well', async () => {
    const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } };
    answer = (response) => {
      stream(response, progress);
      setImmediate(() => response.destroy());
    };
    const response = await send(call);
    assert.equal(response.status, 200);
    const heard = events(await response.text());
    assert.deepEqual(heard[0], progress);
    assert.equal(heard[1].id, 1);
    assert.match(heard[1].error.message, /not one that may be passed on/);
    const outcome = await recorded(response);
    assert.equal(outcome.decision.outcome, 'cut');
    assert.equal(outcome.decision.code, 'upstream_error');
  });
});

describe('what a server says beside its answer', () => {
  it('passes as far as it is known, and nothing behind the answer', async () => {
    const log = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } };
    const evil = { jsonrpc: '2.0', method: 'notifications/evil', params: {} };
    const sampling = { jsonrpc: '2.0', id: 9, method: 'sampling/createMessage', params: {} };
    answer = (response) => {
      stream(response, log, evil, sampling, done, log);
      response.end();
    };
    const response = await send(call);
    assert.deepEqual(events(await response.text()), [log, done]);
    assert.equal((await recorded(response)).mcp.withheld, 2);
  });

  it('may ask where the operator says so', async () => {
    const asking = { jsonrpc: '2.0', id: 9, method: 'elicitation/create', params: { message: 'who?' } };
    answer = (response) => {
      stream(response, asking, done);
      response.end();
    };
    assert.deepEqual(events(await (await send(call, '/mcp/asks')).text()), [asking, done]);
    assert.deepEqual(events(await (await send(call)).text()), [done]);
    const reply = { jsonrpc: '2.0', id: 9, result: { action: 'decline' } };
    await assertRefused(await send(reply), 400, 'invalid_request');
    answer = (response) => void response.writeHead(202).end();
    const accepted = await send(reply, '/mcp/asks');
    assert.equal(accepted.status, 202);
    assert.equal(await accepted.text(), '');
  });
});

describe('a caller', () => {
  it('that sends what is no message is told what is wrong, and nothing leaves', async () => {
    const before = server.seen.length;
    const rows = [
      ['{"jsonrpc":', 'invalid_json', -32700],
      ['{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', 'duplicate_key', -32700],
      [[call], 'invalid_request', -32600],
      [{ ...call, extra: 1 }, 'invalid_request', -32600],
      [{ ...call, id: null }, 'invalid_request', -32600],
      [{ ...call, method: 'tools/get' }, 'unsupported_parameter', -32601],
      [{ ...call, params: { ...call.params, task: {} } }, 'unsupported_parameter', -32602],
    ];
    for (const [body, reason, code] of rows) {
      const response = await send(body);
      await assertRefused(response, 400, reason, code);
    }
    const large = { ...call, params: { name: 'search', arguments: { text: 'x'.repeat(2 << 20) } } };
    assert.equal((await send(large)).status, 413);
    assert.equal(server.seen.length, before);
  });

  it('under a name that somebody pointed here is refused', async () => {
    const status = await new Promise((resolve, reject) => {
      const request = http.request(`${gateway.url}/mcp/bad`, {
        method: 'POST',
        headers: { host: 'evil.example', authorization: `Bearer ${ada.secret}` },
      });
      request.on('response', (response) => {
        response.resume();
        resolve([response.statusCode, response.headers['x-tollgate-rule']]);
      });
      request.on('error', reject);
      request.end(JSON.stringify(call));
    });
    assert.deepEqual(status, [403, 'routes.bad.mcp.hosts']);
  });

  it('that leaves takes its request along', async () => {
    let left = false;
    answer = (response) => {
      stream(response, { jsonrpc: '2.0', method: 'notifications/message', params: {} });
      response.on('close', () => (left = true));
    };
    const leaving = new AbortController();
    const response = await fetch(`${gateway.url}/mcp/bad`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ada.secret}` },
      body: JSON.stringify(call),
      signal: leaving.signal,
    });
    await response.body.getReader().read();
    leaving.abort();
    await poll(() => left, 'the end of the request to the server');
    assert.equal((await recorded(response)).decision.code, 'caller_gone');
  });

  it('whose key ends while it listens hears no more', async (t) => {
    const key = await gateway.key('acme', '--user', 'brief');
    answer = (response, body, request) => {
      if (request.method === 'GET') return stream(response);
      if (body.method !== 'initialize') return void response.writeHead(202).end();
      const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } };
      json(response, { jsonrpc: '2.0', id: body.id, result }, 200, { 'mcp-session-id': 's1' });
    };
    const { transport } = await legacyClient(t, `${gateway.url}/mcp/bad`, key);
    const listening = await fetch(`${gateway.url}/mcp/bad`, {
      headers: {
        authorization: `Bearer ${key.secret}`,
        accept: 'text/event-stream',
        'mcp-session-id': transport.sessionId,
      },
    });
    assert.equal(listening.status, 200);
    await gateway.run('keys', 'revoke', key.id);
    const text = await listening.text();
    assert.doesNotMatch(text, /data:/);
    assert.equal((await recorded(listening)).decision.code, 'revoked_credential');
  });
});
