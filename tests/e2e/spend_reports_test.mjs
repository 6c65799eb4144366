// What `spend` reports beside sums: by the day, forecasts, chargeback, an invoice against the books.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { Anthropic, question, scope, standard, startGateway, startMock } from './harness.mjs';

describe('spend', () => {
  const shared = scope(after);
  const today = () => new Date().toISOString().slice(0, 10);

  async function spent() {
    const mock = await startMock(shared);
    const gateway = await startGateway(shared, standard(mock.url));
    const key = await gateway.key('acme', '--user', '=ada');
    const before = today();
    for (let i = 0; i < 3; i++) {
      await gateway.openai(key).chat.completions.create({ ...question(), max_tokens: 10 });
    }
    const { usd } = await gateway.spendOf(3);
    return { gateway, key, usd, before };
  }

  it('is told by the day, forecast, charged on and held against an invoice', async () => {
    const { gateway, key, usd, before } = await spent();
    if (before !== today()) return; // It was midnight.
    const days = await gateway.json('spend', '--by', 'day');
    const [day] = Array.isArray(days) ? days : (days.rows ?? days.spend ?? days.data);
    assert.equal(day.day ?? day.name ?? day.subject, `${before}T00:00:00Z`);
    assert.equal(Number(day.cost_usd), usd);

    const forecast = await gateway.json('spend', '--forecast');
    const acme = forecast.find((one) => one.budget === 'tenants.acme.budget');
    assert.equal(acme.subject, 'acme');
    assert.equal(Number(acme.spent_usd), usd);
    assert.ok(Math.abs(Number(acme.usd_an_hour) - usd / 24) < 1e-5);
    assert.equal(acme.exhausted, undefined); // Ten thousand dollars last longer than the month.
    assert.match((await gateway.run('spend', '--forecast')).stdout, /^tenants\.acme\.budget +acme /m);

    const csv = (await gateway.run('spend', '--chargeback')).stdout.trim().split('\n');
    assert.equal(csv.length, 2);
    // A name that a spreadsheet would take for a formula is none there.
    assert.ok(csv[1].startsWith(`${before},acme,'=ada,${key.id},chat,small,3,`), csv[1]);
    assert.equal(Number(csv[1].split(',').at(-1)), usd);

    const file = path.join(gateway.cwd, 'invoice.csv');
    writeFileSync(file, `model,day,usd\nsmall,${before},${usd}\n`);
    const same = await gateway.run('spend', '--invoice', file);
    assert.equal(same.code, 0, same.stdout + same.stderr);
    writeFileSync(file, `model,day,usd\nsmall,${before},${(usd + 1).toFixed(6)}\nother,${before},0.50\n`);
    const other = await gateway.run('spend', '--invoice', file, '--json');
    assert.equal(other.code, 1, other.stderr);
    const rows = JSON.parse(other.stdout);
    assert.deepEqual(
      rows.map((row) => [row.model, Number(row.difference_usd), row.differs, row.in]),
      [
        ['other', 0.5, true, 'invoice'],
        ['small', 1, true, 'both'],
      ],
    );

    // Models that the invoice does not name are another provider's, unless it is said whose it is.
    await gateway.anthropic(Anthropic, key).messages.create({
      model: 'claude',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'Hello' }],
    });
    const all = await gateway.spendOf(4);
    writeFileSync(file, `model,day,usd\nsmall,${before},${usd}\n`);
    const named = await gateway.run('spend', '--invoice', file);
    assert.equal(named.code, 0, named.stdout + named.stderr);
    assert.doesNotMatch(named.stdout, /claude/);
    const rest = `not compared, as the invoice does not name them: claude, for which ${(all.usd - usd).toFixed(6).replace(/0+$/, '')}`;
    assert.ok(named.stderr.includes(rest), `${named.stderr}, not ${rest}`);
    const of = (upstream) => gateway.run('spend', '--invoice', file, '--upstream', upstream, '--json');
    assert.equal((await of('openai')).code, 0);
    const whose = await of('anthropic');
    assert.equal(whose.code, 1);
    assert.deepEqual(
      JSON.parse(whose.stdout).map((row) => [row.model, row.in]),
      [
        ['claude', 'books'],
        ['small', 'invoice'],
      ],
    );
    assert.equal((await of('nobody')).code, 2);
    // What names no model, a tax or a credit, is told by itself.
    writeFileSync(file, `model,day,usd\nsmall,${before},${usd}\n,${before},3.00\n,${before},-0.50\n`);
    const untold = await gateway.run('spend', '--invoice', file);
    assert.equal(untold.code, 1);
    assert.match(untold.stdout, /^\(no model\) .* 2\.50 +2\.50 in the invoice alone$/m);

    writeFileSync(file, 'model,day,usd\nsmall,yesterday,1\n');
    const wrong = await gateway.run('spend', '--invoice', file);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /line 2: `yesterday` is no day, such as 2026-11-27/);
  });
});
