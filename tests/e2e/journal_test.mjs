// What a kill -9 leaves, with the real program: the journal beside the database has every decision
// that was taken before a request left, and the next start puts it into the books once.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { poll, QUESTION_TOKENS, standard, startGateway, tollgate } from './harness.mjs';
import { beginStream, chunk, completion, fakeUpstream, sendJson } from './fake_upstream.mjs';

const ROUNDS = 6;
const CROWD = 60;

/** Of requests. */
async function records(gateway) {
  const { stdout, stderr, code } = await gateway.run('audit', 'query', '--json', '--limit', '100000');
  assert.equal(code, 0, stderr);
  return stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter((record) => record.phase !== 'change');
}

/** Of each request that let something leave, its decision and its outcome, and no other. */
function paired(all) {
  const phases = new Map();
  for (const record of all) {
    const seen = phases.get(record.id) ?? {};
    assert.equal(seen[record.phase], undefined, `${record.id} has two of ${record.phase}`);
    seen[record.phase] = record;
    phases.set(record.id, seen);
  }
  for (const [id, seen] of phases) assert.ok(seen.decision && seen.outcome, `${id} is half told`);
  return [...phases.values()].filter(({ decision }) => decision.decision.outcome === 'allowed');
}

describe('the journal', () => {
  it('keeps every decision whose request reached the upstream, and books it once', async (t) => {
    const kill = { at: Infinity, gateway: null };
    const upstream = await fakeUpstream(t, ({ response, body, number }) => {
      // Right after the decision: the first byte has only just arrived here.
      if (number >= kill.at) kill.gateway.program.signal('SIGKILL');
      if (body.stream) {
        beginStream(response);
        response.write(chunk({ content: ' one' })); // And never ends.
      } else {
        sendJson(response, completion('one', { input: QUESTION_TOKENS, output: 1 }));
      }
    });
    const config = standard(upstream.url);
    let gateway = await startGateway(t, config);
    const key = await gateway.key();
    for (let round = 0; round < ROUNDS; round += 1) {
      kill.gateway = gateway;
      kill.at = upstream.requests.length + 1 + round * 9;
      const asked = Array.from({ length: CROWD }, (_, i) =>
        gateway
          .chat(key, { max_tokens: 5, stream: i % 5 === 0 })
          .then((response) => response.text())
          .catch(() => null),
      );
      await gateway.program.exit;
      await Promise.all(asked);
      await poll(() => upstream.at_work === 0, 'the provider to have heard of it');
      kill.at = Infinity;
      gateway = await startGateway(t, config, { cwd: gateway.cwd });

      const told = paired(await records(gateway));
      // A decision that was taken when the kill came may not have left yet; never the reverse.
      assert.ok(told.length >= upstream.requests.length, `${told.length} told`);
      assert.ok(told.length <= upstream.requests.length + CROWD);
      const { usd, requests } = await gateway.spend();
      assert.equal(requests, told.length);
      const recorded = told.reduce((sum, { outcome }) => sum + Number(outcome.cost_usd), 0);
      assert.ok(Math.abs(usd - recorded) < 1e-6, `${usd} booked, ${recorded} recorded`);
      const verified = await gateway.run('audit', 'verify');
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    }
  });

  it('that is missing after a kill is told, and gone on without only if asked to', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('one', { input: QUESTION_TOKENS, output: 1 })),
    );
    const config = standard(upstream.url);
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    assert.equal((await gateway.chat(key)).status, 200);
    await gateway.program.kill();
    const journal = path.join(gateway.cwd, 'tollgate.db.journal');
    assert.ok(readdirSync(journal).length > 0);
    rmSync(journal, { recursive: true });

    const { code, stderr } = await tollgate(['serve', '-c', gateway.file], { cwd: gateway.cwd });
    assert.equal(code, 3, stderr);
    assert.match(stderr, /journal of this database is missing/);
    assert.match(stderr, /accept-loss/);

    mkdirSync(journal);
    writeFileSync(path.join(journal, 'accept-loss'), '');
    const again = await startGateway(t, config, { cwd: gateway.cwd });
    assert.match(again.program.stderr, /set aside/);
    assert.equal((await again.chat(key)).status, 200);
    // A clean stop leaves nothing in it, so it may go.
    await again.program.stop();
    rmSync(journal, { recursive: true });
    const last = await startGateway(t, config, { cwd: gateway.cwd });
    assert.equal((await last.chat(key)).status, 200);
  });

  it('is waited for by option: nothing leaves before its decision is on the disk', async (t) => {
    const upstream = await fakeUpstream(t, ({ response }) =>
      sendJson(response, completion('one', { input: QUESTION_TOKENS, output: 1 })),
    );
    const config = standard(upstream.url);
    config.audit = { survives: 'power_loss' };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    const crowd = Array.from({ length: CROWD }, () => gateway.chat(key));
    for (const response of await Promise.all(crowd)) assert.equal(response.status, 200);

    const lock = new DatabaseSync(path.join(gateway.cwd, 'tollgate.db'));
    lock.exec('PRAGMA busy_timeout = 5000');
    lock.exec('BEGIN IMMEDIATE');
    const refused = await gateway.chat(key);
    assert.equal(refused.status, 503);
    assert.match(refused.headers.get('x-tollgate-reason'), /^(audit|store)_unavailable$/);
    assert.equal(upstream.requests.length, CROWD, 'it was forwarded');
    lock.exec('ROLLBACK');
    lock.close();
    await poll(async () => (await gateway.chat(key)).status === 200, 'service again');
    await gateway.program.kill();
    const again = await startGateway(t, config, { cwd: gateway.cwd });
    assert.equal((await again.spend()).requests, upstream.requests.length);
    assert.equal((await again.run('audit', 'verify')).code, 0);
  });
});
