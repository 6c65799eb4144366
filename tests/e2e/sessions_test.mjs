// Callers by the session of a web application: kept in a real Redis, or signed into the cookie.
import assert from 'node:assert/strict';
import { createCipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { poll, question, rawExchange, standard, startGateway, startMock } from './harness.mjs';
import { startRedis } from './servers.mjs';

const SECRET = '0123456789abcdef0123456789abcdef';
const now = () => Math.floor(Date.now() / 1000);

function signed(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

async function begin(t, sessions) {
  const mock = await startMock(t);
  const config = standard(mock.url);
  config.authentication = { sessions };
  return startGateway(t, config);
}

/** The status of a chat that a page at `origin` makes with a cookie, or why it was refused. */
async function verdict(gateway, cookie, headers = { origin: gateway.url }) {
  const reply = await gateway.post('/v1/chat/completions', question(), null, { cookie, ...headers });
  await reply.arrayBuffer();
  return reply.status === 200 ? 200 : `${reply.status} ${reply.headers.get('x-tollgate-reason')}`;
}

describe('a session in Redis', () => {
  it('is who it names, until it is dropped; without its store nobody is let in', async (t) => {
    const redis = await startRedis(t);
    const gateway = await begin(t, [
      {
        name: 'web',
        cookie: 'sid',
        redis: redis.url,
        key: 'session:{id}',
        tenant: 'org',
        subject: 'user.id',
        roles: 'roles',
        created: 'created',
        last_used: 'used',
        idle_max: '1h',
      },
    ]);
    const keep = (id, changes = {}) =>
      redis.ask(
        'SET',
        `session:${id}`,
        JSON.stringify({
          org: 'acme',
          user: { id: 'alice' },
          roles: ['engineer'],
          created: now() - 60,
          used: now(),
          ...changes,
        }),
      );
    await keep('good');
    await keep('idle', { used: now() - 3601 });
    await keep('old', { created: now() - 13 * 3600 });
    await keep('stranger', { org: 'nobody' });
    assert.equal(await verdict(gateway, 'theme=dark; sid=good'), 200);
    assert.equal(await verdict(gateway, 'sid=idle'), '401 expired_credential');
    assert.equal(await verdict(gateway, 'sid=old'), '401 expired_credential');
    assert.equal(await verdict(gateway, 'sid=stranger'), '401 invalid_credential');
    assert.equal(await verdict(gateway, 'sid=none'), '401 invalid_credential');
    assert.equal(await verdict(gateway, 'sid=go*od'), '401 invalid_credential');
    assert.equal(await verdict(gateway, 'other=good'), '401 missing_credential');
    assert.equal(await verdict(gateway, 'sid=good; sid=idle'), '400 credential_conflict');

    await redis.ask('DEL', 'session:good');
    await poll(async () => (await verdict(gateway, 'sid=good')) !== 200, 'the end of the session');
    await keep('good');
    await redis.kill();
    await poll(
      async () => (await verdict(gateway, 'sid=good')) === '503 store_unavailable',
      'the refusal of what nobody can tell',
    );
    await redis.start();
    await keep('good');
    await poll(async () => (await verdict(gateway, 'sid=good')) === 200, 'the store to be back');
  });
});

describe('a session in a signed cookie', () => {
  it('is who it names, for pages of the host that is called alone', async (t) => {
    const gateway = await begin(t, [
      { name: 'web', cookie: 'app', secret: SECRET, tenant: 'org', roles: 'roles' },
    ]);
    const claims = { sub: 'alice', org: 'acme', roles: ['engineer'], iat: now(), exp: now() + 60 };
    const cookie = `app=${signed(claims)}`;
    assert.equal(await verdict(gateway, cookie), 200);
    const strangers = [
      { origin: 'https://evil.example.com' },
      { origin: 'null' },
      { origin: gateway.url, 'sec-fetch-site': 'cross-site' },
      {},
    ];
    for (const headers of strangers)
      assert.equal(await verdict(gateway, cookie, headers), '403 route_not_allowed');
    assert.equal(await verdict(gateway, `${cookie}x`), '401 invalid_credential');
    const ended = `app=${signed({ ...claims, exp: now() - 1 })}`;
    assert.equal(await verdict(gateway, ended), '401 expired_credential');
  });
});

/** A JWE as an application makes it: `dir` with A256GCM (RFC 7516), of these claims. */
function encrypted(claims, key, header = { alg: 'dir', enc: 'A256GCM' }) {
  const head = Buffer.from(JSON.stringify(header)).toString('base64url');
  const vector = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, vector);
  cipher.setAAD(Buffer.from(head));
  const text = Buffer.concat([cipher.update(JSON.stringify(claims)), cipher.final()]);
  const rest = [vector, text, cipher.getAuthTag()].map((part) => part.toString('base64url'));
  return `${head}..${rest.join('.')}`;
}

describe('a session in an encrypted cookie', () => {
  const derived = (secret, purpose) =>
    Buffer.from(hkdfSync('sha256', secret, '', `tollgate session_cookie ${purpose}`, 32));

  it('is who it names, by the key that is derived for that alone', async (t) => {
    const gateway = await begin(t, [
      {
        name: 'web',
        cookie: 'app',
        secret: SECRET,
        form: 'encrypted',
        secret_use: 'derived',
        tenant: 'org',
        roles: 'roles',
      },
    ]);
    const claims = { sub: 'alice', org: 'acme', roles: ['engineer'], iat: now(), exp: now() + 60 };
    const key = derived(SECRET, 'encrypted');
    const judge = (cookie) => verdict(gateway, `app=${cookie}`);
    const good = encrypted(claims, key);
    assert.ok(!good.includes(Buffer.from('alice').toString('base64url').slice(0, 5)));
    assert.equal(await judge(good), 200);
    assert.equal(await verdict(gateway, `app=${good}`, {}), '403 route_not_allowed');
    assert.equal(await judge(encrypted({ ...claims, exp: now() - 1 }, key)), '401 expired_credential');
    assert.equal(
      await judge(encrypted({ ...claims, org: 'nobody' }, key)),
      '401 invalid_credential',
    );

    // What somebody changed, made with another key, or in another way.
    const parts = good.split('.');
    const flipped = (at) => {
      const bytes = Buffer.from(parts[at], 'base64url');
      bytes[0] ^= 1;
      return parts.map((part, i) => (i === at ? bytes.toString('base64url') : part)).join('.');
    };
    const forged = [
      flipped(2),
      flipped(3),
      flipped(4),
      `${Buffer.from('{"enc":"A256GCM","alg":"dir"}').toString('base64url')}${good.slice(parts[0].length)}`,
      encrypted(claims, derived(SECRET, 'signed')),
      encrypted(claims, Buffer.from(SECRET)),
      encrypted(claims, derived(SECRET.replace('0', '1'), 'encrypted')),
      encrypted(claims, key, { alg: 'dir', enc: 'A256GCM', zip: 'DEF' }),
      encrypted(claims, key, { alg: 'none', enc: 'A256GCM' }),
      signed(claims),
    ];
    for (const cookie of forged) assert.equal(await judge(cookie), '401 invalid_credential', cookie);
    assert.equal(await judge(good), 200);

    const told = await poll(async () => {
      const { stdout } = await gateway.run('audit', 'query', '--json');
      return stdout.includes('"subject":"alice"') && stdout;
    }, 'who called on record');
    assert.ok(!told.includes(parts[3]), 'and nothing of the cookie');
  });

  it('goes on with cookies of the last secret while they are about', async (t) => {
    const next = randomBytes(32).toString('hex').slice(0, 32);
    const gateway = await begin(t, [
      {
        name: 'web',
        cookie: 'app',
        secret: next,
        previous_secret: SECRET,
        form: 'encrypted',
        tenant: 'org',
        roles: 'roles',
      },
    ]);
    const claims = { sub: 'alice', org: 'acme', roles: ['engineer'], iat: now(), exp: now() + 60 };
    for (const secret of [next, SECRET])
      assert.equal(await verdict(gateway, `app=${encrypted(claims, Buffer.from(secret))}`), 200);
    const other = Buffer.from(SECRET.replace('0', '1'));
    assert.equal(
      await verdict(gateway, `app=${encrypted(claims, other)}`),
      '401 invalid_credential',
    );
  });
});

describe('a page of another host', () => {
  it('may call where it is listed, and is told nothing else', async (t) => {
    const page = 'https://app.example.com';
    const gateway = await begin(t, [
      { name: 'web', cookie: 'app', secret: SECRET, tenant: 'org', roles: 'roles', origins: [page] },
    ]);
    const ask = (origin) =>
      fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type,x-stainless-lang',
        },
      });
    const told = (reply) => reply.headers.get('access-control-allow-origin');
    const preflight = await ask(page);
    assert.deepEqual([preflight.status, told(preflight)], [204, page]);
    assert.equal(preflight.headers.get('access-control-allow-credentials'), 'true');
    assert.equal(
      preflight.headers.get('access-control-allow-headers'),
      'content-type, x-stainless-lang',
    );
    const stranger = await ask('https://evil.example.com');
    assert.deepEqual([stranger.status, told(stranger)], [401, null]);
    await stranger.arrayBuffer();

    const claims = { sub: 'alice', org: 'acme', roles: ['engineer'], iat: now(), exp: now() + 60 };
    const cookie = `app=${signed(claims)}`;
    const call = async (origin, body, given = cookie) => {
      const headers = { cookie: given, origin };
      const reply = await gateway.post('/v1/chat/completions', body, null, headers);
      await reply.arrayBuffer();
      return [reply.status, told(reply)];
    };
    // Whole and streamed, let in and refused: on one connection with others' between them.
    assert.deepEqual(await call(page, question()), [200, page]);
    assert.deepEqual(await call(page, { ...question(), stream: true }), [200, page]);
    assert.deepEqual(await call(page, question(), `${cookie}x`), [401, page]);
    assert.deepEqual(await call('https://evil.example.com', question()), [403, null]);
    assert.deepEqual(await call(page, '{'), [400, page]);
    // What is no request at all, and what is none of a caller.
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nOrigin: ${page}\r\n`;
    const malformed = await rawExchange(gateway.port, `${head}Content-Length: x\r\n\r\n`);
    assert.match(malformed, /^HTTP\/1.1 400 /);
    assert.ok(malformed.includes(`\r\naccess-control-allow-origin: ${page}\r\n`), malformed);
    const alive = await fetch(`${gateway.url}/livez`, { headers: { origin: page } });
    assert.deepEqual([alive.status, told(alive)], [200, page]);
    await alive.arrayBuffer();
  });
});

describe('pages of two applications', () => {
  it('use the session of their own alone, to read as well as to ask', async (t) => {
    const [shop, wiki] = ['https://shop.example.com', 'https://wiki.example.com'];
    const entry = (name, page) => {
      return { name, cookie: name, secret: SECRET, tenant: 'org', roles: 'roles', origins: [page] };
    };
    const gateway = await begin(t, [entry('shop', shop), entry('wiki', wiki)]);
    const claims = { sub: 'alice', org: 'acme', roles: ['engineer'], iat: now(), exp: now() + 60 };
    const call = async (method, name, headers) => {
      const target = method === 'GET' ? '/v1/models' : '/v1/chat/completions';
      const reply = await fetch(`${gateway.url}${target}`, {
        method,
        headers: { cookie: `${name}=${signed(claims)}`, 'content-type': 'application/json', ...headers },
        ...(method === 'GET' ? {} : { body: JSON.stringify(question()) }),
      });
      const text = await reply.text();
      return [reply.status, reply.headers.get('access-control-allow-origin'), text];
    };
    for (const method of ['GET', 'POST']) {
      assert.deepEqual((await call(method, 'shop', { origin: shop })).slice(0, 2), [200, shop]);
      assert.deepEqual((await call(method, 'wiki', { origin: wiki })).slice(0, 2), [200, wiki]);
      // It is told that it may not, and nothing else: a session that is good and one that is not
      // are answered alike.
      const [status, told, text] = await call(method, 'shop', { origin: wiki });
      assert.deepEqual([status, told], [403, wiki]);
      const [forged, , words] = await call(method, 'shop=x; other', { origin: wiki });
      assert.equal(forged, 403);
      const plain = (body) => JSON.parse(body).error.message.replace(/req_\S+/, '');
      assert.equal(plain(words), plain(text));
      const stranger = await call(method, 'shop', { origin: 'https://evil.example.com' });
      assert.deepEqual(stranger.slice(0, 2), [403, null]);
    }
    // What a browser reads for a page without naming it.
    assert.equal((await call('GET', 'shop', { 'sec-fetch-site': 'cross-site' }))[0], 403);
    assert.equal((await call('GET', 'shop', { 'sec-fetch-site': 'none' }))[0], 200);
  });
});

describe('guessing at sessions', () => {
  it('is limited, also beside a good key, and ends no session of those beside it', async (t) => {
    const redis = await startRedis(t);
    const mock = await startMock(t);
    const config = standard(mock.url);
    config.authentication = {
      api_keys: {},
      sessions: [
        {
          name: 'web',
          cookie: 'sid',
          redis: redis.url,
          key: 'session:{id}',
          tenant: 'org',
          subject: 'user',
          roles: 'roles',
        },
      ],
    };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const keep = (id, org = 'acme') =>
      redis.ask('SET', `session:${id}`, JSON.stringify({ org, user: id, roles: ['engineer'] }));
    await keep('good');
    await keep('fresh');
    // That one was hit is told by the conflict with the key, so it is a guess as well.
    for (let i = 1; i < 20; i += 2) await keep(`guess${i}`, 'globex');
    assert.equal(await verdict(gateway, 'sid=good'), 200);
    const guess = async (i) => {
      const headers = { cookie: `sid=guess${i}`, origin: gateway.url };
      const reply = await gateway.post('/v1/chat/completions', question(), key, headers);
      await reply.arrayBuffer();
      return reply.status;
    };
    let guesses = 0;
    const met = new Set();
    while (!met.has(429)) {
      met.add(await guess((guesses += 1)));
      assert.ok(guesses < 20);
    }
    assert.deepEqual([...met], [400, 401, 429]);
    const all = await Promise.all(Array.from({ length: 200 }, (_, i) => guess(`s${i}`)));
    assert.ok(all.every((status) => status === 429), `${all}`);
    // Whatever else its browser says in the header.
    assert.equal(await verdict(gateway, 'theme=light; sid=good'), 200);
    // The end of a session is an end, not a guess.
    await redis.ask('DEL', 'session:good');
    await poll(
      async () => (await verdict(gateway, 'sid=good')) === '401 invalid_credential',
      'the end of the session',
    );
    // A new one has its turn, whoever goes on guessing: which of those that wait is looked at is
    // which comes first then.
    const others = () => Promise.all(Array.from({ length: 3 }, () => guess((guesses += 1))));
    await poll(async () => {
      const [seen] = await Promise.all([verdict(gateway, 'sid=fresh'), others()]);
      return seen === 200;
    }, 'its turn');
  });
});
