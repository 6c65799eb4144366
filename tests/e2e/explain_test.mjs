// `tollgate explain`: the decision and its figures, without a gateway.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { folder, tollgate, writeConfig } from './harness.mjs';

function configured(t, budget, guards = '', ofRoute = '') {
  const directory = folder(t);
  const file = path.join(directory, 'tollgate.yaml');
  writeConfig(
    file,
    `
listeners: { public: { address: 127.0.0.1:0, exposure: public } }
admin: { address: 127.0.0.1:0 }
store: { ledger: "sqlite://${directory}/ledger.db" }
authentication: { api_keys: {} }
upstreams: { vllm: { url: "http://127.0.0.1:9/v1", speaks: openai } }
models:
  small: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
${guards}
tenants: { acme: { budget: { usd: ${budget}, per: day, when_exhausted: refuse } }, other: {} }
limits: { tenant_id: { requests_per_minute: 120, input_tokens_per_minute: 80000 } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 1MiB, input_tokens: 1000, output_tokens: 100, choices: 1 }
${ofRoute}
`,
  );
  const request = path.join(directory, 'request.json');
  writeFileSync(request, '{"model":"small","messages":[{"role":"user","content":"Hello there"}]}');
  const run = async (...words) => {
    const ran = await tollgate([...words, '-c', file, '--json']);
    assert.equal(ran.code, 0, ran.stderr);
    return JSON.parse(ran.stdout);
  };
  const key = (tenant, ...more) => run('keys', 'create', '--tenant', tenant, ...more);
  const explain = async (as, ...more) => {
    const ran = await tollgate(['explain', '-c', file, '--as', as, '--json', ...more, request]);
    return { code: ran.code, told: ran.stdout === '' ? null : JSON.parse(ran.stdout), ran };
  };
  return { key, explain, request, run };
}

it('tells each step and its figures, by the id of a key or the key itself', async (t) => {
  const { key, explain } = configured(t, 1);
  const { id, secret } = await key('acme');
  for (const as of [id, secret]) {
    const { code, told, ran } = await explain(as);
    assert.equal(code, 0, ran.stderr);
    assert.deepEqual(told.decision, { outcome: 'allowed', status: 200 });
    const says = (step) => told.steps.filter((it) => it.step === step).map((it) => it.says);
    assert.deepEqual(says('actor'), [`tenant acme, no user, by api_key ${id}, roles none`]);
    assert.deepEqual(says('route'), ['chat: allows this caller and serves the model']);
    assert.deepEqual(says('input'), ['9 tokens, counted']);
    assert.deepEqual(says('price'), ['at most 0.001009 USD']);
    assert.deepEqual(says('budget'), [
      'tenants.acme.budget: holds 0.001009 of 1.00 USD (day) for acme, 0.00 spent',
    ]);
    assert.ok(!ran.stdout.includes(secret));
  }
});

it('tells which tools are removed, and which rule refuses one', async (t) => {
  const tools = '    tools: { allow: ["get_*"], deny: [get_secret], unlisted: UNLISTED }';
  const offered = ['get_weather', 'get_secret', 'rm'];
  const body = {
    model: 'small',
    messages: [{ role: 'user', content: 'Hello there' }],
    tools: offered.map((name) => ({ type: 'function', function: { name } })),
  };
  const told = async (unlisted) => {
    const { key, explain, request } = configured(t, 1, '', tools.replace('UNLISTED', unlisted));
    writeFileSync(request, JSON.stringify(body));
    return (await explain((await key('acme')).id)).told;
  };
  const removing = await told('remove');
  assert.deepEqual(
    removing.steps.filter((it) => it.step === 'tools').map((it) => it.says),
    [
      'offers get_weather, get_secret, rm',
      'routes.chat.tools: removes get_secret',
      'routes.chat.tools: removes rm',
    ],
  );
  assert.equal(removing.decision.outcome, 'allowed');
  const refusing = await told('refuse');
  assert.equal(refusing.decision.code, 'tool_not_allowed');
  assert.equal(refusing.decision.rule, 'routes.chat.tools.deny');
  assert.equal(refusing.decision.param, 'tools[1]');
});

