// Crowds on a small budget: callers who read their answers or leave them, and a provider that keeps
// a bill of its own, so that what is booked can be held against what was made.
import { question, QUESTION_TOKENS, standard } from './harness.mjs';
import { chunk, fakeUpstream, completion, sendJson } from './fake_upstream.mjs';

export const CAP = 100;
/** What one request may cost at most, and a budget of ten of them. */
export const WORST = Number((QUESTION_TOKENS * 0.001 + CAP * 0.01).toFixed(6));
export const BUDGET = Number((10 * WORST).toFixed(6));

/** Draws the same numbers in every run. */
export function drawing(seed) {
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
export async function billing(t, draw) {
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
export async function ask(gateway, key, draw, { stays = false } = {}) {
  const stream = draw(2) === 0;
  const leaves = stream && draw(3) === 0 && !stays ? draw(20) : Infinity;
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

/** The standard configuration with that budget for one tenant. */
export function small(upstream) {
  const config = standard(upstream.url);
  config.tenants.acme.budget = { usd: BUDGET, per: 'total', when_exhausted: 'refuse' };
  return config;
}
