// Several gateways on one PostgreSQL, with the real program and the real server: one budget for all
// of them, whatever becomes of a gateway, of the server or of the way between.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { ADMIN_TOKEN, folder, poll, scope, startGateway, tollgate, writeConfig } from './harness.mjs';
import { beginStream, chunk, completion, fakeUpstream, sendJson } from './fake_upstream.mjs';
import { ask, billing, BUDGET, CAP, drawing, small, WORST } from './crowds.mjs';
import { startPostgres, startRedis } from './servers.mjs';

const CROWD = 1000;
const NEAR = 1e-6;

/** Configurations of gateways that share a fresh schema of the server. */
let schemas = 0;
async function sharing(t, server, config) {
  schemas += 1;
  const home = folder(t);
  writeFileSync(path.join(home, 'pepper'), 'p'.repeat(32), { mode: 0o600 });
  config.authentication = { api_keys: { pepper_file: path.join(home, 'pepper') } };
  const options = encodeURIComponent(`-csearch_path=test${schemas}`);
  server.sql(`CREATE SCHEMA test${schemas}`);
  const ledger = `${server.url}?options=${options}`;
  config.store = { ...config.store, ledger, state_directory: 'state' };
  return config;
}

/** 200, or why a chat was refused. */
async function reasonOf(gateway, key) {
  const reply = await gateway.chat(key, { max_tokens: CAP });
  await reply.arrayBuffer();
  return reply.status === 200 ? 200 : reply.headers.get('x-tollgate-reason');
}

async function start(t, config, count = 2) {
  return Promise.all(Array.from({ length: count }, () => startGateway(t, config)));
}

/** A crowd that asks all gateways in turn. Those of one `victim` may leave only, where there is one. */
function crowd(gateways, key, draw, size = CROWD, victim = null) {
  const one = (i) => {
    const stays = victim !== null && i % gateways.length !== victim;
    return ask(gateways[i % gateways.length], key, draw, { stays });
  };
  return Promise.all(Array.from({ length: size }, (_, i) => one(i)));
}

