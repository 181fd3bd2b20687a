import { DatabaseSync } from 'node:sqlite';
import { ExitCode, MftError } from '../base/errors.ts';

/** Each entry takes the database from one version to the next; entries are never changed, only added. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE runs (
     id TEXT PRIMARY KEY,
     task TEXT NOT NULL,
     model TEXT NOT NULL,
     method TEXT NOT NULL,
     server TEXT NOT NULL,
     serial TEXT NOT NULL,
     device_name TEXT NOT NULL,
     abi TEXT NOT NULL,
     data TEXT NOT NULL,
     config TEXT NOT NULL,
     mft_version TEXT NOT NULL,
     runtime_version TEXT,
     state TEXT NOT NULL,
     created_ms INTEGER NOT NULL,
     updated_ms INTEGER NOT NULL,
     spec BLOB NOT NULL,
     facts BLOB,
     files TEXT NOT NULL,
     reason TEXT,
     failure TEXT,
     collected INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   -- step and loss_bits repeat what is in bytes, for the curve: loss_bits are the 32 bits of the f32.
   CREATE TABLE events (
     run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
     attempt INTEGER NOT NULL,
     sequence INTEGER NOT NULL,
     kind TEXT NOT NULL,
     step INTEGER,
     loss_bits INTEGER,
     bytes BLOB NOT NULL,
     PRIMARY KEY (run, attempt, sequence)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX events_by_step ON events (run, kind, step, attempt, loss_bits) WHERE step IS NOT NULL;
   CREATE TABLE host_events (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
     time_ms INTEGER NOT NULL,
     kind TEXT NOT NULL,
     code TEXT NOT NULL,
     message TEXT NOT NULL
   ) STRICT;
   CREATE INDEX host_events_by_run ON host_events (run, number);
   CREATE TABLE artifacts (
     run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
     kind TEXT NOT NULL,
     name TEXT NOT NULL,
     path TEXT NOT NULL,
     sha256 TEXT NOT NULL,
     bytes INTEGER NOT NULL,
     PRIMARY KEY (run, kind, name)
   ) STRICT, WITHOUT ROWID;`,
];

/**
 * Opens the record, creating or migrating it. Several mft processes may have it open: WAL, and writers wait.
 *
 * @throws MftError runs.newer-record when a newer mft wrote it.
 */
export function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    database.exec('PRAGMA foreign_keys = ON');
    migrate(database, file);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: DatabaseSync, file: string): void {
  const version = () => Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version() === MIGRATIONS.length) return;
  // Another process may be migrating: the version counts only inside the write lock.
  database.exec('BEGIN IMMEDIATE');
  try {
    const found = version();
    if (found > MIGRATIONS.length)
      throw new MftError(`the record ${file} was written by a newer mft (version ${found})`, {
        code: 'runs.newer-record',
        exit: ExitCode.usage,
        suggestions: ['Update mft, or point MFT_HOME to another folder.'],
      });
    for (const sql of MIGRATIONS.slice(found)) database.exec(sql);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}