it('tells what is asked and looked at beyond the configuration, and asks nobody', async (t) => {
  const guards = `
guards:
  moderation: { kind: openai_moderation, upstream: vllm, price_per_request: 0.25 }
  mine: { kind: http, upstream: vllm, price_per_request: 0, on_match: flag, on_failure: pass, mode: observe }`;
  const ofRoute = `
    guards: [moderation, mine]
    anomalies: { on_anomaly: refuse, threshold: 60 }`;
  const { key, explain } = configured(t, 1, guards, ofRoute);
  const { id } = await key('acme');
  const { code, told, ran } = await explain(id);
  assert.equal(code, 0, ran.stderr);
  const says = (step) => told.steps.filter((it) => it.step === step).map((it) => it.says);
  assert.deepEqual(says('anomalies'), [
    'routes.chat.anomalies: from score 60 on refuse; what its caller did before is not known here, so it is taken as usual',
  ]);
  assert.deepEqual(says('guard'), [
    'guards.moderation: would be asked at upstream vllm; where it matches refuse, where it fails refuse',
    'guards.mine: would be asked at upstream vllm; where it matches flag, where it fails pass, observed only',
  ]);
  assert.deepEqual(says('price'), [
    'at most 0.001009 USD',
    'at most 0.25 USD more for the guards',
  ]);
  assert.match(says('budget')[0], /holds 0\.251009 of 1\.00 USD/);
});

it('tells the rule that refuses, and ends with 1', async (t) => {
  const { key, explain, request } = configured(t, '0.001');
  const refused = async (as, status, code, rule, ...more) => {
    const { code: exit, told } = await explain(as, ...more);
    assert.equal(exit, 1);
    assert.deepEqual(
      [told.decision.status, told.decision.code, told.decision.rule],
      [status, code, rule],
    );
  };
  const { id } = await key('acme');
  await refused(id, 429, 'budget_exhausted', 'tenants.acme.budget');
  await refused(id, 404, 'not_found', 'routes', '--path', '/elsewhere');
  await refused((await key('other')).id, 403, 'route_not_allowed', 'routes');
  await refused('anonymous', 401, 'missing_credential', 'authentication');
  await refused('tg_live_nonsense', 401, 'invalid_credential', 'authentication.api_keys');
  await refused('{"iss":"https://login.example.com/"}', 401, 'invalid_credential', 'authentication.jwt');
  writeFileSync(request, '{"model":"small","messages":[],"messages":[]}');
  await refused(id, 400, 'duplicate_key', 'body');
});

it('judges a key as the gateway does: its secret, its address, and one that was imported', async (t) => {
  const { key, explain, run } = configured(t, 1);
  const { secret } = await key('acme', '--address', '10.0.0.0/8');
  const status = async (...as) => (await explain(...as)).told.decision.status;
  assert.equal(await status(secret), 200);
  assert.equal(await status(secret, '--address', '10.1.2.3'), 200);
  assert.equal(await status(secret, '--address', '192.0.2.1'), 401);
  // Of the right shape, and another secret of that id.
  const other = (await key('acme')).secret;
  assert.equal(await status(secret.slice(0, 20) + other.slice(20)), 401);

  const imported = 'sk-0123456789abcdef0123456789abcdef';
  const digest = createHash('sha256').update(imported).digest('hex');
  const lines = path.join(folder(t), 'keys.jsonl');
  writeFileSync(lines, `${JSON.stringify({ digest: `sha256:${digest}`, tenant: 'acme' })}\n`);
  await run('keys', 'import', lines);
  assert.equal(await status(imported), 200);
  assert.equal(await status(`${imported}0`), 401);
  assert.equal(await status(`sha256:${digest}`), 401);
});

it('wants to know who asks, and a file that is there', async (t) => {
  const { request } = configured(t, 1);
  assert.equal((await tollgate(['explain', request])).code, 2);
  const missing = await tollgate(['explain', '-c', '/nowhere', '--as', 'anonymous', request]);
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /nowhere/);
});
