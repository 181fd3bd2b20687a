import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { ExitCode, MftError } from '../base/errors.ts';
import { editDistance } from '../base/nearest.ts';
import { dataHome } from '../base/paths.ts';
import type { mft } from '../protocol/index.ts';
import { type AppendOutcome, EventTable } from './events.ts';
import { newRunId, RUN_ID } from './ids.ts';
import { openDatabase } from './schema.ts';
import type {
  Artifact,
  CurvePoint,
  DeployFile,
  EventId,
  HostEvent,
  NewRun,
  RunRecord,
  RunState,
  StoredEvent,
} from './types.ts';

export interface RawEvent {
  event: mft.v1.Event;
  /** As it came over the wire. */
  bytes: Uint8Array;
}

/** What the phone is to do, and the files it needs for it. */
export interface RunPlan {
  /** Serialized RunSpec. */
  spec: Uint8Array;
  files: DeployFile[];
}

/** What may change in a record. */
export type RunPatch = Partial<
  Pick<RunRecord, 'facts' | 'runtimeVersion' | 'files' | 'reason' | 'failure' | 'collected'>
>;

/**
 * The host's record of runs: `mft.sqlite` and the folder `runs/<id>` for files, both below one data folder. All calls are
 * synchronous; several processes may use one record.
 */
export class RunStore {
  readonly home: string;
  private readonly database: DatabaseSync;
  private readonly eventTable: EventTable;

  private constructor(home: string, database: DatabaseSync) {
    this.home = home;
    this.database = database;
    this.eventTable = new EventTable(database);
  }

  static open(home = dataHome()): RunStore {
    mkdirSync(home, { recursive: true });
    return new RunStore(home, openDatabase(join(home, 'mft.sqlite')));
  }

