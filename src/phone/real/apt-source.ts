import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the machine itself gets Debian from. Formats: sources.list(5). */

/** The release whose adbd is used, whatever release the machine has. */
export const SUITE = 'trixie';

const debianSuites = new Set([
  ...['stable', 'testing', 'unstable', 'oldstable', 'sid'],
  ...['buster', 'bullseye', 'bookworm', 'trixie', 'forky'],
]);
const keyrings = ['debian-archive-keyring.gpg', 'debian-archive-keyring.pgp'].map((name) =>
  join('/usr/share/keyrings', name),
);

interface Source {
  uris: string[];
  suites: string[];
  components: string[];
}

/** The mirrors of Debian's own archive that the machine uses, in its order. */
export function debianMirrors(apt = '/etc/apt'): string[] {
  const parts = join(apt, 'sources.list.d');
  const files = [join(apt, 'sources.list')];
  if (existsSync(parts))
    files.push(
      ...readdirSync(parts)
        .sort()
        .map((name) => join(parts, name)),
    );
  const sources = files.filter(existsSync).flatMap((file) => {
    if (file.endsWith('.list')) return oneLineSources(readFileSync(file, 'utf8'));
    return file.endsWith('.sources') ? deb822Sources(readFileSync(file, 'utf8')) : [];
  });
  const own = sources.filter(
    ({ suites, components }) => components.includes('main') && suites.some((name) => debianSuites.has(name)),
  );
  return [...new Set(own.flatMap(({ uris }) => uris))];
}

export function debianKeyring(): string | undefined {
  return keyrings.find(existsSync);
}

/** `deb [options] URI SUITE COMPONENT...` */
export function oneLineSources(text: string): Source[] {
  return text.split('\n').flatMap((line) => {
    const found = /^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (found === null) return [];
    const [, uri = '', suite = '', components = ''] = found;
    return [{ uris: [uri], suites: [suite], components: words(components) }];
  });
}

/** Stanzas of `Field: value`, continued by lines that begin with a blank. */
export function deb822Sources(text: string): Source[] {
  const uncommented = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n');
  return uncommented.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = new Map(
      stanza
        .replace(/\n[ \t]+/g, ' ')
        .split('\n')
        .map((line): [string, string[]] => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon).trim().toLowerCase(), words(line.slice(colon + 1))];
        }),
    );
    const field = (name: string) => fields.get(name) ?? [];
    if (!field('types').includes('deb') || field('enabled').includes('no')) return [];
    return [{ uris: field('uris'), suites: field('suites'), components: field('components') }];
  });
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
