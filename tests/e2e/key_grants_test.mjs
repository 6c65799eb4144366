// Keys as administrators give them: which roles, how many, page by page, and a file of thousands.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { ADMIN_TOKEN, folder, question, scope, standard, startGateway, startMock } from './harness.mjs';

const HELPDESK = 'helpdesk-token-of-the-tests-0123456789abcdef';

async function ask(gateway, method, target, { token = ADMIN_TOKEN, body } = {}) {
  const reply = await fetch(`${gateway.admin}/admin/v1/${target}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    body: typeof body === 'object' ? JSON.stringify(body) : body,
  });
  return { status: reply.status, json: await reply.json() };
}

const digestOf = (text) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const line = (text, tenant = 'acme') => JSON.stringify({ digest: digestOf(text), tenant });

describe('who is bound to a tenant', () => {
  const shared = scope(after);
  let gateway;
  let config;
  const start = async () => {
    if (gateway) return gateway;
    config = standard((await startMock(shared)).url);
    config.admin.tokens = [
      { name: 'helpdesk', token: HELPDESK, role: 'operator', tenants: ['acme'] },
    ];
    gateway = await startGateway(shared, config);
    return gateway;
  };
  const give = (roles) =>
    ask(gateway, 'POST', 'keys', { token: HELPDESK, body: { tenant: 'acme', roles } });
  const opens = async (secret) =>
    (await gateway.post('/v1/locked', question(), { secret })).status;

  it('opens no route to himself by the roles that he gives', async () => {
    const gateway = await start();
    const refused = await give(['wizard']);
    assert.equal(refused.status, 403);
    assert.match(refused.json.detail, /tenants\.acme\.grantable_roles/);
    const plain = await give([]);
    assert.equal(plain.status, 201);
    assert.equal(await opens(plain.json.secret), 403);
    const wizard = await ask(gateway, 'POST', 'keys', {
      body: { tenant: 'acme', roles: ['wizard'] },
    });
    assert.equal(await opens(wizard.json.secret), 200);
    // A rotation would show him a secret that does.
    const rotated = await ask(gateway, 'POST', `keys/${wizard.json.id}/rotate`, {
      token: HELPDESK,
    });
    assert.equal(rotated.status, 403);
    assert.equal(rotated.json.secret, undefined);
    config.tenants.acme.grantable_roles = ['wizard'];
    await gateway.reload(config);
    const given = await give(['wizard']);
    assert.equal(given.status, 201);
    assert.equal(await opens(given.json.secret), 200);
  });

  it('imports new keys alone, and is not told which are known', async () => {
    const gateway = await start();
    const bring = (lines, token) => ask(gateway, 'POST', 'keys/import', { token, body: lines });
    assert.equal((await bring(line('sk-globex', 'globex'))).status, 200);
    assert.equal((await bring(line('sk-acme'), HELPDESK)).status, 200);
    const answers = [];
    for (const known of ['sk-globex', 'sk-acme']) {
      const refused = await bring(`${line('sk-new')}\n${line(known)}`, HELPDESK);
      assert.equal(refused.status, 409);
      answers.push(refused.json);
    }
    assert.deepEqual(answers[0], answers[1]);
    const conflict = await bring(`${line('sk-new')}\n${line('sk-globex')}`);
    assert.equal(conflict.status, 409);
    assert.match(conflict.json.detail, /^line 2: Another tenant/);
  });
});

describe('many keys', () => {
  it('are imported by the thousand, from where a line at fault broke off', async (t) => {
    const gateway = await startGateway(t, standard('http://127.0.0.1:9'));
    const lines = Array.from({ length: 2500 }, (_, i) => line(`sk-${i}`));
    const file = path.join(folder(t), 'keys.jsonl');
    const good = lines[2300];
    lines[2300] = '{"digest":"sha256:12","tenant":"acme"}';
    writeFileSync(file, lines.join('\n'));
    const broken = await gateway.run('keys', 'import', file);
    assert.equal(broken.code, 2);
    assert.match(broken.stderr, /line 2301: .*digest/);
    assert.match(broken.stderr, /2300 keys were imported before that/);
    lines[2300] = good;
    writeFileSync(file, lines.join('\n'));
    const done = await gateway.json('keys', 'import', file);
    assert.deepEqual([done.imported, done.known_before, done.ids.length], [200, 2300, 2500]);

    const ids = [];
    for (let after = ''; after !== null; ) {
      const { status, json } = await ask(gateway, 'GET', `keys?tenant=acme&limit=1000${after}`);
      assert.equal(status, 200);
      assert.equal(json.has_more, json.next !== null);
      ids.push(...json.data.map((key) => key.id));
      after = json.next && `&after=${json.next}`;
    }
    assert.deepEqual(ids.sort(), done.ids.sort());
    assert.equal((await ask(gateway, 'GET', 'keys')).json.data.length, 100);
    const listed = await gateway.json('keys', 'list', '--tenant', 'acme', '--state', 'active');
    assert.equal(listed.length, 2500);
    assert.equal((await gateway.json('keys', 'list', '--state', 'revoked')).length, 0);
  });

  it('are no more than the tenant may have', async (t) => {
    const config = standard('http://127.0.0.1:9');
    config.tenants.acme.keys_max = 2;
    const gateway = await startGateway(t, config);
    const keys = [await gateway.key('acme'), await gateway.key('acme')];
    const refused = await gateway.run('keys', 'create', '--tenant', 'acme');
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /keys_max/);
    assert.equal((await ask(gateway, 'POST', 'keys', { body: { tenant: 'acme' } })).status, 409);
    assert.equal((await gateway.run('keys', 'revoke', keys[0].id)).code, 0);
    await gateway.key('acme');
  });

  it('end with their rotation', async (t) => {
    const gateway = await startGateway(t, standard('http://127.0.0.1:9'));
    const old = await gateway.key('acme');
    await gateway.json('keys', 'rotate', old.id, '--overlap', '1h');
    const refused = await gateway.run('keys', 'expire', old.id, '--expires', 'never');
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /This key was rotated/);
    assert.equal((await gateway.run('keys', 'expire', old.id, '--expires', '5m')).code, 0);
  });
});
