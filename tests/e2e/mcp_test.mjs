// The MCP gateway over the wire: real clients of both eras against the reference server and a
// modern one; what a caller may not use is neither listed nor called, and every call is on record.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { assertRefused, scope, standard, startGateway } from './harness.mjs';
import { everything, legacyClient, modernClient, ModernServer, modernServer, z } from './mcp_servers.mjs';

const shared = scope(after);
let gateway, everythingServer, modern, ada, root, other;

function config(servers) {
  const made = standard('http://127.0.0.1:1');
  made.tenants.acme.roles = ['engineer'];
  made.tenants.acme.grantable_roles = ['admin'];
  const allow = [{ tenants: ['acme', 'globex'] }];
  made.routes.push(
    {
      name: 'everything',
      path: '/mcp/everything',
      allow,
      mcp: {
        url: servers.everything,
        credential: 'server-secret',
        tools: { allow: ['echo', 'get-sum', 'get-env', 'trigger-long-running-operation'], by_role: { admin: ['get-tiny-image'] } },
        prompts: { allow: ['simple-prompt'] },
        resources: { allow: ['demo://resource/dynamic/text/*'] },
      },
    },
    {
      name: 'modern',
      path: '/mcp/modern',
      allow,
      mcp: {
        url: servers.modern,
        credential: 'modern-secret',
        tools: { allow: ['greet'], by_tenant: { globex: ['delete'] } },
        authorization: {
          resource: 'https://gateway.example/mcp/modern',
          servers: ['https://login.example'],
        },
        origins: ['https://app.example'],
      },
    },
    {
      name: 'narrow',
      path: '/mcp/narrow',
      allow,
      limits: { user_id: { requests_per_minute: 3 } },
      mcp: { url: servers.modern, tools: { allow: ['greet'] } },
    },
    {
      name: 'own',
      path: '/mcp/own',
      allow,
      mcp: {
        url: servers.modern,
        credential: 'operators',
        credential_by_user: { 'acme/ada': 'secret-of-ada', 'globex/eve': 'secret-of-eve' },
        tools: { allow: ['greet'] },
      },
    },
    {
      name: 'sparing',
      path: '/mcp/sparing',
      allow,
      mcp: {
        url: servers.modern,
        tools: { allow: ['greet', 'delete'] },
        tool_limits: { greet: { user_id: { requests_per_minute: 2 } } },
      },
    },
    { name: 'closed', path: '/mcp/closed', allow, mcp: { url: servers.modern } },
  );
  return made;
}

function greeter() {
  const server = new ModernServer.McpServer({ name: 'greeter', version: '1' });
  server.registerTool(
    'greet',
    { description: 'Greets.', inputSchema: z.object({ name: z.string() }) },
    ({ name }) => ({ content: [{ type: 'text', text: `Hello, ${name}` }] }),
  );
  server.registerTool(
    'delete',
    { description: 'Deletes.', inputSchema: z.object({}) },
    () => ({ content: [{ type: 'text', text: 'deleted' }] }),
  );
  return server;
}

before(async () => {
  everythingServer = await everything(shared);
  modern = await modernServer(shared, greeter);
  gateway = await startGateway(
    shared,
    config({ everything: everythingServer.url, modern: modern.url }),
  );
  ada = await gateway.key('acme', '--user', 'ada');
  root = await gateway.key('acme', '--user', 'root', '--role', 'admin');
  other = await gateway.key('globex', '--user', 'eve');
});

const names = (list) => list.map((each) => each.name).sort();
const at = (path) => gateway.url + path;

/** One message, as it is, with the headers of a client of that revision. */
function send(path, key, message, headers = {}) {
  return gateway.post(path, message, key, {
    accept: 'application/json, text/event-stream',
    ...headers,
  });
}

const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const modernCall = (name, args = {}) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: args, _meta: modernMeta },
});
const modernHeaders = (name) => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': name,
});

