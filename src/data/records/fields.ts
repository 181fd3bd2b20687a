/** Fields of a record, and how messages call them. */
import type { JsonReader } from './json-reader.ts';

export const quoted = (name: string): string => `field "${name}"`;

/** Each of these fields must stand in the object once; others are skipped. `say` calls a field in messages. */
export function readFields(
  json: JsonReader,
  where: string,
  readers: Record<string, () => void>,
  say: (name: string) => string = quoted,
): void {
  const seen = new Set<string>();
  for (const key of json.object(where)) {
    const read = Object.hasOwn(readers, key) ? readers[key] : undefined;
    if (read === undefined) {
      json.skip();
      continue;
    }
    if (seen.has(key)) json.fail(`${say(key)} once`, 'it twice');
    seen.add(key);
    read();
  }
  for (const name of Object.keys(readers)) if (!seen.has(name)) json.fail(say(name), 'none');
}
