// The alerts for Prometheus: promtool takes them, they fire when they should, and each of them looks
// at something that a gateway tells.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { poll, ROOT, standard, startGateway, startMock } from './harness.mjs';
import { AUDIENCE, startIdentityProvider } from './identity_provider.mjs';

const HOME = path.join(ROOT, 'deploy/prometheus');

describe('the alerts', () => {
  it('fire when they should and not before, and the scrape is one that Prometheus takes', () => {
    for (const args of [
      ['check', 'rules', 'alerts.yml'],
      ['test', 'rules', 'alerts_test.yml'],
      ['check', 'config', '--syntax-only', 'scrape.yml'],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: HOME, encoding: 'utf8' });
      assert.equal(status, 0, stdout + stderr);
    }
  });

  it('look at what a gateway tells', async (t) => {
    const [mock, provider] = [await startMock(t), await startIdentityProvider(t)];
    const config = standard(mock.url);
    config.authentication.jwt = [
      { name: 'corporate', issuer: provider.issuer, audience: AUDIENCE, tenant: 'tenant' },
    ];
    config.alerts = [{ when: { store_degraded: '10s' }, notify: ['ops'] }];
    config.notify = { ops: { slack: 'https://hooks.example.com/a' } };
    const gateway = await startGateway(t, config);
    const token = await provider.token();
    await poll(async () => (await gateway.chat(token)).status === 200, 'the keys of the issuer');
    assert.equal((await gateway.chat({ secret: 'tg_live_nonsense' })).status, 401);
    const text = await (await gateway.adminGet('/metrics')).text();
    const rules = readFileSync(path.join(HOME, 'alerts.yml'), 'utf8');
    const names = new Set(rules.match(/\btollgate_\w+/g));
    assert.ok(names.size >= 4);
    for (const name of names) assert.match(text, new RegExp(`^${name}[{ ]`, 'm'), name);
  });
});
