// One gateway with everything on (fallback, queue, cache, requests in flight, rates in Redis, alerts)
// under a steady load, soaked: a fault again and again, and after each of them everybody is served, the
// books are held against the trail, request by request against what the providers made, and against
// what is held and kept.
import assert from 'node:assert/strict';
import http from 'node:http';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { atEnd, countTokens, poll, question, standard, startGateway } from './harness.mjs';
import { chunk, completion, openaiUsage, sendJson } from './fake_upstream.mjs';
import { Memory } from './memory.mjs';
import { startRedis } from './servers.mjs';

const CALLERS = 16;
const PAUSE_MS = 60;
const CAP = 40;
const NEAR = 1e-6;
const SEGMENTS_MAX = 4;
const LOOK_EVERY_MS = 10_000;
const INPUT_USD = 0.001;
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A provider that can fail in every way, and knows of each request what it made of it. */
class Provider {
  constructor(output_usd) {
    Object.assign(this, { output_usd, mode: 'well', made: new Map(), at_work: 0, open: new Set() });
    this.server = http.createServer((request, response) => this.take(request, response));
    this.server.on('connection', (socket) => {
      this.open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.open.delete(socket));
    });
  }
  async listen(port = 0) {
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
    this.port = this.server.address().port;
  }
  /** Gone, with all that is at work. */
  async end() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.open) socket.destroy();
    await closed;
  }

  take(request, response) {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
      this.at_work += 1;
      response.on('close', () => (this.at_work -= 1));
      const id = request.headers['x-request-id'];
      const one = { usd: 0, whole: false, mode: this.mode };
      this.made.set(id, one);
      this.answer(JSON.parse(Buffer.concat(pieces)), response, one);
    });
  }
  answer(body, response, one) {
    const { mode } = this;
    if (mode === 'hung') return;
    if (mode === 'failing') return sendJson(response, { error: { message: 'no' } }, 500);
    if (mode === 'limited') {
      return sendJson(response, { error: { message: 'slow' } }, 429, { 'retry-after': '1' });
    }
    const most = body.max_completion_tokens ?? body.max_tokens ?? CAP;
    const output = 1 + (Number(body.messages[0].content.match(/\d*$/)[0]) % most);
    const usage = openaiUsage({ input: usageOf(body), output });
    const usd = usageOf(body) * INPUT_USD + output * this.output_usd;
    const end = () => Object.assign(one, { usd, whole: true });
    if (!body.stream) {
      if (mode === 'cutting') return response.destroy();
      end();
      return sendJson(response, completion('one '.repeat(output), { input: usageOf(body), output }));
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let made = 0;
    const more = () => {
      if (response.destroyed) return;
      if (mode === 'cutting' && made > 3) return response.destroy();
      if (made === output) {
        response.write(chunk({}, 'stop'));
        response.write(chunk({}, null, { choices: [], usage }));
        end();
        return response.end('data: [DONE]\n\n');
      }
      made += 1;
      one.usd = usageOf(body) * INPUT_USD + made * this.output_usd;
      response.write(chunk({ content: ' one' }), () => setTimeout(more, mode === 'slow' ? 50 : 1));
    };
    more();
  }
}
const usageOf = (body) => countTokens(body.messages[0].content) + 7;

export class Faults {
  constructor(t, draw, only, every_ms) {
    Object.assign(this, { t, draw, every_ms, rounds: 0, asked: 0, statuses: {}, number: 10_000 });
    Object.assign(this, { usd: 0, told: 0, checked: 0, kills: 0, struck: new Map(), ends: false });
    this.faults = [
      ['upstream killed', () => this.main.end(), () => this.main.listen(this.main.port)],
      ...['hung', 'failing', 'cutting', 'limited', 'slow'].map((mode) => [
        `upstream ${mode}`,
        () => (this.main.mode = mode),
        () => (this.main.mode = 'well'),
      ]),
      ['both upstreams failing', () => this.all((it) => (it.mode = 'failing')), () => this.all((it) => (it.mode = 'well'))],
      ['Redis killed', () => this.redis.kill(), () => this.redis.start()],
      ['Redis paused', () => this.redis.pause(), () => this.redis.resume()],
      ['reload', () => this.reload(), () => this.reload()],
      ['gateway killed', () => this.kill(), () => {}],
      ['gateway stopped', () => this.stop(), () => {}],
      ['runaway key', () => this.runaway(), () => {}],
      ['webhook down', () => (this.hook_status = 503), () => (this.hook_status = 204)],
    ].filter(([what]) => what.includes(only));
    this.left = [];
  }
  all(of) {
    for (const provider of [this.main, this.spare]) of(provider);
  }

