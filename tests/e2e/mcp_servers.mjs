// MCP servers on free ports: the reference server of the protocol, one of the newest revision, and
// the clients that call them.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { atEnd, ROOT } from './harness.mjs';

const sdk = createRequire(path.join(ROOT, 'tests/sdk/package.json'));
const modules = path.join(ROOT, 'tests/sdk/node_modules/@modelcontextprotocol');
const load = async (name) => import(pathToFileURL(sdk.resolve(name)).href);

export const Legacy = await load('@modelcontextprotocol/sdk/client/index.js');
export const LegacyHttp = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
export const Modern = await load('@modelcontextprotocol/client');
export const LegacyCompletable = await load('@modelcontextprotocol/sdk/server/completable.js');
export const LegacySchemas = await load('@modelcontextprotocol/sdk/types.js');
export const LegacyServer = await load('@modelcontextprotocol/sdk/server/mcp.js');
export const ModernServer = await load('@modelcontextprotocol/server');
export const z = await load('zod');
const Transport = (await load('@modelcontextprotocol/sdk/server/streamableHttp.js'))
  .StreamableHTTPServerTransport;

export const CONFORMANCE = path.join(modules, 'conformance/dist/index.js');

/** Listens on a free port; `seen` is every request: {method, headers, body}. */
async function listening(t, answer) {
  const served = { seen: [] };
  const server = http.createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
      const text = Buffer.concat(pieces).toString();
      const body = text ? JSON.parse(text) : undefined;
      served.seen.push({ method: request.method, headers: request.headers, body });
      // What it throws ends this reply, and not the test of the moment.
      const answered = async () => answer(request, response, body, text);
      answered().catch((error) => response.destroy(error));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  served.url = `http://127.0.0.1:${server.address().port}/mcp`;
  served.close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  atEnd(t, () => served.close());
  return served;
}

/** What happened in streams, in order, for clients that go on with one. */
export class EventStore {
  events = [];
  async storeEvent(stream, message) {
    this.events.push({ stream, message });
    return `e ${this.events.length}`;
  }
  async getStreamIdForEventId(id) {
    return this.events[Number(id.slice(2)) - 1]?.stream;
  }
  async replayEventsAfter(id, { send }) {
    const from = Number(id.slice(2));
    const stream = await this.getStreamIdForEventId(id);
    for (let at = from; at < this.events.length; at += 1) {
      if (this.events[at].stream === stream && this.events[at].message.jsonrpc) {
        await send(`e ${at + 1}`, this.events[at].message);
      }
    }
    return stream;
  }
}

/** A server with sessions: `create()` gives each its own. */
export async function sessionServer(t, create, options = {}) {
  const transports = new Map();
  const cleanups = [];
  atEnd(t, async () => {
    for (const transport of transports.values()) await transport.close();
    for (const cleanup of cleanups) cleanup();
  });
  return listening(t, async (request, response, body) => {
    const id = request.headers['mcp-session-id'];
    let transport = transports.get(id);
    if (!transport && id) return void response.writeHead(404).end();
    if (!transport) {
      transport = new Transport({
        ...options,
        sessionIdGenerator: () => randomUUID(),
        onsessioninitialized: (made) => transports.set(made, transport),
      });
      const { server, cleanup } = create();
      if (cleanup) cleanups.push(() => cleanup(transport.sessionId));
      await server.connect(transport);
    }
    return transport.handleRequest(request, response, body);
  });
}

/** The reference server, with all that the protocol has. */
export async function everything(t) {
  const entry = path.join(modules, 'server-everything/dist/server/index.js');
  const { createServer } = await import(pathToFileURL(entry).href);
  return sessionServer(t, createServer);
}

/** A server of 2026-07-28 alone. */
export async function modernServer(t, create, options = {}) {
  const handler = ModernServer.createMcpHandler(create, { legacy: 'reject', ...options });
  atEnd(t, () => handler.close());
  return listening(t, async (request, response, body, text) => {
    const answer = await handler.fetch(
      new Request(`http://${request.headers.host}${request.url}`, {
        method: request.method,
        headers: request.headers,
        body: text || undefined,
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body) for await (const piece of answer.body) response.write(piece);
    response.end();
  });
}

/** A server that does what a test tells it, well or badly: `answer(response, body, request)`. */
export async function fakeServer(t, answer) {
  return listening(t, (request, response, body) => answer(response, body, request));
}

export const json = (response, body, status = 200, headers = {}) =>
  void response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify(body));
export const stream = (response, ...messages) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  for (const message of messages) response.write(`data: ${JSON.stringify(message)}\n\n`);
};

const bearer = (key) => ({ headers: { authorization: `Bearer ${key.secret}` } });

/** A client of the revisions with sessions, connected. */
export async function legacyClient(t, url, key, capabilities = {}, prepare = () => {}) {
  const client = new Legacy.Client({ name: 'test', version: '1' }, { capabilities });
  prepare(client);
  const transport = new LegacyHttp.StreamableHTTPClientTransport(new URL(url), {
    requestInit: bearer(key),
  });
  await client.connect(transport);
  atEnd(t, () => client.close().catch(() => {}));
  return { client, transport };
}

/** A client of 2026-07-28, connected. */
export async function modernClient(t, url, key, mode = { pin: '2026-07-28' }) {
  const client = new Modern.Client(
    { name: 'test', version: '1' },
    { versionNegotiation: { mode } },
  );
  const transport = new Modern.StreamableHTTPClientTransport(new URL(url), {
    requestInit: bearer(key),
  });
  await client.connect(transport);
  atEnd(t, () => client.close().catch(() => {}));
  return { client, transport };
}
