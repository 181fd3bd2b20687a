import { randomBytes } from 'node:crypto';

/** What the phone accepts as the name of a run's folder and socket. */
export const RUN_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** A readable part of an id: "Qwen/Qwen2.5-0.5B" -> "qwen2-5-0-5b". */
export function slug(text: string): string {
  const last = text.split(/[\\/]/).filter(Boolean).at(-1) ?? '';
  const clean = last.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return clean.replace(/^-+/, '').slice(0, 32).replace(/-+$/, '') || 'run';
}

/** A readable, most likely unique id: "gpt2-20261122-1a2b". The caller inserts it and asks again if it was taken. */
export function newRunId(name: string, now: Date, bytes = 2): string {
  const day = now.toISOString().slice(0, 10).replaceAll('-', '');
  return `${slug(name)}-${day}-${randomBytes(bytes).toString('hex')}`;
}
