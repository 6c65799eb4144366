// The record of changes: who did what, with how it was before and after, by command and by the
// admin API, on the real program.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { completion, fakeUpstream, sendJson } from './fake_upstream.mjs';
import {
  ADMIN_TOKEN,
  folder,
  poll,
  scope,
  standard,
  startGateway,
  tollgate,
  writeConfig,
} from './harness.mjs';
import { startPostgres } from './servers.mjs';

const NOWHERE = 'http://127.0.0.1:1';
const me = process.env.SUDO_USER
  ? `${os.userInfo().username} (SUDO_USER ${process.env.SUDO_USER})`
  : os.userInfo().username;

/** Changes that fit, oldest first. */
async function changes(gateway, ...filters) {
  const { stdout, stderr, code } = await gateway.run(
    'audit',
    'query',
    '--json',
    '--phase',
    'change',
    ...filters,
  );
  assert.equal(code, 0, stderr);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .reverse();
}

async function post(gateway, target, body = '') {
  const response = await fetch(gateway.admin + target, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  assert.ok(response.ok, `${target}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

async function proven(gateway) {
  const verified = await gateway.run('audit', 'verify');
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  const [, records] = verified.stdout.match(/^changes: (\d+) records proven/m);
  return Number(records);
}

/** One story of each object: as it was after one change, so it is before the next. */
function assertLinked(all) {
  const latest = new Map();
  for (const change of all) {
    if (!change.object || change.action.startsWith('configuration.')) continue;
    if (latest.has(change.object)) assert.deepEqual(change.before, latest.get(change.object));
    latest.set(change.object, change.after);
  }
}

describe('every change is on record', () => {
  const shared = scope(after);
  let gateway;
  const start = async () => (gateway ??= await startGateway(shared, standard(NOWHERE)));

  it('with who made it by command or over the admin API, and both states', async () => {
    const gateway = await start();
    const key = await gateway.key('acme', '--name', 'laptop');
    await post(gateway, `/admin/v1/keys/${key.id}/expire`, { expires: '2099-01-31' });
    const revoked = await gateway.run('keys', 'revoke', key.id);
    assert.equal(revoked.code, 0, revoked.stderr);
    // A repeat changes nothing and is not on record.
    await post(gateway, `/admin/v1/keys/${key.id}/revoke`);
    const all = await changes(gateway, '--object', key.id);
    assert.deepEqual(
      all.map((change) => [change.action, change.actor.kind, change.tenant]),
      [
        ['key.create', 'command', 'acme'],
        ['key.expire', 'admin_token', 'acme'],
        ['key.revoke', 'command', 'acme'],
      ],
    );
    const [made, expired, ended] = all;
    assert.equal(made.actor.subject, me);
    assert.equal(made.before, undefined);
    assert.equal(made.after.name, 'laptop');
    assert.equal(expired.before.expires, null);
    assert.equal(expired.after.expires, '2099-01-31T00:00:00Z');
    assert.equal(ended.before.revoked, null);
    assert.match(ended.after.revoked, /^20/);
    assertLinked(all);
    for (const change of all) {
      assert.match(change.id, /^chg_[0-9a-z]{26}$/);
      assert.match(change.hash, /^[0-9a-f]{64}$/);
      assert.ok(!JSON.stringify(change).includes(key.secret));
    }
    await proven(gateway);
  });

  it('and is found by what it says, as a table, as JSON and over the admin API', async () => {
    const gateway = await start();
    const key = await gateway.key('globex', '--user', 'bob');
    await post(gateway, `/admin/v1/keys/${key.id}/revoke`);
    const tail = await gateway.run('audit', 'tail', '--tenant', 'globex');
    assert.match(tail.stdout, new RegExp(`change +chg_\\S+ +globex +key.create +${key.id} by `));
    assert.match(tail.stdout, /key\.revoke .*\(admin_token.*\).*: revoked null -> "20/);
    const mine = await changes(gateway, '--actor', me, '--tenant', 'globex');
    assert.deepEqual(mine.map((change) => change.action), ['key.create']);
    const [revoked] = await changes(gateway, '--action', 'key.revoke', '--object', key.id);
    const [one] = await changes(gateway, '--id', revoked.id);
    assert.deepEqual(one, revoked);
    const asked = `/admin/v1/audit?phase=change&object=${key.id}&action=key.revoke`;
    assert.deepEqual(await (await gateway.adminGet(asked)).json(), [revoked]);
    assert.equal((await gateway.adminGet('/admin/v1/audit?phase=chance')).status, 400);
    // Page by page, among all records.
    const whole = (await gateway.run('audit', 'query', '--json')).stdout;
    let paged = '';
    for (let cursor = []; cursor; ) {
      const page = await gateway.run('audit', 'query', '--json', '--limit', '2', ...cursor);
      paged += page.stdout;
      cursor = page.stderr.match(/^older: (--before) (\S+)$/m)?.slice(1);
    }
    assert.equal(paged, whole);
  });

  it('of rotations and imports, once each', async () => {
    const gateway = await start();
    const old = await gateway.key('acme');
    const fresh = await gateway.json('keys', 'rotate', old.id);
    const rotated = await changes(gateway, '--action', 'key.rotate');
    assert.deepEqual(rotated.map((change) => change.object), [old.id, fresh.id]);
    assert.equal(rotated[0].after.replaced_by, fresh.id);
    assert.equal(rotated[1].after.replaces, old.id);

    const digest = (text) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
    const lines = ['sk-one-0123456789', 'sk-two-0123456789'].map((key) =>
      JSON.stringify({ digest: digest(key), tenant: 'acme' }),
    );
    const file = path.join(gateway.cwd, 'keys.jsonl');
    writeFileSync(file, lines.join('\n'));
    const imported = await gateway.json('keys', 'import', file);
    await gateway.json('keys', 'import', file);
    const batches = await changes(gateway, '--action', 'key.import');
    assert.equal(batches.length, 1);
    assert.equal(batches[0].tenant, 'acme');
    assert.deepEqual(batches[0].after, {
      imported: 2,
      known_before: 0,
      ids: imported.ids,
    });
    for (const line of lines) {
      assert.ok(!JSON.stringify(batches).includes(JSON.parse(line).digest.slice(7)));
    }
    assertLinked(await changes(gateway));
    await proven(gateway);
  });

  it('of usage that came late', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('one two', { input: 10, output: 2 })),
    );
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key();
    const reply = await gateway.chat(key);
    assert.equal(reply.status, 200, await reply.text());
    const id = reply.headers.get('x-request-id');
    await gateway.records(id);
    const late = (output) =>
      gateway.json('spend', '--adjust', id, '--input', '10', '--output', String(output),
        '--because', `invoice ${output}`);
    await late(5);
    await late(5);
    await late(3);
    const all = await changes(gateway, '--action', 'spend.adjust');
    assert.deepEqual(all.map((change) => [change.object, change.tenant]), [[id, 'acme'], [id, 'acme']]);
    assert.deepEqual(all[0].before, { input: 10, cached_input: 0, output: 2, cost_usd: 0.03, because: '' });
    assert.deepEqual(all[0].after, { input: 10, cached_input: 0, output: 5, cost_usd: 0.06, because: 'invoice 5' });
    assertLinked(all);
    // The records of the request itself are found as before.
    const { decision, outcome, change } = await gateway.records(id);
    assert.ok(decision && outcome && !change);
  });

  it('of the configuration in force, leaf by leaf and without secrets', async (t) => {
    const config = standard(NOWHERE);
    const gateway = await startGateway(t, config);
    const [first] = await changes(gateway);
    assert.equal(first.action, 'configuration.start');
    assert.deepEqual([first.actor.kind, first.object], ['gateway', 'gateway']);
    assert.equal(first.before, undefined);
    assert.equal(first.after.configuration.tenants.initech.budget.usd, '1.00');

    config.tenants.initech.budget.usd = 2;
    config.upstreams.openai.credential = 'another-secret';
    config.routes = [{ ...config.routes[0], name: 'first', path: '/first', surface: 'chat_completions' }, ...config.routes];
    await gateway.reload(config);
    const [, reloaded] = await changes(gateway);
    assert.equal(reloaded.action, 'configuration.reload');
    assert.equal(reloaded.before.version, first.after.version);
    assert.notEqual(reloaded.after.version, first.after.version);
    const differs = Object.fromEntries(reloaded.after.differs.map((leaf) => [leaf.path, leaf]));
    assert.deepEqual(differs['tenants.initech.budget.usd'], {
      path: 'tenants.initech.budget.usd',
      before: '1.00',
      after: '2.00',
    });
    assert.equal(differs['routes[first].path'].after, '/first');
    assert.ok(!Object.keys(differs).some((it) => it.startsWith('routes[chat]')));
    assert.ok(!/upstream-secret|another-secret|admin-token-of/.test(JSON.stringify([first, reloaded])));

    // What is not taken over is not on record; nor is a start with what was in force.
    writeConfig(gateway.file, { ...config, store: { ledger: 'sqlite://other.db' } });
    gateway.program.signal('SIGHUP');
    await poll(() => /was not taken over/.test(gateway.program.stderr), 'the refusal');
    writeConfig(gateway.file, config);
    await gateway.program.stop();
    const again = await startGateway(t, config, { cwd: gateway.cwd });
    assert.equal((await changes(again)).length, 2);
    config.tenants.initech.budget.usd = 3;
    await again.program.stop();
    const last = await startGateway(t, config, { cwd: gateway.cwd });
    const [, , restarted] = await changes(last);
    assert.equal(restarted.action, 'configuration.start');
    assert.equal(restarted.before.version, reloaded.after.version);
    assert.equal(await proven(last), 3);
  });
});

describe('changes of several gateways on one PostgreSQL', () => {
  const shared = scope(after);

  it('are one chain, whoever makes them, also the end of a gateway', async (t) => {
    const server = await startPostgres(shared);
    const home = folder(t);
    writeFileSync(path.join(home, 'pepper'), 'p'.repeat(32), { mode: 0o600 });
    const config = standard(NOWHERE);
    config.authentication = { api_keys: { pepper_file: path.join(home, 'pepper') } };
    config.store = { ledger: server.url, state_directory: 'state' };
    const one = await startGateway(t, config);
    const two = await startGateway(t, config);
    // Both and commands at once.
    const keys = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        i % 3 === 0
          ? one.key('acme')
          : post(i % 3 === 1 ? one : two, '/admin/v1/keys', { tenant: 'acme' }),
      ),
    );
    await Promise.all(
      keys.map((key, i) => post(i % 2 === 0 ? one : two, `/admin/v1/keys/${key.id}/revoke`)),
    );
    const all = await changes(one);
    const count = (action) => all.filter((change) => change.action === action).length;
    assert.deepEqual(
      ['configuration.start', 'key.create', 'key.revoke'].map(count),
      [2, keys.length, keys.length],
    );
    assert.deepEqual(
      all.map((change) => change.sequence),
      all.map((_, i) => i + 1),
    );
    assertLinked(all);
    assert.equal(await proven(two), all.length);

    const name = readFileSync(path.join(one.cwd, 'state', 'gateway.id'), 'utf8').trim();
    await one.program.kill();
    server.sql(`UPDATE gateways SET seen_us = seen_us - 60000000 WHERE gateway = '${name}'`);
    await two.json('gateways', 'retire', name, '--yes');
    await two.json('gateways', 'retire', name, '--yes');
    const retired = await changes(two, '--action', 'gateway.retire');
    assert.equal(retired.length, 1);
    assert.deepEqual([retired[0].object, retired[0].actor.subject], [name, me]);
    assert.equal(retired[0].before.retired, null);
    assert.match(retired[0].after.retired, /^20/);
    const list = await two.json('gateways', 'list');
    assert.ok(!list.some((gateway) => gateway.gateway === 'changes'));
    assert.equal(await proven(two), all.length + 1);
    // No name of a gateway is the chain's.
    writeFileSync(path.join(one.cwd, 'state', 'gateway.id'), 'changes\n');
    const refused = await tollgate(['serve', '-c', one.file], { cwd: one.cwd });
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /gateway's name is 16 digits/);
  });
});
