// The protocol's own conformance package, run against the gateway with a server behind it that has
// what its scenarios call.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { before, after, describe, it } from 'node:test';
import { scope, standard, startGateway, folder } from './harness.mjs';
import { CONFORMANCE, EventStore, LegacyCompletable, LegacySchemas, LegacyServer, sessionServer, z } from './mcp_servers.mjs';

const RESUMED = /server-sse-disconnect-resume.*SUCCESS/;
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const SOUND = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';
const pause = () => new Promise((resolve) => setImmediate(resolve));
const text = (words) => ({ type: 'text', text: words });
const image = { type: 'image', data: PIXEL, mimeType: 'image/png' };
const embedded = (uri, mimeType, words) => ({
  type: 'resource',
  resource: { uri, mimeType, text: words },
});
const user = (content) => ({ role: 'user', content });

const DEFAULTS = {
  name: { type: 'string', default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
};
const titled = (names, word) => names.map((name, at) => ({ const: name, title: `${word} ${at}` }));
const options = ['option1', 'option2', 'option3'];
const values = ['value1', 'value2', 'value3'];
const ENUMS = {
  untitledSingle: { type: 'string', enum: options },
  titledSingle: { type: 'string', oneOf: titled(values, 'Option') },
  legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three'] },
  untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
  titledMulti: { type: 'array', items: { anyOf: titled(values, 'Choice') } },
};

function addTools(server) {
  const low = server.server;
  const add = (name, run, inputSchema = {}) =>
    server.registerTool(name, { description: `Of ${name}.`, inputSchema }, run);
  const says = (name, ...content) => add(name, () => ({ content }));
  says('test_simple_text', text('This is a simple text response for testing.'));
  says('test_image_content', image);
  says('test_audio_content', { type: 'audio', data: SOUND, mimeType: 'audio/wav' });
  says(
    'test_embedded_resource',
    embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
  );
  says(
    'test_multiple_content_types',
    text('Multiple content types test:'),
    image,
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  );
  add('test_error_handling', () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  add('test_tool_with_logging', async (_, { sendNotification }) => {
    const log = (data) =>
      sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
    await log('Tool execution started');
    await pause();
    await log('Tool processing data');
    await pause();
    await log('Tool execution completed');
    return { content: [text('logged')] };
  });
  add('test_tool_with_progress', async (_, { sendNotification, _meta }) => {
    for (const progress of [0, 50, 100]) {
      if (_meta?.progressToken !== undefined)
        await sendNotification({
          method: 'notifications/progress',
          params: { progressToken: _meta.progressToken, progress, total: 100 },
        });
      await pause();
    }
    return { content: [text('done')] };
  });
  // Ends its stream in mid-call: the rest is for whoever goes on with it.
  add('test_reconnection', async (_, { sendNotification, requestId }) => {
    await sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'x' } });
    low.transport.closeSSEStream(requestId);
    return { content: [text('resumed')] };
  });
  const asks = (method, params, schema) => async (given, { sendRequest }) =>
    sendRequest({ method, params: params(given) }, schema);
  const samples = asks(
    'sampling/createMessage',
    ({ prompt }) => ({ messages: [user(text(prompt))], maxTokens: 100 }),
    LegacySchemas.CreateMessageResultSchema,
  );
  add(
    'test_sampling',
    async (given, extra) => ({
      content: [text(`LLM response: ${(await samples(given, extra)).content.text}`)],
    }),
    { prompt: z.string() },
  );
  const elicits = (properties, required) =>
    asks(
      'elicitation/create',
      ({ message }) => ({
        message: message ?? 'Please fill in',
        requestedSchema: { type: 'object', properties, required },
      }),
      LegacySchemas.ElicitResultSchema,
    );
  const elicitation = (name, words, properties, required, inputSchema) => {
    const elicit = elicits(properties, required);
    add(
      name,
      async (given, extra) => {
        const { action, content } = await elicit(given, extra);
        return { content: [text(words(action, JSON.stringify(content)))] };
      },
      inputSchema,
    );
  };
  const said = { username: { type: 'string' }, email: { type: 'string' } };
  elicitation(
    'test_elicitation',
    (action, content) => `User response: action: ${action}, content: ${content}`,
    said,
    ['username', 'email'],
    { message: z.string() },
  );
  const completed = (action, content) => `Elicitation completed: action=${action}, content=${content}`;
  elicitation('test_elicitation_sep1034_defaults', completed, DEFAULTS, []);
  elicitation('test_elicitation_sep1330_enums', completed, ENUMS, []);
  says('json_schema_2020_12_tool', text('listed'));
  // The schema as it is: the SDK would write it anew.
  const listed = low._requestHandlers.get('tools/list');
  low.setRequestHandler(LegacySchemas.ListToolsRequestSchema, async (request, extra) => {
    const result = await listed(request, extra);
    const tool = result.tools.find(({ name }) => name === 'json_schema_2020_12_tool');
    tool.inputSchema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        address: {
          type: 'object',
          properties: { street: { type: 'string' }, city: { type: 'string' } },
        },
      },
      properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
      additionalProperties: false,
    };
    return result;
  });
}

