// What a token of an administrator made, when it is revoked; and what strangers are told at the
// admin address.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ADMIN_TOKEN, standard, startGateway } from './harness.mjs';

const UPSTREAM = 'http://127.0.0.1:9';

async function ask(gateway, method, target, token, body) {
  const reply = await fetch(gateway.admin + target, {
    method,
    headers: token ? { authorization: `Bearer ${token}` } : {},
    body: body && JSON.stringify(body),
  });
  const text = await reply.text();
  return { status: reply.status, text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
}

describe('a token that made others', () => {
  const chain = async (gateway) => {
    const made = [{ secret: ADMIN_TOKEN }];
    for (const name of ['first', 'second', 'third']) {
      const body = { name, role: 'operator' };
      made.push((await ask(gateway, 'POST', '/admin/v1/tokens', made.at(-1).secret, body)).json);
    }
    return made.slice(1);
  };
  const works = async (gateway, token) =>
    (await ask(gateway, 'GET', '/admin/v1/session', token.secret)).status;

  it('leaves them when it is revoked, and says so; with them it ends all', async (t) => {
    const gateway = await startGateway(t, standard(UPSTREAM));
    const [first, second, third] = await chain(gateway);
    const told = await gateway.json('admin', 'revoke', first.id);
    assert.deepEqual(
      told.made.map((token) => [token.id, token.revoked]),
      [
        [second.id, null],
        [third.id, null],
      ],
    );
    assert.deepEqual([await works(gateway, first), await works(gateway, third)], [401, 200]);
    const words = await gateway.run('admin', 'revoke', first.id);
    assert.match(words.stdout, new RegExp(`admin revoke ${first.id} --with-made`));
    assert.match(words.stdout, new RegExp(second.id));
    const ended = await gateway.json('admin', 'revoke', first.id, '--with-made');
    assert.ok(ended.made.every((token) => token.revoked));
    assert.deepEqual([await works(gateway, second), await works(gateway, third)], [401, 401]);
    const { stdout } = await gateway.run(
      'audit', 'query', '--action', 'admin_token.revoke', '--json',
    );
    for (const token of [first, second, third]) assert.match(stdout, new RegExp(token.id));
  });

  it('ends with all by the API, too, and by the name of what is in the configuration', async (t) => {
    const gateway = await startGateway(t, standard(UPSTREAM));
    const [first, second, third] = await chain(gateway);
    const target = `/admin/v1/tokens/${second.id}/revoke`;
    for (const body of [{ with_made: 'yes' }, { made: true }])
      assert.equal((await ask(gateway, 'POST', target, ADMIN_TOKEN, body)).status, 400);
    const ended = await ask(gateway, 'POST', target, ADMIN_TOKEN, { with_made: true });
    assert.equal(ended.status, 200);
    assert.deepEqual(
      ended.json.made.map((token) => token.id),
      [third.id],
    );
    assert.deepEqual([await works(gateway, first), await works(gateway, third)], [200, 401]);
    assert.equal((await gateway.run('admin', 'revoke', 'admin.token')).code, 1);
    assert.equal((await gateway.run('admin', 'revoke', 'admin.token', '--with-made')).code, 0);
    assert.equal(await works(gateway, first), 401);
  });
});

describe('strangers', () => {
  it('read no metrics where those are of administrators', async (t) => {
    const config = standard(UPSTREAM);
    config.admin.metrics = 'authenticated';
    const gateway = await startGateway(t, config);
    const prometheus = await gateway.json(
      'admin', 'create', '--name', 'prometheus', '--role', 'viewer',
    );
    const bound = await gateway.json(
      'admin', 'create', '--name', 'acme', '--role', 'owner', '--tenant', 'acme',
    );
    assert.equal((await ask(gateway, 'GET', '/metrics')).status, 401);
    assert.equal((await ask(gateway, 'GET', '/metrics', bound.secret)).status, 403);
    const read = await ask(gateway, 'GET', '/metrics', prometheus.secret);
    assert.equal(read.status, 200);
    assert.match(read.text, /^# TYPE tollgate_/m);
    delete config.admin.metrics;
    await gateway.reload(config);
    assert.equal((await ask(gateway, 'GET', '/metrics')).status, 200);
  });

  it('are told whether parts work, and administrators why not', async (t) => {
    const gateway = await startGateway(t, standard(UPSTREAM));
    const told = await ask(gateway, 'GET', '/readyz?verbose');
    assert.equal(told.text, 'configuration: up\ntrail: up\nok\n');
    const detailed = await ask(gateway, 'GET', '/readyz?verbose', ADMIN_TOKEN);
    assert.match(detailed.text, /^configuration: [0-9a-f]{12}$/m);
    assert.equal((await ask(gateway, 'GET', '/readyz?verbose', 'wrong')).status, 401);
  });
});
