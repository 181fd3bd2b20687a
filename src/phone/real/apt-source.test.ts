import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { deb822Sources, debianMirrors, oneLineSources } from './apt-source.ts';
import { adbdPackages } from './packages.ts';

const scratch = mkdtempSync(join(tmpdir(), 'mft-apt-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function configuration(name: string, files: Record<string, string>): string {
  const folder = join(scratch, name);
  mkdirSync(join(folder, 'sources.list.d'), { recursive: true });
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
  return folder;
}

test('one-line sources, with options and comments', () => {
  const text = [
    '# deb http://old.invalid/debian bookworm main',
    'deb http://one.invalid/debian bookworm main contrib # ours',
    '  deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://two.invalid/debian/ sid main',
    'deb-src http://one.invalid/debian bookworm main',
    'deb http://broken.invalid',
  ].join('\n');
  expect(oneLineSources(text)).toEqual([
    { uris: ['http://one.invalid/debian'], suites: ['bookworm'], components: ['main', 'contrib'] },
    { uris: ['http://two.invalid/debian/'], suites: ['sid'], components: ['main'] },
  ]);
});

test('deb822 sources, with comments, continued lines and stanzas that are off', () => {
  const text = [
    '# Stanza one',
    'Types: deb deb-src',
    '# in between',
    'URIs: http://one.invalid/debian',
    '  http://two.invalid/debian',
    'Suites: bookworm bookworm-updates',
    'Components: main',
    'Signed-By:',
    ' -----BEGIN PGP PUBLIC KEY BLOCK-----',
    ' .',
    ' -----END PGP PUBLIC KEY BLOCK-----',
    '',
    'Enabled: no',
    'Types: deb',
    'URIs: http://off.invalid/debian',
    'Suites: bookworm',
    'Components: main',
    '',
    'Types: deb-src',
    'URIs: http://source.invalid/debian',
    'Suites: bookworm',
    'Components: main',
  ].join('\n');
  expect(deb822Sources(text)).toEqual([
    {
      uris: ['http://one.invalid/debian', 'http://two.invalid/debian'],
      suites: ['bookworm', 'bookworm-updates'],
      components: ['main'],
    },
  ]);
});

test("only Debian's own archive counts: not its security updates, not other people's", () => {
  const apt = configuration('mixed', {
    'sources.list': 'deb http://sec.invalid/debian-security bookworm-security main\n',
    'sources.list.d/a.list': 'deb http://tools.invalid/apt tools-bookworm main\n',
    'sources.list.d/b.sources':
      'Types: deb\nURIs: http://vendor.invalid/node\nSuites: nodistro\nComponents: main\n',
    'sources.list.d/c.sources':
      'Types: deb\nURIs: http://mirror.invalid/debian\nSuites: bookworm\nComponents: main\n',
    'sources.list.d/c.sources.off':
      'Types: deb\nURIs: http://off.invalid/debian\nSuites: bookworm\nComponents: main\n',
  });
  expect(debianMirrors(apt)).toEqual(['http://mirror.invalid/debian']);
});

test('where nothing can be fetched, it says why, and leaves nothing', async () => {
  const cache = join(scratch, 'cache');
  const none = configuration('none', { 'sources.list': '' });
  const failure = { code: 'phone.real-unavailable', exit: 2 };
  await expect(adbdPackages(cache, none)).rejects.toMatchObject(failure);
  // Port 9 (discard) of this machine: nobody listens.
  const closed = configuration('closed', {
    'sources.list': 'deb http://127.0.0.1:9/debian bookworm main\n',
  });
  await expect(adbdPackages(cache, closed)).rejects.toMatchObject({
    ...failure,
    suggestions: expect.arrayContaining([expect.stringContaining('MFT_ADBD_ROOT')]),
  });
  expect(readdirSync(cache)).toEqual([]);
});