describe('a client with a session', () => {
  it('sees and calls the tools that are its own', async (t) => {
    const { client } = await legacyClient(t, at('/mcp/everything'), ada);
    const { tools } = await client.listTools();
    assert.deepEqual(names(tools), ['echo', 'get-env', 'get-sum', 'trigger-long-running-operation']);
    const echoed = await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
    assert.equal(echoed.content[0].text, 'Echo: hello');
    const { tools: more } = await (
      await legacyClient(t, at('/mcp/everything'), root)
    ).client.listTools();
    assert.deepEqual(names(more), [
      'echo', 'get-env', 'get-sum', 'get-tiny-image', 'trigger-long-running-operation',
    ]);
  });

  it('is refused a tool that is not, which the server never hears of', async (t) => {
    const { client } = await legacyClient(t, at('/mcp/everything'), ada);
    await assert.rejects(
      client.callTool({ name: 'get-tiny-image', arguments: {} }),
      /may not be used with this credential/,
    );
    assert.ok(everythingServer.seen.every(({ body }) => body?.params?.name !== 'get-tiny-image'));
  });

  it('sees prompts and resources likewise', async (t) => {
    const { client } = await legacyClient(t, at('/mcp/everything'), ada);
    assert.deepEqual(names((await client.listPrompts()).prompts), ['simple-prompt']);
    const prompt = await client.getPrompt({ name: 'simple-prompt' });
    assert.ok(prompt.messages.length > 0);
    await assert.rejects(client.getPrompt({ name: 'args-prompt', arguments: { city: 'x' } }));
    const { resourceTemplates } = await client.listResourceTemplates();
    assert.deepEqual(
      resourceTemplates.map((each) => each.uriTemplate),
      ['demo://resource/dynamic/text/{resourceId}'],
    );
    const read = await client.readResource({ uri: 'demo://resource/dynamic/text/1' });
    assert.match(read.contents[0].text, /Resource 1/);
    await assert.rejects(client.readResource({ uri: 'demo://resource/dynamic/blob/1' }));
    await assert.rejects(
      client.readResource({ uri: 'demo://resource/dynamic/text/../blob/1' }),
    );
  });

  it('hears of progress while a call works', async (t) => {
    const { client } = await legacyClient(t, at('/mcp/everything'), ada);
    const heard = [];
    const result = await client.callTool(
      { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 2 } },
      undefined,
      { onprogress: (progress) => heard.push(progress.progress) },
    );
    assert.match(result.content[0].text, /completed/);
    assert.deepEqual(heard, [1, 2]);
  });

  it('shows the server our credential, never its own, and what servers may not ask is not offered', async (t) => {
    const from = everythingServer.seen.length;
    const { client } = await legacyClient(t, at('/mcp/everything'), ada, {
      sampling: {},
      roots: { listChanged: true },
    });
    await client.ping();
    for (const { headers } of everythingServer.seen.slice(from)) {
      assert.equal(headers.authorization, 'Bearer server-secret');
      assert.ok(!JSON.stringify(headers).includes(ada.secret));
    }
    const opening = everythingServer.seen[from].body;
    assert.equal(opening.method, 'initialize');
    assert.deepEqual(opening.params.capabilities, {});
    assert.equal(client.getServerCapabilities().tasks, undefined);
  });

  it('has a session that nobody else can use', async (t) => {
    const { transport } = await legacyClient(t, at('/mcp/everything'), ada);
    const list = { jsonrpc: '2.0', id: 5, method: 'tools/list' };
    const headers = { 'mcp-session-id': transport.sessionId, 'mcp-protocol-version': '2025-11-25' };
    assert.ok(everythingServer.seen.every((it) => it.headers['mcp-session-id'] !== transport.sessionId));
    assert.equal((await send('/mcp/everything', ada, list, headers)).status, 200);
    const lists = () => everythingServer.seen.filter(({ body }) => body?.id === 'stolen').length;
    list.id = 'stolen';
    for (const key of [other, root]) {
      const stolen = await send('/mcp/everything', key, list, headers);
      await assertRefused(stolen, 404, 'not_found');
      const listening = await fetch(at('/mcp/everything'), {
        headers: { ...headers, authorization: `Bearer ${key.secret}`, accept: 'text/event-stream' },
      });
      await assertRefused(listening, 404, 'not_found');
    }
    const bare = everythingServer.seen.find((it) => it.headers['mcp-session-id']);
    const guessed = { ...headers, 'mcp-session-id': bare.headers['mcp-session-id'] };
    await assertRefused(await send('/mcp/everything', ada, list, guessed), 404, 'not_found');
    assert.equal(lists(), 0);
  });

  it('ends its session', async (t) => {
    const { transport } = await legacyClient(t, at('/mcp/everything'), ada);
    const headers = { 'mcp-session-id': transport.sessionId, 'mcp-protocol-version': '2025-11-25' };
    await transport.terminateSession();
    const list = { jsonrpc: '2.0', id: 5, method: 'tools/list' };
    assert.equal((await send('/mcp/everything', ada, list, headers)).status, 404);
  });
});

