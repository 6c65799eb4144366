// Workloads with the tokens that their platforms give them, by the recipes of the documentation.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { AUTHORITY, certificate, SERVER } from './certificates.mjs';
import { folder, poll, ROOT, standard, startGateway, startMock } from './harness.mjs';
import { now, said, Signer, startApiServer, startIssuers } from './issuers.mjs';

const DOCUMENT = readFileSync(path.join(ROOT, 'docs/authentication.md'), 'utf8');

/** The one recipe of the documentation with these words, with others put in their place. */
function recipe(word, places = {}) {
  const all = [...DOCUMENT.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);
  const found = all.filter((text) => text.startsWith('authentication:') && text.includes(word));
  assert.equal(found.length, 1, `recipes with ${word}`);
  let [text] = found;
  for (const [from, to] of Object.entries(places)) {
    assert.ok(text.includes(from), `${from} in the recipe with ${word}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** A gateway whose callers are told apart as a recipe says. */
async function begin(t, authentication, { cwd = folder(t), env } = {}) {
  const mock = await startMock(t);
  const config = standard(mock.url);
  delete config.authentication;
  for (const tenant of ['search', 'research']) config.tenants[tenant] = config.tenants.globex;
  for (const route of config.routes) {
    if (route.allow[0].tenants) route.allow = [{ tenants: ['acme', 'search', 'research'] }];
  }
  // A value that is JSON is YAML as well.
  const rest = Object.entries(config).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  const observing = 'authentication:\n  api_keys: {}\n  failures: { mode: observe }\n';
  const text = rest.join('') + authentication.replace('authentication:\n', observing);
  return startGateway(t, text, { cwd, env });
}

/** Whom a chat was served for, or why it was refused. */
async function verdict(gateway, token) {
  const reply = await gateway.chat(token);
  await reply.arrayBuffer();
  if (reply.status !== 200) return `${reply.status} ${reply.headers.get('x-tollgate-reason')}`;
  const { decision } = await gateway.records(reply.headers.get('x-request-id'));
  const { tenant, subject, credential_kind: kind } = decision.actor;
  assert.ok(!JSON.stringify(decision).includes(token.secret));
  return `${tenant} ${subject} ${kind}`;
}
const status = async (gateway, token) => {
  const reply = await gateway.chat(token);
  await reply.arrayBuffer();
  return reply.status === 200 ? 200 : `${reply.status} ${reply.headers.get('x-tollgate-reason')}`;
};
const NOBODY = '401 invalid_credential';
const UNDECIDED = '503 store_unavailable';

/** An authority of our own, and a server of it. */
function authority(t, server = {}) {
  const cwd = folder(t);
  const ca = certificate(cwd, 'ca', { extensions: AUTHORITY });
  const files = certificate(cwd, 'server', {
    issuer: ca,
    san: 'IP:127.0.0.1',
    extensions: SERVER,
    ...server,
  });
  return { cwd, ca, files };
}

describe('a workload by the recipe of its platform', () => {
  it('of Kubernetes, with the keys of the cluster in a file', async (t) => {
    const cwd = folder(t);
    const signer = new Signer();
    writeFileSync(path.join(cwd, 'cluster-keys.json'), JSON.stringify(signer.jwks()));
    const gateway = await begin(t, recipe('jwks_file: cluster-keys.json'), { cwd });
    const claims = {
      iss: 'https://kubernetes.default.svc.cluster.local',
      aud: ['tollgate'],
      sub: 'system:serviceaccount:search:indexer',
      jti: 'e51f1fbc-4733-4b85-a59f-ba80c0523874',
      'kubernetes.io': {
        namespace: 'search',
        node: { name: 'worker', uid: '517eb86e-b863-451b-bf70-86cb61439a3a' },
        pod: { name: 'indexer-0', uid: '0d8b260e-ef0e-45fb-be8e-ff44f97722e8' },
        serviceaccount: { name: 'indexer', uid: 'e6a8680e-d103-4cce-80ea-03acbbeacf7d' },
        warnafter: now() + 3607,
      },
    };
    const told = (changes, header) => verdict(gateway, signer.token({ ...claims, ...changes }, header));
    assert.equal(await told({}), 'search system:serviceaccount:search:indexer workload');
    const trainer = { sub: 'system:serviceaccount:ml:trainer', aud: ['vault', 'tollgate'] };
    assert.equal(await told(trainer), 'research system:serviceaccount:ml:trainer workload');
    for (const [what, changes] of Object.entries({
      'an account that nobody maps': { sub: 'system:serviceaccount:ml:other' },
      'a namespace that only begins like it': { sub: 'system:serviceaccount:search2:indexer' },
      'the audience of the API server': { aud: ['https://kubernetes.default.svc.cluster.local'] },
      'a token of a secret, which has no end': { aud: undefined, exp: undefined },
      'another cluster': { iss: 'https://kubernetes.default.svc' },
    })) {
      assert.equal(await told(changes), NOBODY, what);
    }
    assert.equal(await told({ exp: now() - 60 }), '401 expired_credential');
    assert.equal(await told({}, { kid: 'unknown' }), NOBODY);
    assert.equal(await verdict(gateway, new Signer().token(claims)), NOBODY);
  });

  it('of SPIFFE, with a JWT-SVID', async (t) => {
    const { ca, files } = authority(t);
    const issuers = await startIssuers(t, files);
    const text = recipe('name: spire', { 'oidc-discovery.example.org': `${issuers.place}/spire` });
    const gateway = await begin(t, text, { env: { SSL_CERT_FILE: ca.cert } });
    const sub = 'spiffe://example.org/ns/search/sa/indexer';
    const claims = { aud: ['tollgate'], sub };
    const told = (changes, header) =>
      verdict(gateway, issuers.signer.token({ ...claims, ...changes }, header));
    assert.equal(await told({}), `search ${sub} workload`);
    assert.equal(await told({}, { typ: 'JOSE' }), `search ${sub} workload`);
    // Of a longer one the record would not tell all.
    const long = `${sub}/${'a'.repeat(255 - sub.length)}`;
    assert.equal(await told({ sub: long }), `search ${long} workload`);
    for (const changes of [
      { sub: `${long}a` },
      { sub: 'spiffe://other.org/ns/search/sa/indexer' },
      { sub: 'spiffe://example.org' },
      { sub: 'spiffe://example.org/ns/shop/sa/web' },
      { sub: 'system:serviceaccount:search:indexer' },
      { aud: ['vault'] },
      { aud: undefined },
      { exp: undefined },
    ]) {
      assert.equal(await told(changes), NOBODY, JSON.stringify(changes));
    }
  });

  it('of GitHub Actions, Google, Azure and EKS', async (t) => {
    const { ca, files } = authority(t);
    const issuers = await startIssuers(t, files);
    const local = (host) => [host, `${issuers.place}/${host.split('.')[0]}`];
    const places = [
      'token.actions.githubusercontent.com',
      'accounts.google.com',
      'login.microsoftonline.com',
      'oidc.eks.eu-west-1.amazonaws.com',
    ].map(local);
    const text = recipe('name: github', Object.fromEntries(places));
    const gateway = await begin(t, text, { env: { SSL_CERT_FILE: ca.cert } });
    const [, azure] = text.match(/issuer: https:\/\/[^/]+\/(login\/\S+)/);
    const [, eks] = text.match(/issuer: https:\/\/[^/]+\/(oidc\/\S+)/);
    const oid = '5f1e4a7c-8f0b-4c7e-a5a8-0d6f2b1c9e42';
    const account = 'system:serviceaccount:search:indexer';
    const rows = [
      {
        header: { typ: 'JWT', x5t: 'eBZ_cn3sXYAd0ch4THBKHIgOwOE' },
        claims: {
          iss: issuers.issuer('token'),
          aud: 'https://gateway.example.com',
          sub: 'repo:acme/evals:ref:refs/heads/main',
          repository: 'acme/evals',
          repository_owner: 'acme',
          ref: 'refs/heads/main',
          event_name: 'push',
          job_workflow_ref: 'acme/evals/.github/workflows/run.yml@refs/heads/main',
          runner_environment: 'github-hosted',
        },
        actor: 'research repo:acme/evals:ref:refs/heads/main workload',
        refused: [
          { sub: 'repo:evil/evals:ref:refs/heads/main' },
          { sub: 'repo:acme/evals:pull_request' },
          { sub: 'repo:acme/search2:environment:production' },
          { aud: 'https://github.com/evil' },
        ],
      },
      {
        header: { typ: 'JWT' },
        claims: {
          iss: issuers.issuer('accounts'),
          azp: '113774264463038321964',
          aud: 'https://gateway.example.com',
          sub: '113774264463038321964',
          email: 'indexer@acme.iam.gserviceaccount.com',
          email_verified: true,
        },
        actor: 'search 113774264463038321964 workload',
        refused: [{ sub: '113774264463038321965' }, { aud: 'https://gateway.example.com/' }],
      },
      {
        header: { typ: 'JWT' },
        claims: {
          iss: issuers.issuer(azure),
          aud: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
          sub: oid,
          oid,
          azp: '9a0b7a4e-1a1b-4a0f-8d6c-0d2c5a3f7e11',
          azpacr: '2',
          roles: ['Chat.Use'],
          tid: '2d7c0a4e-0c1f-4f0e-9a55-6f2b8f5f3d11',
          ver: '2.0',
        },
        actor: `search ${oid} workload`,
        refused: [
          { oid: '5f1e4a7c-8f0b-4c7e-a5a8-0d6f2b1c9e43' },
          { iss: issuers.issuer('login/00000000-0c1f-4f0e-9a55-6f2b8f5f3d11/v2.0') },
        ],
      },
      {
        header: {},
        claims: {
          iss: issuers.issuer(eks),
          aud: ['tollgate'],
          sub: account,
          'kubernetes.io': { namespace: 'search', serviceaccount: { name: 'indexer' } },
        },
        actor: `search ${account} workload`,
        refused: [{ aud: ['sts.amazonaws.com'] }, { sub: 'system:serviceaccount:kube-system:default' }],
      },
    ];
    for (const { header, claims, actor, refused } of rows) {
      const told = (changes) =>
        verdict(gateway, issuers.signer.token({ ...claims, ...changes }, header));
      assert.equal(await told({}), actor);
      for (const changes of refused) {
        assert.equal(await told(changes), NOBODY, JSON.stringify({ ...claims, ...changes }));
      }
    }
    // Each is a token of its own issuer alone, though one key signs for all of them here.
    const mixed = { ...rows[1].claims, iss: rows[0].claims.iss };
    assert.equal(await verdict(gateway, issuers.signer.token(mixed)), NOBODY);
    assert.equal(issuers.count('GET /token/keys'), 1);
  });
});

describe('an issuer over HTTPS', () => {
  const entry = (issuer) =>
    'authentication:\n  jwt:\n' +
    `    - { name: corporate, issuer: "${issuer}", audience: tollgate, tenant: org,\n` +
    '        certificate_authority: ca.crt }\n';
  const rows = {
    'of the authority that is configured': [{}, 200],
    'of another authority': [{ other: true }, UNDECIDED, /not accepted: .*(issuer|signature)/],
    'of another name': [{ san: 'IP:127.0.0.2' }, UNDECIDED, /not accepted: .*mismatch/],
    'out of date': [{ days: -1 }, UNDECIDED, /not accepted: .*expired/],
  };
  for (const [what, [{ other, ...server }, expected, word]] of Object.entries(rows)) {
    it(`with a certificate ${what}: ${expected}`, async (t) => {
      const { cwd, files } = authority(t, server);
      // Another authority of the very same name.
      if (other) certificate(cwd, 'ca', { extensions: AUTHORITY });
      const issuers = await startIssuers(t, files);
      const gateway = await begin(t, entry(issuers.issuer('a')), { cwd });
      const token = issuers.signer.token({
        iss: issuers.issuer('a'),
        aud: 'tollgate',
        sub: 'alice',
        org: 'acme',
      });
      assert.equal(await status(gateway, token), expected);
      if (word) await said(gateway, new RegExp(`authentication.jwt.corporate fails: .*${word.source}`));
      else assert.doesNotMatch(gateway.program.stderr, /fails/);
      const key = await gateway.key();
      assert.equal(await status(gateway, key), 200);
    });
  }
});

describe('the API server of a cluster', () => {
  /** By the recipe, but for where things are; with more lines of `token_review`. */
  async function world(t, { more = '', entry = '' } = {}) {
    const { cwd, ca, files } = authority(t);
    const api = await startApiServer(t, files);
    const own = path.join(cwd, 'token');
    writeFileSync(own, `${api.ours}\n`);
    const text = recipe('token_review:', {
      'url: https://kubernetes.default.svc\n': `url: https://${api.place}\n${more}`,
      '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt': ca.cert,
      '/var/run/secrets/kubernetes.io/serviceaccount/token': own,
      '      token_review:\n': `${entry}      token_review:\n`,
    });
    writeFileSync(path.join(cwd, 'keys.json'), JSON.stringify(api.signer.jwks()));
    return { api, own, gateway: await begin(t, text, { cwd }) };
  }

  it('vouches for tokens, and is asked once about each', async (t) => {
    const { api, gateway } = await world(t);
    const token = api.token('search', 'indexer');
    const actor = 'search system:serviceaccount:search:indexer workload';
    const all = await Promise.all(Array.from({ length: 8 }, () => verdict(gateway, token)));
    assert.deepEqual(new Set(all), new Set([actor]));
    assert.ok(api.reviewed.length <= 4, `${api.reviewed.length} questions; one a worker at most`);
    assert.deepEqual(api.reviewed[0], { token: token.secret, audiences: ['tollgate'] });
    const asked = api.reviewed.length;
    // Nobody is asked about what its own claims rule out.
    for (const refused of [
      api.token('search', 'indexer', { audience: ['vault'] }),
      api.token('shop', 'web'),
      api.token('search', 'indexer', { exp: now() - 60 }),
      api.token('search', 'indexer', { iss: 'https://kubernetes.default.svc' }),
    ]) {
      assert.match(await verdict(gateway, refused), /^401 /);
    }
    assert.equal(api.reviewed.length, asked);
    // One that nobody has signed is good for nothing, and asked about once in a while only.
    const forged = { secret: `${token.secret.slice(0, -8)}AAAAAAAA` };
    for (let i = 0; i < 5; i += 1) assert.equal(await verdict(gateway, forged), NOBODY);
    assert.equal(api.reviewed.length, asked + 1);
    const asks = { source: 'jwt.cluster.token_review', outcome: 'answered' };
    assert.equal(await gateway.metric('tollgate_identity_asked', asks), asked + 1);
  });

  it('ends what is deleted, and what it knows as another account', async (t) => {
    const { api, gateway } = await world(t, { more: '        keep: 0s\n' });
    const [first, second] = [api.token('search', 'indexer'), api.token('search', 'crawler')];
    assert.equal(await status(gateway, first), 200);
    assert.equal(await status(gateway, second), 200);
    api.delete(first);
    assert.equal(await status(gateway, first), NOBODY);
    assert.equal(await status(gateway, second), 200);
    for (const changed of [
      { audiences: ['https://kubernetes.default.svc'] },
      { audiences: undefined },
      { user: { username: 'system:serviceaccount:search:admin' } },
      { authenticated: false },
    ]) {
      api.changed = changed;
      const token = api.token('search', 'indexer');
      assert.equal(await status(gateway, token), NOBODY, JSON.stringify(changed));
    }
  });

  it('that cannot tell lets nobody in', async (t) => {
    const { api, gateway, own } = await world(t, { more: '        keep: 0s\n        timeout: 1s\n' });
    const token = api.token('search', 'indexer');
    assert.equal(await status(gateway, token), 200);
    const failure = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 403 };
    for (const broken of [
      { status: 403, body: failure },
      { status: 500, body: failure },
      { status: 302, body: '' },
      { status: 200, body: failure },
      { status: 201, body: '<html>' },
      { status: 201, body: { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1' } },
    ]) {
      api.broken = broken;
      assert.equal(await status(gateway, token), UNDECIDED, JSON.stringify(broken));
    }
    api.broken = undefined;
    api.silent = true;
    assert.equal(await status(gateway, token), UNDECIDED, 'no answer');
    api.silent = false;
    assert.equal(await status(gateway, token), 200);
    // Our own token is as good as the kubelet keeps it.
    api.ours = 'the-next-token-of-the-gateway';
    assert.equal(await status(gateway, token), UNDECIDED, 'our token was rotated');
    await said(gateway, /jwt\.cluster\.token_review fails: .* status/);
    const becomes = (expected, what) =>
      poll(async () => (await status(gateway, token)) === expected, what);
    writeFileSync(own, api.ours);
    await becomes(200, 'the new token of ours');
    writeFileSync(own, '');
    await becomes(UNDECIDED, 'that we have no token');
    writeFileSync(own, api.ours);
    const key = await gateway.key();
    await api.stop();
    assert.equal(await status(gateway, token), UNDECIDED, 'it is down');
    assert.equal(await status(gateway, key), 200);
    assert.ok(!gateway.program.stderr.includes(token.secret));
    assert.ok(!gateway.program.stderr.includes(api.ours));
  });

  it('is not asked about a forged token where its keys are known', async (t) => {
    const { api, gateway } = await world(t, { entry: '      jwks_file: keys.json\n' });
    const token = api.token('search', 'indexer');
    const stranger = new Signer(api.signer.kid);
    const [, claims] = token.secret.split('.');
    const forged = stranger.token(JSON.parse(Buffer.from(claims, 'base64url')));
    api.pods.set(forged.secret, api.pods.get(token.secret));
    assert.equal(await status(gateway, forged), NOBODY);
    assert.equal(api.reviewed.length, 0);
    assert.equal(await status(gateway, token), 200);
    const other = api.token('search', 'crawler');
    api.delete(other);
    assert.equal(await status(gateway, other), NOBODY);
    await poll(() => api.reviewed.length === 2, 'two questions');
  });
});
