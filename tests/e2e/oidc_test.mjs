// Callers with tokens of a real identity provider: signed ones and opaque ones.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poll, standard, startGateway, startMock } from './harness.mjs';
import { AUDIENCE, startIdentityProvider } from './identity_provider.mjs';

const jwt = (provider, changes = {}) => ({
  name: 'corporate',
  issuer: provider.issuer,
  audience: AUDIENCE,
  token_type: 'access_token',
  tenant: 'tenant',
  roles: 'roles',
  ...changes,
});
const introspection = (provider, changes = {}) => ({
  name: 'opaque',
  url: `${provider.issuer}/token/introspection`,
  client: { id: 'gateway', secret: 'secret+of/gateway' },
  audience: AUDIENCE,
  subject: 'client_id',
  roles: 'roles',
  ...changes,
});

async function begin(t, authentication) {
  const [mock, provider] = [await startMock(t), await startIdentityProvider(t)];
  const config = standard(mock.url);
  config.authentication = {
    api_keys: {},
    ...authentication(provider),
  };
  const gateway = await startGateway(t, config);
  return { provider, gateway, config };
}

/** The status of a chat, or why it was refused. */
async function verdict(gateway, credential, changes = {}) {
  const reply = await gateway.chat(credential, changes);
  await reply.arrayBuffer();
  return reply.status === 200 ? 200 : `${reply.status} ${reply.headers.get('x-tollgate-reason')}`;
}

describe('a token that an identity provider signed', () => {
  it('is the caller that its claims name', async (t) => {
    const { provider, gateway } = await begin(t, (p) => ({ jwt: [jwt(p)] }));
    const token = await provider.token();
    assert.equal(token.secret.split('.').length, 3);
    await poll(async () => (await verdict(gateway, token)) === 200, 'the keys of the issuer');
    const other = await provider.token('globex');
    const reply = await gateway.chat(other);
    await reply.arrayBuffer();
    assert.equal(reply.status, 200);
    const { decision } = await gateway.records(reply.headers.get('x-request-id'));
    assert.equal(decision.actor.credential_kind, 'jwt');
    assert.equal(decision.actor.credential_id, 'corporate/globex-app');
    assert.equal(decision.actor.tenant, 'globex');
    assert.ok(!JSON.stringify(decision).includes(other.secret));
    const metrics = await (await fetch(`${gateway.admin}/metrics`)).text();
    assert.match(metrics, /tollgate_identity_asked{source="jwt.corporate",outcome="answered"} 1/);
    assert.match(metrics, /tollgate_identity_keys{issuer="corporate"} 1/);
    assert.ok(!metrics.includes(other.secret));
  });

  it('is refused where it is changed, of another audience or of an unknown issuer', async (t) => {
    const { provider, gateway, config } = await begin(t, (p) => ({ jwt: [jwt(p)] }));
    const token = await provider.token();
    await poll(async () => (await verdict(gateway, token)) === 200, 'the keys of the issuer');
    const [head, claims, signature] = token.secret.split('.');
    const other = JSON.parse(Buffer.from(claims, 'base64url'));
    const forged = (changes) =>
      Buffer.from(JSON.stringify({ ...other, ...changes })).toString('base64url');
    const rows = [
      `${head}.${forged({ tenant: 'globex' })}.${signature}`,
      `${head}.${forged({ iss: 'http://127.0.0.1:1' })}.${signature}`,
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${claims}.`,
      `${head}.${claims}.${signature}x`,
      `${token.secret}.a`,
      'opaque',
    ];
    for (const secret of rows)
      assert.equal(await verdict(gateway, { secret }), '401 invalid_credential', secret);
    await gateway.reload({
      ...config,
      authentication: { jwt: [jwt(provider, { audience: 'https://other.example.com' })] },
    });
    const stays = () => verdict(gateway, token);
    await poll(async () => (await stays()) === '401 invalid_credential', 'the new audience');
  });

  it('goes on while the provider is down; the key it has rotated to is found', async (t) => {
    const { provider, gateway } = await begin(t, (p) => ({ jwt: [jwt(p)] }));
    const old = await provider.token();
    await poll(async () => (await verdict(gateway, old)) === 200, 'the keys of the issuer');
    const second = await provider.token();
    const fetched = provider.count('/jwks');
    provider.rotate('second');
    const rotated = await provider.token();
    await provider.stop();
    // Known keys need nobody.
    assert.equal(await verdict(gateway, second), 200);
    for (let i = 0; i < 20; ++i) await verdict(gateway, rotated);
    await provider.start(provider.port);
    await poll(async () => (await verdict(gateway, rotated)) === 200, 'the new key', 90_000);
    assert.ok(provider.count('/jwks') - fetched <= 3, 'keys are not fetched for every token');
    // What the provider publishes no more proves nothing.
    const gone = await verdict(gateway, second);
    assert.equal(gone, '401 invalid_credential');
  });

  it('must be of the actor that a key names, where both are shown', async (t) => {
    const { provider, gateway } = await begin(t, (p) => ({ jwt: [jwt(p)] }));
    const token = await provider.token();
    await poll(async () => (await verdict(gateway, token)) === 200, 'the keys of the issuer');
    const key = await gateway.key('globex');
    const reply = await gateway.post(
      '/v1/chat/completions',
      { model: 'small', messages: [{ role: 'user', content: 'hi' }] },
      token,
      { 'x-api-key': key.secret },
    );
    await reply.arrayBuffer();
    assert.equal(reply.status, 400);
    assert.equal(reply.headers.get('x-tollgate-reason'), 'credential_conflict');
  });
});

describe('an opaque token', () => {
  it('is asked about once, and is the caller that the answer names', async (t) => {
    const { provider, gateway } = await begin(t, (p) => ({ introspection: [introspection(p)] }));
    const token = await provider.opaqueToken();
    assert.ok(!token.secret.includes('.'));
    const all = await Promise.all(Array.from({ length: 8 }, () => verdict(gateway, token)));
    assert.deepEqual(new Set(all), new Set([200]));
    assert.ok(provider.count('/token/introspection') <= 4, 'one question for each worker at most');
    assert.equal(await verdict(gateway, { secret: 'nobody-knows-this' }), '401 invalid_credential');
  });

  it('that was revoked is refused, and one that nobody can tell of is not let in', async (t) => {
    const { provider, gateway } = await begin(t, (p) => ({
      introspection: [introspection(p, { keep: '0s' })],
    }));
    const token = await provider.opaqueToken();
    assert.equal(await verdict(gateway, token), 200);
    assert.equal((await provider.revoke(token)).status, 200);
    assert.equal(await verdict(gateway, token), '401 invalid_credential');
    const other = await provider.opaqueToken();
    await provider.stop();
    assert.equal(await verdict(gateway, other), '503 store_unavailable');
    const key = await gateway.key();
    assert.equal(await verdict(gateway, key), 200);
  });
});
