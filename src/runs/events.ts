import type { DatabaseSync } from 'node:sqlite';
import { mft } from '../protocol/index.ts';
import type { CurvePoint, EventId, StoredEvent } from './types.ts';

export type AppendOutcome =
  /** Stored now. */
  | 'new'
  /** Was there, the same to the byte. */
  | 'duplicate'
  /** Was there with other bytes: the phone's journal was rewritten. The first one is kept. */
  | 'conflict';

/** A step computed again in a newer attempt with another loss. */
export interface Divergence {
  step: number;
  attempt: number;
  loss: number;
  earlierAttempt: number;
  earlierLoss: number;
}

const scratch = new DataView(new ArrayBuffer(4));

/** The 32 bits of an f32, unsigned. */
export function f32Bits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

function f32FromBits(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

/** Steps and validations (but for a multiple choice) have a loss at a step; the others are found by their id only. */
function lossOf(event: mft.v1.Event): { step: number; bits: number } | undefined {
  const body = event.step ?? (event.evaluation?.questions ? undefined : event.evaluation);
  return body ? { step: body.step, bits: f32Bits(body.loss) } : undefined;
}

/** The events table. Statements are prepared once; nothing here holds more than a page of events in memory. */
export class EventTable {
  private readonly insert;
  private readonly existing;
  private readonly earlier;
  private readonly page;
  private readonly newest;
  private readonly points;
  private readonly counts;
  private readonly newestStep;

  constructor(database: DatabaseSync) {
    this.insert = database.prepare(
      `INSERT INTO events (run, attempt, sequence, kind, step, loss_bits, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO NOTHING`,
    );
    this.existing = database.prepare(
      'SELECT bytes FROM events WHERE run = ? AND attempt = ? AND sequence = ?',
    );
    this.earlier = database.prepare(
      `SELECT attempt, loss_bits FROM events WHERE run = ? AND kind = 'step' AND step = ? AND attempt < ?
       ORDER BY attempt DESC LIMIT 1`,
    );
    this.page = database.prepare(
      `SELECT attempt, sequence, bytes FROM events WHERE run = ? AND (attempt, sequence) > (?, ?)
       ORDER BY attempt, sequence LIMIT ?`,
    );
    this.newest = database.prepare(
      'SELECT attempt, sequence FROM events WHERE run = ? ORDER BY attempt DESC, sequence DESC LIMIT 1',
    );
    // With max() SQLite takes the other columns from the row that has the maximum.
    this.points = database.prepare(
      `SELECT step, max(attempt) AS attempt, loss_bits FROM events WHERE run = ? AND kind = ? AND step IS NOT NULL
       GROUP BY step ORDER BY step`,
    );
    this.newestStep = database.prepare(
      `SELECT step, attempt, loss_bits FROM events WHERE run = ? AND kind = 'step' AND step IS NOT NULL
       ORDER BY step DESC, attempt DESC LIMIT 1`,
    );
    this.counts = database.prepare('SELECT kind, count(*) AS n FROM events WHERE run = ? GROUP BY kind');
  }

  /** Stores one event unless it is there. A recomputed step is compared with the newest earlier attempt's. */
  append(
    run: string,
    event: mft.v1.Event,
    bytes: Uint8Array,
  ): { outcome: AppendOutcome; divergence?: Divergence } {
    const { attempt, sequence } = idOf(event);
    const loss = lossOf(event);
    const kind = event.body ?? 'unknown';
    const done = this.insert.run(run, attempt, sequence, kind, loss?.step ?? null, loss?.bits ?? null, bytes);
    if (Number(done.changes) === 0) {
      const row = this.existing.get(run, attempt, sequence);
      const same = row !== undefined && Buffer.compare(row.bytes as Uint8Array, bytes) === 0;
      return { outcome: same ? 'duplicate' : 'conflict' };
    }
    if (!event.step || !loss) return { outcome: 'new' };
    const before = this.earlier.get(run, loss.step, attempt);
    if (before === undefined || Number(before.loss_bits) === loss.bits) return { outcome: 'new' };
    return {
      outcome: 'new',
      divergence: {
        step: loss.step,
        attempt,
        loss: event.step.loss,
        earlierAttempt: Number(before.attempt),
        earlierLoss: f32FromBits(Number(before.loss_bits)),
      },
    };
  }

  last(run: string): EventId | undefined {
    const row = this.newest.get(run);
    return row === undefined ? undefined : { attempt: Number(row.attempt), sequence: Number(row.sequence) };
  }

  /** All events after one, in order, a page at a time; sees events that are added meanwhile. */
  *after(run: string, last: EventId = { attempt: 0, sequence: 0 }, pageSize = 500): Generator<StoredEvent> {
    let { attempt, sequence } = last;
    for (;;) {
      const rows = this.page.all(run, attempt, sequence, pageSize);
      for (const row of rows) {
        attempt = Number(row.attempt);
        sequence = Number(row.sequence);
        yield { attempt, sequence, event: mft.v1.Event.decode(row.bytes as Uint8Array) };
      }
      if (rows.length < pageSize) return;
    }
  }

  /** The newest attempt's value of each step. */
  curve(run: string, kind: 'step' | 'evaluation'): CurvePoint[] {
    return this.points.all(run, kind).map((row) => ({
      step: Number(row.step),
      attempt: Number(row.attempt),
      loss: f32FromBits(Number(row.loss_bits)),
    }));
  }

  /** The highest step that was computed. */
  lastStep(run: string): CurvePoint | undefined {
    const row = this.newestStep.get(run);
    return row === undefined
      ? undefined
      : {
          step: Number(row.step),
          attempt: Number(row.attempt),
          loss: f32FromBits(Number(row.loss_bits)),
        };
  }

  count(run: string): Record<string, number> {
    return Object.fromEntries(this.counts.all(run).map((row) => [String(row.kind), Number(row.n)]));
  }
}

/** @throws RangeError when an event has no id; the protocol numbers from 1. */
export function idOf(event: mft.v1.IEvent): EventId {
  const attempt = event.id?.attempt ?? 0;
  const sequence = event.id?.sequence ?? 0;
  if (attempt < 1 || sequence < 1) throw new RangeError('an event without an id');
  return { attempt, sequence };
}
