// Who asks over a connection: client certificates by SPIFFE and by name, tokens that are bound to
// one, and callers behind proxies.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { AUTHORITY, certificate } from './certificates.mjs';
import { folder, question, QUESTION_TOKENS, standard, startGateway } from './harness.mjs';
import { completion, fakeUpstream, sendJson } from './fake_upstream.mjs';

const answering = (t) =>
  fakeUpstream(t, ({ response }) =>
    sendJson(response, completion('Hi.', { input: QUESTION_TOKENS, output: 2 })),
  );

// ---- Certificates ------------------------------------------------------------------------------

function mesh(t) {
  const cwd = folder(t);
  const made = { cwd };
  const svid = (name, id, more = {}) =>
    certificate(cwd, name, { issuer: made.ca, san: `URI:${id}`, ...more });
  const root = { extensions: AUTHORITY, san: 'URI:spiffe://example.org' };
  made.ca = certificate(cwd, 'ca', root);
  made.other = certificate(cwd, 'other', root);
  made.server = certificate(cwd, 'server', { san: 'IP:127.0.0.1' });
  made.search = svid('search', 'spiffe://example.org/ns/search/sa/indexer');
  made.billing = svid('billing', 'spiffe://example.org/ns/billing/sa/report');
  made.unmapped = svid('unmapped', 'spiffe://example.org/ns/shop/sa/web');
  made.forged = svid('forged', 'spiffe://example.org/ns/search/sa/indexer', { issuer: made.other });
  made.expired = svid('expired', 'spiffe://example.org/ns/search/sa/indexer', { days: -1 });
  made.bad = svid('bad', 'spiffe://example.org/ns/search/sa/indexer', {
    extensions: ['basicConstraints=critical,CA:FALSE', 'keyUsage=digitalSignature'],
  });
  copyFileSync(made.ca.cert, path.join(cwd, 'bundle.pem'));
  return made;
}

function meshConfig(upstreamUrl) {
  const config = standard(upstreamUrl);
  const tls = { certificate: 'server.crt', key: 'server.key', client_ca: 'bundle.pem' };
  config.listeners = {
    public: { address: '127.0.0.1:0', tls: { ...tls, client_certificates: 'optional' } },
    mesh: { address: '127.0.0.1:0', exposure: 'internal', tls },
  };
  config.authentication.mtls = [
    {
      name: 'mesh',
      trust_domain: 'example.org',
      bundle: 'bundle.pem',
      tenant_by_spiffe_id: {
        'spiffe://example.org/ns/search/*': 'acme',
        'spiffe://example.org/ns/billing/*': 'globex',
      },
      roles: ['workload'],
    },
  ];
  config.routes.push({
    name: 'summaries',
    path: '/internal/summarize',
    surface: 'chat_completions',
    exposure: 'internal',
    models: ['small'],
    allow: [{ tenants: ['acme'], roles: ['workload'], credentials: ['mtls'] }],
  });
  return config;
}

const urlOf = (gateway, name) =>
  gateway.program.stdout.match(new RegExp(`listening on (https://\\S+) \\(${name}\\)`))[1];

/** One request; `error` where the connection was refused. */
function ask(url, { files, headers = {}, target = '/v1/chat/completions', agent = false } = {}) {
  return new Promise((resolve) => {
    const identity = files && { cert: readFileSync(files.cert), key: readFileSync(files.key) };
    const request = https.request(
      url + target,
      {
        method: 'POST',
        rejectUnauthorized: false,
        agent,
        headers: { 'content-type': 'application/json', ...headers },
        ...identity,
      },
      (response) => {
        let text = '';
        response.on('data', (piece) => (text += piece));
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            reason: response.headers['x-tollgate-reason'],
            rule: response.headers['x-tollgate-rule'],
            id: response.headers['x-request-id'],
            text,
          }),
        );
      },
    );
    request.on('error', (error) => resolve({ error: error.code ?? String(error) }));
    request.end(JSON.stringify(question()));
  });
}

// ---- Certificates name callers -----------------------------------------------------------------

