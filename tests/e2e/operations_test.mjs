// What an operator does while it runs: keys, reload, drain, crash, metrics, questions.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import {
  ADMIN_TOKEN,
  assertRefused,
  folder,
  poll,
  QUESTION_TOKENS,
  standard,
  startGateway,
  startMock,
  tollgate,
  writeConfig,
} from './harness.mjs';
import {
  beginStream,
  chunk,
  completion,
  endStream,
  fakeUpstream,
  sendJson,
} from './fake_upstream.mjs';

const USED = { input: QUESTION_TOKENS, output: 2 };
const COST = QUESTION_TOKENS * 0.001 + 0.02;
const answering = (t) =>
  fakeUpstream(t, ({ response }) => sendJson(response, completion('Hi.', USED)));

describe('keys', () => {
  it('made and revoked while it runs count at once', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key('acme', '--user', 'ada', '--role', 'engineer');
    assert.match(key.secret, /^tg_live_/);
    assert.equal(key.tenant, 'acme');
    assert.equal((await gateway.chat(key)).status, 200);

    const listed = JSON.stringify(await gateway.json('keys', 'list'));
    assert.ok(listed.includes(key.id));
    assert.ok(!listed.includes(key.secret), 'a secret is shown once');

    const revoked = await gateway.run('keys', 'revoke', key.id);
    assert.equal(revoked.code, 0, revoked.stderr);
    await assertRefused(await gateway.chat(key), 401, 'revoked_credential', 'invalid_api_key');
  });

  it('are refused for tenants that the configuration does not know', async (t) => {
    const gateway = await startGateway(t, standard('http://127.0.0.1:9'));
    const { code, stderr } = await gateway.run('keys', 'create', '--tenant', 'acmee', '--json');
    assert.notEqual(code, 0);
    assert.match(stderr, /acme/);
  });

  it('lie in the store as digests', async (t) => {
    const gateway = await startGateway(t, standard('http://127.0.0.1:9'));
    const key = await gateway.key();
    const database = path.join(gateway.cwd, 'tollgate.db');
    assert.equal(statSync(database).mode & 0o077, 0, 'the store is for its owner alone');
    await gateway.program.stop();
    const secretPart = key.secret.slice(-30);
    for (const file of ['tollgate.db', 'tollgate.db-wal']) {
      try {
        assert.ok(!readFileSync(path.join(gateway.cwd, file)).includes(secretPart));
      } catch (error) {
        assert.equal(error.code, 'ENOENT');
      }
    }
  });
});

describe('a reload', () => {
  it('takes a good file over and keeps the old one against a bad one', async (t) => {
    const upstream = await answering(t);
    const config = standard(upstream.url);
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    await assertRefused(await gateway.chat(key, { model: 'new' }), 404, 'model_not_found');

    config.models.new = { ...config.models.small, name: 'small' };
    config.routes[0].models.push('new');
    await gateway.reload(config);
    assert.equal((await gateway.chat(key, { model: 'new' })).status, 200);

    writeConfig(gateway.file, 'routes: [\nmodles: {}\n');
    gateway.program.signal('SIGHUP');
    await poll(
      () => /tollgate\.yaml:\d+/.test(gateway.program.stderr),
      'the problems of the bad file',
    );
    assert.equal((await gateway.chat(key, { model: 'new' })).status, 200);
    assert.equal(await gateway.metric('tollgate_config_last_reload_successful'), 0);
  });

  it('leaves a stream at work alone', async (t) => {
    const open = [];
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      open.push(response);
    });
    const config = standard(upstream.url);
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const response = await gateway.chat(key, { stream: true });
    config.routes = config.routes.filter((route) => route.path !== '/v1/chat/completions');
    await gateway.reload(config);
    assert.equal((await gateway.chat(key)).status, 404);
    open[0].write(chunk({ content: 'still here' }));
    endStream(open[0], USED);
    assert.match(await response.text(), /still here[\s\S]*\[DONE\]/);
  });
});

