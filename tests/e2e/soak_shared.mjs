// Two gateways on one PostgreSQL and one Redis, soaked: crowds on a budget that each round raises a
// little and uses up, and in the middle of each an accident or two.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { folder, poll, startGateway } from './harness.mjs';
import { ask, billing, BUDGET, drawing, small, WORST } from './crowds.mjs';
import { Memory } from './memory.mjs';
import { startPostgres, startRedis } from './servers.mjs';

const GATEWAYS = 2;
const CALLERS = 24;
const REQUESTS_EACH = 4;
// So few slots that none is kept by a gateway that does not use it.
const AT_ONCE = 15;
const NEAR = 1e-6;
const SEGMENTS_MAX = 4;
const VERIFY_EVERY = 2;
const SLOTS = 'tollgate:{limits.tenant_id.concurrent_requests:acme}';

export class Shared {
  constructor(t, draw, only) {
    // What callers and the provider draw depends on who comes first; the accidents do not.
    Object.assign(this, { t, plan: draw, draw: drawing(1 + draw(1e6)) });
    Object.assign(this, { rounds: 0, asked: 0, slowest_ms: 0, gateways: [], memories: [] });
    this.struck = new Map();
    this.recoveries = { PostgreSQL: [], Redis: [] };
    this.accidents = [
      ['nothing', async () => {}],
      ['gateway killed', () => this.kill()],
      ['gateway killed and started', () => this.kill().then(() => this.revive())],
      ['gateway stopped', () => this.stop()],
      ['PostgreSQL killed and started', () => this.restart('PostgreSQL', this.database)],
      ['PostgreSQL paused', () => this.pause(this.database)],
      ['Redis paused', () => this.pause(this.redis)],
      ['Redis killed and started', () => this.restart('Redis', this.redis)],
      ['Redis killed', () => this.redis.kill()],
      ['Redis emptied', () => this.redis.flush()],
      ['configuration', () => this.reload()],
      ['key revoked', () => this.revoke()],
    ].filter(([what]) => what.includes(only));
  }

  async begin() {
    this.database = await startPostgres(this.t);
    this.redis = await startRedis(this.t);
    const { upstream, bill } = await billing(this.t, this.draw);
    Object.assign(this, { upstream, bill, budget: 0, config: small(upstream) });
    const pepper = path.join(folder(this.t), 'pepper');
    writeFileSync(pepper, 'p'.repeat(32), { mode: 0o600 });
    this.config.authentication = { api_keys: { pepper_file: pepper } };
    this.config.limits.tenant_id.concurrent_requests = AT_ONCE;
    this.config.store = {
      ledger: this.database.url,
      rates: this.redis.url,
      state_directory: 'state',
    };
    this.raise();
    this.homes = Array.from({ length: GATEWAYS }, () => folder(this.t));
    for (let i = 0; i < GATEWAYS; i += 1) await this.serve(i);
    this.key = await this.gateways[0].key();
  }

  /** A new life of a gateway, on the files of the last. */
  async serve(i) {
    const began = Date.now();
    mkdirSync(this.homes[i], { recursive: true });
    this.gateways[i] = await startGateway(this.t, this.config, { cwd: this.homes[i] });
    this.memories[i] = new Memory();
    this.slowest_ms = Math.max(this.slowest_ms, Date.now() - began);
  }

  raise() {
    this.budget = Number((this.budget + BUDGET).toFixed(6));
    this.config.tenants.acme.budget.usd = this.budget;
  }

  // ---- Accidents -----------------------------------------------------------------------------

  /** From here on what was made of a stream is billed, whoever ended it. */
  async kill() {
    this.bill.killing = true;
    await this.gateways[this.victim].program.kill();
  }
  /** As it is alone, its requests go on to their ends. */
  async stop() {
    await this.gateways[this.victim].program.stop();
    await this.revive();
  }
  async revive() {
    for (const [i, gateway] of this.gateways.entries())
      if (gateway.program.ended) await this.serve(i);
  }
  /** Killed, seen to be away by all, and there again; how long all took from then on. */
  async restart(name, server) {
    const away = (gateway) => gateway.metric('tollgate_store_degraded');
    await server.kill();
    await this.ofAll(async (gateway) => (await away(gateway)) > 0, `${name} away`);
    await server.start();
    const began = Date.now();
    await this.ofAll(async (gateway) => (await away(gateway)) === 0, `${name} back`);
    this.recoveries[name].push(Date.now() - began);
  }
  /** Until the crowd is through, or for longer than any deadline. */
  async pause(server) {
    server.pause();
    this.resume.push(server);
  }
  /** Another limit that takes nothing away, on one gateway after the other. */
  async reload() {
    this.config.limits.tenant_id.requests_per_minute = 100000 + this.plan(1000);
    for (const gateway of this.gateways) await gateway.reload(this.config);
  }
  /** Whatever else is at work: it is refused everywhere once the command has returned. */
  async revoke() {
    const key = await this.gateways[0].key();
    const streams = this.gateways.map((gateway) =>
      ask(gateway, key, () => 0, { stays: true }),
    );
    const revoked = await this.gateways[1].run('keys', 'revoke', key.id);
    assert.equal(revoked.code, 0, revoked.stderr);
    for (const gateway of this.gateways) assert.equal((await gateway.chat(key)).status, 401);
    await Promise.all(streams);
  }

  // ---- Rounds --------------------------------------------------------------------------------

