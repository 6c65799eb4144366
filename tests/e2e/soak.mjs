// A long run of the real program, each for its part of the time: one gateway on SQLite, several on
// PostgreSQL and Redis, and one with everything on under a steady load. Rounds of accidents; after each
// of them the books are held against the provider's own bill, nothing may be held, and memory may not
// have grown.
//
// node soak.mjs [--minutes N] [--seed N] [--stores alone,shared,faults] [--accidents WORDS] [--every S].
// Exits with 1 and says why where a promise is broken. WORDS: only accidents whose names have them; S:
// of `faults`, seconds from one to the next.
import { parseArgs } from 'node:util';
import { drawing } from './crowds.mjs';
import { Alone } from './soak_alone.mjs';
import { Faults } from './soak_faults.mjs';
import { Shared } from './soak_shared.mjs';

const TELL_EVERY_MS = 10_000;
const ALL = { alone: Alone, shared: Shared, faults: Faults };

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1000000) },
    accidents: { type: 'string', default: '' },
    stores: { type: 'string', default: 'alone,shared,faults' },
    every: { type: 'string', default: '60' },
  },
});

/** Rounds until `until`, then what is left is used up. False: a promise was broken. */
async function soaks(name, until) {
  const ends = [];
  const t = { after: (end) => ends.push(end) };
  const soak = new ALL[name](
    t,
    drawing(Number(options.seed)),
    options.accidents,
    Number(options.every) * 1000,
  );
  try {
    await soak.begin();
    for (let told = Date.now(); Date.now() < until; ) {
      await soak.round();
      if (name !== 'faults') await soak.check();
      if (Date.now() - told < TELL_EVERY_MS) continue;
      soak.tell();
      told = Date.now();
    }
    await soak.useUp();
    await soak.check();
    soak.tell();
    return true;
  } catch (error) {
    console.error(`broken: ${name}, round ${soak.rounds + 1}, seed ${options.seed}: ${error.stack}`);
    for (const gateway of soak.gateways ?? [soak.gateway])
      console.error(gateway?.program.stderr ?? '');
    await soak.explain?.().catch((more) => console.error(`and no more is known: ${more.message}`));
    return false;
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

const names = options.stores.split(',');
console.log(`soaking for ${options.minutes} minutes, seed ${options.seed}: ${names.join(', ')}`);
const share = (Number(options.minutes) * 60_000) / names.length;
for (const name of names)
  if (!(await soaks(name, Date.now() + share))) process.exitCode = 1;
if (!process.exitCode) console.log('every promise held');
