// What a process holds of the memory, and that it holds no more of it the longer it runs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

// Caches have their size after so many looks; from there on a process may grow by so much.
const WARM_LOOKS = 5;
const GROWTH_MB = 24;

/** Of one life of one process. */
export class Memory {
  constructor() {
    Object.assign(this, { looks: 0, warm_mb: 0, resident_mb: 0 });
  }

  check(pid) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const found = status.match(/^VmRSS:\s+(\d+) kB$/m);
    if (!found) return; // It was killed a moment ago.
    this.resident_mb = Number(found[1]) / 1024;
    this.looks += 1;
    if (this.looks <= WARM_LOOKS) {
      this.warm_mb = Math.max(this.warm_mb, this.resident_mb);
      return;
    }
    const most = this.warm_mb + GROWTH_MB;
    assert.ok(this.resident_mb <= most, `${this.resident_mb} MB, ${this.warm_mb} when warm`);
  }
}