  async begin() {
    this.main = new Provider(0.01);
    this.spare = new Provider(0.005);
    for (const provider of [this.main, this.spare]) {
      await provider.listen();
      atEnd(this.t, () => provider.server.listening && provider.end());
    }
    this.redis = await startRedis(this.t);
    await this.listenForAlerts();
    this.config = this.configured();
    await this.serve();
    // One each, so that what a Redis without its data refuses for 3 s is far from the freeze.
    this.keys = [];
    while (this.keys.length < CALLERS) {
      this.keys.push(await this.gateway.key(['acme', 'globex'][this.keys.length % 2]));
    }
    this.crowd = Promise.all(Array.from({ length: CALLERS }, (_, i) => this.caller(i)));
    this.looking = setInterval(() => this.look(), LOOK_EVERY_MS);
    atEnd(this.t, async () => {
      this.ends = true;
      clearInterval(this.looking);
      await this.crowd;
    });
  }

  async listenForAlerts() {
    this.hooked = [];
    this.hook_status = 204;
    const server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (data) => (body += data));
      request.on('end', () => {
        if (this.hook_status === 204) this.hooked.push(JSON.parse(body));
        response.writeHead(this.hook_status).end();
      });
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(this.t, () => (server.closeAllConnections(), server.close()));
    this.hook = `http://127.0.0.1:${server.address().port}/`;
  }

  configured() {
    const config = standard(`http://127.0.0.1:${this.main.port}`);
    const timeout = { connect: '1s', first_byte: '2s', between_chunks: '2s', total: '20s' };
    config.store.rates = this.redis.url;
    Object.assign(config.upstreams.openai, {
      timeout,
      concurrent_requests: 8,
      adaptive_concurrency: true,
      queue: { length: 64, wait: '2s' },
    });
    config.upstreams.spare = {
      ...config.upstreams.openai,
      url: `http://127.0.0.1:${this.spare.port}/v1`,
    };
    config.models.small.fallback = ['spare'];
    config.models.small.fallback_after = '1s';
    config.models.spare = {
      ...config.models.small,
      upstream: 'spare',
      price_per_million: { input: 1000, output: 5000 },
    };
    delete config.models.spare.fallback;
    delete config.models.spare.fallback_after;
    const chat = config.routes.find((one) => one.name === 'chat');
    chat.models.push('spare');
    chat.cache = { keep: '20s', scope: 'tenant', coalesce: true };
    chat.idempotency = { keep: '20s' };
    chat.anomalies = {};
    for (const tenant of ['acme', 'globex', 'initech']) {
      config.tenants[tenant] = { roles: ['engineer'], budget: { usd: 1e6, per: 'total', when_exhausted: 'refuse' } };
    }
    config.tenants.acme.weight = 2;
    chat.allow = [{ tenants: ['acme', 'globex', 'initech'] }];
    config.budgets = { key_id: { usd: 1e6, per: 'total', when_exhausted: 'refuse' } };
    config.alerts = [
      { when: { spend_velocity: { scope: 'tenant_id', at_least: 1, newcomers: 5, over: '1m', times_usual: 1000 } }, notify: ['ops'], cooldown: '1s' },
      { when: { refusals: { count: 40, over: '30s', scope: 'key_id' } }, notify: ['ops'], do: 'freeze', for: '0s' },
      { when: { upstream_down: { count: 5, over: '30s' } }, notify: ['ops'], cooldown: '10s' },
      { when: { store_degraded: '1s' }, notify: ['ops'], cooldown: '10s' },
      { when: { audit_lag: 0.5 }, notify: ['ops'] },
    ];
    config.notify = { ops: { webhook: this.hook, secret: 'a secret of sixteen', internal: true } };
    return config;
  }

  /** A new life of the gateway, on the files of the last. */
  async serve() {
    this.gateway = await startGateway(this.t, this.config, { cwd: this.gateway?.cwd });
    this.memory = new Memory();
  }
  look() {
    if (!this.gateway.program.ended && !this.broken) {
      try {
        this.memory.check(this.gateway.program.child.pid);
      } catch (error) {
        if (error.code !== 'ENOENT') this.broken = error;
      }
    }
  }

  // ---- Faults --------------------------------------------------------------------------------

  async kill() {
    await this.gateway.program.kill();
    this.kills += 1;
    await this.serve();
  }
  async stop() {
    await this.gateway.program.stop();
    await this.serve();
  }
  async reload() {
    this.config.limits.tenant_id.requests_per_minute = 100000 + this.draw(1000);
    await this.gateway.reload(this.config);
  }
  /** A key that asks for what it may not is frozen, told of, released; another one is revoked. */
  async runaway() {
    const { gateway } = this;
    const key = await gateway.key('initech');
    const before = this.hooked.length;
    await poll(async () => (await gateway.chat(key, { model: 'hidden' })).status === 403, 'the first refusal');
    await poll(async () => {
      await gateway.chat(key, { model: 'hidden' }).then((reply) => reply.text());
      return (await gateway.chat(key, { max_tokens: 1 })).status === 403;
    }, 'the freeze');
    const [answer] = (await gateway.json('alerts', 'list')).filter((one) => one.subject === key.id);
    await poll(() => this.hooked.slice(before).some((one) => one.data.subject === key.id), 'its alert');
    assert.equal((await gateway.run('alerts', 'release', answer.id)).code, 0);
    await poll(async () => (await gateway.chat(key, { max_tokens: 1 })).status !== 403, 'the release');
    assert.equal((await gateway.run('keys', 'revoke', key.id)).code, 0);
    assert.equal((await gateway.chat(key)).status, 401);
  }

  // ---- Load ----------------------------------------------------------------------------------

  async caller(i) {
    const draw = drawingOf(i + this.draw(1000));
    while (!this.ends) {
      if (this.quiet) {
        await wait(5);
        continue;
      }
      this.at_work = (this.at_work ?? 0) + 1;
      const pause = await this.ask(this.keys[i], draw);
      this.at_work -= 1;
      await wait(pause);
    }
  }
  /** One request, whole or streamed, of a text of its own or one that is asked often. */
  async ask(key, draw) {
    const stream = draw(2) === 0;
    const leaves = stream && draw(6) === 0 ? draw(20) : Infinity;
    const text = draw(4) === 0 ? 10_000 + draw(5) : 20_000 + (this.number++ % 70_000);
    const leave = new AbortController();
    const headers = { authorization: `Bearer ${key.secret}`, 'content-type': 'application/json' };
    if (draw(8) === 0) headers['idempotency-key'] = `k${draw(20)}-${text}-${stream}`;
    this.asked += 1;
    let status = 0;
    let told = 0;
    try {
      const asked = question(`Say hello to the world.${text}`);
      const response = await fetch(`${this.gateway.url}/v1/chat/completions`, {
        method: 'POST',
        signal: leave.signal,
        headers,
        body: JSON.stringify({ ...asked, max_tokens: CAP, stream }),
      });
      status = response.status;
      told = Number(response.headers.get('retry-after-ms') ?? 0);
      if (status >= 400) status += ` ${(await response.json()).error.code}`;
      let pieces = 0;
      for await (const piece of status === 200 ? response.body : []) {
        pieces += piece.length > 0 ? 1 : 0;
        if (pieces > leaves) leave.abort();
      }
    } catch {
      status = status || 'gone';
    }
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    return status === 200 ? draw(2 * PAUSE_MS) : Math.min(1000, told + 50);
  }

  async round() {
    if (this.left.length === 0) this.left = this.faults.map((one) => one);
    const [fault] = this.left.splice(this.draw(this.left.length), 1);
    const [what, strike, mend] = fault;
    this.what = what;
    this.struck.set(what, (this.struck.get(what) ?? 0) + 1);
    const began = Date.now();
    await strike();
    await wait(Math.max(0, this.every_ms / 2 - (Date.now() - began)));
    await mend();
    // Well within seconds everybody is served again.
    await poll(async () => (await this.gateway.chat(this.keys[0], { max_tokens: 5 })).status === 200, `${what}: served again`);
    await wait(Math.max(0, (this.every_ms * 3) / 4 - (Date.now() - began)));
    await this.check();
    await wait(Math.max(0, this.every_ms - (Date.now() - began)));
    this.rounds += 1;
  }

  // ---- What has to be true -------------------------------------------------------------------

  async check() {
    if (this.broken) throw this.broken;
    const { gateway, what } = this;
    this.quiet = true;
    try {
      await poll(() => this.at_work === 0, `${what}: callers that have their answers`);
      await poll(async () => (await gateway.metric('tollgate_holds_open')) === 0, `${what}: no hold open`);
      await poll(() => this.main.at_work + this.spare.at_work === 0, `${what}: providers at rest`);
      await poll(
        async () => (await gateway.metric('tollgate_concurrent_requests')) === 0,
        `${what}: nothing at work`,
      );
      // Beside the answers that are kept to be given again nothing is in memory.
      await poll(
        async () => (await gateway.metric('tollgate_buffered_bytes')) === (await gateway.metric('tollgate_kept_answers_bytes')),
        `${what}: nothing in memory beside the answers that are kept to be given again`,
      );
      await this.compare();
    } finally {
      this.quiet = false;
    }
    const segments = readdirSync(path.join(gateway.cwd, 'tollgate.db.journal'));
    assert.ok(segments.length <= SEGMENTS_MAX, `${what}: ${segments.length} segments of the journal`);
  }

  /** The books, the trail and what the providers made. */
  async compare() {
    const { gateway, what } = this;
    for (const args of [['audit', 'verify'], ['spend', '--reconcile']]) {
      const { code, stdout, stderr } = await gateway.run(...args);
      assert.equal(code, 0, `${what}: ${stdout}${stderr}`);
    }
    const records = await this.outcomes();
    const made = new Map([...this.main.made, ...this.spare.made]);
    for (const [id, record] of records) {
      const cost = Number(record.cost_usd ?? 0);
      this.usd += cost;
      const one = made.get(id);
      const is_told = record.usage?.source === 'provider';
      const where = `${what}: ${id}, ${JSON.stringify(one)}, ${JSON.stringify(record)}`;
      if (record.answered_from) {
        assert.equal(cost, 0, where);
        continue;
      }
      // What a kill ended may not have been sent: what it held is booked all the same.
      const is_killed = record.decision?.code === 'gateway_stopped';
      // A provider that is killed may have taken it without having read it: nobody else can know.
      const is_unread = what === 'upstream killed' && record.decision?.code === 'upstream_error';
      if (cost > 0 && !is_killed && !is_unread) assert.ok(one, `nobody made ${where}`);
      if (is_told) assert.ok(Math.abs(cost - one.usd) < NEAR, where);
      if (one && is_killed) assert.ok(cost >= one.usd - NEAR, where);
      if (one?.mode === 'failing') assert.equal(cost, 0, where);
      made.delete(id);
      this.told += is_told ? 1 : 0;
      this.checked += 1;
    }
    for (const [id, one] of made) assert.fail(`${what}: ${id} is in no record: ${JSON.stringify(one)}`);
    this.all((it) => it.made.clear());
    const [{ cost_usd }] = await gateway.json('spend', '--by', 'total');
    assert.ok(Math.abs(Number(cost_usd) - this.usd) < 1e-4, `${what}: ${cost_usd} booked, ${this.usd} on record`);
  }

  /** Outcomes since the last time, by id. */
  async outcomes() {
    const since = Math.ceil((Date.now() - (this.compared ?? Date.now() - 3_600_000)) / 1000) + 30;
    const args = ['audit', 'query', '--json', '--phase', 'outcome', '--limit', '100000', '--since', `${since}s`];
    const { code, stdout, stderr } = await this.gateway.run(...args);
    assert.equal(code, 0, stderr);
    const now = Date.now();
    const found = new Map();
    this.known ??= new Set();
    const seen = new Set();
    for (const line of stdout.split('\n')) {
      if (line === '') continue;
      const record = JSON.parse(line);
      seen.add(record.id);
      if (!this.known.has(record.id)) found.set(record.id, record);
    }
    this.known = seen;
    this.compared = now;
    return found;
  }

  async useUp() {
    this.what = 'the end';
    await this.check();
  }

  tell() {
    const struck = [...this.struck].map(([what, times]) => `${what} ${times}`).join(', ');
    console.log(
      `round ${this.rounds}: ${this.asked} requests (${JSON.stringify(this.statuses)}), ` +
        `${this.checked} records held against the providers, ${this.told} of them as they told, ` +
        `${this.usd.toFixed(2)} USD, ${this.hooked.length} alerts, ` +
        `${this.memory.resident_mb.toFixed(0)} MB of ${this.memory.warm_mb.toFixed(0)} when warm (${struck})`,
    );
  }
}

function drawingOf(seed) {
  let state = seed * 7919 + 1;
  return (below) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
}
