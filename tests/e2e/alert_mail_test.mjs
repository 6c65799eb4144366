// Alerts by mail, to a real mail server: with TLS from the first byte or by STARTTLS, signed in, and
// never without either; tried again, on record, and nothing of it is a caller's own line.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { AUTHORITY, certificate, SERVER } from './certificates.mjs';
import { atEnd, folder, poll, question, ROOT, standard, startGateway, startMock } from './harness.mjs';

const PASSWORD = 'a password of the mail server';

/** A mail server of that kind, by the Python of Debian, which has it: what it was sent, and where it is. */
async function mailServer(t, kind, ...more) {
  const cwd = folder(t);
  const ca = certificate(cwd, 'ca', { extensions: AUTHORITY });
  const own = certificate(cwd, 'mail', { issuer: ca, san: 'IP:127.0.0.1', extensions: SERVER });
  const script = path.join(ROOT, 'tests/e2e/smtp_server.py');
  const child = spawn('/usr/bin/python3', [script, kind, own.cert, own.key, ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  atEnd(t, () => child.kill() && ended);
  const got = [];
  const lines = createInterface({ input: child.stdout });
  const port = await new Promise((resolve) =>
    lines.on('line', (line) => {
      const told = JSON.parse(line);
      told.port ? resolve(told.port) : got.push(told);
    }),
  );
  return { got, port, ca: ca.cert };
}

const mail = (server, scheme, more = {}) => ({
  email: `${scheme}://127.0.0.1:${server.port}/gateway.test`,
  from: 'tollgate@example.com',
  to: ['ops@example.com', 'cfo@example.com'],
  internal: true,
  certificate_authority: server.ca,
  ...more,
});

/** A gateway whose first request is an alert to `notify`, and that request made. */
async function alarmed(t, notify) {
  const mock = await startMock(t);
  const config = standard(mock.url);
  const when = { spend_velocity: { scope: 'key_id', at_least: 0.01, newcomers: 0.01 } };
  config.alerts = [{ when, notify: Object.keys(notify), do: 'freeze' }];
  config.notify = notify;
  const gateway = await startGateway(t, config, { env: { SMTP_PASSWORD: PASSWORD } });
  const key = await gateway.key();
  await gateway.openai(key).chat.completions.create({ ...question(), max_tokens: 10 });
  return { gateway, key };
}
async function deliveries(gateway) {
  const all = await (await gateway.adminGet('/admin/v1/audit?phase=change&limit=1000')).json();
  return all.filter((one) => one.action === 'alert.deliver').map((one) => one.after);
}
const told = (gateway, outcome) =>
  poll(
    async () => (await deliveries(gateway)).find((one) => one.outcome === outcome),
    `a delivery that is ${outcome}`,
  );

describe('an alert by mail', () => {
  it('goes by STARTTLS, signed in, to all of them, and is tried again with the same id', async (t) => {
    const server = await mailServer(t, 'starttls', 'gateway', PASSWORD, '--refuse', '1');
    const signed = { user: 'gateway', password: '${SMTP_PASSWORD}' };
    const { gateway, key } = await alarmed(t, { ops: mail(server, 'smtp', signed) });
    const [first, second] = await poll(() => server.got.length === 2 && server.got, 'both tries');
    assert.deepEqual([first.refused, second.refused], [true, false]);
    assert.equal(second.from, 'tollgate@example.com');
    assert.deepEqual(second.to, ['ops@example.com', 'cfo@example.com']);
    assert.equal(second.tls, true);
    assert.equal(second.user, 'gateway');
    const head = second.text.slice(0, second.text.indexOf('\r\n\r\n'));
    assert.match(head, /^Subject: tollgate: spend_velocity \(alerts\[0\]\)\r?$/m);
    const id = (one) => one.text.match(/^Message-ID: (\S+)/m)[1];
    assert.equal(id(first), id(second));
    const body = Buffer.from(second.text.slice(head.length), 'base64').toString();
    assert.match(body, /is new and spent \d+\.\d\d USD within 10 min\." Done: freeze, until /);
    assert.ok(body.includes(`subject: "${key.id}"`), body);
    const { because } = await told(gateway, 'retried');
    assert.match(because, /notify\.ops: the mail server answers with 451/);
    await told(gateway, 'delivered');
    const delivered = { target: 'ops', outcome: 'delivered' };
    assert.equal(await gateway.metric('tollgate_alert_deliveries_total', delivered), 1);
    assert.ok(!gateway.program.stderr.includes(PASSWORD));
  });

  it('goes by TLS from the first byte, with a password in a file', async (t) => {
    const server = await mailServer(t, 'tls', 'gateway', PASSWORD);
    const file = path.join(folder(t), 'password');
    writeFileSync(file, `${PASSWORD}\n`, { mode: 0o600 });
    const signed = { user: 'gateway', password_file: file };
    const { gateway } = await alarmed(t, { ops: mail(server, 'smtps', signed) });
    await poll(() => server.got.length === 1, 'the mail');
    await told(gateway, 'delivered');
  });

  it('never goes without TLS where it is signed in, nor with a wrong certificate', async (t) => {
    const plain = await mailServer(t, 'plain');
    const other = await mailServer(t, 'tls');
    const notify = {
      plain: mail(plain, 'smtp', { user: 'gateway', password: '${SMTP_PASSWORD}' }),
      wrong: { ...mail(other, 'smtps'), certificate_authority: plain.ca },
      inward: mail(other, 'smtps', { internal: false }),
    };
    const { gateway } = await alarmed(t, notify);
    const why = await poll(async () => {
      const all = (await deliveries(gateway)).filter((one) => one.outcome === 'retried');
      return all.length >= 3 && all.map((one) => one.because).sort();
    }, 'three that failed');
    assert.match(why.find((one) => one.startsWith('notify.inward')), /its address is internal/);
    assert.match(why.find((one) => one.startsWith('notify.wrong')), /SSL|certificate/i);
    assert.match(why.find((one) => one.startsWith('notify.plain')), /STARTTLS|SSL|TLS/i);
    assert.deepEqual([plain.got, other.got], [[], []]);
  });

  it('to a server of ones own may go without TLS where no password is shown', async (t) => {
    const server = await mailServer(t, 'plain');
    const { gateway } = await alarmed(t, { ops: mail(server, 'smtp') });
    const [one] = await poll(() => server.got.length > 0 && server.got, 'the mail');
    assert.equal(one.tls, false);
    await told(gateway, 'delivered');
  });

  it('to a server that hangs holds up nothing, not even the end of the gateway', async (t) => {
    const open = new Set();
    const silent = net.createServer((socket) => open.add(socket) && socket.on('error', () => {}));
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    atEnd(t, () => silent.close());
    atEnd(t, () => open.forEach((socket) => socket.destroy()));
    const server = { port: silent.address().port };
    const notify = { ops: { ...mail(server, 'smtp'), certificate_authority: undefined } };
    const { gateway, key } = await alarmed(t, notify);
    await poll(() => open.size === 1, 'the connection');
    // What is done is done meanwhile.
    await poll(async () => (await gateway.chat(key)).status === 403, 'the freeze');
    const began = Date.now();
    await gateway.program.stop();
    assert.ok(Date.now() - began < 8_000);
  });
});
