// Alerts through the program: told to a webhook that is signed, with retries and no way inward, on
// record and in the metrics; and what is done about the caller by itself, until it is released.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import {
  ADMIN_TOKEN,
  atEnd,
  folder,
  OpenAI,
  poll,
  question,
  scope,
  standard,
  startGateway,
  startMock,
  thrown,
} from './harness.mjs';
import { startPostgres } from './servers.mjs';

const SECRET = 'whsec_' + Buffer.from('a secret that nobody knows but us').toString('base64');
// What one costs: some seven cents of input and thirteen of output.
const words = { model: 'small', messages: question('Write 12 words.').messages, max_tokens: 20 };

/** A webhook: what it was sent, and what it answers. */
async function receiver(t, answer = () => [204, {}], more = (response) => response.end()) {
  const got = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (data) => (body += data));
    request.on('end', () => {
      got.push({ url: request.url, headers: request.headers, body });
      const [status, headers] = answer(got.length);
      more(response.writeHead(status, headers));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => new Promise((resolve) => server.close(resolve)));
  atEnd(t, () => server.closeAllConnections());
  return { got, url: `http://127.0.0.1:${server.address().port}/hook` };
}

function assertSigned({ headers, body }) {
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
  const mac = createHmac('sha256', key).update(content).digest('base64');
  assert.equal(headers['webhook-signature'], `v1,${mac}`);
  assert.ok(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000) < 60);
}

function alerting(mockUrl, rules, notify = {}) {
  const config = standard(mockUrl);
  config.alerts = rules;
  config.notify = notify;
  config.models.cheap = {
    ...config.models.small,
    price_per_million: { input: 100, output: 1000 },
  };
  config.routes.find((route) => route.name === 'chat').models.push('cheap');
  return config;
}
const hook = (url) => ({ webhook: url, secret: SECRET, internal: true });
// Nothing is usual for a new key, so what it may spend is said.
const newcomers = (usd) => ({ spend_velocity: { scope: 'key_id', at_least: 0.1, newcomers: usd } });

const ask = (gateway, key, more = {}) =>
  gateway.openai(key).chat.completions.create({ ...words, ...more });
async function changes(gateway, action) {
  const target = `/admin/v1/audit?phase=change&limit=1000`;
  const all = await (await gateway.adminGet(target)).json();
  return all.filter((one) => one.action === action);
}

