// `tollgate explain` says of each kind of caller what the gateway says: both are asked here.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { it } from 'node:test';
import { AUTHORITY, certificate } from './certificates.mjs';
import { atEnd, folder, question, standard, startGateway, startMock } from './harness.mjs';
import { now, Signer } from './issuers.mjs';
import { startRedis } from './servers.mjs';

const SECRET = '0123456789abcdef0123456789abcdef';

function signedCookie(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

/** A server that knows opaque tokens by what they are called. */
async function startIntrospection(t, answers) {
  const asked = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    const token = new URLSearchParams(body).get('token');
    asked.push(token);
    const answer = answers[token] ?? { active: false };
    response.writeHead(answer === 'fails' ? 500 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  atEnd(t, () => new Promise((done) => (server.closeAllConnections(), server.close(done))));
  return { url: `http://127.0.0.1:${server.address().port}/introspect`, asked };
}

function certificates(cwd) {
  const root = { extensions: AUTHORITY, san: 'URI:spiffe://example.org' };
  const ca = certificate(cwd, 'ca', root);
  const other = certificate(cwd, 'other', root);
  certificate(cwd, 'server', { san: 'IP:127.0.0.1' });
  const between = certificate(cwd, 'between', { ...root, issuer: ca });
  const svid = (name, id, issuer = ca) => certificate(cwd, name, { issuer, san: `URI:${id}` });
  copyFileSync(ca.cert, path.join(cwd, 'bundle.pem'));
  // The listener lets in whom either vouches for.
  const both = readFileSync(ca.cert, 'utf8') + readFileSync(other.cert, 'utf8');
  writeFileSync(path.join(cwd, 'clients.pem'), both);
  const chained = svid('chained', 'spiffe://example.org/ns/search/sa/deep', between);
  writeFileSync(chained.cert, readFileSync(chained.cert, 'utf8') + readFileSync(between.cert, 'utf8'));
  return {
    search: svid('search', 'spiffe://example.org/ns/search/sa/indexer'),
    billing: svid('billing', 'spiffe://example.org/ns/billing/sa/report'),
    unmapped: svid('unmapped', 'spiffe://example.org/ns/shop/sa/web'),
    forged: svid('forged', 'spiffe://example.org/ns/search/sa/indexer', other),
    chained,
  };
}

/** What the gateway says: the status and the reason, where it is not 200. */
function asked(url, { headers = {}, files }) {
  return new Promise((resolve, reject) => {
    const identity = files && { cert: readFileSync(files.cert), key: readFileSync(files.key) };
    const request = https.request(
      `${url}/v1/chat/completions`,
      {
        method: 'POST',
        rejectUnauthorized: false,
        agent: false,
        ...identity,
        headers: { 'content-type': 'application/json', ...headers },
      },
      (response) => {
        response.resume();
        const reason = response.headers['x-tollgate-reason'];
        response.on('end', () =>
          resolve(response.statusCode === 200 ? '200' : `${response.statusCode} ${reason}`),
        );
      },
    );
    request.on('error', reject);
    request.end(JSON.stringify(question()));
  });
}

async function begin(t) {
  const cwd = folder(t);
  const mesh = certificates(cwd);
  const [mock, redis] = [await startMock(t), await startRedis(t)];
  const signer = new Signer('k1');
  writeFileSync(path.join(cwd, 'keys.json'), JSON.stringify(signer.jwks()));
  const good = { active: true, sub: 'app', tenant: 'acme', roles: ['engineer'] };
  const introspection = await startIntrospection(t, {
    opq_good: good,
    opq_other: { ...good, tenant: 'globex' },
    opq_nobody: { ...good, tenant: 'nobody' },
    opq_old: { ...good, exp: now() - 1 },
    opq_refresh: { ...good, token_type: 'refresh_token' },
    opq_fails: 'fails',
  });
  const config = standard(mock.url);
  config.listeners = {
    public: {
      address: '127.0.0.1:0',
      tls: {
        certificate: 'server.crt',
        key: 'server.key',
        client_ca: 'clients.pem',
        client_certificates: 'optional',
      },
    },
  };
  const claims = { tenant: 'org', roles: 'roles' };
  config.authentication = {
    api_keys: {},
    // A delay would be another answer, and only a running gateway knows of it.
    failures: { mode: 'observe' },
    jwt: [
      { name: 'sso', issuer: 'https://login.example.com', audience: 'tollgate', algorithms: ['RS256'],
        jwks_file: 'keys.json', ...claims },
    ],
    introspection: [
      { name: 'opaque', url: introspection.url, prefix: 'opq_',
        client: { id: 'gateway', secret: 'secret-of-the-gateway' }, roles: 'roles' },
    ],
    sessions: [
      { name: 'web', cookie: 'sid', redis: redis.url, key: 'session:{id}', subject: 'user', ...claims },
      { name: 'app', cookie: 'app', secret: SECRET, ...claims },
    ],
    mtls: [
      { name: 'mesh', trust_domain: 'example.org', bundle: 'bundle.pem', roles: ['engineer'],
        tenant_by_spiffe_id: {
          'spiffe://example.org/ns/search/*': 'acme',
          'spiffe://example.org/ns/billing/*': 'globex',
        } },
    ],
  };
  const gateway = await startGateway(t, config, { cwd });
  const request = path.join(cwd, 'request.json');
  writeFileSync(request, JSON.stringify(question()));
  const explain = async (as, { files, ask = true } = {}) => {
    const words = ['explain', '--json', ...(ask ? ['--ask'] : []), ...(as ? ['--as', as] : [])];
    if (files) words.push('--cert', files.cert);
    const ran = await gateway.run(...words, request);
    assert.ok(ran.code < 2, ran.stderr);
    return JSON.parse(ran.stdout).decision;
  };
  return { gateway, redis, signer, mesh, introspection, explain };
}

it('says of every kind of caller what the gateway says', async (t) => {
  const { gateway, redis, signer, mesh, introspection, explain } = await begin(t);
  const session = (id, org) =>
    redis.ask('SET', `session:${id}`, JSON.stringify({ org, user: 'ada', roles: ['engineer'] }));
  await session('good', 'acme');
  await session('stranger', 'nobody');
  const key = await gateway.key('acme', '--role', 'engineer');
  const dead = await gateway.key('acme', '--role', 'engineer');
  await gateway.json('keys', 'revoke', dead.id);
  const claims = (changes = {}) => ({
    iss: 'https://login.example.com', aud: 'tollgate', sub: 'ada', org: 'acme', roles: ['engineer'],
    iat: now() - 5, exp: now() + 300, ...changes,
  });
  const token = (changes) => signer.token(claims(changes)).secret;
  const cookie = (changes) => signedCookie({ sub: 'ada', org: 'acme', roles: ['engineer'],
    iat: now() - 5, exp: now() + 300, ...changes });
  const bearer = (secret) => ({ headers: { authorization: `Bearer ${secret}` } });
  const cookies = (text) => ({ headers: { cookie: text, origin: gateway.url } });
  const rows = [
    ['a key', bearer(key.secret), key.secret],
    ['a revoked key', bearer(dead.secret), dead.secret],
    ['no key of ours', bearer('tg_live_nonsense'), 'tg_live_nonsense'],
    ['a token', bearer(token()), token()],
    ['an expired token', bearer(token({ exp: now() - 300 })), token({ exp: now() - 300 })],
    ['a token for others', bearer(token({ aud: 'other' })), token({ aud: 'other' })],
    ['a forged token', bearer(new Signer('k1').token(claims()).secret), new Signer('k1').token(claims()).secret],
    ['a token without the role', bearer(token({ roles: [] })), token({ roles: [] })],
    ...['opq_good', 'opq_other', 'opq_nobody', 'opq_old', 'opq_refresh', 'opq_fails', 'opq_none', 'sk-foreign']
      .map((text) => [text, bearer(text), text]),
    ...['sid=good', 'sid=stranger', 'sid=none', 'sid=a*b', 'theme=dark', `app=${cookie()}`,
      `app=${cookie({ exp: now() - 1 })}`, `app=${cookie()}x`, 'sid=good; sid=none']
      .map((text) => [text.slice(0, 30), cookies(text), `cookie: ${text}`]),
    ...Object.entries(mesh).map(([name, files]) => [`certificate ${name}`, { files }, null, { files }]),
    ['a key and its tenant\'s certificate', { ...bearer(key.secret), files: mesh.search }, key.secret,
      { files: mesh.search }],
    ['a key and another\'s certificate', { ...bearer(key.secret), files: mesh.billing }, key.secret,
      { files: mesh.billing }],
    ['nobody', {}, 'anonymous'],
  ];
  const seen = new Set();
  for (const [name, shown, as, more] of rows) {
    const gatewaySays = await asked(gateway.url, shown);
    const told = await explain(as, more);
    const says = told.outcome === 'allowed' ? '200' : `${told.status} ${told.code}`;
    assert.equal(says, gatewaySays, name);
    seen.add(gatewaySays);
  }
  // The table tells apart.
  for (const each of ['200', '401 invalid_credential', '401 expired_credential', '401 revoked_credential',
    '401 missing_credential', '400 credential_conflict', '503 store_unavailable'])
    assert.ok(seen.has(each), `${each} is in no row: ${[...seen]}`);
  assert.ok(!introspection.asked.includes('sk-foreign'));

  // Unless it is told to, it asks nobody, and says whom it would ask.
  const before = introspection.asked.length;
  const undecided = await explain('opq_good', { ask: false });
  assert.equal(undecided.outcome, 'undecided');
  assert.match(undecided.would_ask, /authentication\.introspection\.opaque/);
  assert.match((await explain('cookie: sid=good', { ask: false })).would_ask, /sessions\.web/);
  assert.equal(introspection.asked.length, before);
});
