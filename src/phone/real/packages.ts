import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf } from '../../base/errors.ts';
import { dataHome } from '../../base/paths.ts';
import { debianKeyring, debianMirrors, SUITE } from './apt-source.ts';
import { unavailable } from './unavailable.ts';

/** AOSP's adbd and the programs around it, as Debian packages them, unpacked into a folder: nothing is installed. */

const PACKAGES = ['adbd', 'mksh', 'toybox', 'busybox-static'];
/** Changes when what is made of the packages changes. */
const RECIPE = 2;
const UPDATE_TIMEOUT_MS = 300_000;
/** Of no use to a phone. */
const UNUSED = ['usr/share', 'usr/lib/x86_64-linux-gnu/gconv', 'usr/lib/aarch64-linux-gnu/gconv', 'etc'];

/** The unpacked packages. */
export interface AdbdPackages {
  /** Folder with `usr/`, and links for `lib` and `lib64`. */
  root: string;
  /** The commands that toybox and busybox have. */
  toybox: string[];
  busybox: string[];
}

/** `MFT_ADBD_ROOT`, else below mft's own data. */
export function packagesFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.MFT_ADBD_ROOT || join(dataHome(env), 'phones', '.adbd-root');
}

/**
 * Fetches the packages, once for a machine.
 * @param apt the machine's configuration of apt
 * @throws MftError `phone.real-unavailable`
 */
