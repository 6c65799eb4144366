// The stores that several gateways share, as the real servers: PostgreSQL and Redis, each in a
// folder of its own, on a port of its own, and ended by its process id.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { atEnd, folder, poll } from './harness.mjs';

const PASSWORD = 'secret-of-the-tests';

/** A port that nobody listens on. Another process may take it first; then the server says so. */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** A server process that can be stopped in the middle, killed and started again. */
class Server {
  constructor(command, args, options, ready) {
    Object.assign(this, { command, args, options, ready });
  }

  async start() {
    this.output = '';
    this.child = spawn(this.command, this.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...this.options,
    });
    const child = this.child;
    this.ended = new Promise((resolve) => child.on('close', resolve));
    let over = false;
    this.ended.then(() => (over = true));
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => (this.output += data));
    await poll(() => {
      assert.ok(!over, `${this.command} ended:\n${this.output}`);
      return this.ready.test(this.output);
    }, `${this.command} that is ready`);
  }

  pause() {
    process.kill(this.child.pid, 'SIGSTOP');
  }
  resume() {
    process.kill(this.child.pid, 'SIGCONT');
  }
  async end(signal) {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.resume();
      process.kill(this.child.pid, signal);
    }
    await this.ended;
  }
}

function userNamed(name) {
  if (process.getuid() !== 0) return {};
  const [, , uid, gid] = execFileSync('getent', ['passwd', name], { encoding: 'utf8' }).split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

function postgresPrograms() {
  const all = '/usr/lib/postgresql';
  const versions = existsSync(all) ? readdirSync(all) : [];
  assert.ok(versions.length > 0, 'no PostgreSQL here; ./dev setup installs it');
  return path.join(all, versions.sort((a, b) => b - a)[0], 'bin');
}

class Postgres extends Server {
  /** Runs a statement with the program that comes with the server. */
  sql(statement) {
    const args = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', this.url, '-c', statement];
    return execFileSync(path.join(this.programs, 'psql'), args, { stdio: 'pipe', encoding: 'utf8' });
  }
  /** SIGQUIT: it ends at once, as at a crash; the next start recovers. */
  kill() {
    return this.end('SIGQUIT');
  }
  stop() {
    return this.end('SIGINT');
  }
  /** Every process of it: the one that was started only waits for the others. */
  children() {
    const pid = this.child.pid;
    const list = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
    return list.split('\n').filter(Boolean).map(Number);
  }
  pause() {
    this.paused = [...this.children(), this.child.pid];
    for (const pid of this.paused) process.kill(pid, 'SIGSTOP');
  }
  resume() {
    for (const pid of this.paused ?? []) {
      try {
        process.kill(pid, 'SIGCONT');
      } catch {
        // It ended meanwhile.
      }
    }
    this.paused = [];
  }
}

/** A folder for the data of a server, and how its programs are run there. */
function postgresHome(t) {
  const user = userNamed('postgres');
  const home = folder(t);
  const data = path.join(home, 'data');
  chmodSync(home, 0o755);
  mkdirSync(data, { mode: 0o700 });
  if (user.uid !== undefined) for (const name of [home, data]) chownSync(name, user.uid, user.gid);
  const env = { ...process.env, LC_ALL: 'C', HOME: home };
  return { home, data, settings: { cwd: home, env, ...user } };
}

async function servePostgres(t, programs, { data, settings }, port) {
  const options = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    shared_buffers: '16MB',
    max_connections: 40,
  };
  const args = ['-D', data];
  for (const [name, value] of Object.entries(options)) args.push('-c', `${name}=${value}`);
  const server = new Postgres(
    path.join(programs, 'postgres'),
    args,
    settings,
    /database system is ready to accept (read-only )?connections/,
  );
  await server.start();
  atEnd(t, () => server.stop());
  server.programs = programs;
  server.host = `127.0.0.1:${port}`;
  server.port = port;
  server.url = urlOf(server);
  return server;
}

/** Of one server, or of several that stand in for each other. */
export function urlOf(...servers) {
  return `postgres://gate:${PASSWORD}@${servers.map((server) => server.host)}/postgres`;
}

/** PostgreSQL with one database and one user with a password. */
export async function startPostgres(t) {
  const programs = postgresPrograms();
  const place = postgresHome(t);
  const secret = path.join(place.home, 'password');
  writeFileSync(secret, PASSWORD);
  const initialize = ['-D', place.data, '-U', 'gate', '-A', 'scram-sha-256', `--pwfile=${secret}`];
  execFileSync(path.join(programs, 'initdb'), [...initialize, '--no-sync', '-E', 'UTF8'], {
    ...place.settings,
    stdio: 'pipe',
  });
  return servePostgres(t, programs, place, await freePort());
}

/** A standby of `primary`, without which the primary answers no commit from now on. */
export async function startStandby(t, primary) {
  const place = postgresHome(t);
  const copy = ['-D', place.data, '-d', primary.url, '-R', '-X', 'stream', '-c', 'fast'];
  execFileSync(path.join(primary.programs, 'pg_basebackup'), copy, {
    ...place.settings,
    stdio: 'pipe',
  });
  const standby = await servePostgres(t, primary.programs, place, await freePort());
  primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (*)'");
  primary.sql('SELECT pg_reload_conf()');
  const state = 'SELECT sync_state FROM pg_stat_replication';
  await poll(() => primary.sql(state).trim() === 'sync', 'a standby that keeps up');
  return standby;
}

/** Listens where a server was: whoever connects hears nothing, as of a machine that is gone. */
export async function haunt(t, { port }) {
  const visitors = new Set();
  const silence = net.createServer((socket) => {
    visitors.add(socket);
    socket.on('error', () => {});
  });
  await poll(
    () =>
      new Promise((resolve) => {
        silence.once('error', () => resolve(false));
        silence.listen(port, '127.0.0.1', () => resolve(true));
      }),
    'the port of the server that is gone',
  );
  atEnd(t, () => {
    for (const socket of visitors) socket.destroy();
    return new Promise((resolve) => silence.close(resolve));
  });
  return visitors;
}

class Redis extends Server {
  kill() {
    return this.end('SIGKILL');
  }
  stop() {
    return this.end('SIGTERM');
  }
  /** One command over a connection of its own, with its reply as it came. */
  ask(...words) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.port, '127.0.0.1');
      const all = [['AUTH', PASSWORD], words]
        .map((it) => `*${it.length}\r\n${it.map((w) => `$${w.length}\r\n${w}\r\n`).join('')}`)
        .join('');
      let reply = '';
      socket.on('error', reject);
      socket.on('data', (data) => {
        reply += data;
        if ((reply.match(/\r\n/g) ?? []).length >= 2) socket.end();
      });
      socket.on('close', () => resolve(reply));
      socket.write(all);
    });
  }
  async flush() {
    assert.match(await this.ask('FLUSHALL'), /\+OK\r\n\+OK/);
  }
}

/**
 * Redis with a password and nothing on the disk: what it had is gone when it ends. Debian's
 * redis-tools hold the server: it is the program redis-check-rdb under another name.
 */
export async function startRedis(t) {
  const home = folder(t);
  const port = await freePort();
  const settings = ['--bind', '127.0.0.1', '--port', String(port), '--requirepass', PASSWORD];
  const server = new Redis(
    'redis-check-rdb',
    [...settings, '--save', '', '--appendonly', 'no', '--dir', home],
    { cwd: home, argv0: 'redis-server' },
    /Ready to accept connections/,
  );
  await server.start();
  atEnd(t, () => server.stop());
  server.port = port;
  server.url = `redis://:${PASSWORD}@127.0.0.1:${port}/0`;
  return server;
}
