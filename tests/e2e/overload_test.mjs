// More than there is room or time for: what is refused at once, before it is read or waits, with the
// truth, and that nothing of it is left behind.
import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, it } from 'node:test';
import { assertRefused, poll, question, rawExchange, standard, startGateway, thrown } from './harness.mjs';
import { completion, fakeUpstream, openaiUsage, sendJson } from './fake_upstream.mjs';

/** A server that answers when it is told to, the oldest request first. */
async function heldUpstream(t, answers = () => completion('Hello!', openaiUsage({ input: 12, output: 4 }))) {
  const waiting = [];
  const upstream = await fakeUpstream(t, ({ response, body }) => waiting.push({ response, body }));
  upstream.waiting = waiting;
  upstream.release = () => {
    const { response, body } = waiting.shift();
    sendJson(response, answers(body));
  };
  return upstream;
}

describe('memory', () => {
  const KIB = 1024;

  function small(upstream) {
    const config = standard(upstream.url);
    config.edge.buffered_bytes_max = '1280KiB'; // Of it 960 KiB for requests, of one tenant 720.
    config.edge.workers = 2;
    for (const model of ['small', 'claude']) config.models[model].context_tokens = 10_000_000;
    for (const route of config.routes.filter((one) => ['chat', 'messages'].includes(one.name))) {
      Object.assign(route.prompt, { body: '350KiB', input_tokens: 1_000_000 });
    }
    return config;
  }
  const large = (kib) => question('word '.repeat((kib * KIB) / 5));
  const kept = (gateway) => gateway.metric('tollgate_buffered_bytes');

  it('is never more than one tenant may have: what has no room is refused before it is read', async (t) => {
    const upstream = await heldUpstream(t);
    const gateway = await startGateway(t, small(upstream));
    const key = await gateway.key();
    const at_work = gateway.post('/v1/chat/completions', large(300), key);
    await poll(() => upstream.waiting.length === 1, 'the first at the upstream');
    // Its body, and what is sent of it.
    const now = await kept(gateway);
    assert.ok(now > 600 * KIB && now < 700 * KIB, `${now} bytes`);

    const late = await gateway.post('/v1/chat/completions', large(300), key);
    await assertRefused(late, 429, 'concurrency_limited', 'rate_limit_exceeded');
    assert.equal(late.headers.get('x-tollgate-rule'), 'edge.buffered_bytes_max');
    assert.ok(Number(late.headers.get('retry-after')) >= 1);
    const { outcome } = await gateway.records(late.headers.get('x-request-id'));
    assert.equal(outcome.decision?.rule ?? outcome.rule, 'edge.buffered_bytes_max');

    // Nobody has to send what will not be read; nor is it an answer in another's dialect.
    const head =
      'POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n' +
      `x-api-key: ${key.secret}\r\nanthropic-version: 2023-06-01\r\nexpect: 100-continue\r\n`;
    const told = await rawExchange(gateway.port, `${head}content-length: 300000\r\n\r\n`);
    assert.match(told, /^HTTP\/1\.1 429 /);
    assert.match(told, /"type":"rate_limit_error"/);
    assert.match(told, /the requests of your tenant that are in memory now would take more of it/);
    assert.doesNotMatch(told, /100 Continue/i);

    // Chunk by chunk, up to where there is no room any more.
    const chunk = `${(64 * KIB).toString(16)}\r\n${'x'.repeat(64 * KIB)}\r\n`;
    const chunked = await rawExchange(
      gateway.port,
      head.replace('expect: 100-continue\r\n', 'transfer-encoding: chunked\r\n') + '\r\n' + chunk.repeat(8),
    );
    assert.match(chunked, /^HTTP\/1\.1 429 /);

    // Another tenant finds room.
    const other = gateway.post('/v1/chat/completions', large(100), await gateway.key('globex'));
    await poll(() => upstream.waiting.length === 2, 'that of another tenant');

    // What is small needs no room of that.
    const little = gateway.chat(key);
    await poll(() => upstream.waiting.length === 3, 'the small one');
    for (let i = 0; i < 3; i++) upstream.release();
    for (const reply of [at_work, other, little]) assert.equal((await reply).status, 200);
    await poll(async () => (await kept(gateway)) === 0, 'nothing kept');
    assert.equal(await gateway.metric('tollgate_buffered_bytes_refused'), 3);
    assert.equal(await gateway.metric('tollgate_holds_open'), 0);
  });

  it('is not taken by what is promised, and one tenant keeps no other out', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('Hello!', openaiUsage({ input: 12, output: 4 }))),
    );
    const gateway = await startGateway(t, small(upstream));
    const [greedy, modest] = [await gateway.key(), await gateway.key('globex')];
    const idle = [];
    const begin = async (sent) => {
      const socket = net.connect(gateway.port, '127.0.0.1');
      idle.push(socket);
      socket.on('error', () => {});
      socket.write(
        'POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n' +
          `authorization: Bearer ${greedy.secret}\r\ncontent-length: ${300 * KIB}\r\n\r\n`,
      );
      await new Promise((written) => socket.write('x'.repeat(sent), written));
    };
    // Ten that promise 300 KiB each and send nearly nothing; then they send as much as they can.
    for (let i = 0; i < 10; i++) await begin(100);
    await poll(async () => (await kept(gateway)) > 0, 'some of them');
    assert.equal((await gateway.post('/v1/chat/completions', large(100), modest)).status, 200);
    for (let i = 0; i < 10; i++) await begin(250 * KIB);
    await poll(async () => (await gateway.metric('tollgate_buffered_bytes_refused')) >= 5, 'its part');
    assert.ok((await kept(gateway)) <= 720 * KIB);
    for (let i = 0; i < 3; i++) {
      assert.equal((await gateway.post('/v1/chat/completions', large(50), modest)).status, 200);
    }
    const late = await gateway.post('/v1/chat/completions', large(200), greedy);
    await assertRefused(late, 429, 'concurrency_limited', 'rate_limit_exceeded');
    for (const socket of idle) socket.destroy();
    await poll(async () => (await kept(gateway)) === 0, 'nothing kept');
  });

  it('tells what can never fit, before it is read and at check', async (t) => {
    const upstream = await heldUpstream(t);
    const config = small(upstream);
    config.routes.find((one) => one.name === 'chat').prompt.body = '900KiB';
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    // The body alone; and the body with what is written of it.
    for (const kib of [800, 500]) {
      const refused = await gateway.post('/v1/chat/completions', large(kib), key);
      await assertRefused(refused, 413, 'body_too_large', 'request_too_large');
      assert.equal(refused.headers.get('x-tollgate-rule'), 'edge.buffered_bytes_max');
      assert.equal(refused.headers.get('retry-after'), null);
    }
    assert.equal(await kept(gateway), 0);
    const checked = await gateway.run('check');
    assert.match(checked.stdout, /body-beyond-memory/);
  });

  it('is given back however a request ends, by any crowd', async (t) => {
    const upstream = await fakeUpstream(t, ({ response, body, number }) => {
      if (number % 5 === 0) return response.destroy();
      if (number % 5 === 1) return sendJson(response, { error: { message: 'no' } }, 500);
      const text = 'y'.repeat(number % 2 ? 100 : 100 * KIB);
      const usage = openaiUsage({ input: 12, output: 4 });
      if (body.stream) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const choices = [{ index: 0, delta: { content: text }, finish_reason: 'stop' }];
        response.write(`data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices })}\n\n`);
        response.write(`data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [], usage })}\n\n`);
        return response.end('data: [DONE]\n\n');
      }
      sendJson(response, completion(text, usage));
    });
    const config = small(upstream);
    const gateway = await startGateway(t, config);
    const keys = [await gateway.key(), await gateway.key('globex')];
    const seen = new Set();
    const one = async (n) => {
      const leaving = new AbortController();
      const body = { ...large(20 + (n % 9) * 20), stream: n % 3 === 0 };
      body.messages[0].content += n % 4;
      const reply = fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${keys[n % 2].secret}` },
        body: JSON.stringify(body),
        signal: leaving.signal,
      });
      if (n % 7 === 0) setImmediate(() => leaving.abort());
      await reply.then((it) => (seen.add(it.status), it.text())).catch(() => {});
    };
    for (let round = 0; round < 6; round++) {
      await Promise.all(Array.from({ length: 40 }, (_, i) => one(round * 40 + i)));
    }
    assert.ok(seen.has(200) && seen.has(429), [...seen].join());
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 0, 'no hold open');
    await poll(async () => (await kept(gateway)) === 0, 'nothing kept');
    assert.equal(await gateway.metric('tollgate_buffered_bytes_max'), 1280 * KIB);
  });
});

describe('a queue', () => {
  function saturated(upstream) {
    const config = standard(upstream.url);
    Object.assign(config.upstreams.openai, { concurrent_requests: 1, queue: { length: 100, wait: '60s' } });
    return config;
  }

  it('refuses at once whoever would wait for longer than its client does', async (t) => {
    const upstream = await heldUpstream(t);
    const gateway = await startGateway(t, saturated(upstream));
    const key = await gateway.key();
    const all = [];
    const ask = (more) => {
      for (let i = 0; i < more; i++) all.push(gateway.chat(key).then((reply) => reply.status));
    };
    ask(10);
    const began = Date.now();
    for (let i = 0; i < 10; i++) {
      await poll(() => upstream.waiting.length === 1, 'one at work');
      await gateway.json('alerts', 'list'); // As long as a server takes for an answer.
      upstream.release();
    }
    // A third of the time that sixty of them take.
    const timeout = Math.max(1000, Math.ceil((Date.now() - began) / 500) * 1000);
    ask(60);
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 60, 'sixty holds');
    const sent = upstream.requests.length;
    const client = gateway.openai(key, { maxRetries: 0 });
    const refused = await thrown(() =>
      client.chat.completions.create({ ...question(), max_tokens: 10 }, { timeout }),
    );
    assert.equal(refused.status, 503, String(refused));
    assert.match(refused.message, /it would take \d+ s until one does for this request/);
    const seconds = Number(refused.message.match(/take (\d+) s/)[1]);
    assert.ok(seconds >= 2, refused.message);
    assert.ok(Number(refused.headers.get('retry-after')) >= seconds);
    assert.equal(refused.headers.get('x-tollgate-rule'), 'upstreams.openai.queue');
    const { outcome } = await gateway.records(refused.headers.get('x-request-id'));
    assert.equal(outcome.cost_usd ?? 0, 0);
    assert.ok(Number(outcome.duration?.queue ?? 0) < 0.5, JSON.stringify(outcome.duration));
    // A proxy's word is heard as well; who has the time waits, and so does another tenant's first.
    const header = (name, value, whose = key) =>
      gateway.post('/v1/chat/completions', question(), whose, { [name]: value });
    assert.equal((await header('x-envoy-expected-rq-timeout-ms', '500')).status, 503);
    assert.equal(upstream.requests.length, sent);
    all.push(header('x-stainless-timeout', '600').then((reply) => reply.status));
    const other = await gateway.key('globex');
    all.push(header('x-stainless-timeout', '60', other).then((reply) => reply.status));
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 62, 'both wait');
    const end = setInterval(() => upstream.waiting.length > 0 && upstream.release(), 1);
    const ends = await Promise.all(all);
    clearInterval(end);
    assert.deepEqual(new Set(ends), new Set([200]));
  });

  it('lets go at once of whose key is revoked', async (t) => {
    const upstream = await heldUpstream(t);
    const gateway = await startGateway(t, saturated(upstream));
    const [key, ended] = [await gateway.key(), await gateway.key()];
    const first = gateway.chat(key);
    await poll(() => upstream.waiting.length === 1, 'one at work');
    const waits = gateway.chat(ended);
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 2, 'two holds');
    assert.equal((await gateway.run('keys', 'revoke', ended.id)).code, 0);
    const refused = await waits;
    assert.equal(refused.status, 401);
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 1, 'one hold');
    upstream.release();
    assert.equal((await first).status, 200);
    assert.equal(upstream.requests.length, 1);
    const { outcome } = await gateway.records(refused.headers.get('x-request-id'));
    assert.equal(outcome.cost_usd ?? 0, 0);
  });
});
