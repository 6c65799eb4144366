// What has a price of its own, by the real SDKs: writes to a provider's cache, service tiers, and
// tables of prices by day; and what other prices would have cost.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  Anthropic,
  OpenAI,
  folder,
  poll,
  scope,
  standard,
  startGateway,
  startMock,
  thrown,
  tollgate,
  writeConfig,
} from './harness.mjs';

const route = (config, name) => config.routes.find((one) => one.name === name);

// Dollars a million tokens that are easy to tell from each other: 1000 is a thousandth a token.
const CLAUDE = {
  input: 1000,
  cached_input: 100,
  output: 10000,
  cache_write_5m: 1250,
  cache_write_1h: 2000,
};
const SMALL = {
  input: 1000,
  output: 10000,
  service_tiers: {
    flex: { input: 500, output: 5000 },
    priority: { input: 2000, output: 20000 },
  },
};

function priced(url) {
  const config = standard(url);
  config.models.claude.price_per_million = CLAUDE;
  config.models.small.price_per_million = SMALL;
  config.models.plain = { ...config.models.claude, price_per_million: { input: 1000, output: 10000 } };
  route(config, 'messages').models.push('plain');
  route(config, 'messages').service_tiers = ['priority'];
  route(config, 'chat').service_tiers = ['flex'];
  return config;
}

const near = (usd, expected) =>
  assert.ok(Math.abs(Number(usd) - expected) < 2e-6, `${usd} is not ${expected}`);