describe('a runaway key', () => {
  const shared = scope(after);

  it('is frozen and told to a signed webhook, kept across a restart, and released', async (t) => {
    const mock = await startMock(shared);
    const { got, url } = await receiver(shared);
    const rules = [{ when: newcomers(0.5), notify: ['ops'], do: 'freeze' }];
    const config = alerting(mock.url, rules, { ops: hook(url) });
    const cwd = folder(t);
    let gateway = await startGateway(t, config, { cwd });
    const [runaway, other] = [await gateway.key(), await gateway.key()];
    const refused = await poll(async () => {
      try {
        await ask(gateway, runaway);
        return null;
      } catch (error) {
        return error;
      }
    }, 'the freeze');
    assert.ok(refused instanceof OpenAI.PermissionDeniedError, String(refused));
    assert.match(refused.message, /Frozen: after an alert nothing of this key_id is let through/);
    await ask(gateway, other);

    const [message] = await poll(() => got.length > 0 && got, 'the webhook');
    assertSigned(message);
    const { type, data } = JSON.parse(message.body);
    assert.equal(type, 'alert.spend_velocity');
    assert.equal(data.subject, runaway.id);
    assert.equal(data.tenant, 'acme');
    assert.equal(data.done, 'freeze');
    // How much depends on how fast it asked until the next look, a quarter of a second later.
    const told = data.message.match(/^key_id `\S+` is new and spent (\d+\.\d\d) USD within 10 min\.$/);
    assert.ok(told && Number(told[1]) >= 0.5, data.message);

    // All of it is on record, and in the metrics.
    const [raised] = await poll(async () => {
      const all = await changes(gateway, 'alert.raise');
      return all.length > 0 && all;
    }, 'the record of the alert');
    assert.equal(raised.object, 'alerts[0]');
    assert.equal(raised.actor.kind, 'gateway');
    await poll(async () => (await changes(gateway, 'alert.deliver')).length > 0, 'the delivery');
    assert.equal((await changes(gateway, 'alert.begin')).length, 1);
    const raisedSoFar = { condition: 'spend_velocity' };
    assert.equal(await gateway.metric('tollgate_alerts_total', raisedSoFar), 1);
    const sent = { target: 'ops', outcome: 'delivered' };
    assert.equal(await gateway.metric('tollgate_alert_deliveries_total', sent), 1);
    const id = refused.headers.get('x-request-id');
    const { decision: record } = await gateway.records(id);
    assert.equal(record.decision.rule, 'alerts[0]');
    assert.equal(record.decision.code, 'anomaly_refused');

    await gateway.program.stop();
    gateway = await startGateway(t, config, { cwd });
    assert.ok((await thrown(() => ask(gateway, runaway))) instanceof OpenAI.PermissionDeniedError);
    const [answer] = await gateway.json('alerts', 'list');
    assert.equal(answer.subject, runaway.id);
    assert.equal(answer.action, 'freeze');
    const shown = await (await gateway.adminGet('/admin/v1/alerts')).json();
    assert.deepEqual(shown, [answer]);
    assert.equal((await gateway.run('alerts', 'release', answer.id)).code, 0);
    await poll(async () => ask(gateway, runaway).catch(() => null), 'the release');
    assert.deepEqual(await gateway.json('alerts', 'list'), []);
    assert.equal((await changes(gateway, 'alert.release')).length, 1);
    assert.equal((await gateway.run('alerts', 'release', answer.id)).code, 2);
    // It was told once: what it spends now is within the cooldown.
    assert.equal(got.length, 1);
  });

  it('gets less output, a cheaper model or fewer requests, as the rule says', async (t) => {
    const mock = await startMock(t);
    const held = async (action) => {
      const gateway = await startGateway(
        t,
        alerting(mock.url, [{ when: newcomers(0.1), do: action }]),
      );
      const key = await gateway.key();
      await ask(gateway, key);
      await poll(async () => (await gateway.json('alerts', 'list')).length > 0, 'the answer');
      return { gateway, key };
    };
    const capped = await held({ cap_output_tokens: 3 });
    const short = await ask(capped.gateway, capped.key);
    assert.equal(short.usage.completion_tokens, 3);
    assert.equal(short.choices[0].finish_reason, 'length');

    const downgraded = await held({ downgrade_to: 'cheap' });
    const { data, response } = await ask(downgraded.gateway, downgraded.key).withResponse();
    assert.equal(data.choices[0].finish_reason, 'stop');
    const id = response.headers.get('x-request-id');
    const { decision } = await downgraded.gateway.records(id);
    assert.equal(decision.model.served, 'cheap');
    assert.equal(decision.decision.outcome, 'downgraded');
    assert.equal(decision.decision.rule, 'alerts[0]');

    const slowed = await held('slow_down');
    let refused;
    for (let i = 0; i < 8 && !refused; i++) {
      refused = await ask(slowed.gateway, slowed.key).then(
        () => null,
        (error) => error,
      );
    }
    assert.ok(refused instanceof OpenAI.RateLimitError, String(refused));
    assert.match(refused.message, /6 requests a minute/);
  });

  it('that its own budget freezes is of its tenant, who sees and releases it', async (t) => {
    const mock = await startMock(t);
    const config = alerting(mock.url, [{ when: { budget_reached: 0.5 }, do: 'freeze', for: '0s' }]);
    config.budgets = { key_id: { usd: 0.25, per: 'month', when_exhausted: 'refuse' } };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    await ask(gateway, key, { max_tokens: 13 });
    const [answer] = await poll(async () => {
      const all = await gateway.json('alerts', 'list');
      return all.length > 0 && all;
    }, 'the freeze');
    assert.equal(answer.scope, 'key_id');
    assert.equal(answer.tenant, 'acme');
    const bound = async (tenant) => {
      const made = await fetch(`${gateway.admin}/admin/v1/tokens`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: tenant, role: 'operator', tenants: [tenant], expires: '1d' }),
      });
      assert.equal(made.status, 201, await made.clone().text());
      const { secret } = await made.json();
      const headers = { authorization: `Bearer ${secret}` };
      return {
        list: async () => (await fetch(`${gateway.admin}/admin/v1/alerts`, { headers })).json(),
        release: () =>
          fetch(`${gateway.admin}/admin/v1/alerts/${answer.id}/release`, { method: 'POST', headers }),
      };
    };
    const [theirs, others] = [await bound('acme'), await bound('globex')];
    assert.deepEqual(await others.list(), []);
    assert.notEqual((await others.release()).status, 200);
    assert.equal((await theirs.list()).length, 1);
    assert.equal((await theirs.release()).status, 200);
  });

  it('is told of by a budget, and a burst of refusals by its key', async (t) => {
    const mock = await startMock(t);
    const { got, url } = await receiver(t);
    const config = alerting(
      mock.url,
      [
        { when: { budget_reached: 0.5 }, notify: ['ops'] },
        { when: { refusals: { count: 5, over: '1m', scope: 'key_id' } }, notify: ['ops'], do: 'freeze' },
      ],
      { ops: hook(url) },
    );
    config.tenants.acme.budget = { usd: 0.25, per: 'month', when_exhausted: 'refuse' };
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    await ask(gateway, key, { max_tokens: 13 });
    const [first] = await poll(() => got.length > 0 && got, 'the alert of the budget');
    assert.match(JSON.parse(first.body).data.message, /^tenant_id `acme` has spent 0\.\d+ of 0\.25/);
    const refused = await poll(async () => {
      const error = await thrown(() => ask(gateway, key, { max_tokens: 900 }));
      return error.status === 403 && error;
    }, 'the freeze');
    assert.match(refused.message, /Frozen/);
    const all = await poll(() => got.length > 1 && got, 'the alert of the refusals');
    assert.match(JSON.parse(all[1].body).data.message, /^5 requests of key_id|^\d+ requests of key_id/);
  });
});