describe('several gateways on one PostgreSQL', () => {
  const shared = scope(after);
  let server;
  const postgres = async () => (server ??= await startPostgres(shared));

  it('share keys, a budget, the spend and a trail that can be proven', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('one two', { input: 10, output: 2 })),
    );
    const config = await sharing(t, await postgres(), small(upstream));
    const [one, two] = await start(t, config);
    const key = await one.key();
    const ids = [];
    for (const gateway of [one, two, one, two]) {
      const response = await gateway.chat(key, { max_tokens: CAP });
      assert.equal(response.status, 200, await response.text());
      ids.push(response.headers.get('x-request-id'));
    }
    await two.spendOf(4);
    for (const id of ids) await one.records(id);
    const verified = await one.run('audit', 'verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    // Page by page through the chains of both, by the command and by the admin API.
    const whole = (await one.run('audit', 'query', '--json')).stdout;
    let paged = '';
    for (let cursor = []; cursor; ) {
      const page = await one.run('audit', 'query', '--json', '--limit', '3', ...cursor);
      assert.equal(page.code, 0, page.stderr);
      paged += page.stdout;
      cursor = page.stderr.match(/^older: (--before) (\S+)$/m)?.slice(1);
    }
    assert.equal(paged, whole);
    const records = [];
    for (let next = '/admin/v1/audit?limit=3'; next; ) {
      const page = await two.adminGet(next);
      records.push(...(await page.json()));
      next = page.headers.get('link')?.match(/^<(.+)>; rel="next"$/)[1];
    }
    assert.deepEqual(records, whole.trim().split('\n').map((line) => JSON.parse(line)));
    // A provider's invoice says that one of them used more, which the books then have as well.
    const before = (await one.spend()).usd;
    const late = ['--adjust', ids[0], '--input', '10', '--output', '5', '--because', 'invoice'];
    for (let time = 0; time < 2; time += 1) {
      const adjusted = await two.run('spend', ...late);
      assert.equal(adjusted.code, 0, adjusted.stderr);
      assert.ok(Math.abs((await one.spend()).usd - before - 0.03) < NEAR);
    }
    const reconciled = await one.run('spend', '--reconcile', '--json');
    assert.equal(reconciled.code, 0, reconciled.stdout + reconciled.stderr);
    assert.equal(JSON.parse(reconciled.stdout)[0].adjusted_usd, '0.03');
    const unknown = await one.run('spend', ...late.with(1, 'req_unknown'));
    assert.equal(unknown.code, 3);
    assert.match(unknown.stderr, /req_unknown is not in the trail/);
  });

  it('never spend more than there is, and nearly all of it, as crowds retry', async (t) => {
    const draw = drawing(3);
    const { upstream, bill } = await billing(t, draw);
    const config = await sharing(t, await postgres(), small(upstream));
    const gateways = await start(t, config);
    const key = await gateways[0].key();
    const used = () => gateways[0].spend().then((it) => it.usd);
    await poll(async () => {
      await crowd(gateways, key, draw, 60);
      assert.ok(bill.usd <= BUDGET + NEAR, `${bill.usd} billed`);
      return (await used()) > BUDGET - WORST - NEAR;
    }, 'a budget that is used up');
    assert.ok((await used()) <= BUDGET + NEAR);
    for (const gateway of gateways)
      await poll(async () => (await gateway.metric('tollgate_holds_open')) === 0, 'no hold open');
  });

  it('overspend in no round of crowds and cuts, whatever is killed, paused or emptied', async (t) => {
    const draw = drawing(5);
    const { upstream, bill } = await billing(t, draw);
    const database = await startPostgres(t);
    const redis = await startRedis(t);
    const config = await sharing(t, database, small(upstream));
    config.store.rates = redis.url;
    const gateways = await start(t, config);
    const key = await gateways[0].key();
    const kill = (victim) => async () => {
      bill.killing = true;
      await gateways[victim].program.kill();
    };
    const accidents = [
      ['a gateway killed', kill(0), 0],
      ['Redis emptied', () => redis.flush()],
      ['PostgreSQL started anew', () => database.kill().then(() => database.start())],
      ['Redis killed', () => redis.kill()],
      ['the other gateway killed', kill(1), 1],
      ['PostgreSQL paused', () => database.pause()],
    ];
    for (const [what, strike, victim = null] of accidents) {
      // More budget for each round: what was spent stays spent.
      config.tenants.acme.budget.usd = Number((config.tenants.acme.budget.usd + BUDGET).toFixed(6));
      const limit = config.tenants.acme.budget.usd;
      for (const gateway of gateways) await gateway.reload(config);
      const before = bill.requests;
      // What was made of a stream that its caller left is on no bill, but where a gateway died.
      const all = crowd(gateways, key, draw, CROWD, victim);
      let over = false;
      all.then(() => (over = true));
      await poll(() => over || bill.requests > before + draw(4), 'requests at work');
      await strike();
      await all;
      await poll(() => upstream.at_work === 0, 'the provider to have heard of it');
      bill.killing = false;
      assert.ok(bill.usd <= limit + NEAR, `${what}: ${bill.usd} billed of ${limit}`);
      database.resume();
      if (what === 'Redis killed') await redis.start();
      for (const [i, gateway] of gateways.entries())
        if (gateway.program.ended)
          gateways[i] = await startGateway(t, config, { cwd: gateway.cwd });
      for (const gateway of gateways)
        await poll(
          async () => (await gateway.metric('tollgate_store_degraded')) === 0,
          `${what}: no store degraded`,
        );
      const booked = () => gateways[0].spend().then((it) => it.usd);
      await poll(async () => (await booked()) >= bill.usd - NEAR, `${what}: all that was billed`);
      // What is really used is half of what is held, and callers come again: an outage leaves no
      // more unused than a worst case.
      await poll(async () => {
        await crowd(gateways, key, draw, 60);
        return (await booked()) > limit - WORST - NEAR;
      }, `${what}: a budget that is used up`);
      assert.ok((await booked()) <= limit + NEAR, `${what}: booked`);
      assert.ok((await booked()) >= 0.9 * limit - NEAR, `${what}: nearly all`);
    }
    const verified = await gateways[0].run('audit', 'verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    const reconciled = await gateways[0].run('spend', '--reconcile', '--json');
    assert.equal(reconciled.code, 0, reconciled.stdout + reconciled.stderr);
    assert.equal(JSON.parse(reconciled.stdout)[0].open, 0);
  });

  it('give back what they have leased and do not use, idle or stopped', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('', { input: 10, output: 0 })),
    );
    const config = await sharing(t, await postgres(), small(upstream));
    config.tenants.acme.budget.usd = 1000;
    const [one, two] = await start(t, config);
    const key = await one.key();
    assert.equal((await one.chat(key, { max_tokens: CAP })).status, 200);
    // A worst case of nearly all: it fits once nobody else has a lease.
    const nearly = { max_tokens: 990 };
    config.tenants.acme.budget.usd = 9.95;
    for (const gateway of [one, two]) await gateway.reload(config);
    await poll(async () => (await two.chat(key, nearly)).status === 200, 'what was idle');
    await two.program.stop();
    assert.equal((await one.chat(key, nearly)).status, 200);
  });

  it('retire one that never comes back, and keep its books', async (t) => {
    const upstream = await fakeUpstream(t, ({ response, body }) => {
      if (!body.stream) return sendJson(response, completion('one', { input: 10, output: 1 }));
      beginStream(response);
      response.write(chunk({ content: 'Hi' }));
    });
    const config = await sharing(t, await postgres(), small(upstream));
    const [one, two] = await start(t, config);
    const key = await one.key();
    assert.equal((await one.chat(key, { max_tokens: CAP })).status, 200);
    const stream = await one.chat(key, { stream: true, max_tokens: CAP });
    assert.equal(stream.status, 200);
    stream.text().catch(() => {}); // It breaks off with the gateway.
    const name = readFileSync(path.join(one.cwd, 'state', 'gateway.id'), 'utf8').trim();
    await poll(async () => {
      const all = await two.json('gateways', 'list');
      return all.find((gateway) => gateway.gateway === name)?.open === 1;
    }, 'the open request in the store');
    await one.program.kill();
    const state = path.join(one.cwd, 'state');
    const kept = folder(t);
    cpSync(state, path.join(kept, 'state'), { recursive: true });
    rmSync(state, { recursive: true });

    const early = await two.run('gateways', 'retire', name, '--yes');
    assert.equal(early.code, 3);
    assert.match(early.stderr, /may be at work/);
    server.sql(`UPDATE test${schemas}.gateways SET seen_us = seen_us - 60000000
                WHERE gateway = '${name}'`);
    const unasked = await two.run('gateways', 'retire', name);
    assert.equal(unasked.code, 2);
    assert.match(unasked.stderr, /--yes/);
    const retired = await two.run('gateways', 'retire', name, '--yes', '--json');
    assert.equal(retired.code, 0, retired.stderr);
    const told = JSON.parse(retired.stdout);
    assert.deepEqual([told.gateway, told.closed], [name, 1]);
    assert.ok(told.booked_usd >= CAP * 0.01 && told.unproven_usd > 0, retired.stdout);

    const list = await (await two.adminGet('/admin/v1/gateways')).json();
    const [standing] = list.filter((gateway) => gateway.gateway === name);
    assert.ok(standing.retired && !standing.alive);
    assert.equal(standing.open, 0);
    assert.equal(standing.leased_usd, 0);
    const [living] = list.filter((gateway) => gateway.gateway !== name);
    assert.ok(living.alive && !living.retired);
    for (const [other, status] of [[living.gateway, 409], ['nobody', 404]]) {
      const answer = await fetch(`${two.admin}/admin/v1/gateways/${other}/retire`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      });
      assert.equal(answer.status, status);
    }
    const verified = await two.run('audit', 'verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    const reconciled = await two.run('spend', '--reconcile', '--json');
    assert.equal(reconciled.code, 0, reconciled.stdout + reconciled.stderr);
    assert.equal(JSON.parse(reconciled.stdout)[0].open, 0);

    // Its machine comes back after all: what its journal holds is taken over, and nothing more.
    writeConfig(path.join(kept, 'tollgate.yaml'), config);
    const back = await tollgate(['serve', '-c', path.join(kept, 'tollgate.yaml')], { cwd: kept });
    assert.equal(back.code, 3);
    assert.match(back.stderr, /is retired since .* empty store\.state_directory/);
    const again = await two.run('spend', '--reconcile', '--json');
    assert.equal(again.code, 0, again.stdout + again.stderr);
    // With an empty directory it is another gateway.
    const fresh = await startGateway(t, config, { cwd: one.cwd });
    assert.equal((await fresh.chat(key, { max_tokens: CAP })).status, 200);
  });

  it('refuse a key within a second of its end, and cut its streams everywhere', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      response.write(chunk({ content: 'Hi' }));
    });
    const config = await sharing(t, await postgres(), small(upstream));
    const gateways = await start(t, config);
    const key = await gateways[0].key();
    const streams = gateways.map(async (gateway) => {
      const response = await gateway.chat(key, { stream: true });
      let text = '';
      for await (const piece of response.body) text += Buffer.from(piece).toString();
      return text;
    });
    await poll(() => upstream.at_work === 2, 'two streams');
    // The command returns when all gateways have said that they know.
    const revoked = await gateways[1].run('keys', 'revoke', key.id);
    assert.equal(revoked.code, 0, revoked.stderr);
    assert.equal(revoked.stderr, '');
    for (const gateway of gateways) assert.equal((await gateway.chat(key)).status, 401);
    for (const text of await Promise.all(streams)) assert.match(text, /revoked/);
  });

  it('know at once what becomes of keys that were rotated or imported elsewhere', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('one two', { input: 10, output: 2 })),
    );
    const [one, two] = await start(t, await sharing(t, await postgres(), small(upstream)));
    const told = (gateway, secret) => reasonOf(gateway, { secret });
    const both = async (secret, expected) => {
      for (const gateway of [one, two]) assert.equal(await told(gateway, secret), expected);
    };
    // Each command returns when all gateways have said that they know, and within a second.
    const quickly = async (gateway, ...words) => {
      const before = performance.now();
      const done = await gateway.run('keys', ...words);
      assert.deepEqual([done.code, done.stderr], [0, '']);
      return performance.now() - before;
    };
    const startup = await quickly(one, 'list');

    const old = await one.key();
    const fresh = await two.json('keys', 'rotate', old.id, '--overlap', '1h');
    await both(old.secret, 200);
    await both(fresh.secret, 200);
    assert.ok((await quickly(one, 'revoke', old.id)) - startup < 1000);
    await both(old.secret, 'revoked_credential');
    await both(fresh.secret, 200);
    assert.ok((await quickly(one, 'revoke', fresh.id)) - startup < 1000);
    await both(fresh.secret, 'revoked_credential');

    const secret = 'sk-of-the-gateway-that-was-here-before-0123456789';
    const digest = createHash('sha256').update(secret).digest('hex');
    const file = path.join(folder(t), 'keys.jsonl');
    writeFileSync(file, `${JSON.stringify({ digest: `sha256:${digest}`, tenant: 'acme' })}\n`);
    await both(secret, 'invalid_credential');
    const { ids } = await one.json('keys', 'import', file);
    await poll(async () => (await told(two, secret)) === 200, 'the imported key on the other');
    await both(secret, 200);
    assert.ok((await quickly(two, 'revoke', ids[0])) - startup < 1000);
    await both(secret, 'revoked_credential');
    // It stays revoked, whoever imports it again.
    assert.equal((await two.json('keys', 'import', file)).imported, 0);
    await both(secret, 'revoked_credential');
  });
});