export async function adbdPackages(folder = packagesFolder(), apt = '/etc/apt'): Promise<AdbdPackages> {
  const architecture = await debianArchitecture();
  const complete = join(folder, `${SUITE}-${architecture}-${RECIPE}`);
  if (!existsSync(complete)) {
    const staging = join(folder, `.new-${process.pid}-${randomBytes(4).toString('hex')}`);
    mkdirSync(staging, { recursive: true });
    try {
      await build(staging, architecture, apt);
      publish(join(staging, 'root'), complete);
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
  }
  const commands = (program: string) =>
    readFileSync(join(complete, `${program}.txt`), 'utf8')
      .trim()
      .split(/\s+/);
  return { root: complete, toybox: commands('toybox'), busybox: commands('busybox') };
}

/** Somebody else may have been faster; theirs is as good. */
function publish(root: string, complete: string): void {
  try {
    renameSync(root, complete);
  } catch (error) {
    if (!existsSync(complete)) throw error;
  }
}

async function build(staging: string, architecture: string, apt: string): Promise<void> {
  const archives = await download(staging, architecture, apt);
  const root = join(staging, 'root');
  mkdirSync(root);
  for (const archive of archives) await run('dpkg-deb', ['--extract', archive, root]);
  for (const path of UNUSED) rmSync(join(root, path), { recursive: true, force: true });
  // dpkg leaves these to the package base-files.
  for (const name of readdirSync(join(root, 'usr')))
    if (/^lib[0-9]*$/.test(name) && !existsSync(join(root, name)))
      symlinkSync(`usr/${name}`, join(root, name));
  chmodSync(root, 0o755);
  // Multi-call programs, which say what they can.
  writeFileSync(join(root, 'toybox.txt'), await run('chroot', [root, '/usr/bin/toybox']));
  writeFileSync(join(root, 'busybox.txt'), await run('chroot', [root, '/usr/bin/busybox', '--list']));
}

/** @returns the packages' files, with those they depend on */
async function download(staging: string, architecture: string, configuration: string): Promise<string[]> {
  const mirrors = debianMirrors(configuration);
  const keyring = debianKeyring();
  if (mirrors.length === 0 || keyring === undefined) {
    const what = keyring === undefined ? "Debian's archive keyring" : "a mirror of Debian's archive";
    throw unavailable(
      `${what} is not configured on this machine (looked in ${configuration} and /usr/share/keyrings).`,
      {
        suggestions: ['Use a Debian machine.'],
      },
    );
  }
  let last: unknown;
  for (const mirror of mirrors) {
    const apt = aptCommand(join(staging, 'apt'), mirror, keyring, architecture);
    try {
      await run('apt-get', [...apt, '--quiet=2', 'update']);
      await run('apt-get', [...apt, '--quiet=2', '--yes', '--download-only', 'install', ...PACKAGES]);
      const archives = join(staging, 'apt', 'cache', 'archives');
      return readdirSync(archives)
        .filter((name) => name.endsWith('.deb'))
        .map((name) => join(archives, name));
    } catch (error) {
      last = error;
    }
  }
  throw unavailable(`AOSP's adbd could not be fetched from this machine's Debian mirror: ${reasonOf(last)}`, {
    suggestions: [
      'Check the network, and that apt-get update works here.',
      'Or set MFT_ADBD_ROOT to a folder into which it has been fetched before.',
    ],
    cause: last,
  });
}

/** An apt of its own beside the machine's: own lists and cache, nothing installed; the machine's proxy settings stay. */
function aptCommand(folder: string, mirror: string, keyring: string, architecture: string): string[] {
  rmSync(folder, { recursive: true, force: true });
  for (const path of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, path), { recursive: true });
  const source = [
    ['Types', 'deb'],
    ['URIs', mirror],
    ['Suites', SUITE],
    ['Components', 'main'],
    ['Architectures', architecture],
    ['Targets', 'Packages'],
    ['Signed-By', keyring],
  ];
  writeFileSync(join(folder, 'debian.sources'), source.map(([key, value]) => `${key}: ${value}\n`).join(''));
  const options = [
    ['Dir::State', folder],
    ['Dir::State::lists', join(folder, 'lists')],
    ['Dir::State::status', '/dev/null'],
    ['Dir::State::extended_states', '/dev/null'],
    ['Dir::Cache', join(folder, 'cache')],
    ['Dir::Cache::pkgcache', ''],
    ['Dir::Cache::srcpkgcache', ''],
    ['Dir::Etc::sourcelist', join(folder, 'debian.sources')],
    ['Dir::Etc::sourceparts', '/dev/null'],
    ['Dir::Etc::preferences', '/dev/null'],
    ['Dir::Etc::preferencesparts', '/dev/null'],
    ['APT::Architecture', architecture],
    // A mirror that can't be reached is an error, not a warning.
    ['APT::Update::Error-Mode', 'any'],
    ['APT::Install-Recommends', 'false'],
    ['APT::Sandbox::User', 'root'],
    ['Acquire::Languages', 'none'],
    ['Acquire::Retries', '2'],
  ];
  // What the machine runs after an update or an installation is not meant for this one.
  const text = [
    '#clear APT::Update;',
    '#clear DPkg;',
    ...options.map(([key, value]) => `${key} "${value}";`),
  ];
  writeFileSync(join(folder, 'apt.conf'), `${text.join('\n')}\n`);
  return ['-c', join(folder, 'apt.conf')];
}

async function debianArchitecture(): Promise<string> {
  try {
    return (await run('dpkg', ['--print-architecture'])).trim();
  } catch (error) {
    throw unavailable('this is not a Debian machine (there is no dpkg).', { cause: error });
  }
}

async function run(program: string, args: string[]): Promise<string> {
  const { stdout } = await execa(program, args, {
    stdin: 'ignore',
    timeout: UPDATE_TIMEOUT_MS,
    env: { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
  });
  return stdout;
}

function reasonOf(error: unknown): string {
  if (
    error instanceof Error &&
    'stderr' in error &&
    typeof error.stderr === 'string' &&
    error.stderr !== ''
  ) {
    // apt's first error names what it could not get; the others follow from it.
    const lines = error.stderr.split('\n');
    return lines.find((line) => /^E[: ]/.test(line)) ?? lines[0] ?? error.stderr;
  }
  return messageOf(error);
}