describe('a target', () => {
  const alarm = (notify) => [{ when: newcomers(0.1), notify }];

  it('that fails is tried again, with the same id, and costs requests nothing', async (t) => {
    const mock = await startMock(t);
    const { got, url } = await receiver(t, (count) => [count < 3 ? 503 : 200, {}]);
    const gateway = await startGateway(t, alerting(mock.url, alarm(['ops']), { ops: hook(url) }));
    const key = await gateway.key();
    await ask(gateway, key);
    await poll(() => got.length === 3, 'the third try');
    assert.equal(new Set(got.map((one) => one.headers['webhook-id'])).size, 1);
    got.forEach(assertSigned);
    await ask(gateway, key);
    await poll(
      async () =>
        (await gateway.metric('tollgate_alert_deliveries_total', {
          target: 'ops',
          outcome: 'retried',
        })) === 2,
      'the metric',
    );
  });

  it('that has said that it has it has it, however long it goes on or where it breaks off', async (t) => {
    const mock = await startMock(t);
    const endless = await receiver(t, () => [200, {}], (response) => response.write('x'.repeat(1 << 20)));
    const broken = await receiver(t, () => [200, { 'content-length': '100' }], (response) => {
      response.write('only this');
      setImmediate(() => response.destroy());
    });
    const notify = { endless: hook(endless.url), broken: hook(broken.url) };
    const gateway = await startGateway(t, alerting(mock.url, alarm(['endless', 'broken']), notify));
    await ask(gateway, await gateway.key());
    for (const target of ['endless', 'broken']) {
      const delivered = { target, outcome: 'delivered' };
      await poll(
        async () => (await gateway.metric('tollgate_alert_deliveries_total', delivered)) === 1,
        target,
      );
    }
    assert.deepEqual([endless.got.length, broken.got.length], [1, 1]);
  });

  it('is not followed elsewhere, nor inward where that is not said', async (t) => {
    const mock = await startMock(t);
    const inner = await receiver(t);
    const { got, url } = await receiver(t, () => [307, { location: inner.url }]);
    const secure = inner.url.replace('http:', 'https:');
    const gateway = await startGateway(
      t,
      alerting(mock.url, alarm(['moved', 'inward', 'cloud']), {
        moved: hook(url),
        inward: { webhook: secure, secret: SECRET },
        cloud: { alertmanager: 'http://169.254.169.254/latest', internal: true },
      }),
    );
    await ask(gateway, await gateway.key());
    await poll(() => got.length > 0, 'the redirecting target');
    const failed = (target) =>
      poll(async () => {
        const all = await changes(gateway, 'alert.deliver');
        return all.find((one) => one.object === target);
      }, target);
    assert.match((await failed('moved')).after.because, /answers with status 307/);
    assert.match((await failed('inward')).after.because, /its address is internal/);
    assert.match((await failed('cloud')).after.because, /its address is internal/);
    assert.equal(inner.got.length, 0);
  });

  it('of Slack and of an Alertmanager gets its form', async (t) => {
    const mock = await startMock(t);
    const { got, url } = await receiver(t);
    const gateway = await startGateway(
      t,
      alerting(mock.url, alarm(['slack', 'manager']), {
        slack: { slack: url, internal: true },
        manager: { alertmanager: new URL(url).origin, internal: true },
      }),
    );
    const key = await gateway.key();
    await ask(gateway, key);
    await poll(() => got.length === 2, 'both');
    const slack = got.find((one) => one.url === '/hook');
    assert.match(JSON.parse(slack.body).text, /^tollgate spend_velocity \(alerts\[0\]\): key_id /);
    const manager = got.find((one) => one.url === '/api/v2/alerts');
    const [{ labels, annotations }] = JSON.parse(manager.body);
    assert.equal(labels.alertname, 'tollgate_spend_velocity');
    assert.equal(labels.key_id, key.id);
    assert.match(annotations.summary, /is new and spent/);
  });
});

