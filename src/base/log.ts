/**
 * What mft writes about itself: pino, silent unless asked. `-v` shows debug lines on stderr in words, `MFT_LOG=FILE`
 * keeps JSON lines. Neither tokens nor training text may be logged.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import pino from 'pino';

export type LogLevel = 'debug' | 'info' | 'silent';

export type Logger = pino.Logger;

/** One line for people: "12:04:31.207 debug session: reconnected serial=R58M". */
function plainLine(line: string): string {
  const { time, level, name, msg, pid: _pid, hostname: _host, ...rest } = JSON.parse(line);
  const stamp = new Date(time).toISOString().slice(11, 23);
  const fields = Object.entries(rest).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  return `${stamp} ${pino.levels.labels[level] ?? level} ${name ?? 'mft'}: ${msg ?? ''}${fields.join('')}\n`;
}

let root: Logger = pino({ enabled: false });

/** Chosen once, by the command line. Without a call nothing is written. */
export function configureLog(options: { level: LogLevel; file?: string | undefined }): void {
  const streams: pino.StreamEntry[] = [];
  if (options.level !== 'silent')
    streams.push({
      level: options.level,
      stream: { write: (line) => void process.stderr.write(plainLine(line)) },
    });
  if (options.file) {
    const fd = openSync(options.file, 'a', 0o600);
    streams.push({ level: 'debug', stream: { write: (line) => void writeSync(fd, line) } });
    process.once('exit', () => closeSync(fd));
  }
  root =
    streams.length === 0 ? pino({ enabled: false }) : pino({ level: 'debug' }, pino.multistream(streams));
}

/** A logger of one part of mft. Asks for the root on every call, so it can be made before `configureLog`. */
export function log(name: string): Logger {
  return root.child({ name });
}
