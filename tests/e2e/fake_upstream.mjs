// A model server that does what a test tells it, well or badly, and remembers what it was asked.
import http from 'node:http';
import net from 'node:net';
import { atEnd } from './harness.mjs';

/**
 * `answer({request, response, body, number})` is called with each whole request. Its requests are
 * in `upstream.requests` in the order they came; `upstream.at_work` of them have not ended.
 */
export async function fakeUpstream(t, answer) {
  const upstream = { requests: [], cut: 0, at_work: 0 };
  const server = http.createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('error', () => {});
    response.on('error', () => {});
    response.on('close', () => {
      if (!response.writableEnded) upstream.cut += 1;
    });
    request.on('end', () => {
      const text = Buffer.concat(pieces).toString();
      const body = text ? JSON.parse(text) : null;
      upstream.at_work += 1;
      response.on('close', () => (upstream.at_work -= 1));
      const number = upstream.requests.push({
        url: request.url,
        headers: request.headers,
        body,
        text,
      });
      answer({ request, response, body, number });
    });
  });
  return listening(t, server, upstream);
}

/** `serve(socket, number)` gets each connection as it is, for what is no HTTP. */
export async function rawUpstream(t, serve) {
  const upstream = { connections: 0 };
  const open = new Set();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    upstream.connections += 1;
    serve(socket, upstream.connections);
  });
  server.closeAllConnections = () => open.forEach((socket) => socket.destroy());
  return listening(t, server, upstream);
}

async function listening(t, server, upstream) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  upstream.url = `http://127.0.0.1:${server.address().port}`;
  upstream.close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  atEnd(t, () => upstream.close());
  return upstream;
}

export function sendJson(response, body, status = 200, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

export function completion(content, usage, changes = {}) {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1750000000,
    model: 'small',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, ...changes.message },
        finish_reason: changes.finish ?? 'stop',
      },
    ],
    ...(usage ? { usage: openaiUsage(usage) } : {}),
  };
}

export function openaiUsage({ input, output, cached = 0 }) {
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached },
  };
}

/** One event of a streamed chat completion. */
export function chunk(delta, finish = null, changes = {}) {
  return `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1750000000,
    model: 'small',
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...changes,
  })}\n\n`;
}

export function beginStream(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(chunk({ role: 'assistant', content: '' }));
}

export function endStream(response, usage) {
  response.write(chunk({}, 'stop'));
  if (usage) response.write(chunk({}, null, { choices: [], usage: openaiUsage(usage) }));
  response.end('data: [DONE]\n\n');
}

/** A whole stream of the given words. */
export function streamWords(response, words, usage) {
  beginStream(response);
  for (const word of words) response.write(chunk({ content: word }));
  endStream(response, usage);
}

export function message(content, usage, changes = {}) {
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude',
    content: typeof content === 'string' ? [{ type: 'text', text: content }] : content,
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: usage.input, output_tokens: usage.output },
    ...changes,
  };
}