describe('gateways of one store', () => {
  it('all hold what one of them did, and let go what is released at another', async (t) => {
    const [mock, server] = [await startMock(t), await startPostgres(t)];
    const config = alerting(mock.url, [{ when: newcomers(0.3), do: 'freeze', for: '0s' }]);
    const pepper = path.join(folder(t), 'pepper');
    writeFileSync(pepper, 'p'.repeat(32), { mode: 0o600 });
    config.authentication.api_keys = { pepper_file: pepper };
    server.sql('CREATE SCHEMA alerts');
    const options = encodeURIComponent('-csearch_path=alerts');
    config.store = { ledger: `${server.url}?options=${options}`, state_directory: 'state' };
    const [one, two] = [await startGateway(t, config), await startGateway(t, config)];
    const key = await one.key();
    const status = (gateway) => ask(gateway, key).then(() => 200, (error) => error.status);
    await poll(async () => (await status(one)) === 403, 'the freeze');
    // The other one has served nothing of it and holds it all the same.
    await poll(async () => (await status(two)) === 403, 'the freeze at the other');
    const [answer] = await two.json('alerts', 'list');
    assert.equal(answer.until, undefined);
    const released = await fetch(`${two.admin}/admin/v1/alerts/${answer.id}/release`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    assert.equal(released.status, 200);
    for (const gateway of [one, two]) {
      await poll(async () => (await status(gateway)) === 200, 'the release');
    }
  });
});
