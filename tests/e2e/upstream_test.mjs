// Upstreams that refuse, stall, cut and lie: the caller gets a clear answer in its dialect, the
// books stay right, and the next request is served.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  assertRefused,
  OpenAI,
  poll,
  question,
  QUESTION_TOKENS,
  standard,
  startGateway,
  thrown,
} from './harness.mjs';
import {
  beginStream,
  chunk,
  completion,
  fakeUpstream,
  rawUpstream,
  sendJson,
} from './fake_upstream.mjs';

const GOOD = { input: QUESTION_TOKENS, output: 2 };

function impatient(url) {
  const config = standard(url);
  config.upstreams.openai.timeout = {
    connect: '500ms',
    first_byte: '300ms',
    between_chunks: '300ms',
    total: '2s',
  };
  // Each failure is looked at by itself.
  config.upstreams.openai.circuit_breaker = { consecutive_failures: 1000, failed_share: 1 };
  return config;
}

async function spentNothing(gateway) {
  await poll(async () => (await gateway.metric('tollgate_holds_open')) === 0, 'every hold settled');
  assert.equal((await gateway.spend()).usd, 0);
}

describe('an upstream that', () => {
  it('is not there', async (t) => {
    const upstream = await fakeUpstream(t, () => {});
    await upstream.close();
    const gateway = await startGateway(t, impatient(upstream.url));
    await assertRefused(await gateway.chat(await gateway.key()), 502, 'upstream_error');
    await spentNothing(gateway);
  });

  it('never answers', async (t) => {
    const upstream = await fakeUpstream(t, () => {});
    const gateway = await startGateway(t, impatient(upstream.url));
    const key = await gateway.key();
    await assertRefused(await gateway.chat(key), 504, 'upstream_timeout');
    assert.equal(
      upstream.requests.length,
      1,
      'a request that may have been served is not sent twice',
    );
    await poll(() => upstream.cut === 1, 'the end of the call upstream');
    const error = await thrown(() => gateway.openai(key).chat.completions.create(question()));
    assert.ok(error instanceof OpenAI.InternalServerError);
  });

  it('accepts and closes', async (t) => {
    const upstream = await rawUpstream(t, (socket) => socket.once('data', () => socket.destroy()));
    const gateway = await startGateway(t, impatient(upstream.url));
    await assertRefused(await gateway.chat(await gateway.key()), 502, 'upstream_error');
  });

  it('closes a kept connection: the next request goes on a new one', async (t) => {
    let connections = 0;
    const body = JSON.stringify(completion('Hi.', GOOD));
    const upstream = await rawUpstream(t, (socket, number) => {
      connections = number;
      socket.once('data', () =>
        socket.end(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        ),
      );
    });
    const gateway = await startGateway(t, impatient(upstream.url));
    const key = await gateway.key();
    for (let i = 0; i < 4; ++i) assert.equal((await gateway.chat(key)).status, 200, `request ${i}`);
    assert.equal(connections, 4);
  });

  it('takes a request on a kept connection and closes: it is not sent twice', async (t) => {
    let asked = 0;
    const body = JSON.stringify(completion('Hi.', GOOD));
    const upstream = await rawUpstream(t, (socket) => {
      socket.once('data', () => {
        asked += 1;
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        );
        socket.once('data', () => {
          asked += 1;
          socket.destroy();
        });
      });
    });
    const config = impatient(upstream.url);
    config.edge = { ...config.edge, workers: 1 }; // Each worker keeps connections of its own.
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    assert.equal((await gateway.chat(key)).status, 200);
    await assertRefused(await gateway.chat(key), 502, 'upstream_error');
    assert.equal(asked, 2, 'the model may have worked on it already');
  });

  it('answers with its own errors: ours say so, its words and secrets stay inside', async (t) => {
    let status;
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(
        response,
        { error: { message: 'key upstream-secret of org-123 is wrong', type: 'x', code: 'y' } },
        status,
      ),
    );
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key();
    for (status of [401, 403, 500, 502, 503]) {
      const response = await gateway.chat(key);
      const text = await response.clone().text();
      assert.ok(response.status >= 500, `${status} became ${response.status}`);
      assert.ok(!text.includes('upstream-secret'), text);
    }
    await spentNothing(gateway);
  });

  it('sends what is no JSON, no HTTP, too much head, or a reply without end', async (t) => {
    const ok = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
    const answers = {
      'no JSON': `${ok}content-length: 9\r\n\r\n<html></x`,
      'JSON of another shape': `${ok}content-length: 4\r\n\r\nnull`,
      'no HTTP': 'SSH-2.0-OpenSSH_9.2\r\n',
      'two lengths': `${ok}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`,
      'length and chunks': `${ok}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
      'a huge head': `${ok}x: ${'a'.repeat(200_000)}\r\n\r\n`,
      'too many headers': `${ok}${'x: a\r\n'.repeat(5000)}\r\n`,
      'a broken chunk': `${ok}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
      'half a body': `${ok}content-length: 5000\r\n\r\n{"id":`,
      'a redirect':
        'HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n',
      'a switch of protocols':
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    };
    let answer;
    const upstream = await rawUpstream(t, (socket) =>
      socket.once('data', () => socket.end(answer)),
    );
    const gateway = await startGateway(t, impatient(upstream.url));
    const key = await gateway.key();
    for (const [name, bytes] of Object.entries(answers)) {
      answer = bytes;
      const response = await gateway.chat(key);
      assert.ok([502, 504].includes(response.status), `${name}: ${response.status}`);
      assert.match(response.headers.get('x-tollgate-reason'), /^upstream_(error|timeout)$/, name);
    }
  });

  it('sends a reply larger than may be kept', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('x'.repeat(200_000), GOOD)),
    );
    const config = standard(upstream.url);
    config.edge = { reply_bytes_max: '64KiB' };
    const gateway = await startGateway(t, config);
    await assertRefused(await gateway.chat(await gateway.key()), 502, 'upstream_error');
  });

  it('cuts a stream: the caller gets an ending, and pays for what came', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      response.write(chunk({ content: 'one two three' }), () => response.destroy());
    });
    const gateway = await startGateway(t, standard(upstream.url));
    const response = await gateway.chat(await gateway.key(), { stream: true });
    const text = await response.text();
    assert.match(text, /one two three/);
    assert.match(text, /"error"|"finish_reason":"(length|content_filter|stop)"/);
    const { outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(outcome.usage.output, 3);
    assert.equal(await gateway.metric('tollgate_holds_open'), 0);
  });

  it('stalls in a stream', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      response.write(chunk({ content: 'one two' }));
    });
    const gateway = await startGateway(t, impatient(upstream.url));
    const response = await gateway.chat(await gateway.key(), { stream: true });
    const text = await response.text();
    assert.match(text, /one two/);
    await poll(() => upstream.cut === 1, 'the end of the call upstream');
  });

  it('streams events that are none', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      response.write(chunk({ content: 'good' }));
      response.write('data: {"choices": [{"delta": \n\n');
      response.write(`data: ${'x'.repeat(300_000)}\n\n`);
      response.end('data: [DONE]\n\n');
    });
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key();
    const response = await gateway.chat(key, { stream: true });
    await response.text();
    const { outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.ok(outcome.usage.output >= 1 && outcome.usage.output <= 50);
    assert.equal((await fetch(`${gateway.admin}/livez`)).status, 200);
  });

  it('answers a stream with a whole reply', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('Hi.', GOOD)),
    );
    const gateway = await startGateway(t, standard(upstream.url));
    const response = await gateway.chat(await gateway.key(), { stream: true });
    await response.text();
    assert.ok(response.status === 200 || response.status === 502);
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 0, 'the hold settled');
  });

  it('is busy to its bound: more are refused at once', async (t) => {
    const held = [];
    const upstream = await fakeUpstream(t, ({ response }) => held.push(response));
    const config = standard(upstream.url);
    config.upstreams.openai.concurrent_requests = 2;
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const running = [gateway.chat(key), gateway.chat(key)];
    await poll(() => held.length === 2, 'two at work');
    const { headers } = await assertRefused(
      await gateway.chat(key),
      503,
      'overloaded',
      'server_is_overloaded',
    );
    assert.ok(Number(headers.get('retry-after')) >= 1 && Number(headers.get('retry-after')) <= 10);
    held.forEach((response) => sendJson(response, completion('Hi.', GOOD)));
    for (const each of running) assert.equal((await each).status, 200);
  });

  it('is one of two: both are used, and the gateway survives the end of one', async (t) => {
    const answer = ({ response }) => sendJson(response, completion('Hi.', GOOD));
    const [one, two] = [await fakeUpstream(t, answer), await fakeUpstream(t, answer)];
    const config = standard(one.url);
    delete config.upstreams.openai.url;
    config.upstreams.openai.urls = [`${one.url}/v1`, `${two.url}/v1`];
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    // Conversations are spread; each stays where it is.
    for (let i = 0; i < 20; ++i) {
      const messages = [{ role: 'user', content: `I am caller ${i}.` }];
      assert.equal((await gateway.chat(key, { messages })).status, 200);
    }
    assert.ok(one.requests.length > 0 && two.requests.length > 0);
    await one.close();
    for (let i = 0; i < 20; ++i) {
      const messages = [{ role: 'user', content: `I am caller ${i}.` }];
      assert.equal((await gateway.chat(key, { messages })).status, 200);
    }
  });

  it('talks a lot to a caller that does not read: memory stays bounded', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      const filler = chunk({ content: '' }, null, { padding: 'x'.repeat(10_000) });
      const more = () => {
        if (!response.closed) response.write(filler, () => setImmediate(more));
      };
      more();
    });
    const config = standard(upstream.url);
    config.edge = { stalled_reply_timeout: '2s' };
    const gateway = await startGateway(t, config);
    const response = await gateway.chat(await gateway.key(), { stream: true });
    assert.equal(response.status, 200);
    await poll(() => upstream.cut === 1, 'the end of a stream that nobody reads');
    await response.body.cancel().catch(() => {});
  });
});
