// PostgreSQL with a standby whose commits are synchronous: what becomes of money when the primary's
// machine is gone and the standby takes over, while crowds ask two gateways.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { folder, poll, startGateway } from './harness.mjs';
import { ask, billing, drawing, small, WORST } from './crowds.mjs';
import { haunt, startPostgres, startStandby, urlOf } from './servers.mjs';

const CROWD = 1000;
const NEAR = 1e-6;

function crowd(gateways, key, draw, size) {
  const one = (i) => ask(gateways[i % gateways.length], key, draw);
  return Promise.all(Array.from({ length: size }, (_, i) => one(i)));
}

describe('a PostgreSQL whose standby takes over', () => {
  it('costs nobody anything, and gateways find it by themselves', async (t) => {
    const draw = drawing(11);
    const { upstream, bill } = await billing(t, draw);
    const primary = await startPostgres(t);
    const standby = await startStandby(t, primary);
    const config = small(upstream);
    const home = folder(t);
    writeFileSync(path.join(home, 'pepper'), 'p'.repeat(32), { mode: 0o600 });
    config.authentication = { api_keys: { pepper_file: path.join(home, 'pepper') } };
    const ledger = `${urlOf(primary, standby)}?target_session_attrs=read-write`;
    config.store = { ...config.store, ledger, state_directory: 'state' };
    // Enough for the crowd to be still at it when the standby has taken over.
    const limit = Number((100 * WORST).toFixed(6));
    config.tenants.acme.budget.usd = limit;
    const gateways = [await startGateway(t, config), await startGateway(t, config)];
    const key = await gateways[0].key();

    const all = crowd(gateways, key, draw, CROWD);
    let over = false;
    all.then(() => (over = true));
    await poll(() => over || bill.requests > 20, 'requests at work');
    await primary.kill();
    const visitors = await haunt(t, primary);
    standby.sql('SELECT pg_promote()');
    await all;
    await poll(() => upstream.at_work === 0, 'the provider to have heard of it');
    assert.ok(bill.usd <= limit + NEAR, `${bill.usd} billed of ${limit}`);

    for (const gateway of gateways)
      await poll(
        async () => (await gateway.metric('tollgate_store_degraded')) === 0,
        'a gateway that goes on',
      );
    assert.ok(visitors.size > 0, 'nobody has asked the machine that is gone');
    const booked = () => gateways[0].spend().then((it) => it.usd);
    await poll(async () => (await booked()) >= bill.usd - NEAR, 'all that was billed');
    await poll(async () => {
      await crowd(gateways, key, draw, 60);
      return (await booked()) > limit - WORST - NEAR;
    }, 'a budget that is used up');
    assert.ok((await booked()) <= limit + NEAR, `${await booked()} booked of ${limit}`);
    const verified = await gateways[1].run('audit', 'verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    const reconciled = await gateways[1].run('spend', '--reconcile', '--json');
    assert.equal(reconciled.code, 0, reconciled.stdout + reconciled.stderr);
    assert.equal(JSON.parse(reconciled.stdout)[0].open, 0);
  });
});