  close(): void {
    this.database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The run's folder on this host, for its owner only: it holds the token. */
  folder(id: string): string {
    if (!RUN_ID.test(id)) throw new RangeError(`not a run id: ${id}`);
    const runs = join(this.home, 'runs');
    const folder = join(runs, id);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(runs, 0o700);
    chmodSync(folder, 0o700);
    return folder;
  }

  /**
   * Records a run under a fresh id. `build` makes what depends on the id; record and specification appear together, so a
   * run that is in the record is planned completely.
   */
  create(run: NewRun, build: (id: string) => RunPlan, now = new Date()): RunRecord {
    for (let tries = 0; ; tries += 1) {
      const id = newRunId(run.name ?? run.model, now, tries < 8 ? 2 : 6);
      const { spec, files } = build(id);
      const created = this.transaction(() => {
        const done = this.run(
          `INSERT INTO runs (id, task, model, method, server, serial, device_name, abi, data, config, mft_version, state,
             created_ms, updated_ms, spec, files)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'planned', ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
          ...[id, run.task, run.model, run.method, run.server, run.serial, run.deviceName, run.abi, run.data],
          ...[run.config, run.mftVersion, now.getTime(), now.getTime(), spec, JSON.stringify(files)],
        );
        if (done > 0) this.note(id, 'transition', 'planned', '');
        return done > 0;
      });
      if (created) return this.get(id);
    }
  }

  /** @throws MftError run.unknown */
  get(id: string): RunRecord {
    const row = this.database.prepare('SELECT * FROM runs WHERE id = ?').get(id);
    if (row === undefined) throw this.unknown(id);
    return toRecord(row);
  }

  /**
   * A run by its id or any unique beginning of it.
   *
   * @throws MftError run.unknown (names the nearest ids), run.ambiguous (lists them)
   */
  find(prefix: string): RunRecord {
    const rows = this.database
      .prepare('SELECT * FROM runs WHERE substr(id, 1, ?) = ? ORDER BY id = ? DESC, created_ms DESC LIMIT 10')
      .all(prefix.length, prefix, prefix);
    const [first, second] = rows;
    if (first === undefined || prefix === '') throw this.unknown(prefix);
    if (second === undefined || first.id === prefix) return toRecord(first);
    throw new MftError(`several runs begin with "${prefix}": ${rows.map((row) => row.id).join(', ')}`, {
      code: 'run.ambiguous',
      exit: ExitCode.usage,
      suggestions: ['Type more of the id.'],
    });
  }

  /** Newest first. */
  list(limit = 1000): RunRecord[] {
    const rows = this.database.prepare('SELECT * FROM runs ORDER BY created_ms DESC, id LIMIT ?').all(limit);
    return rows.map(toRecord);
  }

  /** Enters a state; the transition is noted in the same transaction. */
  setState(id: string, state: RunState, reason = ''): void {
    this.transaction(() => {
      this.run('UPDATE runs SET state = ?, updated_ms = ? WHERE id = ?', state, Date.now(), id);
      this.note(id, 'transition', state, reason);
    });
  }

  update(id: string, patch: RunPatch): void {
    const columns: Record<string, SQLInputValue> = {};
    if (patch.facts !== undefined) columns.facts = patch.facts;
    if (patch.runtimeVersion !== undefined) columns.runtime_version = patch.runtimeVersion;
    if (patch.files !== undefined) columns.files = JSON.stringify(patch.files);
    if (patch.reason !== undefined) columns.reason = patch.reason;
    if (patch.failure !== undefined) columns.failure = patch.failure;
    if (patch.collected !== undefined) columns.collected = patch.collected ? 1 : 0;
    const names = Object.keys(columns);
    if (names.length === 0) return;
    const set = [...names.map((name) => `${name} = ?`), 'updated_ms = ?'].join(', ');
    this.run(`UPDATE runs SET ${set} WHERE id = ?`, ...Object.values(columns), Date.now(), id);
  }

  /**
   * Stores events, each exactly once, all or none of them. What does not fit what is known already is noted as a warning:
   * `determinism` (a recomputed step has another loss), `journal-conflict` (an event changed after it was sent).
   */
  append(id: string, events: readonly RawEvent[]): AppendOutcome[] {
    return this.transaction(() =>
      events.map(({ event, bytes }) => {
        const { outcome, divergence } = this.eventTable.append(id, event, bytes);
        if (outcome === 'conflict')
          this.note(
            id,
            'warning',
            'journal-conflict',
            `event ${event.id.attempt}:${event.id.sequence} came again with other content; the first one is kept`,
          );
        if (divergence)
          this.note(
            id,
            'warning',
            'determinism',
            `step ${divergence.step} was computed again in attempt ${divergence.attempt} with loss ${divergence.loss}, ` +
              `but attempt ${divergence.earlierAttempt} had ${divergence.earlierLoss}: not equal to the bit`,
          );
        return outcome;
      }),
    );
  }

  lastEvent(id: string): EventId | undefined {
    return this.eventTable.last(id);
  }

  /** In order, streamed: any number of events in flat memory. */
  events(id: string, after?: EventId): Generator<StoredEvent> {
    return this.eventTable.after(id, after);
  }

  /** Training losses, or validation losses, by step: the newest attempt's value of each. */
  curve(id: string, kind: 'step' | 'evaluation' = 'step'): CurvePoint[] {
    return this.eventTable.curve(id, kind);
  }

  /** The highest step that was computed, with its newest value. */
  lastStep(id: string): CurvePoint | undefined {
    return this.eventTable.lastStep(id);
  }

  eventCounts(id: string): Record<string, number> {
    return this.eventTable.count(id);
  }

  warn(id: string, code: string, message: string): void {
    this.note(id, 'warning', code, message);
  }

  hostEvents(id: string, after = 0): HostEvent[] {
    const rows = this.database
      .prepare('SELECT * FROM host_events WHERE run = ? AND number > ? ORDER BY number')
      .all(id, after);
    return rows.map((row) => ({
      number: Number(row.number),
      timeMs: Number(row.time_ms),
      kind: row.kind === 'warning' ? 'warning' : 'transition',
      code: String(row.code),
      message: String(row.message),
    }));
  }

  addArtifact(id: string, artifact: Artifact): void {
    const { kind, name, path, sha256, bytes } = artifact;
    this.run(
      'INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?, ?)',
      id,
      kind,
      name,
      path,
      sha256,
      bytes,
    );
  }

  clearArtifacts(id: string): void {
    this.run('DELETE FROM artifacts WHERE run = ?', id);
  }

  artifacts(id: string): Artifact[] {
    const rows = this.database.prepare('SELECT * FROM artifacts WHERE run = ? ORDER BY kind, name').all(id);
    return rows.map((row) => ({
      kind: String(row.kind) as Artifact['kind'],
      name: String(row.name),
      path: String(row.path),
      sha256: String(row.sha256),
      bytes: Number(row.bytes),
    }));
  }

  /** Forgets a run: its events, its record and its folder on this host. */
  remove(id: string): void {
    this.get(id);
    rmSync(this.folder(id), { recursive: true, force: true });
    this.run('DELETE FROM runs WHERE id = ?', id);
  }

  private unknown(id: string): MftError {
    const ids = this.list().map((run) => run.id);
    const near = [...ids].sort((a, b) => editDistance(id, a) - editDistance(id, b)).slice(0, 3);
    return new MftError(`there is no run "${id}"`, {
      code: 'run.unknown',
      exit: ExitCode.usage,
      suggestions:
        near.length === 0 ? ['No run is recorded yet: mft train --help'] : [...near, 'mft runs ls'],
    });
  }

  private note(id: string, kind: HostEvent['kind'], code: string, message: string): void {
    this.run(
      'INSERT INTO host_events (run, time_ms, kind, code, message) VALUES (?, ?, ?, ?, ?)',
      ...[id, Date.now(), kind, code, message],
    );
  }

  private run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.database.prepare(sql).run(...values).changes);
  }

  private transaction<T>(body: () => T): T {
    this.database.exec('BEGIN IMMEDIATE');
    try {
      const result = body();
      this.database.exec('COMMIT');
      return result;
    } catch (error) {
      this.database.exec('ROLLBACK');
      throw error;
    }
  }
}

function toRecord(row: Record<string, SQLOutputValue>): RunRecord {
  const text = (name: string) => String(row[name] ?? '');
  const blob = (name: string) => row[name] as Uint8Array | null;
  const facts = blob('facts');
  return {
    id: text('id'),
    task: text('task') as RunRecord['task'],
    model: text('model'),
    method: text('method'),
    server: text('server'),
    serial: text('serial'),
    deviceName: text('device_name'),
    abi: text('abi'),
    data: text('data'),
    config: text('config'),
    mftVersion: text('mft_version'),
    state: text('state') as RunState,
    createdMs: Number(row.created_ms),
    updatedMs: Number(row.updated_ms),
    spec: blob('spec') ?? new Uint8Array(),
    ...(facts ? { facts } : {}),
    ...(row.runtime_version === null ? {} : { runtimeVersion: text('runtime_version') }),
    files: JSON.parse(text('files')) as DeployFile[],
    ...(row.reason === null ? {} : { reason: text('reason') }),
    ...(row.failure === null ? {} : { failure: text('failure') }),
    collected: Number(row.collected) === 1,
  };
}