describe('what is paid apart', () => {
  const shared = scope(after);
  let gateway, key, claude, openai;
  before(async () => {
    const mock = await startMock(shared);
    gateway = await startGateway(shared, priced(mock.url));
    key = await gateway.key('acme', '--user', 'ada');
    claude = gateway.anthropic(Anthropic, key);
    openai = gateway.openai(key);
  });
  const mark = (ttl) => ({ cache_control: { type: 'ephemeral', ...(ttl && { ttl }) } });
  const message = (marks, more = {}) => ({
    model: 'claude',
    max_tokens: 50,
    system: [{ type: 'text', text: 'You are a patient teacher of geography.', ...marks }],
    messages: [{ role: 'user', content: 'Write 5 words.' }],
    ...more,
  });
  const records = (response) => gateway.records(response.headers.get('request-id'));

  for (const [what, marks, kind] of [
    ['five minutes', mark(), 'cache_write_5m'],
    ['an hour', mark('1h'), 'cache_write_1h'],
  ]) {
    it(`a write to the cache for ${what} is held and paid at its price`, async () => {
      const { data, response } = await claude.messages.create(message(marks)).withResponse();
      const written = data.usage.cache_creation_input_tokens;
      assert.ok(written > 0, 'the mark has reached the model server');
      assert.equal(data.usage.input_tokens, 3);
      const { decision, outcome } = await records(response);
      assert.equal(outcome.usage[kind], written);
      assert.equal(outcome.usage.input, written + 3);
      const price = CLAUDE[kind] / 1e6;
      near(outcome.cost_usd, 0.003 + written * price + 0.05);
      const held = Math.max(...decision.budget.map((budget) => Number(budget.held_usd)));
      assert.ok(held >= (written + 3) * price + 50 * 0.01 - 1e-6, 'all input at that price');
      assert.match(outcome.price_version, /cache_write_5m=1250.00;cache_write_1h=2000.00/);
    });
  }

  it('a stream that writes to the cache is settled by its last word', async () => {
    const stream = claude.messages.stream(message(mark()));
    const final = await stream.finalMessage();
    const { outcome } = await gateway.records(stream.request_id);
    assert.equal(outcome.usage.cache_write_5m, final.usage.cache_creation_input_tokens);
    near(outcome.cost_usd, 0.003 + final.usage.cache_creation_input_tokens * 0.00125 + 0.05);
  });

  it('a model without such a price is asked to keep nothing', async () => {
    const { data, response } = await claude.messages
      .create(message(mark('1h'), { model: 'plain' }))
      .withResponse();
    assert.ok(!data.usage.cache_creation_input_tokens);
    const { outcome } = await records(response);
    near(outcome.cost_usd, data.usage.input_tokens * 0.001 + 0.05);
  });

  it('a mark that is not known is refused by its name where it would be handed on', async () => {
    const day = { cache_control: { type: 'ephemeral', ttl: '24h' } };
    const error = await thrown(() => claude.messages.create(message(day)));
    assert.equal(error.status, 400);
    assert.match(error.message, /system\[0\]\.cache_control\.ttl/);
    const marks = Array.from({ length: 5 }, () => ({ type: 'text', text: 'x', ...mark() }));
    const many = await thrown(() => claude.messages.create(message({}, { system: marks })));
    assert.equal(many.status, 400);
    assert.match(many.message, /at most 4/);
    const scoped = { cache_control: { type: 'ephemeral', scope: 'global' } };
    const { usage } = await claude.messages.create(message(scoped, { model: 'plain' }));
    assert.ok(!usage.cache_creation_input_tokens, 'it is handed on to no server');
  });

  const chat = (more = {}) => ({
    model: 'small',
    max_completion_tokens: 50,
    messages: [{ role: 'user', content: 'Write 5 words.' }],
    ...more,
  });
  it('the tier of the answer decides what is paid', async () => {
    for (const [tier, factor] of [
      [undefined, 1],
      ['default', 1],
      ['flex', 0.5],
    ]) {
      const { data, response } = await openai.chat.completions
        .create(chat(tier ? { service_tier: tier } : {}))
        .withResponse();
      assert.equal(data.service_tier, tier ?? 'default', 'it is always told');
      const { outcome } = await gateway.records(response.headers.get('x-request-id'));
      near(outcome.cost_usd, factor * (data.usage.prompt_tokens * 0.001 + 0.05));
      assert.equal(outcome.usage.service_tier, tier === 'flex' ? 'flex' : undefined);
    }
    const stream = await openai.chat.completions
      .create(chat({ service_tier: 'flex', stream: true, stream_options: { include_usage: true } }))
      .withResponse();
    let usage;
    for await (const chunk of stream.data) usage = chunk.usage ?? usage;
    const { outcome } = await gateway.records(stream.response.headers.get('x-request-id'));
    near(outcome.cost_usd, 0.5 * (usage.prompt_tokens * 0.001 + 0.05));
  });

  it('a tier that the route does not list is refused by its name', async () => {
    const asked = chat({ service_tier: 'priority' });
    const error = await thrown(() => openai.chat.completions.create(asked));
    assert.equal(error.status, 400);
    assert.equal(error.param, 'service_tier');
    assert.match(error.message, /not served on this route/);
  });

  it('recorded requests are priced anew', async (t) => {
    const { response } = await claude.messages.create(message(mark())).withResponse();
    await records(response);
    const file = path.join(folder(t), 'prices.yaml');
    const twice = Object.fromEntries(Object.entries(CLAUDE).map(([name, usd]) => [name, 2 * usd]));
    fs.writeFileSync(
      file,
      JSON.stringify({ prices: [{ name: 'claude', price_per_million: twice }] }),
    );
    const what = await tollgate(
      ['prices', 'what-if', '-c', gateway.file, '--prices', file, '--format', 'json'],
      { cwd: gateway.cwd },
    );
    assert.equal(what.code, 1, 'the other models have no entry');
    const { rows, unpriced } = JSON.parse(what.stdout);
    const row = rows.find((one) => one.model === 'claude');
    assert.equal(row.tenant, 'acme');
    assert.ok(row.requests >= 1);
    near(row.what_if_usd, 2 * Number(row.recorded_usd));
    assert.ok(unpriced.some((one) => one.model === 'small' && /no entry/.test(one.why)));
    const csv = await tollgate(
      ['prices', 'what-if', '-c', gateway.file, '--prices', file, '--model', 'claude', '--format', 'csv'],
      { cwd: gateway.cwd },
    );
    assert.equal(csv.code, 0, csv.stderr);
    assert.match(csv.stdout, /^model,tenant,requests,recorded_usd,what_if_usd/);
    assert.equal(csv.stdout.trim().split('\n').length, 2);
    const table = await tollgate(
      ['prices', 'what-if', '-c', gateway.file, '--prices', file, '--tenant', 'nobody'],
      { cwd: gateway.cwd },
    );
    assert.match(table.stdout, /in all +0 /);
  });
});