function addPrompts(server) {
  const add = (name, messages, argsSchema) =>
    server.registerPrompt(name, { description: `Of ${name}.`, argsSchema }, (given) => ({
      messages: messages(given),
    }));
  add('test_simple_prompt', () => [user(text('This is a simple prompt for testing.'))]);
  const completable = (name) =>
    LegacyCompletable.completable(z.string(), (value) => [value, `${value}-${name}`]);
  add(
    'test_prompt_with_arguments',
    ({ arg1, arg2 }) => [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
    { arg1: completable('1'), arg2: completable('2') },
  );
  add(
    'test_prompt_with_embedded_resource',
    ({ resourceUri }) => [
      user(embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.')),
      user(text('Please process the embedded resource above.')),
    ],
    { resourceUri: z.string() },
  );
  add('test_prompt_with_image', () => [user(image), user(text('Please analyze the image above.'))]);
}

function addResources(server) {
  const add = (name, where, mimeType, read) =>
    server.registerResource(name, where, { description: `Of ${name}.`, mimeType }, read);
  const words = 'This is the content of the static text resource.';
  add('static-text', 'test://static-text', 'text/plain', (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: words }],
  }));
  add('static-binary', 'test://static-binary', 'image/png', (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'image/png', blob: PIXEL }],
  }));
  add('watched', 'test://watched-resource', 'text/plain', (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'watched' }],
  }));
  add(
    'template',
    new LegacyServer.ResourceTemplate('test://template/{id}/data', { list: undefined }),
    'application/json',
    (uri, { id }) => ({
      contents: [
        {
          uri: uri.href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
        },
      ],
    }),
  );
  server.server.setRequestHandler(LegacySchemas.SubscribeRequestSchema, () => ({}));
  server.server.setRequestHandler(LegacySchemas.UnsubscribeRequestSchema, () => ({}));
}

function create() {
  const server = new LegacyServer.McpServer(
    { name: 'conformance', version: '1' },
    { capabilities: { logging: {}, resources: { subscribe: true } } },
  );
  addTools(server);
  addPrompts(server);
  addResources(server);
  return { server };
}

const shared = scope(after);
let gateway;

before(async () => {
  const server = await sessionServer(shared, create, { eventStore: new EventStore(), retryInterval: 10 });
  const config = standard('http://127.0.0.1:1');
  config.tenants.anonymous = { budget: { usd: 1, per: 'day', when_exhausted: 'refuse' } };
  config.routes.push({
    name: 'conformance',
    path: '/mcp/conformance',
    anonymous: true, // The package has no credential.
    limits: { client_ip: { requests_per_minute: 10000 } },
    mcp: {
      url: server.url,
      tools: { allow: ['*'] },
      prompts: { allow: ['*'] },
      resources: { allow: ['test://*'] },
      server_requests: ['sampling', 'elicitation'],
    },
  });
  gateway = await startGateway(shared, config);
});

function run(...args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CONFORMANCE, ...args], { cwd: folder(shared) });
    let told = '';
    child.stdout.on('data', (data) => (told += data));
    child.stderr.on('data', (data) => (told += data));
    child.on('close', (code) => resolve({ code, told }));
  });
}

describe('the conformance scenarios of clients', () => {
  it('are told with a reason each', async () => {
    const { told } = await run('list', '--client');
    const names = [...told.split('Client scenarios')[1].matchAll(/^ {2}- (\S+)/gm)].map((it) => it[1]);
    assert.ok(names.length >= 26, told);
    const doc = await readFile(new URL('../../docs/mcp.md', import.meta.url), 'utf8');
    const table = doc.split('| scenario of clients |')[1].split('\n\n')[0];
    const listed = [...table.matchAll(/`([a-z][\w/-]+)`/g)].map((it) => it[1]);
    assert.deepEqual(names.filter((name) => !listed.includes(name)), []);
  });
});

describe('the conformance scenarios of servers', () => {
  it('all pass that apply to a gateway', async () => {
    const { told: listed } = await run('list', '--server');
    const names = [...listed.split('Client scenarios')[0].matchAll(/^ {2}- (\S+)/gm)].map((it) => it[1]);
    assert.ok(names.length >= 32, listed);
    assert.ok(names.includes('server-sse-polling'), listed);
    const url = `${gateway.url}/mcp/conformance`;
    for (const name of names) {
      const { code, told } = await run('server', '--url', url, '--scenario', name);
      assert.equal(code, 0, `${name}:\n${told}`);
      assert.doesNotMatch(told, /FAILURE/, `${name}:\n${told}`);
      assert.match(told, /SUCCESS|✓/, `${name}:\n${told}`);
      if (name === 'server-sse-polling') assert.match(told, RESUMED, told);
    }
  });
});
