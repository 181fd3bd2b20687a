/** The JSON lines of `--json` streams, one object a line; docs/json.md lists them. Keys are snake_case, as in YAML. */
import { jsonLine } from '../base/printable.ts';
import { isoTime } from '../base/units.ts';
import { mft } from '../protocol/index.ts';
import type { RunSignal } from '../session/index.ts';
import type { RunRenderer } from './renderer.ts';

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type Record = { [key: string]: Json };

/** A protocol message as JSON: enums by their names, bytes as hex, what is not a number as null. */
function toJson(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([key, entry]) => [snake(key), toJson(entry)]),
    ) as Record;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  return typeof value === 'string' || typeof value === 'boolean' ? value : String(value);
}

function snake(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** An event of the phone: `kind` names the body, whose fields are beside it. */
export function eventRecord(run: string, event: mft.v1.Event, replayed = false): Record {
  const plain = mft.v1.Event.toObject(event, { enums: String, defaults: true, oneofs: true }) as {
    [key: string]: unknown;
  };
  const kind = event.body ?? 'unknown';
  return {
    type: 'event',
    run,
    attempt: event.id?.attempt ?? 0,
    sequence: event.id?.sequence ?? 0,
    time: isoTime(event.timeMs),
    replayed,
    kind: snake(kind),
    data: toJson(plain[kind] ?? {}),
  };
}

export function signalRecord(run: string, signal: RunSignal): Record {
  if (signal.type === 'event') return eventRecord(run, signal.event, signal.replayed ?? false);
  const { type, timeMs, ...rest } = signal;
  const time = isoTime(timeMs);
  return rest && 'report' in rest
    ? { type, run, time, ...(toJson(rest.report) as Record) }
    : { type, run, time, ...(toJson(rest) as Record) };
}

/** @param write takes a line with its end */
export function jsonRenderer(run: string, write: (line: string) => void): RunRenderer {
  return {
    onSignal: (signal) => write(`${jsonLine(signalRecord(run, signal))}\n`),
    close: async () => {},
  };
}
