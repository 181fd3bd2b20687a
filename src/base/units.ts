const KILO = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes for people, decimal units: 1234567 -> "1.2 MB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < KILO.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${KILO[unit]}`;
}

/** Milliseconds for people: 3723000 -> "1h02m03s", 950 -> "0.9s". */
export function formatDuration(ms: number): string {
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)}s`;
  const seconds = Math.floor(ms / 1000);
  const s = seconds % 60;
  const m = Math.floor(seconds / 60) % 60;
  const h = Math.floor(seconds / 3600);
  const two = (n: number) => String(n).padStart(2, '0');
  if (h > 0) return `${h}h${two(m)}m${two(s)}s`;
  return m > 0 ? `${m}m${two(s)}s` : `${s}s`;
}

/** A time as ISO 8601; null where there is none, as a phone's clock may say. */
export function isoTime(ms: number): string | null {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}

const SIZES: Record<string, number> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
};

/** A size as people write it: "5GB", "500 MB", "2GiB", "1000000". undefined: it is none. */
export function parseBytes(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?) ?((?:[kmg]i?)?)b?$/i.exec(text.trim()) ?? [];
  const bytes = Number(number) * (SIZES[unit.toLowerCase()] ?? Number.NaN);
  return number !== '' && Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined;
}
