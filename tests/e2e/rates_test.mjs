// Limits that several gateways share in Redis, with the real program and the real server: never more
// than the limit over all of them, and what holds while Redis is away.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { folder, poll, scope, standard, startGateway, tollgate, writeConfig } from './harness.mjs';
import { completion, fakeUpstream, sendJson } from './fake_upstream.mjs';
import { startPostgres, startRedis } from './servers.mjs';

const answer = ({ response }) =>
  sendJson(response, completion('one', { input: 13, output: 1 }));

describe('limits of several gateways in Redis', () => {
  const shared = scope(after);
  let postgres;
  let schemas = 0;

  /** Gateways on one PostgreSQL and one Redis of their own, and a key of all of them. */
  async function world(t, limits, { serve = answer, count = 2, store = {} } = {}) {
    postgres ??= await startPostgres(shared);
    const redis = await startRedis(t);
    const upstream = await fakeUpstream(t, serve);
    const config = standard(upstream.url);
    config.limits = { tenant_id: limits };
    const home = folder(t);
    writeFileSync(path.join(home, 'pepper'), 'p'.repeat(32), { mode: 0o600 });
    config.authentication = { api_keys: { pepper_file: path.join(home, 'pepper') } };
    schemas += 1;
    postgres.sql(`CREATE SCHEMA rates${schemas}`);
    const options = encodeURIComponent(`-csearch_path=rates${schemas}`);
    config.store = {
      ledger: `${postgres.url}?options=${options}`,
      rates: redis.url,
      state_directory: 'state',
      ...store,
    };
    const gateways = [];
    for (let i = 0; i < count; i += 1) gateways.push(await startGateway(t, config));
    const key = await gateways[0].key();
    return { redis, upstream, config, gateways, key };
  }

  /** How many of a crowd that asks all gateways in turn got an answer, and the refusals. */
  async function crowd(gateways, key, size) {
    const all = await Promise.all(
      Array.from({ length: size }, (_, i) => gateways[i % gateways.length].chat(key)),
    );
    const refused = all.filter((response) => response.status !== 200);
    for (const response of all) await response.text();
    return { passed: all.length - refused.length, refused };
  }

  it('let as many requests through as one would', async (t) => {
    const { gateways, key } = await world(t, { requests_per_day: 20 }, { count: 3 });
    const { passed, refused } = await crowd(gateways, key, 60);
    assert.equal(passed, 20);
    for (const response of refused) {
      assert.equal(response.status, 429);
      assert.equal(response.headers.get('x-tollgate-rule'), 'limits.tenant_id.requests_per_day');
      assert.equal(response.headers.get('x-tollgate-degraded'), null);
    }
    assert.equal((await crowd(gateways, key, 6)).passed, 0);
  });

  it('give back what a request was held for and did not use', async (t) => {
    // A request holds its 50 output tokens and uses one of them.
    const { gateways, key } = await world(t, { output_tokens_per_minute: 120 });
    for (const gateway of gateways) {
      let passed = 0;
      await poll(async () => {
        const response = await gateway.chat(key);
        await response.text();
        passed += response.status === 200 ? 1 : 0;
        return passed > 10;
      }, 'more requests than would fit as they were held');
    }
  });

  it('keep the number at work under one limit, and let any gateway use it', async (t) => {
    const seen = { most: 0, waiting: [], answering: false };
    const { gateways, key, upstream } = await world(
      t,
      { concurrent_requests: 6 },
      {
        count: 3,
        serve: ({ response }) => {
          seen.most = Math.max(seen.most, upstream.at_work);
          if (seen.answering) answer({ response });
          else seen.waiting.push(response);
        },
      },
    );
    const finish = async (asked) => {
      seen.answering = true;
      for (const response of seen.waiting.splice(0)) answer({ response });
      const statuses = (await Promise.all(asked)).map((response) => response.status);
      seen.answering = false;
      return statuses;
    };
    const all = Array.from({ length: 30 }, (_, i) => gateways[i % 3].chat(key));
    let refused = 0;
    for (const one of all) one.then((response) => (refused += response.status === 429 ? 1 : 0));
    await poll(() => upstream.at_work === 6 && refused === 24, 'six at work, the others refused');
    await finish(all);
    // All six of one gateway: what the others do not use is no loss.
    for (const gateway of gateways) {
      const asked = [];
      await poll(() => {
        asked.push(gateway.chat(key));
        return upstream.at_work === 6;
      }, 'six at work on one gateway');
      const statuses = await finish(asked);
      assert.ok(statuses.every((status) => status === 200 || status === 429), `${statuses}`);
    }
    assert.equal(seen.most, 6);
  });

  it('are free again after a gateway died with them', async (t) => {
    const open = [];
    const { gateways, key, upstream } = await world(
      t,
      { concurrent_requests: 2 },
      { serve: ({ response }) => open.push(response) },
    );
    const lost = [gateways[0].chat(key), gateways[0].chat(key)].map((it) => it.catch(() => 0));
    await poll(() => upstream.at_work === 2, 'two at work');
    assert.equal((await gateways[1].chat(key)).status, 429);
    await gateways[0].program.kill();
    await Promise.all(lost);
    await poll(() => upstream.at_work === 0, 'the upstream to have heard of it');
    const asked = [];
    await poll(() => {
      asked.push(gateways[1].chat(key));
      return upstream.at_work > 0;
    }, 'a slot');
    for (const response of open) if (!response.destroyed) answer({ response });
    const statuses = (await Promise.all(asked)).map((response) => response.status);
    assert.ok(statuses.includes(200) && statuses.includes(429), `${statuses}`);
  });

  it('know no second burst after Redis has lost its data, nor does money', async (t) => {
    const { redis, gateways, key } = await world(t, { requests_per_day: 20 });
    assert.equal((await crowd(gateways, key, 40)).passed, 20);
    await gateways[0].spendOf(20);
    const before = await gateways[0].spend();
    await redis.flush();
    assert.equal((await crowd(gateways, key, 40)).passed, 0);
    // Nobody gets anything until all have told what they used; then who used nothing has all.
    const other = await gateways[0].key('globex');
    await poll(async () => (await gateways[0].chat(other)).status === 200, 'the end of it');
    assert.equal((await crowd(gateways, key, 40)).passed, 0);
    assert.deepEqual(await gateways[0].spend(), before);
  });

  for (const [how, down, up] of [
    ['paused', (redis) => redis.pause(), (redis) => redis.resume()],
    ['killed', (redis) => redis.kill(), (redis) => redis.start()],
  ]) {
    it(`hold each gateway to its share while Redis is ${how}`, async (t) => {
      const { redis, gateways, key } = await world(t, { requests_per_day: 1000 });
      assert.equal((await crowd(gateways, key, 2)).passed, 2);
      for (const gateway of gateways)
        await poll(async () => (await gateway.metric('tollgate_gateways_alive')) === 2, 'both');
      await down(redis);
      await poll(
        async () => (await gateways[0].metric('tollgate_store_degraded', { store: 'rates' })) === 1,
        'an outage that is seen',
      );
      const { passed, refused } = await crowd([gateways[0]], key, 700);
      assert.ok(passed <= 500, `${passed} of a share of 500 passed`);
      assert.ok(passed >= 400, `${passed} of a share of 500 passed`);
      assert.equal(refused[0].headers.get('x-tollgate-degraded'), 'rates');
      await up(redis);
      await poll(
        async () => (await gateways[0].metric('tollgate_store_degraded')) === 0,
        'Redis again',
        10_000,
      );
    });
  }

  it('let nothing through while Redis is away, where the policy says so', async (t) => {
    const store = { on_fault: { rates: 'refuse' } };
    // Redis comes back empty, so a limit begins empty: this one soon has one more.
    const { redis, gateways, key } = await world(t, { requests_per_minute: 6000 }, { store });
    assert.equal((await crowd(gateways, key, 2)).passed, 2);
    await redis.kill();
    const refused = await poll(async () => {
      const response = await gateways[0].chat(key);
      return response.status === 503 && response;
    }, 'a refusal');
    assert.equal(refused.headers.get('x-tollgate-reason'), 'store_unavailable');
    assert.equal(refused.headers.get('x-tollgate-degraded'), 'rates');
    await redis.start();
    await poll(async () => (await gateways[0].chat(key)).status === 200, 'Redis again', 10_000);
  });

  it('are not served with a wrong password, and are by the share without a Redis', async (t) => {
    const { redis, config, key } = await world(t, { requests_per_day: 100 }, { count: 1 });
    const cwd = folder(t);
    const file = path.join(cwd, 'tollgate.yaml');
    const rates = redis.url.replace(/:[^:@/]+@/, ':hidden-word@');
    writeConfig(file, { ...config, store: { ...config.store, rates } });
    const wrong = await tollgate(['serve', '-c', file], { cwd });
    assert.equal(wrong.code, 3, wrong.stderr);
    assert.match(wrong.stderr, /password/i);
    assert.doesNotMatch(wrong.stderr, /hidden-word/);
    // As many gateways as PostgreSQL knows to be alive: the one of above, and this one.
    const nobody = { ...config, store: { ...config.store, rates: 'redis://127.0.0.1:1/0' } };
    const gateway = await startGateway(t, nobody);
    const response = await gateway.chat(key);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-tollgate-degraded'), 'rates');
    assert.match(gateway.program.stderr, /on_fault\.rates/);
    assert.ok((await gateway.metric('tollgate_gateways_alive')) >= 2);
  });
});
