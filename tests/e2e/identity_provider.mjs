// A real identity provider, the npm package oidc-provider: on a port of its own, with clients that
// get tokens by their credentials, as JWTs or opaque, and with keys that can be rotated.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { generateKeyPairSync } from 'node:crypto';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, atEnd } from './harness.mjs';

const sdk = createRequire(path.join(ROOT, 'tests/sdk/package.json'));
const { Provider } = await import(pathToFileURL(sdk.resolve('oidc-provider')).href);

export const AUDIENCE = 'https://tollgate.example.com';
const OPAQUE = 'https://opaque.example.com';

function signingKey(kid) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' };
}

function clients() {
  const common = {
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: 'ES256',
  };
  return [
    { ...common, client_id: 'acme-app', client_secret: 'secret-of-acme' },
    { ...common, client_id: 'globex-app', client_secret: 'secret-of-globex' },
    { ...common, client_id: 'gateway', client_secret: 'secret+of/gateway' },
  ];
}

function settings(keys) {
  return {
    clients: clients(),
    jwks: { keys },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: (context, resource) => ({
          scope: 'chat',
          audience: AUDIENCE,
          accessTokenTTL: 300,
          accessTokenFormat: resource === OPAQUE ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    ttl: { ClientCredentials: 300 },
    extraTokenClaims: (context, token) => ({
      tenant: token.clientId.split('-')[0],
      roles: ['engineer'],
    }),
  };
}

/** People who log in in a browser at `redirect`: each by the name that he gives, with these groups. */
function withLogins(common, { redirect, groups }) {
  const browser = {
    client_id: 'admin-browser',
    client_secret: 'secret-of-browser',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: [redirect],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: 'ES256',
  };
  return {
    ...common,
    clients: [...common.clients, browser],
    features: { ...common.features, resourceIndicators: { enabled: false } },
    cookies: { keys: ['a key of the tests'] },
    claims: { openid: ['sub', 'groups'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    interactions: { url: (context, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, groups: groups[id] ?? [] }),
    }),
    loadExistingGrant: async (context) => {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client.clientId,
        accountId: context.oidc.session.accountId,
      });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  };
}

class IdentityProvider {
  async start(port = 0) {
    this.server = createServer((request, response) => {
      this.asked.push(request.url);
      if (request.url.startsWith('/interaction/')) return this.logIn(request, response);
      return this.handle(request, response);
    });
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.issuer = `http://127.0.0.1:${this.port}`;
    this.asked ??= [];
    this.use(this.keys ?? [signingKey('first')]);
  }
  use(keys, logins) {
    this.keys = keys;
    const common = settings(keys);
    const provider = new Provider(this.issuer, logins ? withLogins(common, logins) : common);
    this.provider = provider;
    provider.on('server_error', (context, error) => console.error(error));
    this.handle = provider.callback();
  }
  /** Whoever is asked to log in is the person that the test says. */
  logIn(request, response) {
    const result = { login: { accountId: this.person } };
    return this.provider.interactionFinished(request, response, result);
  }
  /** Signs with a key that nobody has seen; the old one is published no more. */
  rotate(kid) {
    this.use([signingKey(kid)]);
  }
  async stop() {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async post(place, client, secret, form) {
    const basic = Buffer.from(`${client}:${secret}`).toString('base64');
    return fetch(this.issuer + place, {
      method: 'POST',
      headers: {
        authorization: `Basic ${basic}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams(form),
    });
  }
  /** A token of `tenant`'s application. */
  async token(tenant = 'acme', resource = AUDIENCE) {
    const reply = await this.post('/token', `${tenant}-app`, `secret-of-${tenant}`, {
      grant_type: 'client_credentials',
      scope: 'chat',
      resource,
    });
    const body = await reply.json();
    if (!body.access_token) throw new Error(JSON.stringify(body));
    return { secret: body.access_token };
  }
  opaqueToken(tenant = 'acme') {
    return this.token(tenant, OPAQUE);
  }
  revoke(token, tenant = 'acme') {
    return this.post('/token/revocation', `${tenant}-app`, `secret-of-${tenant}`, {
      token: token.secret,
    });
  }
  count(place) {
    return this.asked.filter((url) => url.startsWith(place)).length;
  }
}

export async function startIdentityProvider(t) {
  const provider = new IdentityProvider();
  await provider.start();
  atEnd(t, () => provider.stop());
  return provider;
}
