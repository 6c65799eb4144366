// Names that would do something to a terminal: no more are made, and those of an old store are
// shown escaped.
import assert from 'node:assert/strict';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { ADMIN_TOKEN, standard, startGateway } from './harness.mjs';

const UPSTREAM = 'http://127.0.0.1:9';
const HOSTILE = '\u001b[2Jgone\u202etxt\u009b31m\n\u0007';
// All that is neither a line end nor seen as it is.
const UNSEEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

async function post(gateway, what, body) {
  const reply = await fetch(`${gateway.admin}/admin/v1/${what}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    body: JSON.stringify(body),
  });
  return { status: reply.status, text: await reply.text() };
}

describe('a name that is not seen as it is', () => {
  it('is refused by the API and by commands', async (t) => {
    const gateway = await startGateway(t, standard(UPSTREAM));
    const bodies = [
      ['keys', { tenant: 'acme', name: HOSTILE }],
      ['keys', { tenant: 'acme', user: 'a\u202eb' }],
      ['tokens', { name: HOSTILE, role: 'viewer' }],
    ];
    for (const [what, body] of bodies) {
      const answer = await post(gateway, what, body);
      assert.equal(answer.status, 400, answer.text);
      assert.doesNotMatch(answer.text, UNSEEN);
    }
    for (const command of [
      ['keys', 'create', '--tenant', 'acme', '--name', HOSTILE],
      ['keys', 'create', '--tenant', 'acme', '--user', HOSTILE],
      ['admin', 'create', '--role', 'viewer', '--name', HOSTILE],
    ]) {
      const { code, stdout, stderr } = await gateway.run(...command);
      assert.equal(code, 2, stdout + stderr);
      assert.doesNotMatch(stdout + stderr, UNSEEN);
    }
  });

  it('is escaped where an old store holds it', async (t) => {
    const gateway = await startGateway(t, standard(UPSTREAM));
    const key = await gateway.json('keys', 'create', '--tenant', 'acme', '--name', 'harmless');
    const token = await gateway.json('admin', 'create', '--role', 'viewer', '--name', 'harmless');
    const store = new DatabaseSync(path.join(gateway.cwd, 'tollgate.db'));
    store.exec('PRAGMA busy_timeout = 10000');
    store.prepare('UPDATE keys SET name = ?, user = ? WHERE id = ?').run(HOSTILE, HOSTILE, key.id);
    store.prepare('UPDATE admin_tokens SET name = ? WHERE id = ?').run(HOSTILE, token.id);
    store.close();
    for (const command of [
      ['keys', 'list'],
      ['keys', 'list', '--json'],
      ['keys', 'show', key.id],
      ['keys', 'show', key.id, '--json'],
      ['admin', 'list'],
      ['admin', 'list', '--json'],
      ['admin', 'revoke', token.id],
      ['admin', 'revoke', token.id, '--json'],
      ['audit', 'query', '--phase', 'change'],
    ]) {
      const { code, stdout, stderr } = await gateway.run(...command);
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stdout, UNSEEN, command.join(' '));
      if (command[0] === 'audit') continue; // It tells what has changed.
      assert.match(stdout, /\\u001b\[2Jgone/, command.join(' '));
      // It is the same text to whoever reads JSON.
      if (command.includes('--json')) assert.ok(JSON.stringify(JSON.parse(stdout)).includes('gone'));
    }
  });
});
