// Those who administer: their tokens, roles and tenants, their logins at a real identity provider,
// and what a page of somebody else tries with their browser.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { request as requestTls } from 'node:https';
import path from 'node:path';
import { describe, it } from 'node:test';
import {
  ADMIN_TOKEN,
  atEnd,
  folder,
  poll,
  standard,
  startGateway,
  tollgate,
  writeConfig,
} from './harness.mjs';
import { AUDIENCE, startIdentityProvider } from './identity_provider.mjs';
import { startPostgres } from './servers.mjs';

const UPSTREAM = 'http://127.0.0.1:9';

/** Asks the admin API as whoever `headers` say. */
async function ask(gateway, method, target, { token, headers = {}, body } = {}) {
  const reply = await fetch(`${gateway.admin}${target}`, {
    method,
    redirect: 'manual',
    headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await reply.text();
  const json = reply.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined;
  return { status: reply.status, headers: reply.headers, text, json };
}

/** A request with a Host of somebody's choice, which fetch does not let one set. */
function askAs(gateway, host, target) {
  const { hostname, port } = new URL(gateway.admin);
  return new Promise((resolve, reject) => {
    const headers = { host, authorization: `Bearer ${ADMIN_TOKEN}` };
    request({ hostname, port, path: target, headers }, (reply) => {
      reply.resume();
      reply.on('end', () => resolve(reply.statusCode));
    })
      .on('error', reject)
      .end();
  });
}

/** A browser: its cookies, by name and host as real ones have them (ports do not count). */
class Browser {
  cookies = new Map();

  async get(url) {
    const reply = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const line of reply.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return reply;
  }
  /** Follows redirects up to an answer, which it gives with the address that it came from. */
  async go(url) {
    for (let hops = 0; hops < 10; ++hops) {
      const reply = await this.get(url);
      if (![302, 303].includes(reply.status)) return { reply, url };
      await reply.arrayBuffer();
      url = new URL(reply.headers.get('location'), url).href;
    }
    throw new Error('too many redirects');
  }
  get session() {
    return { cookie: `tollgate_admin=${this.cookies.get('tollgate_admin')}` };
  }
}

describe('an admin token', () => {
  it('is made, used, and revoked by the command, at once', async (t) => {
    const gateway = await startGateway(t, standard(UPSTREAM));
    const made = await gateway.json('admin', 'create', '--name', 'night', '--role', 'operator');
    assert.match(made.secret, /^tga_[0-9A-Za-z]{50}$/);
    const who = await ask(gateway, 'GET', '/admin/v1/session', { token: made.secret });
    assert.equal(who.status, 200);
    assert.equal(who.json.role, 'operator');
    assert.equal(who.json.credential_id, made.id);
    const [listed] = await gateway.json('admin', 'list');
    assert.equal(listed.name, 'night');
    assert.ok(listed.last_used);
    assert.ok(!JSON.stringify(listed).includes(made.secret));
    assert.equal((await gateway.run('admin', 'revoke', made.id)).code, 0);
    const gone = await ask(gateway, 'GET', '/admin/v1/keys', { token: made.secret });
    assert.equal(gone.status, 401);
    assert.equal(gone.json.reason, 'revoked_credential');
    assert.equal((await gateway.run('admin', 'revoke', 'nobody')).code, 1);
    const wrong = await gateway.run('admin', 'create', '--name', 'x', '--role', 'root');
    assert.equal(wrong.code, 2);
  });

  it('that one gateway revokes is refused by the other with its next use', async (t) => {
    const server = await startPostgres(t);
    const config = standard(UPSTREAM);
    const pepper = path.join(folder(t), 'pepper');
    writeFileSync(pepper, 'p'.repeat(32), { mode: 0o600 });
    config.authentication = { api_keys: { pepper_file: pepper } };
    config.store = { ledger: server.url, state_directory: 'state' };
    const [one, two] = await Promise.all([startGateway(t, config), startGateway(t, config)]);
    const made = await ask(one, 'POST', '/admin/v1/tokens', {
      token: ADMIN_TOKEN,
      body: { name: 'both', role: 'viewer' },
    });
    const token = made.json.secret;
    const begun = await ask(two, 'POST', '/admin/v1/session', { token });
    assert.equal(begun.status, 201);
    const [cookie] = begun.headers.get('set-cookie').split(';');
    assert.equal((await one.run('admin', 'revoke', made.json.id)).code, 0);
    assert.equal((await ask(two, 'GET', '/admin/v1/keys', { token })).status, 401);
    const session = await ask(two, 'GET', '/admin/v1/session', { headers: { cookie } });
    assert.equal(session.status, 401, 'its session is over, too');
  });

  it('is bound to tenants, and gives no more than it has', async (t) => {
    const gateway = await startGateway(t, standard(UPSTREAM));
    const [acme, globex] = [await gateway.key('acme'), await gateway.key('globex')];
    const made = await ask(gateway, 'POST', '/admin/v1/tokens', {
      token: ADMIN_TOKEN,
      body: { name: 'acme', role: 'operator', tenants: ['acme'], expires: '1d' },
    });
    assert.equal(made.status, 201);
    const token = made.json.secret;
    const keys = await ask(gateway, 'GET', '/admin/v1/keys', { token });
    assert.deepEqual(
      keys.json.data.map((key) => key.id),
      [acme.id],
    );
    for (const [method, target, body] of [
      ['GET', '/admin/v1/config'],
      ['GET', '/admin/v1/gateways'],
      ['POST', '/admin/v1/keys', { tenant: 'globex' }],
      ['POST', '/admin/v1/tokens', { name: 'x', role: 'owner', tenants: ['acme'], expires: '1h' }],
      ['POST', '/admin/v1/tokens', { name: 'x', role: 'viewer', expires: '1h' }],
      ['POST', '/admin/v1/tokens', { name: 'x', role: 'viewer', tenants: ['acme'] }],
    ]) {
      const refused = await ask(gateway, method, target, { token, body });
      assert.equal(refused.status, 403, `${method} ${target} ${refused.text}`);
    }
    const hidden = await ask(gateway, 'POST', `/admin/v1/keys/${globex.id}/revoke`, { token });
    assert.equal(hidden.status, 404);
    const revoked = await ask(gateway, 'POST', `/admin/v1/keys/${acme.id}/revoke`, { token });
    assert.equal(revoked.status, 200);
    const changes = await ask(gateway, 'GET', '/admin/v1/audit?phase=change', {
      token: ADMIN_TOKEN,
    });
    const change = changes.json.find((each) => each.action === 'key.revoke');
    assert.equal(change.actor.kind, 'admin_token');
    assert.equal(change.actor.credential_id, made.json.id);
    assert.equal(change.actor.role, 'operator');
    assert.equal(change.client_ip, '127.0.0.1');
  });

  it('of the configuration ends with it; a short one is refused', async (t) => {
    const config = standard(UPSTREAM);
    const token = 'a-token-of-the-configuration-0123456789';
    config.admin.tokens = [{ name: 'grafana', token, role: 'viewer' }];
    const gateway = await startGateway(t, config);
    assert.equal((await ask(gateway, 'GET', '/admin/v1/spend', { token })).status, 200);
    const lacks = await ask(gateway, 'GET', '/admin/v1/audit', { token });
    assert.equal(lacks.status, 403);
    assert.equal(lacks.json.right, 'trail:read');
    config.admin.tokens = [];
    await gateway.reload(config);
    await poll(
      async () => (await ask(gateway, 'GET', '/admin/v1/spend', { token })).status === 401,
      'the end of the token',
    );
    config.admin.tokens = [{ name: 'grafana', token: 'short', role: 'viewer' }];
    const file = path.join(folder(t), 'tollgate.yaml');
    writeConfig(file, config);
    const checked = await tollgate(['check', '-c', file]);
    assert.equal(checked.code, 2);
    assert.match(checked.stdout + checked.stderr, /32 or more characters/);
  });
});

const oidc = (provider, changes = {}) => ({
  name: 'corporate',
  issuer: provider.issuer,
  audience: 'https://tollgate.example.com/admin',
  algorithms: ['ES256'],
  roles: 'groups',
  grants: [
    { value: 'admins', role: 'owner' },
    { value: 'acme-ops', role: 'operator', tenants: ['acme'] },
  ],
  client: { id: 'admin-browser', secret: 'secret-of-browser' },
  ...changes,
});

/** A gateway whose people log in at a provider that knows where it is. */
async function withLogins(t, changes) {
  const provider = await startIdentityProvider(t);
  const config = standard(UPSTREAM);
  config.admin.oidc = [oidc(provider, changes)];
  const gateway = await startGateway(t, config);
  provider.use(provider.keys, {
    redirect: `${gateway.admin}/admin/callback`,
    groups: { ada: ['admins'], bob: ['acme-ops', 'x'], eve: ['x'] },
  });
  return { provider, gateway, config };
}

/** The records of an action, newest first, once there are any. */
async function recorded(gateway, action) {
  let records = [];
  await poll(async () => {
    const reply = await ask(gateway, 'GET', `/admin/v1/audit?action=${action}`, { token: ADMIN_TOKEN });
    records = reply.json;
    return records.length > 0;
  }, `a record of ${action}`);
  return records;
}

async function logIn(gateway, provider, person) {
  provider.person = person;
  const browser = new Browser();
  const { reply } = await browser.go(`${gateway.admin}/admin/login`);
  return { browser, reply, text: await reply.text() };
}

describe('a person who logs in at an identity provider', () => {
  it('has the role and the tenants that are granted, and is on record', async (t) => {
    const { provider, gateway, config } = await withLogins(t);
    const { browser, reply } = await logIn(gateway, provider, 'bob');
    assert.equal(reply.status, 200);
    assert.match(reply.headers.get('content-security-policy'), /default-src 'none'/);
    const who = await ask(gateway, 'GET', '/admin/v1/session', { headers: browser.session });
    assert.equal(who.json.subject, 'bob');
    assert.equal(who.json.role, 'operator');
    assert.deepEqual(who.json.tenants, ['acme']);
    const page = { ...browser.session, origin: gateway.admin, 'x-tollgate-csrf': who.json.csrf };
    const made = await ask(gateway, 'POST', '/admin/v1/keys', {
      headers: page,
      body: { tenant: 'acme' },
    });
    assert.equal(made.status, 201, made.text);
    const foreign = await ask(gateway, 'POST', '/admin/v1/keys', {
      headers: page,
      body: { tenant: 'globex' },
    });
    assert.equal(foreign.status, 403);
    const changes = await ask(gateway, 'GET', '/admin/v1/audit?phase=change', {
      token: ADMIN_TOKEN,
    });
    const begin = changes.json.find((each) => each.action === 'session.begin');
    assert.equal(begin.actor.credential_id, 'corporate/bob');
    assert.deepEqual(begin.after.tenants, ['acme']);
    const change = changes.json.find((each) => each.object === made.json.id);
    assert.equal(change.actor.kind, 'oidc');
    assert.equal(change.actor.subject, 'bob');
    assert.equal(change.actor.credential_id, 'corporate/bob');
    // What the configuration grants no more is over, sessions and all.
    config.admin.oidc = [oidc(provider, { grants: [{ value: 'admins', role: 'owner' }] })];
    await gateway.reload(config);
    await poll(async () => {
      const now = await ask(gateway, 'GET', '/admin/v1/session', { headers: browser.session });
      return now.status === 401;
    }, 'the end of the session');
  });

  it('without a role is not let in', async (t) => {
    const { provider, gateway } = await withLogins(t);
    const { browser, reply } = await logIn(gateway, provider, 'eve');
    assert.equal(reply.status, 403);
    assert.equal(browser.cookies.get('tollgate_admin'), undefined);
    const [refusal] = await recorded(gateway, 'admin.refuse');
    assert.equal(refusal.object, 'GET /admin/callback');
    assert.equal(refusal.after.code, 'route_not_allowed');
  });

  it('logs out, and the session is nothing any more', async (t) => {
    const { provider, gateway } = await withLogins(t);
    const { browser } = await logIn(gateway, provider, 'ada');
    const headers = browser.session;
    const who = await ask(gateway, 'GET', '/admin/v1/session', { headers });
    assert.equal(who.json.role, 'owner');
    const page = { ...headers, origin: gateway.admin, 'x-tollgate-csrf': who.json.csrf };
    const out = await ask(gateway, 'DELETE', '/admin/v1/session', { headers: page });
    assert.equal(out.status, 200);
    assert.equal((await ask(gateway, 'GET', '/admin/v1/session', { headers })).status, 401);
    const [begin] = await recorded(gateway, 'session.begin');
    const [end] = await recorded(gateway, 'session.end');
    assert.equal(end.object, begin.object);
    assert.equal(end.actor.subject, 'ada');
    // The trail of the command tells the same, and is whole.
    const told = await gateway.run('audit', 'query', '--object', begin.object, '--json');
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /session\.end/);
    assert.equal((await gateway.run('audit', 'verify')).code, 0);
  });

  it('cannot be made to take the login of another', async (t) => {
    const { provider, gateway } = await withLogins(t);
    provider.person = 'ada';
    // The attacker logs in and keeps the answer; the victim's browser is sent there with it.
    const attacker = new Browser();
    let url = `${gateway.admin}/admin/login`;
    while (!url.includes('/admin/callback')) {
      const reply = await attacker.get(url);
      await reply.arrayBuffer();
      url = new URL(reply.headers.get('location'), url).href;
    }
    const victim = new Browser();
    assert.equal((await victim.get(url)).status, 400);
    const begun = new Browser();
    await (await begun.get(`${gateway.admin}/admin/login`)).arrayBuffer();
    assert.equal((await begun.get(url)).status, 400, 'its own login has another state');
    assert.equal((await attacker.get(url)).status, 200, 'whose it is');
    assert.equal((await attacker.get(url)).status, 400, 'once');
  });

  it('is out of reach while the provider is', async (t) => {
    const { provider, gateway } = await withLogins(t);
    await provider.stop();
    const reply = await ask(gateway, 'GET', '/admin/login');
    assert.equal(reply.status, 502);
    assert.equal((await ask(gateway, 'GET', '/admin/v1/keys', { token: ADMIN_TOKEN })).status, 200);
  });
});

describe('a provider that never answers', () => {
  it('holds up no other administrator, no health and no end', async (t) => {
    const silent = createServer(() => {});
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    atEnd(t, () => {
      silent.closeAllConnections();
      silent.close();
    });
    const config = standard(UPSTREAM);
    config.admin.oidc = [oidc({ issuer: `http://127.0.0.1:${silent.address().port}` })];
    const gateway = await startGateway(t, config);
    const made = await ask(gateway, 'POST', '/admin/v1/tokens', {
      token: ADMIN_TOKEN,
      body: { name: 'night-shift', role: 'viewer' },
    });
    const claims = Buffer.from(JSON.stringify({ iss: config.admin.oidc[0].issuer, sub: 'ada' }));
    const head = Buffer.from('{"alg":"ES256","kid":"a"}').toString('base64url');
    const token = `${head}.${claims.toString('base64url')}.${'A'.repeat(86)}`;
    const waiting = [
      ask(gateway, 'GET', '/admin/login'),
      ask(gateway, 'GET', '/admin/v1/keys', { token }),
    ].map((each) => each.then((reply) => reply.status).catch(() => 0));
    const known = await ask(gateway, 'GET', '/admin/v1/session', { token: made.json.secret });
    assert.equal(known.json.subject, 'night-shift');
    assert.equal((await ask(gateway, 'GET', '/readyz')).status, 200);
    const begun = performance.now();
    await gateway.program.stop();
    assert.ok(performance.now() - begun < 3000, 'the four seconds of a question are not waited for');
    for (const status of await Promise.all(waiting)) assert.ok(status === 0 || status >= 500, status);
  });
});

describe('a token of an identity provider', () => {
  it('administers only where its audience is named for that', async (t) => {
    const provider = await startIdentityProvider(t);
    const config = standard(UPSTREAM);
    config.authentication.jwt = [
      { name: 'callers', issuer: provider.issuer, audience: AUDIENCE, tenant: 'tenant', roles: 'roles' },
    ];
    config.admin.oidc = [oidc(provider, { client: undefined, roles: 'roles' })];
    const gateway = await startGateway(t, config);
    const token = (await provider.token()).secret;
    const asks = () => ask(gateway, 'GET', '/admin/v1/keys', { token });
    assert.equal((await asks()).status, 401, 'a token of a caller');
    // One audience is never of both: `check` refuses that.
    config.authentication.jwt[0].audience = 'https://callers.example.com';
    config.admin.oidc = [
      oidc(provider, {
        client: undefined,
        audience: AUDIENCE,
        roles: 'roles',
        grants: [{ value: 'engineer', role: 'viewer' }],
      }),
    ];
    await gateway.reload(config);
    await poll(async () => (await asks()).status === 200, 'the keys of the issuer');
    const metrics = await (await fetch(`${gateway.admin}/metrics`)).text();
    assert.match(metrics, /tollgate_identity_keys{issuer="admin\/corporate"} 1/);
    assert.match(metrics, /tollgate_admin_refused{reason="invalid_credential"} [1-9]/);
  });
});

describe('the admin address', () => {
  it('answers to its own names alone', async (t) => {
    const config = standard(UPSTREAM);
    config.admin.hosts = ['tollgate.internal'];
    const gateway = await startGateway(t, config);
    assert.equal(await askAs(gateway, 'evil.example.com', '/admin/v1/keys'), 421);
    assert.equal(await askAs(gateway, 'evil.example.com', '/metrics'), 421);
    assert.equal(await askAs(gateway, 'evil.example.com', '/livez'), 200);
    assert.equal(await askAs(gateway, 'tollgate.internal:9900', '/admin/v1/keys'), 200);
    assert.equal(await askAs(gateway, 'localhost', '/admin/v1/keys'), 200);
  });

  it('does nothing for a page of another site', async (t) => {
    const gateway = await startGateway(t, standard(UPSTREAM));
    const begun = await ask(gateway, 'POST', '/admin/v1/session', { token: ADMIN_TOKEN });
    const [cookie] = begun.headers.get('set-cookie').split(';');
    const { csrf } = begun.json;
    const body = { tenant: 'acme' };
    for (const headers of [
      {},
      { origin: gateway.admin },
      { 'x-tollgate-csrf': csrf },
      { origin: 'https://evil.example.com', 'x-tollgate-csrf': csrf },
      { origin: gateway.admin, 'sec-fetch-site': 'cross-site', 'x-tollgate-csrf': csrf },
    ]) {
      const reply = await ask(gateway, 'POST', '/admin/v1/keys', {
        headers: { cookie, ...headers },
        body,
      });
      assert.equal(reply.status, 403, JSON.stringify(headers));
      assert.equal(reply.headers.get('access-control-allow-origin'), null);
    }
    const good = { cookie, origin: gateway.admin, 'x-tollgate-csrf': csrf };
    assert.equal((await ask(gateway, 'POST', '/admin/v1/keys', { headers: good, body })).status, 201);
    const preflight = await ask(gateway, 'OPTIONS', '/admin/v1/keys', {
      headers: { origin: 'https://evil.example.com', 'access-control-request-method': 'POST' },
    });
    assert.ok(preflight.status >= 400);
    assert.equal(preflight.headers.get('access-control-allow-origin'), null);
  });

  it('delays who guesses, and nobody else', async (t) => {
    const gateway = await startGateway(t, standard(UPSTREAM));
    assert.equal((await ask(gateway, 'GET', '/admin/v1/keys', { token: ADMIN_TOKEN })).status, 200);
    let delayed;
    for (let i = 0; i < 20 && !delayed; ++i) {
      const reply = await ask(gateway, 'GET', '/admin/v1/keys', { token: `guess-${i}` });
      if (reply.status === 429) delayed = reply;
      else assert.equal(reply.status, 401);
    }
    assert.ok(delayed, 'guesses are delayed');
    assert.ok(Number(delayed.headers.get('retry-after')) >= 1);
    // Who was good from there before goes on.
    assert.equal((await ask(gateway, 'GET', '/admin/v1/keys', { token: ADMIN_TOKEN })).status, 200);
    await poll(() => gateway.program.stderr.includes('admin address fails too often'), 'a word');
    assert.ok(!gateway.program.stderr.includes('guess-'));
  });

  it('speaks TLS, and marks its cookies for that', async (t) => {
    const cwd = folder(t);
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
        .concat(['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'])
        .concat(['-keyout', 'admin.key', '-out', 'admin.crt']),
      { cwd, stdio: 'ignore' },
    );
    const config = standard(UPSTREAM);
    config.admin.tls = { certificate: 'admin.crt', key: 'admin.key' };
    const gateway = await startGateway(t, config, { cwd });
    assert.match(gateway.admin, /^https:/);
    const reply = await new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
      const options = { method: 'POST', headers, rejectUnauthorized: false };
      requestTls(`${gateway.admin}/admin/v1/session`, options, resolve).on('error', reject).end();
    });
    reply.resume();
    assert.equal(reply.statusCode, 201);
    const [cookie] = reply.headers['set-cookie'];
    assert.match(cookie, /^__Host-tollgate_admin=[^;]+; Path=\/; HttpOnly; SameSite=Strict; Secure$/);
  });
});
