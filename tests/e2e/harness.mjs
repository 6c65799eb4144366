// Starts the real program on real sockets and talks to it as its users do.
//
// Everything listens on port 0 and lives in a folder of its own, so tests run side by side. A
// test waits for a condition with a deadline, never for time; the two timers are here.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const BIN = process.env.TOLLGATE_BIN ?? path.join(ROOT, 'build/release/bin/tollgate');
export const ADMIN_TOKEN = 'admin-token-of-the-tests-0123456789abcdef';
// Sanitizers make everything slower; a deadline says "never", not "how fast".
const DEADLINE_MS = 30_000;

// What is installed for the tests, by its name.
const sdk = createRequire(path.join(ROOT, 'tests/sdk/package.json'));
export async function load(name) {
  return import(pathToFileURL(sdk.resolve(name)).href);
}
export const OpenAI = (await load('openai')).default;
export const Anthropic = (await load('@anthropic-ai/sdk')).default;
export const Anthropic0 = (await load('anthropic-0')).default;
export const countTokens = (await load('gpt-tokenizer/encoding/o200k_base')).countTokens;

// ---- Waiting -----------------------------------------------------------------------------------

/** Until `condition` gives something true, which is what it returns. */
export async function poll(condition, what = 'a condition', deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits as long as a refusal told, no longer. */
export async function waitAsTold(headers) {
  const told = Number(headers.get('retry-after-ms'));
  assert.ok(told > 0 && told <= 60_000, `retry-after-ms: ${headers.get('retry-after-ms')}`);
  await new Promise((resolve) => setTimeout(resolve, told));
}

// ---- Ends --------------------------------------------------------------------------------------

const endings = new WeakMap();

function endAllOf(t) {
  const all = [];
  endings.set(t, all);
  t.after(async () => {
    const failures = [];
    for (const end of all.reverse())
      await Promise.resolve()
        .then(end)
        .catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  });
}

/** Runs `end` when the test or scope `t` ends: what began last ends first. */
export function atEnd(t, end) {
  if (!endings.has(t)) endAllOf(t);
  endings.get(t).push(end);
}

/** What the tests of one describe() share, said in its body: `const shared = scope(after)`. */
export function scope(after) {
  const shared = { after };
  endAllOf(shared);
  return shared;
}

// ---- Processes ---------------------------------------------------------------------------------

/** Runs a command of the program to its end. */
export function tollgate(args, { env = {}, input = '', cwd } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(BIN, args, { env: { ...process.env, ...env }, cwd });
    const result = { stdout: '', stderr: '', code: null };
    child.stdout.on('data', (data) => (result.stdout += data));
    child.stderr.on('data', (data) => (result.stderr += data));
    const late = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(late);
      resolve({ ...result, code: code ?? signal });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** A long-running command: its lines as they come, and its end. */
export class Program {
  constructor(args, { env = {}, cwd } = {}) {
    this.stdout = '';
    this.stderr = '';
    this.child = spawn(BIN, args, {
      env: { ...process.env, ...env },
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout.on('data', (data) => (this.stdout += data));
    this.child.stderr.on('data', (data) => (this.stderr += data));
    this.exit = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => resolve(code ?? signal));
    });
    this.ended = false;
    this.exit.then(
      () => (this.ended = true),
      () => (this.ended = true),
    );
  }

  /** The match of `pattern` in what it printed to stdout, once it is there. */
  async says(pattern) {
    return poll(() => {
      const found = this.stdout.match(pattern);
      if (found) return found;
      assert.ok(!this.ended, `ended before ${pattern}:\n${this.stdout}\n${this.stderr}`);
      return null;
    }, `${pattern} in:\n${this.stdout}\n${this.stderr}`);
  }

  signal(name) {
    this.child.kill(name);
  }

  /** Asks it to end and holds it to a clean one: code 0, no word of a sanitizer. */
  async stop() {
    if (this.ended) return;
    this.signal('SIGTERM');
    const late = setTimeout(() => this.signal('SIGKILL'), DEADLINE_MS);
    const code = await this.exit;
    clearTimeout(late);
    assert.doesNotMatch(this.stderr, /Sanitizer|runtime error|CHECK failed/);
    assert.equal(code, 0, `exit code at SIGTERM; stderr:\n${this.stderr}`);
  }

  async kill() {
    if (!this.ended) this.signal('SIGKILL');
    await this.exit;
  }
}

export function folder(t) {
  const made = mkdtempSync(path.join(os.tmpdir(), 'tollgate-test-'));
  atEnd(t, () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** The mock model of the product. */
export async function startMock(t, args = ['--tokens-per-second', '100000']) {
  const program = new Program(['mock-model', '--listen', '127.0.0.1:0', ...args]);
  atEnd(t, () => program.stop());
  const [, url] = await program.says(/mock-model: listening on (http:\/\/\S+)/);
  return { url, program };
}

// ---- The gateway -------------------------------------------------------------------------------

/** A configuration with every control on, two dialects, and prices that make cents countable. */
export function standard(upstreamUrl) {
  const prices = { input: 1000, cached_input: 500, output: 10000 }; // A tenth of a cent; a cent.
  const both = [{ tenants: ['acme', 'globex'] }];
  const prompt = { body: '64KiB', input_tokens: 4000, output_tokens: 1000, choices: 2 };
  const timeout = { connect: '2s', first_byte: '10s', between_chunks: '10s', total: '60s' };
  return {
    listeners: { public: { address: '127.0.0.1:0', exposure: 'public' } },
    edge: { connections_per_address: 10000 }, // As all tests come from one.
    admin: { address: '127.0.0.1:0', token: ADMIN_TOKEN },
    store: { ledger: 'sqlite://tollgate.db' },
    // All tests come from one address, and many of them are refused on purpose.
    authentication: { api_keys: {}, failures: { mode: 'observe' } },
    upstreams: {
      openai: {
        url: `${upstreamUrl}/v1`,
        speaks: 'openai',
        credential: 'upstream-secret',
        timeout,
      },
      anthropic: { url: upstreamUrl, speaks: 'anthropic', credential: 'upstream-secret', timeout },
    },
    models: {
      small: {
        upstream: 'openai',
        tokenizer: 'o200k_base',
        context_tokens: 8000,
        price_per_million: prices,
      },
      hidden: {
        upstream: 'openai',
        tokenizer: 'o200k_base',
        context_tokens: 8000,
        price_per_million: prices,
      },
      embed: {
        upstream: 'openai',
        tokenizer: 'cl100k_base',
        price_per_million: { input: 100, output: 0 },
      },
      claude: { upstream: 'anthropic', context_tokens: 200000, price_per_million: prices },
    },
    tenants: {
      acme: { roles: ['engineer'], budget: { usd: 10000, per: 'month', when_exhausted: 'refuse' } },
      globex: {
        roles: ['engineer'],
        budget: { usd: 10000, per: 'month', when_exhausted: 'refuse' },
      },
      initech: { budget: { usd: 1, per: 'month', when_exhausted: 'refuse' } },
    },
    limits: {
      tenant_id: {
        requests_per_minute: 100000,
        input_tokens_per_minute: 10000000,
        concurrent_requests: 1000,
      },
    },
    routes: [
      {
        name: 'chat',
        path: '/v1/chat/completions',
        models: ['small'],
        allow: both,
        prompt,
        tools: { allow: ['get_weather'] },
      },
      {
        name: 'secret',
        path: '/v1/chat/completions',
        models: ['hidden'],
        allow: [{ roles: ['wizard'] }],
      },
      { name: 'completions', path: '/v1/completions', models: ['small'], allow: both, prompt },
      { name: 'embeddings', path: '/v1/embeddings', models: ['embed'], allow: both, prompt },
      {
        name: 'messages',
        path: '/v1/messages',
        models: ['claude'],
        allow: both,
        prompt,
        tools: { allow: ['get_weather'] },
      },
      { name: 'models', path: '/v1/models', allow: both },
      {
        name: 'locked',
        path: '/v1/locked',
        surface: 'chat_completions',
        models: ['small'],
        allow: [{ roles: ['wizard'] }],
        prompt,
      },
    ],
  };
}

export function writeConfig(file, config) {
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config, null, 1));
}

/** Serves `config` (an object or YAML text) and waits until it is ready. */
export async function startGateway(t, config, { cwd = folder(t), env = {} } = {}) {
  const file = path.join(cwd, 'tollgate.yaml');
  writeConfig(file, config);
  const program = new Program(['serve', '-c', file], { cwd, env });
  atEnd(t, () => program.stop());
  await program.says(/^(tollgate: )?ready\b/m);
  const url = program.stdout.match(/tollgate: listening on (https?:\/\/\S+) \(public\)/)[1];
  const admin = program.stdout.match(/tollgate: admin on (https?:\/\/\S+)/)[1];
  return new Gateway({ program, file, cwd, url, admin });
}

class Gateway {
  constructor(parts) {
    Object.assign(this, parts);
    this.port = Number(new URL(this.url).port);
  }

  run(...args) {
    return tollgate([...args, '-c', this.file], { cwd: this.cwd });
  }

  async json(...args) {
    const { stdout, stderr, code } = await this.run(...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** A new key: {id, secret}. It is in force when the command returns. */
  key(tenant = 'acme', ...args) {
    return this.json('keys', 'create', '--tenant', tenant, ...args);
  }

  /** Gives it another configuration that is good, and waits until it is in force. */
  async reload(config) {
    const taken = () => this.program.stdout.match(/^tollgate: configuration .* in force$/gm) ?? [];
    const before = taken().length;
    writeConfig(this.file, config);
    this.program.signal('SIGHUP');
    await poll(() => taken().length > before, 'the new configuration');
  }

  openai(key, options = {}) {
    return new OpenAI({ apiKey: key.secret, baseURL: `${this.url}/v1`, maxRetries: 0, ...options });
  }

  anthropic(Sdk, key, options = {}) {
    return new Sdk({ apiKey: key.secret, baseURL: this.url, maxRetries: 0, ...options });
  }

  post(target, body, key, headers = {}) {
    return fetch(this.url + target, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(key ? { authorization: `Bearer ${key.secret}` } : {}),
        ...headers,
      },
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    });
  }

  chat(key, changes = {}) {
    return this.post('/v1/chat/completions', { ...question(), ...changes }, key);
  }

  adminGet(target, token = ADMIN_TOKEN) {
    return fetch(this.admin + target, {
      headers: token ? { authorization: `Bearer ${token}` } : {},
    });
  }

  /** The value of a metric's samples, summed, whose labels hold `labels`. */
  async metric(name, labels = {}) {
    const text = await (await this.adminGet('/metrics')).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      const found = line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/);
      if (!found || found[1] !== name) continue;
      const all = Object.entries(labels).every(([label, value]) =>
        found[2]?.includes(`${label}="${value}"`),
      );
      if (all) sum += Number(found[3]);
    }
    return sum;
  }

  /** What the books say a tenant spent, in dollars, with its tokens. */
  async spend(tenant = 'acme') {
    const told = await this.json('spend', '--by', 'tenant');
    const rows = Array.isArray(told) ? told : (told.rows ?? told.spend ?? told.data);
    const row = rows.find((it) => (it.tenant ?? it.subject ?? it.name) === tenant) ?? {};
    return {
      usd: Number(row.cost_usd ?? row.usd ?? 0),
      input: Number(row.input_tokens ?? row.input ?? 0),
      output: Number(row.output_tokens ?? row.output ?? 0),
      requests: Number(row.requests ?? 0),
    };
  }

  /** The same, once so many requests are in the books: they follow replies by a moment. */
  spendOf(requests, tenant = 'acme') {
    return poll(async () => {
      const spend = await this.spend(tenant);
      assert.ok(spend.requests <= requests, `${spend.requests} requests in the books`);
      return spend.requests === requests && spend;
    }, `${requests} requests of ${tenant} in the books`);
  }

  /** The records of one request, by phase, once its outcome is kept. */
  async records(id, phase = 'outcome') {
    return poll(async () => {
      const { stdout, stderr, code } = await this.run('audit', 'query', '--json');
      assert.equal(code, 0, stderr);
      const records = parseRecords(stdout).filter((record) => record.id === id);
      const byPhase = Object.fromEntries(records.map((record) => [record.phase, record]));
      return byPhase[phase] && byPhase;
    }, `the ${phase} record of ${id}`);
  }
}

