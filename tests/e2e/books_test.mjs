// Attacks on the books with the real program: crowds on a small budget, streams that are cut, and
// kills in the middle. Never is more spent than there is, and nothing that was spent is forgotten.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poll, QUESTION_TOKENS, startGateway } from './harness.mjs';
import { completion, fakeUpstream, sendJson } from './fake_upstream.mjs';
import { ask, billing, BUDGET, CAP, drawing, small, WORST } from './crowds.mjs';

const ROUNDS = 4;
const CROWD = 120;

describe('the books', () => {
  it('a crowd uses most of a budget and no more', async (t) => {
    const draw = drawing(7);
    const { upstream, bill } = await billing(t, draw);
    const gateway = await startGateway(t, small(upstream));
    const key = await gateway.key();
    let statuses;
    do {
      statuses = await Promise.all(Array.from({ length: CROWD }, () => ask(gateway, key, draw)));
      assert.ok(bill.usd <= BUDGET + 1e-9, `${bill.usd} billed`);
    } while (statuses.some((status) => status !== 429));
    // Less is left than one request may cost.
    await poll(async () => {
      const { usd } = await gateway.spend();
      assert.ok(usd <= BUDGET + 1e-9, `${usd} of ${BUDGET} booked`);
      return usd > BUDGET - WORST - 1e-6;
    }, 'a budget that is used up');
    await poll(async () => (await gateway.metric('tollgate_holds_open')) === 0, 'no hold open');
  });

  it('no round of crowds, cuts and kills spends more than there is', async (t) => {
    const draw = drawing(11);
    const { upstream, bill } = await billing(t, draw);
    const config = small(upstream);
    let gateway = await startGateway(t, config);
    const key = await gateway.key();
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = bill.requests;
      const crowd = Array.from({ length: CROWD }, () => ask(gateway, key, draw));
      let over = false;
      Promise.all(crowd).then(() => (over = true));
      const enough = 1 + draw(6);
      await poll(() => over || bill.requests >= before + enough, 'requests at work');
      bill.killing = true;
      await gateway.program.kill();
      await Promise.all(crowd);
      await poll(() => upstream.at_work === 0, 'the provider to have heard of it');
      bill.killing = false;
      assert.ok(bill.usd <= BUDGET + 1e-9, `${bill.usd} billed in round ${round}`);
      gateway = await startGateway(t, config, { cwd: gateway.cwd });
      const booked = (await gateway.spend()).usd;
      assert.ok(booked >= bill.usd - 1e-6, `${bill.usd} billed, ${booked} booked`);
      assert.ok(booked <= BUDGET + 1e-9, `${booked} booked in round ${round}`);
    }
    const verified = await gateway.run('audit', 'verify');
    assert.equal(verified.code, 0, verified.stderr);
  });

  it('what is at work when it is killed stays spent', async (t) => {
    const upstream = await fakeUpstream(t, () => {}); // Never answers.
    const config = small(upstream);
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const crowd = Array.from({ length: 20 }, () => ask(gateway, key, () => 1));
    await poll(() => upstream.requests.length === 10, 'ten at work');
    await gateway.program.kill();
    await Promise.all(crowd);
    const again = await startGateway(t, config, { cwd: gateway.cwd });
    assert.equal((await again.chat(key, { max_tokens: CAP })).status, 429);
    assert.ok(Math.abs((await again.spend()).usd - BUDGET) < 1e-6);
    assert.equal(upstream.requests.length, 10);
  });

  it('a record names the account and the prices that it was held at', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('one', { input: QUESTION_TOKENS, output: 1 })),
    );
    const gateway = await startGateway(t, small(upstream));
    const response = await gateway.chat(await gateway.key());
    const { decision, outcome } = await gateway.records(response.headers.get('x-request-id'));
    const [budget] = decision.budget;
    assert.equal(budget.rule, 'tenants.acme.budget');
    assert.equal(budget.window_start, '1970-01-01T00:00:00.000000Z'); // A total has no other.
    for (const record of [decision, outcome]) assert.equal(record.price_version, '1000.00/500.00/10000.00');
  });
});