describe('a mesh', () => {
  it('ties certificates to tenants, and refuses the bad ones', async (t) => {
    const made = mesh(t);
    const upstream = await answering(t);
    const gateway = await startGateway(t, meshConfig(upstream.url), { cwd: made.cwd });
    const [open, strict] = [urlOf(gateway, 'public'), urlOf(gateway, 'mesh')];

    const good = await ask(strict, { files: made.search, target: '/internal/summarize' });
    assert.equal(good.status, 200, good.text);
    const { decision } = await gateway.records(good.id);
    assert.equal(decision.actor.tenant, 'acme');
    assert.equal(decision.actor.subject, 'spiffe://example.org/ns/search/sa/indexer');
    assert.equal(decision.actor.credential_kind, 'mtls');
    assert.equal(decision.actor.credential_id, 'mesh/spiffe://example.org/ns/search/sa/indexer');
    assert.deepEqual([...decision.actor.roles].sort(), ['engineer', 'workload']);

    const other = await ask(strict, { files: made.billing, target: '/internal/summarize' });
    assert.deepEqual([other.status, other.reason], [403, 'route_not_allowed']);

    for (const [what, files] of Object.entries({
      none: undefined,
      'of another authority': made.forged,
      expired: made.expired,
    })) {
      const answer = await ask(strict, { files });
      assert.ok(answer.error, `${what}: ${answer.status}`);
    }
    const none = await ask(open);
    assert.deepEqual([none.status, none.reason], [401, 'missing_credential']);
    const unmapped = await ask(open, { files: made.unmapped });
    assert.deepEqual([unmapped.status, unmapped.reason], [401, 'missing_credential']);
    const bad = await ask(open, { files: made.bad });
    assert.deepEqual(
      [bad.status, bad.reason, bad.rule],
      [401, 'invalid_credential', 'authentication.mtls.mesh'],
    );
    assert.equal(upstream.requests.length, 1);
  });

  it('lets no page of another host use the certificate of a browser', async (t) => {
    const made = mesh(t);
    const upstream = await answering(t);
    const gateway = await startGateway(t, meshConfig(upstream.url), { cwd: made.cwd });
    const url = urlOf(gateway, 'public');
    const own = { origin: url, 'sec-fetch-site': 'same-origin' };
    assert.equal((await ask(url, { files: made.search, headers: own })).status, 200);
    const strangers = [{ origin: 'https://evil.example.com' }, { 'sec-fetch-site': 'cross-site' }];
    for (const headers of strangers) {
      const refused = await ask(url, { files: made.search, headers });
      assert.deepEqual([refused.status, refused.reason], [403, 'route_not_allowed']);
      const { secret } = await gateway.key('acme');
      const known = { ...headers, authorization: `Bearer ${secret}` };
      assert.equal((await ask(url, { files: made.search, headers: known })).status, 200);
    }
  });

  it('lets one actor ask with two credentials, and no two actors', async (t) => {
    const made = mesh(t);
    const upstream = await answering(t);
    const gateway = await startGateway(t, meshConfig(upstream.url), { cwd: made.cwd });
    const url = urlOf(gateway, 'public');
    const bearer = async (tenant) => ({
      authorization: `Bearer ${(await gateway.key(tenant)).secret}`,
    });
    const [acme, globex] = [await bearer('acme'), await bearer('globex')];
    assert.equal((await ask(url, { files: made.search, headers: acme })).status, 200);
    assert.equal((await ask(url, { files: made.unmapped, headers: globex })).status, 200);
    const two = await ask(url, { files: made.search, headers: globex });
    assert.deepEqual([two.status, two.reason], [400, 'credential_conflict']);
    const wrong = await ask(url, { files: made.bad, headers: acme });
    assert.deepEqual([wrong.status, wrong.reason], [401, 'invalid_credential']);
    const nonsense = { authorization: 'Bearer tg_live_nonsense' };
    const unknown = await ask(url, { files: made.search, headers: nonsense });
    assert.deepEqual([unknown.status, unknown.reason], [401, 'invalid_credential']);
  });

  it('takes a new bundle over, for connections that stand too', async (t) => {
    const made = mesh(t);
    const upstream = await answering(t);
    const config = meshConfig(upstream.url);
    const gateway = await startGateway(t, config, { cwd: made.cwd });
    const url = urlOf(gateway, 'mesh');
    const kept = new https.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => kept.destroy());
    assert.equal((await ask(url, { files: made.search, agent: kept })).status, 200);

    copyFileSync(made.other.cert, path.join(made.cwd, 'bundle.pem'));
    await gateway.reload(config);
    const old = await ask(url, { files: made.search, agent: kept });
    assert.deepEqual([old.status, old.reason], [401, 'invalid_credential']);
    assert.ok((await ask(url, { files: made.search })).error);
    assert.equal((await ask(url, { files: made.forged })).status, 200);

    writeFileSync(path.join(made.cwd, 'bundle.pem'), 'nonsense');
    const checked = await gateway.run('check');
    assert.equal(checked.code, 2);
    assert.match(checked.stdout + checked.stderr, /bundle\.pem` cannot be used/);
  });

  it('takes a token that is bound to a certificate from its holder alone', async (t) => {
    const made = mesh(t);
    const upstream = await answering(t);
    const config = meshConfig(upstream.url);
    const pair = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256', use: 'sig' };
    writeFileSync(path.join(made.cwd, 'jwks.json'), JSON.stringify({ keys: [jwk] }));
    config.authentication.jwt = [
      {
        name: 'corporate',
        issuer: 'https://login.example.com/',
        audience: 'tollgate',
        jwks_file: 'jwks.json',
        tenant: 'org',
      },
    ];
    const gateway = await startGateway(t, config, { cwd: made.cwd });
    const url = urlOf(gateway, 'public');
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const bound = new crypto.X509Certificate(readFileSync(made.unmapped.cert)).raw;
    const thumbprint = crypto.createHash('sha256').update(bound).digest('base64url');
    const claims = {
      iss: 'https://login.example.com/',
      aud: 'tollgate',
      sub: 'alice',
      org: 'acme',
      exp: Math.floor(Date.now() / 1000) + 600,
      cnf: { 'x5t#S256': thumbprint },
    };
    const signed = `${encode({ alg: 'ES256', kid: 'k', typ: 'JWT' })}.${encode(claims)}`;
    const key = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' };
    const signature = crypto.sign('sha256', Buffer.from(signed), key).toString('base64url');
    const token = `${signed}.${signature}`;
    const headers = { authorization: `Bearer ${token}` };
    for (let round = 0; round < 2; round += 1) {
      const holder = await ask(url, { files: made.unmapped, headers });
      assert.equal(holder.status, 200, holder.text);
      for (const files of [undefined, made.search]) {
        const thief = await ask(url, { files, headers });
        assert.deepEqual([thief.status, thief.reason ?? thief.error], [401, 'invalid_credential']);
      }
    }
  });
});

// ---- Behind proxies ----------------------------------------------------------------------------

const FORWARDED = {
  'x-forwarded-for': '198.51.100.1, 203.0.113.9',
  'x-forwarded-user': 'root',
  'x-forwarded-email': 'root@example.org',
  'x-forwarded-client-cert': 'URI=spiffe://example.org/ns/search/sa/indexer',
  'x-remote-user': 'root',
  'x-real-ip': '198.51.100.1',
  forwarded: 'for=198.51.100.1',
  via: '1.1 proxy',
};

describe('behind a proxy', () => {
  it('the address is what a listed proxy says, and nothing of it goes upstream', async (t) => {
    const upstream = await answering(t);
    const config = standard(upstream.url);
    config.limits.client_ip = { requests_per_minute: 2 };
    for (const [listed, expected] of [
      [[], '127.0.0.1'],
      [['127.0.0.0/8', '10.0.0.0/8'], '203.0.113.9'],
    ]) {
      config.edge = { trusted_proxies: listed };
      const gateway = await startGateway(t, config);
      const key = await gateway.key();
      const response = await gateway.post('/v1/chat/completions', question(), key, FORWARDED);
      assert.equal(response.status, 200);
      const { decision } = await gateway.records(response.headers.get('x-request-id'));
      assert.equal(decision.client_ip, expected);
      assert.equal(decision.actor.credential_kind, 'api_key');
      for (const name of Object.keys(upstream.requests.at(-1).headers)) {
        assert.ok(!(name in FORWARDED), `${name} was forwarded`);
      }
      await gateway.post('/v1/chat/completions', question(), key, FORWARDED);
      const third = await gateway.post('/v1/chat/completions', question(), key, FORWARDED);
      assert.equal(third.status, 429);
      // Another caller of the same proxy has an allowance of its own.
      const headers = { ...FORWARDED, 'x-forwarded-for': '203.0.113.10' };
      const next = await gateway.post('/v1/chat/completions', question(), key, headers);
      assert.equal(next.status, listed.length > 0 ? 200 : 429);
      // Identity headers alone name nobody.
      const nobody = await gateway.post('/v1/chat/completions', question(), undefined, FORWARDED);
      assert.equal(nobody.status, 401);
    }
  });

  it('connections of a balancer begin with its header', async (t) => {
    const upstream = await answering(t);
    const config = standard(upstream.url);
    config.listeners.public.proxy_protocol = 'required';
    config.edge = { trusted_proxies: ['127.0.0.1'] };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const body = JSON.stringify(question());
    const request =
      `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key.secret}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
      `Connection: close\r\n\r\n${body}`;
    const send = (bytes) =>
      new Promise((resolve) => {
        let text = '';
        const socket = net.connect(gateway.port, '127.0.0.1', () => socket.write(bytes));
        socket.on('data', (piece) => (text += piece));
        socket.on('error', () => {});
        socket.on('close', () => resolve(text));
      });
    const served = await send(`PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n${request}`);
    assert.match(served, /^HTTP\/1\.1 200 /);
    const [, id] = served.match(/x-request-id: (\S+)/);
    assert.equal((await gateway.records(id)).decision.client_ip, '203.0.113.9');
    assert.equal(await send(request), '');
    assert.equal(await send(`PROXY TCP4 nonsense\r\n${request}`), '');
  });
});
