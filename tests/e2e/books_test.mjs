// Attacks on the books with the real program: crowds on a small budget, streams that are cut, and
// kills in the middle. Never is more spent than there is, and nothing that was spent is forgotten.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poll, question, QUESTION_TOKENS, standard, startGateway } from './harness.mjs';
import { chunk, completion, fakeUpstream, sendJson } from './fake_upstream.mjs';

const CAP = 100;
const WORST = Number((QUESTION_TOKENS * 0.001 + CAP * 0.01).toFixed(6));
const BUDGET = Number((10 * WORST).toFixed(6));
const ROUNDS = 4;
const CROWD = 120;

/** Draws the same numbers in every run. */
function drawing(seed) {
  let state = seed;
  return (below) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
}

/**
 * A provider that keeps its own bill: each request costs its input and its output, which is half of
 * what it may be on the average. Of a stream that a caller left it cannot be known here how much
 * passed, so none of it is on the bill; of one that a kill ended all that was made is.
 */
async function billing(t, draw) {
  const bill = { usd: 0, requests: 0, killing: false };
  const charge = (output) => (bill.usd += QUESTION_TOKENS * 0.001 + output * 0.01);
  const upstream = await fakeUpstream(t, ({ response, body }) => {
    const output = draw(CAP + 1);
    bill.requests += 1;
    if (!body.stream) {
      charge(output);
      sendJson(response, completion('one '.repeat(output), { input: QUESTION_TOKENS, output }));
      return;
    }
    let made = 0;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.on('close', () => {
      if (response.writableEnded || bill.killing) charge(made);
    });
    const more = () => {
      if (response.destroyed) return;
      if (made === output) {
        response.write(chunk({}, 'stop'));
        response.end('data: [DONE]\n\n');
        return;
      }
      made += 1;
      response.write(chunk({ content: ' one' }), () => setImmediate(more));
    };
    more();
  });
  return { upstream, bill };
}

/** One caller: whole or streamed, read to its end or left after some pieces. */
async function ask(gateway, key, draw) {
  const stream = draw(2) === 0;
  const leaves = stream && draw(3) === 0 ? draw(20) : Infinity;
  const leave = new AbortController();
  try {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      signal: leave.signal,
      headers: { authorization: `Bearer ${key.secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...question(), max_tokens: CAP, stream }),
    });
    let pieces = 0;
    for await (const piece of response.body) {
      pieces += piece.length > 0 ? 1 : 0;
      if (pieces > leaves) leave.abort();
    }
    return response.status;
  } catch {
    return 0; // It left, or the gateway is gone.
  }
}

function small(upstream) {
  const config = standard(upstream.url);
  config.tenants.acme.budget = { usd: BUDGET, per: 'total', when_exhausted: 'refuse' };
  return config;
}

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
