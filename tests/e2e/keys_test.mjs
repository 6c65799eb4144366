// The whole life of tenant keys, and what guessing at them meets.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { folder, poll, question, scope, standard, startGateway, startMock } from './harness.mjs';

/** A question from an address of the loopback of its own. */
function ask(gateway, secret, from = '127.0.0.1') {
  const body = JSON.stringify(question());
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${gateway.url}/v1/chat/completions`,
      {
        method: 'POST',
        agent: false,
        localAddress: from,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
      },
      (response) => {
        response.resume();
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            reason: response.headers['x-tollgate-reason'],
            rule: response.headers['x-tollgate-rule'],
            wait: Number(response.headers['retry-after-ms'] ?? 0),
            id: response.headers['x-request-id'],
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const told = ({ status, reason }) => ({ status, reason });
const good = { status: 200, reason: undefined };
const unknown = { status: 401, reason: 'invalid_credential' };

describe('a key', () => {
  const shared = scope(after);
  let gateway;
  const start = async () => {
    if (gateway) return gateway;
    const mock = await startMock(shared);
    const config = standard(mock.url);
    config.authentication.failures = { mode: 'observe' };
    gateway = await startGateway(shared, config);
    return gateway;
  };

  it('is rotated into one that it is linked to, and works on until it ends', async () => {
    const gateway = await start();
    const old = await gateway.key('acme', '--user', 'ada', '--route', 'chat');
    const fresh = await gateway.json('keys', 'rotate', old.id);
    assert.equal(fresh.replaces, old.id);
    assert.deepEqual(fresh.scopes.routes, ['chat']);
    const shown = await gateway.json('keys', 'show', old.id);
    assert.equal(shown.replaced_by, fresh.id);
    const hours = (Date.parse(shown.expires) - Date.now()) / 3_600_000;
    assert.ok(hours > 23.9 && hours <= 24, `${hours}`);
    assert.deepEqual(told(await ask(gateway, old.secret)), good);
    assert.deepEqual(told(await ask(gateway, fresh.secret)), good);
    assert.equal((await gateway.run('keys', 'rotate', old.id)).code, 2);

    assert.equal((await gateway.run('keys', 'expire', old.id, '--expires', '2020-01-01')).code, 0);
    assert.equal((await ask(gateway, old.secret)).reason, 'expired_credential');
    assert.equal((await gateway.run('keys', 'revoke', fresh.id)).code, 0);
    assert.equal((await ask(gateway, fresh.secret)).reason, 'revoked_credential');
    assert.equal((await ask(gateway, old.secret)).reason, 'expired_credential');
  });

  it('is for what its scopes name and nothing else', async () => {
    const gateway = await start();
    const elsewhere = await gateway.key('acme', '--route', 'other');
    assert.equal((await ask(gateway, elsewhere.secret)).reason, 'route_not_allowed');
    const model = await gateway.key('acme', '--model', 'other');
    assert.equal((await ask(gateway, model.secret)).reason, 'model_not_found');
    const models = await fetch(`${gateway.url}/v1/models`, {
      headers: { authorization: `Bearer ${model.secret}` },
    });
    assert.deepEqual((await models.json()).data, []);

    const away = await gateway.key('acme', '--address', '127.0.0.8/29');
    assert.deepEqual(told(await ask(gateway, away.secret, '127.0.0.9')), good);
    const refused = await ask(gateway, away.secret);
    assert.deepEqual(told(refused), unknown);
    const { decision } = await gateway.records(refused.id);
    assert.match(decision.decision.message, /address/);
  });

  it('is for the tools that its scopes name, where the route offers more', async () => {
    const gateway = await start();
    const weather = { type: 'function', function: { name: 'get_weather', parameters: {} } };
    const asked = async (key) => {
      const reply = await gateway.chat(key, { tools: [weather] });
      await reply.arrayBuffer();
      return [reply.status, reply.headers.get('x-tollgate-reason')];
    };
    assert.deepEqual(await asked(await gateway.key('acme', '--tool', 'get_*')), [200, null]);
    const other = await gateway.key('acme', '--tool', 'search_*', '--tool', 'get_time');
    assert.deepEqual(await asked(other), [403, 'tool_not_allowed']);
    assert.equal((await gateway.chat(other)).status, 200, 'without tools');
  });

  it('says when it was used last', async () => {
    const gateway = await start();
    const key = await gateway.key();
    assert.equal((await gateway.json('keys', 'show', key.id)).last_used, null);
    assert.deepEqual(told(await ask(gateway, key.secret)), good);
    await poll(async () => (await gateway.json('keys', 'show', key.id)).last_used, 'its last use');
  });

  it('of another gateway is imported by its hash, which is no key', async (t) => {
    const gateway = await start();
    const secret = 'sk-of-the-gateway-that-was-here-before-0123456789';
    const digest = createHash('sha256').update(secret).digest('hex');
    assert.deepEqual(told(await ask(gateway, secret)), unknown);
    const file = path.join(folder(t), 'keys.jsonl');
    writeFileSync(
      file,
      `${JSON.stringify({ digest: `sha256:${digest}`, tenant: 'acme', user: 'eve' })}\n`,
    );
    const { imported, ids } = await gateway.json('keys', 'import', file);
    assert.equal(imported, 1);
    assert.deepEqual(told(await ask(gateway, secret)), good);
    for (const shown of [digest, `sha256:${digest}`, ids[0], `${secret}0`])
      assert.deepEqual(told(await ask(gateway, shown)), unknown);
    assert.equal((await gateway.json('keys', 'import', file)).imported, 0);
    assert.equal((await gateway.run('keys', 'revoke', ids[0])).code, 0);
    assert.equal((await ask(gateway, secret)).reason, 'revoked_credential');
    writeFileSync(file, `\n{"digest":"sha256:12","tenant":"acme"}\n`);
    const bad = await gateway.run('keys', 'import', file);
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /line 2.*digest/);
  });
});

describe('guessing', () => {
  it('delays the address that guesses, and not who was good from there', async (t) => {
    const mock = await startMock(t);
    const config = standard(mock.url);
    config.authentication.failures = { per_address: 3 };
    const gateway = await startGateway(t, config);
    const [owner, late] = ['sk-owner', 'sk-late'];
    const file = path.join(folder(t), 'keys.jsonl');
    const line = (secret) => ({
      digest: `sha256:${createHash('sha256').update(secret).digest('hex')}`,
      tenant: 'acme',
      user: secret,
      roles: ['engineer'],
    });
    writeFileSync(file, [owner, late].map((each) => `${JSON.stringify(line(each))}\n`).join(''));
    await gateway.json('keys', 'import', file);
    const ours = await gateway.key();
    await poll(async () => told(await ask(gateway, owner)).status === 200, 'the import');
    for (let i = 0; told(await ask(gateway, `sk-guess${i}`)).status !== 429; ++i)
      assert.ok(i < 10, 'an address that fails is delayed');
    const delayed = await ask(gateway, 'sk-another');
    assert.deepEqual(told(delayed), { status: 429, reason: 'rate_limited' });
    assert.equal(delayed.rule, 'authentication.failures');
    assert.ok(delayed.wait > 0 && delayed.wait <= 3000, `${delayed.wait}`);
    assert.deepEqual(told(await ask(gateway, owner)), good);
    // Nobody guesses a key of ours.
    assert.deepEqual(told(await ask(gateway, ours.secret)), good);
    assert.equal(told(await ask(gateway, 'tg_live_guess')).status, 429);
    assert.deepEqual(told(await ask(gateway, late, '127.0.0.2')), good);
    // Not even one who guesses all the while keeps another out: the first to ask once a second has
    // passed is looked at. It is mostly the owner, who asks right after each pause of poll().
    let guesses = 0;
    await poll(async () => {
      if (told(await ask(gateway, late)).status === 200) return true;
      for (let i = 0; i < 3; ++i) await ask(gateway, `sk-more${(guesses += 1)}`);
      return false;
    }, 'its turn');
    assert.ok(
      (await gateway.metric('tollgate_authentication_failures_total', {
        reason: 'invalid_credential',
      })) >= 4,
    );
    assert.match(gateway.program.stderr, /authentication fails too often from 127\.0\.0\.1/);
  });

  it('is told of and delays nobody where that is only observed', async (t) => {
    const mock = await startMock(t);
    const config = standard(mock.url);
    config.authentication.failures = { per_address: 3, mode: 'observe' };
    const gateway = await startGateway(t, config);
    const owner = await gateway.key();
    for (let i = 0; i < 4; ++i)
      assert.deepEqual(told(await ask(gateway, `tg_live_guess${i}`)), unknown);
    const guess = await ask(gateway, 'tg_live_guess');
    assert.deepEqual(told(guess), unknown);
    assert.deepEqual(told(await ask(gateway, owner.secret)), good);
    const { decision, outcome } = await gateway.records(guess.id);
    assert.deepEqual(decision.decision.observed, ['authentication.failures']);
    assert.deepEqual(outcome.decision.observed, ['authentication.failures']);
    const rule = { rule: 'authentication.failures' };
    await poll(
      async () => (await gateway.metric('tollgate_observed_total', rule)) === 1,
      'the last guess',
    );
  });

  it("at one owner's key from many addresses leaves the owner at work", async (t) => {
    const mock = await startMock(t);
    const config = standard(mock.url);
    config.authentication.failures = { per_key: 5 };
    const gateway = await startGateway(t, config);
    const owner = await gateway.key();
    for (let i = 10; i < 40; ++i) {
      const answer = await ask(gateway, guessAt(owner.secret, i), `127.0.0.${i}`);
      assert.deepEqual(told(answer), unknown);
      assert.deepEqual(told(await ask(gateway, owner.secret, `127.0.1.${i}`)), good);
    }
    // By now an address has one guess.
    assert.equal((await ask(gateway, guessAt(owner.secret, 40), '127.0.0.39')).status, 429);
    assert.match(gateway.program.stderr, /fails too often for the key/);
  });
});

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A well-formed secret of the same id. */
function guessAt(secret, number) {
  const checked = secret.slice(0, 20) + String(number).padStart(32, '0');
  let crc = 0xffffffff;
  for (const byte of Buffer.from(checked)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; ++bit) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  let rest = ~crc >>> 0;
  let digits = '';
  for (let i = 0; i < 6; ++i, rest = Math.floor(rest / 62)) digits = BASE62[rest % 62] + digits;
  return checked + digits;
}