  /** Callers who come again; those of a gateway that lives stay to the end of an answer. */
  async crowd({ stays }) {
    const one = async (i) => {
      for (let n = 0; n < REQUESTS_EACH; n += 1) {
        const at = (i + n) % GATEWAYS;
        await ask(this.gateways[at], this.key, this.draw, { stays: stays && at !== this.victim });
        this.asked += 1;
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, (_, i) => one(i)));
  }

  async round() {
    this.raise();
    for (const gateway of this.gateways) await gateway.reload(this.config);
    this.victim = this.plan(GATEWAYS);
    this.resume = [];
    const [what, strike] = this.accidents[this.plan(this.accidents.length)];
    this.what = what;
    this.struck.set(what, (this.struck.get(what) ?? 0) + 1);
    const before = this.bill.requests;
    const all = this.crowd({ stays: what.startsWith('gateway') });
    let over = false;
    all.then(() => (over = true));
    const enough = 1 + this.plan(8);
    await poll(() => over || this.bill.requests >= before + enough, 'requests at work');
    await strike();
    await all;
    await poll(() => this.upstream.at_work === 0, 'the provider to have heard of it');
    this.bill.killing = false;
    for (const server of this.resume) server.resume();
    if (this.redis.child.signalCode !== null) await this.redis.start();
    await this.revive();
    this.upstream.requests.length = 0;
    this.rounds += 1;
  }

  ofAll(condition, what) {
    const of = (gateway) => poll(() => condition(gateway), `${this.what}: ${what}`);
    return Promise.all(this.gateways.map(of));
  }

  metricOfAll(name, wanted) {
    return this.ofAll(async (it) => (await it.metric(name)) === wanted, `${name} ${wanted}`);
  }

  /** Everything is there again: the budget is used up but for a worst case, and nothing is held. */
  async check() {
    const { bill, budget, what } = this;
    assert.ok(bill.usd <= budget + NEAR, `${what}: ${bill.usd} billed of ${budget}`);
    await this.metricOfAll('tollgate_store_degraded', 0);
    await this.useUp();
    await this.metricOfAll('tollgate_holds_open', 0);
    await this.metricOfAll('tollgate_concurrent_requests', 0);
    await poll(
      async () => /:0\r\n$/.test(await this.redis.ask('EXISTS', SLOTS)),
      `${what}: no slot in use`,
    );
    this.booked = await poll(async () => {
      const usd = await this.spent();
      return usd >= bill.usd - NEAR && usd;
    }, `${what}: ${bill.usd} in the books`);
    for (const [i, gateway] of this.gateways.entries()) {
      this.memories[i].check(gateway.program.child.pid);
      const segments = readdirSync(path.join(this.homes[i], 'state/journal'));
      assert.ok(segments.length <= SEGMENTS_MAX, `${segments.length} segments of the journal`);
    }
    if (this.rounds % VERIFY_EVERY === 0) await this.verify();
  }

  async spent() {
    const { usd } = await this.gateways[0].spend();
    assert.ok(usd <= this.budget + NEAR, `${this.what}: ${usd} booked of ${this.budget}`);
    assert.ok(this.bill.usd <= this.budget + NEAR, `${this.what}: ${this.bill.usd} billed`);
    return usd;
  }

  /** Real use is half of the bound, and callers come again: nearly all of it is spent. */
  async useUp() {
    await poll(async () => {
      await this.crowd({ stays: false });
      return (await this.spent()) > this.budget - WORST - NEAR;
    }, `${this.what}: a budget that is used up`);
  }

  async verify() {
    for (const args of [
      ['audit', 'verify'],
      ['spend', '--reconcile'],
    ]) {
      const { code, stdout, stderr } = await this.gateways[1].run(...args);
      assert.equal(code, 0, `${this.what}: ${stdout}${stderr}`);
    }
  }

  /** How everything stands, for whoever has to find out why a promise was broken. */
  async explain() {
    for (const table of ['leases', 'allowances'])
      console.error(`${table}:\n${this.database.sql(`SELECT * FROM ${table}`)}`);
    for (const gateway of this.gateways) {
      const text = await (await gateway.adminGet('/metrics')).text();
      const lines = text.split('\n').filter((line) => /^tollgate_(holds|store|budget|audit_|rate|requests)/.test(line));
      console.error(lines.join('\n'));
      const said = await gateway.chat(this.key, { max_tokens: 100 });
      console.error(said.status, await said.text());
    }
    const { stdout } = await this.gateways[0].run('spend', '--reconcile');
    console.error(stdout);
  }

  tell() {
    const struck = [...this.struck].map(([what, times]) => `${what} ${times}`).join(', ');
    const memory = this.memories.map((it) => it.resident_mb.toFixed(0)).join(' and ');
    console.log(
      `round ${this.rounds}: ${this.asked} requests, ${this.booked.toFixed(2)} of ` +
        `${this.budget.toFixed(2)} USD booked, ${this.bill.usd.toFixed(2)} billed, ` +
        `${memory} MB, slowest start ${this.slowest_ms} ms (${struck})`,
    );
    for (const [name, all] of Object.entries(this.recoveries)) {
      if (all.length === 0) continue;
      const sorted = all.toSorted((a, b) => a - b);
      const median = sorted[Math.floor(sorted.length / 2)];
      console.log(`  ${name} back: served again after ${median} ms (${sorted[0]} to ${sorted.at(-1)})`);
    }
  }
}
