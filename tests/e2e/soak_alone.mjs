// One gateway on SQLite, soaked: crowds on a budget that each round raises a little, callers who
// leave, reloads, kills and clean stops.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { poll, startGateway } from './harness.mjs';
import { ask, billing, BUDGET, small, WORST } from './crowds.mjs';
import { Memory } from './memory.mjs';

const CROWD = 150;
const CENT = 0.01;
const SEGMENTS_MAX = 4;
const VERIFY_EVERY = 10;

/** The files of one gateway over all its lives, and what has to be true of them. */
export class Alone {
  constructor(t, draw) {
    Object.assign(this, { t, draw, rounds: 0, kills: 0, stops: 0, asked: 0, slowest_ms: 0 });
  }

  async begin() {
    const { upstream, bill } = await billing(this.t, this.draw);
    Object.assign(this, { upstream, bill, budget: BUDGET, config: small(upstream) });
    await this.serve();
    this.key = await this.gateway.key();
  }

  /** A new life of the gateway, on the files of the last. */
  async serve() {
    const began = Date.now();
    this.gateway = await startGateway(this.t, this.config, { cwd: this.gateway?.cwd });
    this.slowest_ms = Math.max(this.slowest_ms, Date.now() - began);
    this.memory = new Memory();
  }

  async raise() {
    this.budget = Number((this.budget + BUDGET).toFixed(6));
    this.config.tenants.acme.budget.usd = this.budget;
    await this.gateway.reload(this.config);
  }

  /** A crowd, in the middle of which the gateway may be killed. */
  async round() {
    await this.raise();
    const before = this.bill.requests;
    const crowd = Array.from({ length: CROWD }, () => ask(this.gateway, this.key, this.draw));
    this.asked += CROWD;
    const all = Promise.all(crowd);
    if (this.draw(3) === 0) {
      let over = false;
      all.then(() => (over = true));
      const enough = 1 + this.draw(12);
      await poll(() => over || this.bill.requests >= before + enough, 'requests at work');
      this.bill.killing = true;
      await this.gateway.program.kill();
      this.kills += 1;
    }
    await all;
    await poll(() => this.upstream.at_work === 0, 'the provider to have heard of it');
    if (this.bill.killing) {
      this.bill.killing = false;
      await this.serve();
    } else if (this.draw(8) === 0) {
      await this.gateway.program.stop();
      this.stops += 1;
      await this.serve();
    }
    this.upstream.requests.length = 0;
    this.rounds += 1;
  }

  async check() {
    const { gateway, bill, budget } = this;
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 0, 'no hold open');
    assert.ok(bill.usd <= budget + 1e-6, `${bill.usd} billed of ${budget}`);
    // Bookings follow replies by a moment.
    this.booked = await poll(async () => {
      const { usd } = await gateway.spend();
      assert.ok(usd <= budget + 1e-6, `${usd} booked of ${budget}`);
      return usd >= bill.usd - 1e-6 && usd;
    }, `${bill.usd} in the books`);
    const segments = readdirSync(path.join(gateway.cwd, 'tollgate.db.journal'));
    assert.ok(segments.length <= SEGMENTS_MAX, `${segments.length} segments of the journal`);
    this.memory.check(gateway.program.child.pid);
    if (this.rounds % VERIFY_EVERY === 0) await this.verify();
  }

  async verify() {
    const { code, stdout, stderr } = await this.gateway.run('audit', 'verify');
    assert.equal(code, 0, stdout + stderr);
  }

  /** What is left is spent by callers who come one at a time, but for less than one worst case. */
  async useUp() {
    while ((await ask(this.gateway, this.key, this.draw)) !== 429);
    const { usd } = await poll(async () => {
      const spend = await this.gateway.spend();
      return spend.usd > this.budget - WORST - CENT && spend;
    }, 'a budget that is used up');
    assert.ok(usd <= this.budget + 1e-6, `${usd} booked of ${this.budget}`);
    await this.verify();
  }

  tell() {
    console.log(
      `round ${this.rounds}: ${this.asked} requests, ${this.kills} kills, ${this.stops} stops, ` +
        `${this.booked.toFixed(2)} of ${this.budget.toFixed(2)} USD booked, ` +
        `${this.bill.usd.toFixed(2)} billed, ${this.memory.resident_mb.toFixed(0)} MB, ` +
        `slowest start ${this.slowest_ms} ms`,
    );
  }
}