describe('its end', () => {
  it('SIGTERM lets a stream finish and takes no more', async (t) => {
    const open = [];
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      open.push(response);
    });
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key();
    const response = await gateway.chat(key, { stream: true });
    gateway.program.signal('SIGTERM');
    // Asked with what is not forwarded: the upstream would never end it.
    await poll(
      () =>
        fetch(`${gateway.url}/livez`).then(
          () => false,
          () => true,
        ),
      'no more connections',
    );
    open[0].write(chunk({ content: 'to the end' }));
    endStream(open[0], USED);
    assert.match(await response.text(), /to the end[\s\S]*\[DONE\]/);
    assert.equal(await gateway.program.exit, 0);
    const { usd } = await gateway.spend();
    assert.ok(Math.abs(usd - COST) < 1e-6, `${usd}`);
  });

  it('kill -9 loses no money that was spent, and no key', async (t) => {
    const upstream = await answering(t);
    const config = standard(upstream.url);
    config.tenants.acme.budget = { usd: 1, per: 'total', when_exhausted: 'refuse' };
    const first = await startGateway(t, config);
    const key = await first.key();
    for (let i = 0; i < 10; ++i)
      assert.equal((await first.chat(key, { max_tokens: 5 })).status, 200);
    await first.spendOf(10);
    await first.program.kill();

    const second = await startGateway(t, config, { cwd: first.cwd });
    const { usd } = await second.spend();
    assert.ok(Math.abs(usd - 10 * COST) < 1e-6, `${usd}`);
    let passed = 0;
    let response;
    while ((response = await second.chat(key, { max_tokens: 5 })).status === 200) passed += 1;
    await assertRefused(response, 429, 'budget_exhausted');
    assert.ok((passed + 10) * COST <= 1 && (passed + 10) * COST > 0.85, `${passed} more passed`);
  });

  it('a port in use and a second gateway on one store are told, exit code 3', async (t) => {
    const gateway = await startGateway(t, standard('http://127.0.0.1:9'));
    const config = standard('http://127.0.0.1:9');
    config.listeners.public.address = `127.0.0.1:${gateway.port}`;
    const cwd = folder(t);
    writeConfig(path.join(cwd, 'tollgate.yaml'), config);
    const { code, stderr } = await tollgate(['serve', '-c', path.join(cwd, 'tollgate.yaml')], {
      cwd,
    });
    assert.equal(code, 3);
    assert.match(stderr, new RegExp(`${gateway.port}.*in use`));
  });
});

describe('a store that fails', () => {
  it('locked: nothing is forwarded until it opens again', async (t) => {
    const upstream = await answering(t);
    const config = standard(upstream.url);
    config.audit = { queue: '64KiB' };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    assert.equal((await gateway.chat(key)).status, 200);

    const lock = new DatabaseSync(path.join(gateway.cwd, 'tollgate.db'));
    lock.exec('PRAGMA busy_timeout = 10000'); // The gateway may be writing.
    lock.exec('BEGIN IMMEDIATE');
    const refused = await poll(
      async () => {
        const forwarded = upstream.requests.length;
        const response = await gateway.chat(key);
        if (response.status === 200) return null;
        assert.equal(upstream.requests.length, forwarded, 'a refused request was forwarded');
        return response;
      },
      'a refusal while the store is locked',
      120_000,
    );
    assert.equal(refused.status, 503);
    assert.match(refused.headers.get('x-tollgate-reason'), /^(audit|store)_unavailable$/);
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    const ready = await fetch(`${gateway.admin}/readyz`);
    assert.equal(ready.status, 503);

    lock.exec('ROLLBACK');
    lock.close();
    await poll(async () => (await gateway.chat(key)).status === 200, 'service again', 60_000);
  });

  it('no folder, no database, no right to write: told at the start', async (t) => {
    const cwd = folder(t);
    const file = path.join(cwd, 'tollgate.yaml');
    writeConfig(
      path.join(cwd, 'text.db'),
      'this is a text and no database, long enough to be one\n'.repeat(100),
    );
    for (const ledger of [
      `sqlite://${cwd}/absent/deep/x.db`,
      `sqlite://${cwd}`,
      `sqlite://${cwd}/text.db`,
      'sqlite:///proc/x.db',
    ]) {
      writeConfig(file, { ...standard('http://127.0.0.1:9'), store: { ledger } });
      const { code, stderr } = await tollgate(['serve', '-c', file], { cwd });
      assert.equal(code, 3, `${ledger}: ${stderr}`);
      assert.ok(stderr.includes(ledger.replace('sqlite://', '')), stderr);
    }
  });
});