function parseRecords(text) {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  if (trimmed.startsWith('[')) return JSON.parse(trimmed);
  return trimmed.split('\n').map((line) => JSON.parse(line));
}

// ---- Requests ----------------------------------------------------------------------------------

export function question(text = 'Say hello to the world.') {
  return { model: 'small', messages: [{ role: 'user', content: text }], max_tokens: 50 };
}

/** Input tokens of question(): the text, four around the message, three to prime the answer. */
export const QUESTION_TOKENS = countTokens('Say hello to the world.') + 7;

/** Holds a reply to the reason, status and dialect of a refusal. */
export async function assertRefused(response, status, reason, code) {
  const text = await response.text();
  assert.equal(response.headers.get('x-tollgate-reason'), reason, text);
  assert.equal(response.status, status, text);
  assert.match(response.headers.get('x-request-id') ?? '', /\S/);
  const body = JSON.parse(text);
  assert.equal(typeof body.error.message, 'string');
  if (code) assert.equal(body.error.code, code, text);
  return { body, headers: response.headers };
}

/** What a thrown SDK error says. */
export async function thrown(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  assert.fail('nothing was thrown');
}

/** A fetch for SDKs that counts what leaves. */
export function countingFetch() {
  const counted = async (...args) => {
    counted.calls += 1;
    return fetch(...args);
  };
  counted.calls = 0;
  return counted;
}

/** Sends bytes as they are and gives back all that comes until the other side closes. */
export function rawExchange(port, bytes, { deadlineMs = DEADLINE_MS, end = false } = {}) {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = net.connect(port, '127.0.0.1', () => {
      for (const piece of [bytes].flat()) socket.write(piece);
      if (end) socket.end();
    });
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection stayed open; so far: ${JSON.stringify(received)}`));
    }, deadlineMs);
    socket.on('data', (data) => (received += data.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      resolve(received);
    });
  });
}
