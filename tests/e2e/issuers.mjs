// Issuers of tokens as platforms have them, over HTTPS with a certificate of an authority of their
// own: several under one address, with keys of RSA, and the API server of a Kubernetes cluster.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { atEnd, poll } from './harness.mjs';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
export const now = () => Math.floor(Date.now() / 1000);

/** Whoever signs tokens: a key, and what it publishes of it. */
export class Signer {
  constructor(kid = 'OAjVVaejWFc0Yt9ykr0_8lMMuRNs67OXTWHsN02Pkyw') {
    this.kid = kid;
    this.pair = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  }
  jwks() {
    const key = this.pair.publicKey.export({ format: 'jwk' });
    return { keys: [{ use: 'sig', alg: 'RS256', kid: this.kid, ...key }] };
  }
  /** A token of an hour, or as `claims` say. */
  token(claims, header = {}) {
    const times = { iat: now(), nbf: now(), exp: now() + 3600 };
    const head = { alg: 'RS256', kid: this.kid, ...header };
    const text = `${encode(head)}.${encode({ ...times, ...claims })}`;
    const signature = crypto.sign('sha256', Buffer.from(text), this.pair.privateKey);
    return { secret: `${text}.${signature.toString('base64url')}` };
  }
}

class HttpsServer {
  async start(files) {
    const identity = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
    this.asked = [];
    this.server = https.createServer(identity, async (request, response) => {
      let body = '';
      for await (const piece of request) body += piece;
      this.asked.push(`${request.method} ${request.url}`);
      this.answer(request, body, response);
    });
    this.server.on('tlsClientError', () => {});
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.place = `127.0.0.1:${this.server.address().port}`;
  }
  async stop() {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
  send(response, status, value, headers = {}) {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof value === 'string' ? value : JSON.stringify(value));
  }
  count(what) {
    return this.asked.filter((each) => each.startsWith(what)).length;
  }
}

/** Every path is an issuer of its own; one key signs for all. */
class Issuers extends HttpsServer {
  signer = new Signer();
  issuer(name) {
    return `https://${this.place}/${name}`;
  }
  answer(request, body, response) {
    const [, name, rest] = request.url.match(/^\/(.*)\/(\.well-known\/openid-configuration|keys)$/) ?? [];
    if (name === undefined) return this.send(response, 404, { error: 'not found' });
    const issuer = this.issuer(name);
    const kept = { 'cache-control': 'public, max-age=3600' };
    if (rest === 'keys') return this.send(response, 200, this.signer.jwks(), kept);
    const metadata = { issuer, jwks_uri: `${issuer}/keys`, response_types_supported: ['id_token'] };
    return this.send(response, 200, metadata, kept);
  }
}

export async function startIssuers(t, files) {
  const issuers = new Issuers();
  await issuers.start(files);
  atEnd(t, () => issuers.stop());
  return issuers;
}

// ---- Kubernetes --------------------------------------------------------------------------------

const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';

/** What an API server answers that refuses: meta/v1 Status. */
const status = (code, reason) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: reason,
  reason,
  code,
});

/** The API server of a cluster that knows its pods, and asks everybody for a token. */
class ApiServer extends HttpsServer {
  issuer = 'https://kubernetes.default.svc.cluster.local';
  signer = new Signer();
  ours = 'token-of-the-gateway';
  pods = new Map();
  reviewed = [];

  /** A token that the kubelet has put into a pod, and the pod with it. */
  token(namespace, account, { audience = ['tollgate'], ...changes } = {}) {
    const uid = crypto.randomUUID();
    const pod = `${account}-0`;
    const token = this.signer.token({
      iss: this.issuer,
      aud: audience,
      sub: `system:serviceaccount:${namespace}:${account}`,
      jti: crypto.randomUUID(),
      'kubernetes.io': {
        namespace,
        node: { name: 'worker', uid: crypto.randomUUID() },
        pod: { name: pod, uid: crypto.randomUUID() },
        serviceaccount: { name: account, uid },
      },
      ...changes,
    });
    this.pods.set(token.secret, { namespace, account, uid, pod, audience });
    return token;
  }
  delete(token) {
    this.pods.delete(token.secret);
  }

  answer(request, body, response) {
    if (this.silent) return undefined;
    if (request.headers.authorization !== `Bearer ${this.ours}`) {
      return this.send(response, 401, status(401, 'Unauthorized'));
    }
    if (this.broken) return this.send(response, this.broken.status, this.broken.body);
    assert.equal(`${request.method} ${request.url}`, `POST ${REVIEWS}`);
    assert.equal(request.headers['content-type'], 'application/json');
    const review = JSON.parse(body);
    assert.deepEqual([review.apiVersion, review.kind], ['authentication.k8s.io/v1', 'TokenReview']);
    this.reviewed.push(review.spec);
    const answer = { ...review, metadata: { creationTimestamp: null }, status: this.verdict(review) };
    return this.send(response, 201, answer);
  }
  verdict({ spec }) {
    const known = this.pods.get(spec.token);
    const error = '[invalid bearer token, service account token has been invalidated]';
    const audiences = known?.audience.filter((each) => spec.audiences.includes(each));
    if (!known || audiences.length === 0) return { user: {}, error };
    const { namespace, account, uid, pod } = known;
    const user = {
      username: `system:serviceaccount:${namespace}:${account}`,
      uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/pod-name': [pod] },
    };
    return { authenticated: true, user, audiences, ...this.changed };
  }
}

export async function startApiServer(t, files) {
  const server = new ApiServer();
  await server.start(files);
  atEnd(t, () => server.stop());
  return server;
}

export const said = (gateway, pattern) =>
  poll(() => pattern.test(gateway.program.stderr), `${pattern} on stderr`);