describe('gateways whose PostgreSQL is away', () => {
  async function world(t, changes = {}) {
    const server = await startPostgres(t);
    const bill = { usd: 0 };
    const upstream = await fakeUpstream(t, ({ response }) => {
      bill.usd += 10 * 0.001 + 2 * 0.01;
      sendJson(response, completion('one two', { input: 10, output: 2 }));
    });
    const config = await sharing(t, server, small(upstream));
    config.tenants.acme.budget.usd = 100;
    Object.assign(config.store, changes);
    const gateways = await start(t, config);
    const key = await gateways[0].key();
    return { server, upstream, bill, config, gateways, key };
  }

  /** Asks until it is refused: what was leased is used up. Never waits for longer than deadlines. */
  async function useUp(gateway, key) {
    let last;
    await poll(async () => {
      last = await gateway.chat(key, { max_tokens: CAP });
      last.said = await last.text();
      return last.status !== 200;
    }, 'a refusal');
    return last;
  }

  for (const [how, down, up] of [
    ['paused', (server) => server.pause(), (server) => server.resume()],
    ['killed and started again', (server) => server.kill(), (server) => server.start()],
  ]) {
    it(`${how}: serve from leases, refuse beyond them, go on and book it all`, async (t) => {
      const { server, bill, gateways, key } = await world(t);
      for (const gateway of gateways)
        assert.equal((await gateway.chat(key, { max_tokens: CAP })).status, 200);
      await down(server);
      const [one, two] = gateways;
      const refused = await useUp(one, key);
      assert.equal(refused.status, 503);
      assert.equal(refused.headers.get('x-tollgate-reason'), 'store_unavailable', refused.said);
      assert.match(refused.headers.get('x-tollgate-degraded'), /money/);
      assert.ok(Number(refused.headers.get('retry-after-ms')) > 0);
      assert.equal(await one.metric('tollgate_store_degraded', { store: 'money' }), 1);
      await up(server);
      for (const gateway of [one, two])
        await poll(async () => (await gateway.chat(key)).status === 200, 'money again', 10_000);
      await poll(
        async () => Math.abs((await one.spend()).usd - bill.usd) < NEAR,
        'all that was billed booked, and no more',
      );
      const degraded = await one.run('audit', 'query', '--json', '--limit', '500');
      assert.match(degraded.stdout, /"degraded":\["money"/);
      for (const gateway of gateways)
        await poll(
          async () => (await gateway.metric('tollgate_store_degraded')) === 0,
          'no store degraded',
        );
      const verified = await one.run('audit', 'verify');
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    });
  }

  it('a gateway that is killed meanwhile loses nothing', async (t) => {
    const { server, bill, gateways, key, config } = await world(t);
    assert.equal((await gateways[0].chat(key, { max_tokens: CAP })).status, 200);
    await server.kill();
    await useUp(gateways[0], key);
    await gateways[0].program.kill();
    const file = path.join(gateways[0].cwd, 'tollgate.yaml');
    const refused = await tollgate(['serve', '-c', file], { cwd: gateways[0].cwd });
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /postgres/);
    await server.start();
    const again = await startGateway(t, config, { cwd: gateways[0].cwd });
    await poll(
      async () => Math.abs((await again.spend()).usd - bill.usd) < NEAR,
      'all that was billed booked, and no more',
    );
  });

  it('a gateway that stops meanwhile does not wait for all who ask for its books', async (t) => {
    const { server, gateways } = await world(t);
    const [gateway] = gateways;
    const { program } = gateway;
    server.pause();
    // Each would take seconds, one after the other.
    let full = false;
    const question = async () => {
      const response = await gateway.adminGet('/admin/v1/spend');
      full ||= /Too many questions/.test(await response.text());
    };
    const asked = [];
    await poll(() => {
      asked.push(question().catch(() => {}));
      return full;
    }, 'as many questions as may wait');
    program.signal('SIGTERM');
    await poll(() => program.ended, 'its end');
    server.resume();
    assert.doesNotMatch(program.stderr, /Sanitizer|runtime error|CHECK failed/);
    await Promise.all(asked);
  });

  it('believe keys as the policy says', async (t) => {
    const { server, gateways, key } = await world(t, { on_fault: { keys: 'refuse' } });
    const [gateway] = gateways;
    assert.equal((await gateway.chat(key, { max_tokens: CAP })).status, 200);
    server.pause();
    const refused = await poll(async () => {
      const response = await gateway.chat(key, { max_tokens: CAP });
      return response.headers.get('x-tollgate-rule') === 'store.on_fault.keys' && response;
    }, 'a key that is not believed');
    assert.equal(refused.status, 503);
    assert.match(refused.headers.get('x-tollgate-degraded'), /keys/);
    server.resume();
    await poll(async () => (await gateway.chat(key)).status === 200, 'keys again', 10_000);
  });
});

