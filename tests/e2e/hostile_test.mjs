// Bytes that no honest client sends, on a plain socket: each gets a clear answer or an end, none
// reaches the upstream, and the gateway goes on serving others.
import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, describe, it } from 'node:test';
import net from 'node:net';
import { poll, question, rawExchange, scope, standard, startGateway } from './harness.mjs';
import { completion, fakeUpstream, sendJson } from './fake_upstream.mjs';

describe('hostile bytes', () => {
  const shared = scope(after);
  let upstream, gateway, key, forwarded;
  before(async () => {
    upstream = await fakeUpstream(shared, ({ response }) =>
      sendJson(response, completion('Hi.', { input: 9, output: 2 })),
    );
    const config = standard(upstream.url);
    config.edge = {
      header_timeout: '1s',
      body_timeout: '1s',
      idle_timeout: '2s',
      header_bytes_max: '8KiB',
      headers_max: 40,
    };
    gateway = await startGateway(shared, config);
    key = await gateway.key();
  });
  beforeEach(() => (forwarded = upstream.requests.length));
  // On a connection of its own: one that is kept alive may be closed as idle at that moment.
  afterEach(async () => {
    const request = head(['Connection: close', `Content-Length: ${body.length}`]) + body;
    assert.match(await rawExchange(gateway.port, request), /^HTTP\/1\.1 200 /);
  });

  const body = JSON.stringify(question());
  const head = (lines = [], first = 'POST /v1/chat/completions HTTP/1.1') =>
    [
      first,
      'Host: localhost',
      `Authorization: Bearer ${key.secret}`,
      'Content-Type: application/json',
      ...lines,
      '',
      '',
    ].join('\r\n');

  async function refusedRaw(bytes, status = /^HTTP\/1\.1 4\d\d /, options = {}) {
    const answer = await rawExchange(gateway.port, bytes, options);
    assert.match(answer, status, JSON.stringify(answer.slice(0, 300)));
    assert.equal(upstream.requests.length, forwarded, 'it was forwarded');
    return answer;
  }

  it('no HTTP at all', async () => {
    for (const bytes of [
      'hello\r\n\r\n',
      '\0\0\0\0\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ]) {
      const answer = await rawExchange(gateway.port, bytes);
      assert.match(answer, /^(HTTP\/1\.1 (400|505) |$)/, JSON.stringify([bytes, answer]));
    }
    assert.equal(upstream.requests.length, forwarded);
  });

  it('two framings in one request', async () => {
    const chunkedBody = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const smuggled = [
      head([`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked']) + chunkedBody,
      head([`Content-Length: ${body.length}`, `Content-Length: ${body.length + 1}`]) + body,
      head([`Content-Length: ${body.length}, ${body.length}`]) + body,
      head([`Content-Length: +${body.length}`]) + body,
      head([`Content-Length: 0x${body.length.toString(16)}`]) + body,
      head(['Content-Length: -1']) + body,
      head(['Content-Length: 99999999999999999999']) + body,
      head(['Transfer-Encoding: chunked, identity']) + chunkedBody,
      head(['Transfer-Encoding: xchunked']) + chunkedBody,
      head(['Transfer-Encoding:\x0bchunked']) + chunkedBody,
      head([`Content-Length : ${body.length}`]) + body,
      head([`Content-Length: ${body.length}`, ' folded: yes']) + body,
      head(['Transfer-Encoding: chunked'], 'POST /v1/chat/completions HTTP/1.0') + chunkedBody,
    ];
    for (const bytes of smuggled) await refusedRaw(bytes);
  });

  it('chunks that are none', async () => {
    const chunked = head(['Transfer-Encoding: chunked']);
    for (const tail of [
      'zz\r\n',
      '-1\r\n',
      'fffffffffffffffff\r\n',
      `5\r\n${'a'.repeat(9)}\r\n0\r\n\r\n`,
      `${'0'.repeat(5000)}1\r\na\r\n0\r\n\r\n`,
    ]) {
      await refusedRaw(chunked + tail);
    }
  });

  it('bodies over the cap: told, counted, and in chunks without end', async () => {
    await refusedRaw(head(['Content-Length: 70000']), /^HTTP\/1\.1 413 [\s\S]*body_too_large/);
    const piece = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    await refusedRaw(
      [head(['Transfer-Encoding: chunked']), ...Array(8).fill(piece)],
      /^HTTP\/1\.1 413 [\s\S]*body_too_large/,
    );
  });

  it('heads that are too large, too many, or broken', async () => {
    await refusedRaw(head([`X-Long: ${'a'.repeat(10_000)}`, 'Content-Length: 0']));
    await refusedRaw(
      head([...Array(50).keys()].map((n) => `X-${n}: a`).concat('Content-Length: 0')),
    );
    await refusedRaw(head(['Bad Name: a', 'Content-Length: 0']));
    await refusedRaw(head(['X-Nul: a\0b', 'Content-Length: 0']));
    await refusedRaw(head(['X-Bare: a\nInjected: b', 'Content-Length: 0']));
    await refusedRaw(`POST /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await refusedRaw('POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 0\r\n\r\n');
  });

  it('paths that would mean another route to someone else', async () => {
    for (const target of [
      '/v1/chat%2fcompletions',
      '/v1/../v1/chat/completions',
      '/v1/./chat/completions',
      '//v1/chat/completions',
      '/v1/chat/completions%00',
      '/v1\\chat\\completions',
      'http://evil/v1/chat/completions',
      '*',
      '/v1/chat/completions#x',
      '/v1/%63hat/completions/',
      '/v1/chat/completions/',
    ]) {
      await refusedRaw(
        `${head(['Connection: close', `Content-Length: ${body.length}`], `POST ${target} HTTP/1.1`)}${body}`,
      );
    }
  });

  it('a body that is promised and not sent', async () => {
    await refusedRaw(head(['Content-Length: 100']) + '{"model"', /^(HTTP\/1\.1 4\d\d |$)/);
    await refusedRaw(head(['Content-Length: 100']) + '{"model"', /^(HTTP\/1\.1 4\d\d |$)/, {
      end: true,
    });
  });

  it('a head that never ends, a connection that says nothing', async () => {
    await refusedRaw('POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n', /^(HTTP\/1\.1 4\d\d |$)/);
    await refusedRaw('', /^(HTTP\/1\.1 408 |$)/);
  });

  it('requests one behind the other are answered in order, each for itself', async () => {
    const good = `${head([`Content-Length: ${body.length}`])}${body}`;
    const bad = `${head(['Content-Length: 2'])}{}`;
    const last = `${head(['Connection: close', `Content-Length: ${body.length}`])}${body}`;
    const answer = await rawExchange(gateway.port, good + bad + last);
    assert.deepEqual(
      [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map((it) => it[1]),
      ['200', '400', '200'],
    );
    assert.equal(upstream.requests.length, forwarded + 2);
  });

  it('Expect: 100-continue is answered before the body, and refused bodies are not asked for', async () => {
    const answer = await rawExchange(gateway.port, [
      head(['Connection: close', 'Expect: 100-continue', `Content-Length: ${body.length}`]),
      body,
    ]);
    assert.match(answer, /HTTP\/1\.1 200 /);
    const refused = await rawExchange(
      gateway.port,
      head(['Connection: close', 'Expect: 100-continue', 'Content-Length: 70000']),
    );
    assert.match(refused, /^HTTP\/1\.1 413 /);
  });

  it('hundreds of half-open connections do not keep others out', async () => {
    // Of as many addresses that none has too many.
    const sockets = Array.from({ length: 300 }, (_, i) =>
      net.connect({ port: gateway.port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (i % 3)}` }),
    );
    sockets.forEach((socket) =>
      socket.on('error', () => {}).write('POST /v1/chat/completions HTTP/1.1\r\nX: '),
    );
    assert.equal((await gateway.chat(key)).status, 200);
    let closed = 0;
    sockets.forEach((socket) => socket.on('close', () => (closed += 1)).resume());
    await poll(() => closed === sockets.length, 'the end of the half-open connections');
  });

  it('malformed requests are in the trail too', async () => {
    await rawExchange(gateway.port, 'NONSENSE\r\n\r\n');
    await rawExchange(
      gateway.port,
      head([`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked']) + body,
    );
    await poll(async () => {
      const told = await gateway.run('audit', 'query', '--json', '--code', 'invalid_request');
      return /invalid_request/.test(told.stdout);
    }, 'their records');
  });
});