describe('a client of 2026-07-28', () => {
  it('sees and calls the tools that are its own', async (t) => {
    const { client } = await modernClient(t, at('/mcp/modern'), ada);
    assert.deepEqual(names((await client.listTools()).tools), ['greet']);
    const greeted = await client.callTool({ name: 'greet', arguments: { name: 'Ada' } });
    assert.equal(greeted.content[0].text, 'Hello, Ada');
    await assert.rejects(
      client.callTool({ name: 'delete', arguments: {} }),
      /may not be used with this credential/,
    );
    const globex = await modernClient(t, at('/mcp/modern'), other);
    assert.deepEqual(names((await globex.client.listTools()).tools), ['delete', 'greet']);
  });

  it('finds out by itself which revision is spoken', async (t) => {
    const { client } = await modernClient(t, at('/mcp/everything'), ada, 'auto');
    const echoed = await client.callTool({ name: 'echo', arguments: { message: 'x' } });
    assert.equal(echoed.content[0].text, 'Echo: x');
  });

  it('is held to headers that say what its body says', async () => {
    const before = modern.seen.length;
    const wrong = [
      [modernCall('greet'), { ...modernHeaders('greet'), 'mcp-name': 'delete' }],
      [modernCall('delete'), modernHeaders('greet')],
      [modernCall('greet'), { ...modernHeaders('greet'), 'mcp-method': 'tools/list' }],
      [modernCall('greet'), { 'mcp-protocol-version': '2026-07-28' }],
      [modernCall('greet'), { ...modernHeaders('greet'), 'mcp-protocol-version': '2025-11-25' }],
    ];
    for (const [message, headers] of wrong) {
      const response = await send('/mcp/modern', ada, message, headers);
      const { body } = await assertRefused(response, 400, 'invalid_request', -32020);
      assert.equal(body.id, 1);
      assert.equal(body.error.data.rule, 'routes.modern.mcp');
    }
    const future = { ...modernCall('greet') };
    future.params = { ...future.params, _meta: { ...modernMeta } };
    future.params._meta['io.modelcontextprotocol/protocolVersion'] = '2099-01-01';
    const response = await send('/mcp/modern', ada, future, {
      ...modernHeaders('greet'),
      'mcp-protocol-version': '2099-01-01',
    });
    const { body } = await assertRefused(response, 400, 'unsupported_parameter', -32022);
    assert.ok(body.error.data.supported.includes('2026-07-28'));
    assert.equal(modern.seen.length, before);
  });

  it('gets 404 for a method that is not served, and 405 for what has gone', async () => {
    const unknown = { jsonrpc: '2.0', id: 1, method: 'tasks/get', params: { _meta: modernMeta } };
    const response = await send('/mcp/modern', ada, unknown, {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tasks/get',
    });
    await assertRefused(response, 404, 'not_found', -32601);
    for (const method of ['GET', 'DELETE']) {
      const gone = await fetch(at('/mcp/modern'), {
        method,
        headers: { authorization: `Bearer ${ada.secret}`, 'mcp-protocol-version': '2026-07-28' },
      });
      assert.equal(gone.status, 405);
    }
  });
});