describe('a PostgreSQL that cannot be served from', () => {
  const shared = scope(after);
  let server;
  const postgres = async () => (server ??= await startPostgres(shared));

  async function refusal(t, change) {
    const upstream = { url: 'http://127.0.0.1:9' };
    const config = await sharing(t, await postgres(), small(upstream));
    const cwd = folder(t);
    await change(config, cwd);
    const file = path.join(cwd, 'tollgate.yaml');
    writeConfig(file, config);
    const { code, stderr } = await tollgate(['serve', '-c', file], { cwd });
    assert.equal(code, 3, stderr);
    assert.doesNotMatch(stderr, /secret-of-the-tests|hidden-word/);
    return stderr;
  }

  it('says what is wrong with the URL, and never the password', async (t) => {
    const wrong = (from, to) => (config) => {
      config.store.ledger = config.store.ledger.replace(from, to);
    };
    assert.match(await refusal(t, wrong(/:[^:@/]+@/, ':hidden-word@')), /password/);
    assert.match(await refusal(t, wrong('/postgres?', '/nowhere?')), /nowhere/);
    assert.match(await refusal(t, wrong(/127.0.0.1:\d+/, '127.0.0.1:1')), /refused/);
  });

  it('is refused where the keys were made with another pepper', async (t) => {
    const upstream = { url: 'http://127.0.0.1:9' };
    const config = await sharing(t, await postgres(), small(upstream));
    const gateway = await startGateway(t, config);
    await gateway.key();
    const other = path.join(gateway.cwd, 'other');
    writeFileSync(other, 'q'.repeat(32), { mode: 0o600 });
    config.authentication.api_keys.pepper_file = other;
    const file = path.join(gateway.cwd, 'other.yaml');
    writeConfig(file, { ...config, store: { ...config.store, state_directory: 'elsewhere' } });
    const refused = await tollgate(['serve', '-c', file], { cwd: gateway.cwd });
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /another pepper/);
    const key = await tollgate(['keys', 'create', '--tenant', 'acme', '-c', file], {
      cwd: gateway.cwd,
    });
    assert.match(key.stderr, /another pepper/);
  });

  it('has one gateway a state directory, and one that was copied is found out', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('one', { input: 10, output: 1 })),
    );
    const config = await sharing(t, await postgres(), small(upstream));
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const same = await tollgate(['serve', '-c', gateway.file], { cwd: gateway.cwd });
    assert.equal(same.code, 3);
    assert.match(same.stderr, /another gateway serves/);

    const copy = folder(t);
    cpSync(path.join(gateway.cwd, 'state'), path.join(copy, 'state'), { recursive: true });
    writeConfig(path.join(copy, 'tollgate.yaml'), config);
    const second = await tollgate(['serve', '-c', path.join(copy, 'tollgate.yaml')], { cwd: copy });
    assert.equal(second.code, 3, second.stderr);
    assert.match(second.stderr, /another process serves as the gateway/);
    assert.match(second.stderr, /gateway\.id/);
    assert.equal((await gateway.chat(key)).status, 200);
  });
});