describe('the admin address', () => {
  it('serves health and metrics that promtool accepts, and nothing of it is on a listener', async (t) => {
    const mock = await startMock(t);
    const gateway = await startGateway(t, standard(mock.url));
    const key = await gateway.key();
    assert.equal((await gateway.chat(key)).status, 200);
    await gateway.chat({ secret: 'wrong' });
    for (const target of ['/livez', '/readyz', '/healthz', '/readyz?verbose']) {
      assert.equal((await fetch(gateway.admin + target)).status, 200, target);
    }
    await poll(
      async () => (await gateway.metric('tollgate_requests_total', { outcome: 'allowed' })) === 1,
      'the count',
    );
    assert.ok(
      (await gateway.metric('tollgate_requests_total', { code: 'invalid_credential' })) >= 1,
    );
    assert.ok((await gateway.metric('tollgate_spend_usd_total', { tenant: 'acme' })) > 0);
    assert.ok((await gateway.metric('tollgate_overhead_seconds_count')) >= 1);
    const text = await (await fetch(`${gateway.admin}/metrics`)).text();
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stderr + checked.stdout);
    // A stranger learns of no path at all; a caller learns that these are not there.
    const { secret } = await gateway.key();
    const headers = { authorization: `Bearer ${secret}` };
    for (const target of ['/metrics', '/admin/v1/keys', '/readyz']) {
      assert.equal((await fetch(gateway.url + target)).status, 401, target);
      assert.equal((await fetch(gateway.url + target, { headers })).status, 404, target);
    }
  });

  it('asks for its token, also on loopback', async (t) => {
    const gateway = await startGateway(t, standard('http://127.0.0.1:9'));
    for (const target of [
      '/admin/v1/keys',
      '/admin/v1/spend',
      '/admin/v1/audit',
      '/admin/v1/config',
      '/admin/v1/budgets',
    ]) {
      for (const token of [null, 'wrong', ADMIN_TOKEN.slice(0, -1)]) {
        const refused = await gateway.adminGet(target, token);
        assert.equal(refused.status, 401, target);
        assert.match(refused.headers.get('content-type'), /^application\/problem\+json/);
      }
      assert.equal((await gateway.adminGet(target)).status, 200, target);
    }
    const key = await gateway.key();
    assert.equal(
      (await gateway.adminGet('/admin/v1/keys', key.secret)).status,
      401,
      'a tenant is no admin',
    );
    const config = await (await gateway.adminGet('/admin/v1/config')).text();
    assert.ok(
      !config.includes('upstream-secret') && !config.includes(ADMIN_TOKEN),
      'secrets are masked',
    );
  });

  it('makes and revokes keys', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, standard(upstream.url));
    const post = (target, body) =>
      fetch(gateway.admin + target, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      });
    const made = await (await post('/admin/v1/keys', { tenant: 'acme', user: 'ada' })).json();
    assert.equal((await gateway.chat(made)).status, 200);
    assert.equal((await post(`/admin/v1/keys/${made.id}/revoke`, {})).status, 200);
    await assertRefused(await gateway.chat(made), 401, 'revoked_credential');
    assert.ok((await post('/admin/v1/keys', { tenant: 'nobody' })).status >= 400);
  });

  it('tells the same money as the command line', async (t) => {
    const upstream = await answering(t);
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key();
    for (let i = 0; i < 3; ++i) assert.equal((await gateway.chat(key)).status, 200);
    const { usd } = await gateway.spendOf(3);
    assert.ok(Math.abs(usd - 3 * COST) < 1e-6);
    const told = await (await gateway.adminGet('/admin/v1/spend?by=tenant')).text();
    assert.match(told, new RegExp(String(Number((3 * COST).toFixed(6))).replace('.', '\\.')));
    const verified = await gateway.run('audit', 'verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });
});