describe('every call', () => {
  it('is on record, with its tool, before the server hears of it', async () => {
    const response = await send('/mcp/modern', ada, modernCall('greet', { name: 'x' }), modernHeaders('greet'));
    assert.equal(response.status, 200);
    const { decision, outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(decision.surface, 'mcp');
    assert.equal(decision.route, 'modern');
    assert.deepEqual(decision.mcp, { method: 'tools/call', name: 'greet' });
    assert.equal(decision.actor.subject, 'ada');
    assert.equal(outcome.decision.outcome, 'allowed');
    assert.equal(outcome.attempts[0].status, 200);
    const labels = { route: 'modern', tool: 'greet', outcome: 'allowed' };
    assert.ok((await gateway.metric('tollgate_mcp_calls_total', labels)) > 0);
  });

  it('that is refused is too, and what a list withheld is counted', async () => {
    const refused = await send('/mcp/modern', ada, modernCall('delete'), modernHeaders('delete'));
    const { body } = await assertRefused(refused, 403, 'tool_not_allowed', 403);
    assert.equal(body.error.data.rule, 'routes.modern.mcp.tools');
    assert.equal(body.error.data.request_id, refused.headers.get('x-request-id'));
    const { outcome } = await gateway.records(refused.headers.get('x-request-id'));
    assert.equal(outcome.decision.code, 'tool_not_allowed');
    assert.equal(outcome.mcp.name, 'delete');
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: modernMeta } };
    const listed = await send('/mcp/modern', ada, list, {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/list',
    });
    const records = await gateway.records(listed.headers.get('x-request-id'));
    assert.equal(records.outcome.mcp.withheld, 1);
  });

  it('is explained before it is made', async () => {
    const explain = async (message) => {
      const file = path.join(gateway.cwd, 'message.json');
      writeFileSync(file, JSON.stringify(message));
      return gateway.run('explain', '--as', ada.id, '--path', '/mcp/modern', file);
    };
    const allowed = await explain(modernCall('greet'));
    assert.equal(allowed.code, 0, allowed.stdout + allowed.stderr);
    assert.match(allowed.stdout, /greet of tools/);
    const refused = await explain(modernCall('delete'));
    assert.equal(refused.code, 1, refused.stdout + refused.stderr);
    assert.match(refused.stdout, /routes\.modern\.mcp\.tools/);
  });

  it('counts against the limits of its caller', async () => {
    const key = await gateway.key('acme', '--user', 'busy');
    const call = () => send('/mcp/narrow', key, modernCall('greet', { name: 'x' }), modernHeaders('greet'));
    for (let i = 0; i < 3; ++i) assert.equal((await call()).status, 200);
    const before = modern.seen.length;
    const { body, headers } = await assertRefused(await call(), 429, 'rate_limited', 429);
    assert.equal(body.error.data.rule, 'routes.narrow.limits.user_id.requests_per_minute');
    assert.ok(Number(headers.get('retry-after')) > 0);
    assert.equal(modern.seen.length, before);
  });

  it('counts against the limits of its tool', async () => {
    const key = await gateway.key('acme', '--user', 'sparing');
    const call = (tool) => send('/mcp/sparing', key, modernCall(tool, { name: 'x' }), modernHeaders(tool));
    for (let i = 0; i < 2; ++i) assert.equal((await call('greet')).status, 200);
    const refused = await call('greet');
    const { body } = await assertRefused(refused, 429, 'rate_limited', 429);
    assert.equal(body.error.data.rule, 'routes.sparing.mcp.tool_limits.greet.user_id.requests_per_minute');
    const { outcome } = await gateway.records(refused.headers.get('x-request-id'));
    assert.equal(outcome.mcp.name, 'greet');
    assert.equal((await call('delete')).status, 200);
    // Of each user, and of calls alone.
    const again = await send('/mcp/sparing', ada, modernCall('greet', { name: 'x' }), modernHeaders('greet'));
    assert.equal(again.status, 200);
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: modernMeta } };
    const listed = await send('/mcp/sparing', key, list, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' });
    assert.equal(listed.status, 200);
  });

  it('is shown to the server by the credential of its user, and by no other', async (t) => {
    const from = modern.seen.length;
    for (const key of [ada, other]) {
      const { client } = await modernClient(t, at('/mcp/own'), key);
      await client.callTool({ name: 'greet', arguments: { name: 'x' } });
    }
    const shown = new Set(modern.seen.slice(from).map(({ headers }) => headers.authorization));
    assert.deepEqual([...shown], ['Bearer secret-of-ada', 'Bearer secret-of-eve']);
    const before = modern.seen.length;
    const nameless = await gateway.key('acme');
    const namesake = await gateway.key('globex', '--user', 'ada');
    for (const key of [root, nameless, namesake]) {
      const refused = await send('/mcp/own', key, modernCall('greet', { name: 'x' }), modernHeaders('greet'));
      const { body } = await assertRefused(refused, 403, 'route_not_allowed', 403);
      assert.equal(body.error.data.rule, 'routes.own.mcp.credential_by_user');
    }
    assert.equal(modern.seen.length, before);
  });

  it('needs a credential, and a name in the list of its route', async () => {
    const nobody = await send('/mcp/modern', null, modernCall('greet'), modernHeaders('greet'));
    const { body, headers } = await assertRefused(nobody, 401, 'missing_credential', 401);
    assert.equal(body.jsonrpc, '2.0');
    assert.equal(
      headers.get('www-authenticate'),
      'Bearer resource_metadata="https://gateway.example/.well-known/oauth-protected-resource/mcp/modern"',
    );
    const metadata = await fetch(at('/.well-known/oauth-protected-resource/mcp/modern'));
    assert.equal(metadata.status, 200);
    assert.deepEqual(await metadata.json(), {
      resource: 'https://gateway.example/mcp/modern',
      authorization_servers: ['https://login.example'],
      bearer_methods_supported: ['header'],
    });
    for (const path of ['', '/mcp/narrow', '/mcp/modern/x', '/v1/chat/completions'])
      assert.notEqual((await fetch(at(`/.well-known/oauth-protected-resource${path}`))).status, 200);
    const closed = await send('/mcp/closed', ada, modernCall('greet'), modernHeaders('greet'));
    await assertRefused(closed, 403, 'tool_not_allowed');
    const narrow = await gateway.key('acme', '--tool', 'echo');
    const reached = await send('/mcp/modern', narrow, modernCall('greet'), modernHeaders('greet'));
    await assertRefused(reached, 403, 'tool_not_allowed');
  });

  it('is refused from a page in a browser that is not listed', async () => {
    const page = await send('/mcp/modern', ada, modernCall('greet'), {
      ...modernHeaders('greet'),
      origin: 'https://evil.example',
    });
    await assertRefused(page, 403, 'route_not_allowed');
    const listed = await send('/mcp/modern', ada, modernCall('greet', { name: 'x' }), {
      ...modernHeaders('greet'),
      origin: 'https://app.example',
    });
    assert.equal(listed.status, 200);
    assert.equal(listed.headers.get('access-control-allow-origin'), 'https://app.example');
  });
});