describe('a table of prices', () => {
  const shared = scope(after);
  const entry = (input, from) => ({
    name: 'llama',
    ...(from && { from }),
    price_per_million: { input, output: 10 * input },
  });

  it('holds by day, in a file that is read again when it changes', async (t) => {
    const mock = await startMock(shared);
    const config = standard(mock.url);
    const cwd = folder(t);
    const file = path.join(cwd, 'prices.yaml');
    const write = (...prices) => fs.writeFileSync(file, JSON.stringify({ prices }));
    write(entry(1000), entry(2000, '2001-01-01'), entry(4000, '2200-01-01'));
    config.prices_file = 'prices.yaml';
    delete config.models.small.price_per_million;
    config.models.small.prices = 'llama';
    const gateway = await startGateway(shared, config, { cwd });
    const client = gateway.openai(await gateway.key());
    const paid = async () => {
      const { data, response } = await client.chat.completions
        .create({ model: 'small', messages: [{ role: 'user', content: 'Write 5 words.' }] })
        .withResponse();
      const { outcome } = await gateway.records(response.headers.get('x-request-id'));
      near(outcome.cost_usd, Number(outcome.price_version.split('/')[0]) / 1e6 * (data.usage.prompt_tokens + 50));
      return outcome.price_version;
    };
    assert.equal(await paid(), '2000.00/2000.00/20000.00');
    write(entry(3000));
    await poll(async () => (await paid()) === '3000.00/3000.00/30000.00', 'the new prices');
    await poll(async () => {
      const { stdout } = await gateway.run('audit', 'query', '--phase', 'change', '--json');
      return /prices.*3000\.00/.test(stdout);
    }, 'the change on record');

    // One that is broken is told with its line and counted as a reload that failed, and changes
    // nothing.
    const broken = 'prices:\n  - { name: llama, price_per_million: { input: -1, output: 1 } }\n';
    const at = (name) => new RegExp(`${name}\\.yaml:2:\\d+: prices\\[0\\]\\.price_per_million\\.input: .+`);
    const told = (pattern) => poll(() => pattern.test(gateway.program.stderr), `${pattern}`);
    const reloads = await gateway.metric('tollgate_config_reloads_total');
    assert.equal(await gateway.metric('tollgate_config_last_reload_successful'), 1);
    fs.writeFileSync(file, broken);
    await told(at('prices'));
    await told(/was not taken over; the configuration in force stays/);
    assert.ok((await gateway.metric('tollgate_config_reloads_total')) > reloads);
    assert.equal(await gateway.metric('tollgate_config_last_reload_successful'), 0);
    assert.equal(await paid(), '3000.00/3000.00/30000.00');
    const check = await tollgate(['prices', 'check', file]);
    assert.equal(check.code, 2);
    assert.match(check.stderr, at('prices'));
    write(entry(1000), entry(2000, '2001-01-01'));
    const good = await tollgate(['prices', 'check', file]);
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stdout, /llama +2001-01-01 +2000\.00/);
    await poll(async () => (await paid()) === '2000.00/2000.00/20000.00', 'the mended prices');

    // So is one that the configuration names for the first time; mending it is enough.
    const other = path.join(cwd, 'other.yaml');
    fs.writeFileSync(other, broken);
    config.prices_file = 'other.yaml';
    writeConfig(gateway.file, config);
    await told(at('other'));
    assert.equal(await paid(), '2000.00/2000.00/20000.00');
    fs.writeFileSync(other, JSON.stringify({ prices: [entry(5000)] }));
    await poll(async () => (await paid()) === '5000.00/5000.00/50000.00', 'the other prices');
  });
});
