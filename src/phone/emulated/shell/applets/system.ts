import type { WorldApplet } from '../context.ts';
import { parseArguments, UsageError } from './support.ts';

const id: WorldApplet = async (context) => {
  const { flags } = parseArguments(context.args, 'ugnGZ');
  if (flags.has('u') || flags.has('g')) await context.out(flags.has('n') ? 'shell\n' : '2000\n');
  else if (flags.has('Z')) await context.out('u:r:shell:s0\n');
  else {
    const groups = [
      '2000(shell)',
      '1004(input)',
      '1007(log)',
      '1011(adb)',
      '1015(sdcard_rw)',
      '1028(sdcard_r)',
      '1078(ext_data_rw)',
      '1079(ext_obb_rw)',
      '3001(net_bt_admin)',
      '3002(net_bt)',
      '3003(inet)',
      '3006(net_bw_stats)',
      '3009(readproc)',
      '3011(uhid)',
      '3012(readtracefs)',
    ];
    await context.out(`uid=2000(shell) gid=2000(shell) groups=${groups.join(',')} context=u:r:shell:s0\n`);
  }
  return 0;
};

const whoami: WorldApplet = async (context) => {
  await context.out('shell\n');
  return 0;
};

const uname: WorldApplet = async (context) => {
  const { flags } = parseArguments(context.args, 'asnrvmo');
  const { kernel, kernelVersion, machine } = context.host.world.kernel();
  const fields: [string, string][] = [
    ['s', 'Linux'],
    ['n', 'localhost'],
    ['r', kernel],
    ['v', kernelVersion],
    ['m', machine],
    ['o', 'Android'],
  ];
  const shown = fields.filter(
    ([flag]) => flags.has('a') || flags.has(flag) || (flags.size === 0 && flag === 's'),
  );
  await context.out(`${shown.map(([, value]) => value).join(' ')}\n`);
  return 0;
};

const two = (value: number) => String(value).padStart(2, '0');

const date: WorldApplet = async (context) => {
  const args = [...context.args];
  let now = new Date();
  let utc = false;
  for (let first = args[0]; first?.startsWith('-'); first = args[0]) {
    if (first === '-u') utc = true;
    else if (first === '-d')
      now = new Date(
        /^@/.test(args[1] ?? '')
          ? Number(args.splice(1, 1)[0]?.slice(1)) * 1000
          : (args.splice(1, 1)[0] ?? ''),
      );
    else throw new UsageError(`Unknown option '${first}'`);
    args.shift();
  }
  const shift = utc ? 0 : now.getTimezoneOffset() * 60_000;
  const local = new Date(now.getTime() - shift);
  const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  const offset = -Math.round(shift / 60_000);
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const fields: Record<string, string> = {
    s: String(Math.floor(now.getTime() / 1000)),
    N: String((now.getTime() % 1000) * 1_000_000).padStart(9, '0'),
    Y: String(local.getUTCFullYear()),
    m: two(local.getUTCMonth() + 1),
    d: two(local.getUTCDate()),
    e: String(local.getUTCDate()).padStart(2),
    H: two(local.getUTCHours()),
    M: two(local.getUTCMinutes()),
    S: two(local.getUTCSeconds()),
    a: days[local.getUTCDay()] ?? '',
    b: months[local.getUTCMonth()] ?? '',
    z: zone,
    Z: offset === 0 ? 'UTC' : zone,
    '%': '%',
  };
  fields.F = `${fields.Y}-${fields.m}-${fields.d}`;
  fields.T = `${fields.H}:${fields.M}:${fields.S}`;
  const format = args[0]?.startsWith('+') ? args[0].slice(1) : '%a %b %e %T %Z %Y';
  await context.out(`${format.replace(/%(.)/g, (whole, letter) => fields[letter] ?? whole)}\n`);
  return 0;
};

const uptime: WorldApplet = async (context) => {
  const seconds = Math.floor(context.host.world.uptimeSeconds());
  const up =
    seconds >= 3600
      ? `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}`
      : `${Math.floor(seconds / 60)} min`;
  const now = new Date();
  await context.out(
    ` ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())} up ${up},  0 users,  load average: 0.00, 0.00, 0.00\n`,
  );
  return 0;
};

const nproc: WorldApplet = async (context) => {
  await context.out(`${context.host.world.profile.cores.reduce((sum, group) => sum + group.count, 0)}\n`);
  return 0;
};

const hostname: WorldApplet = async (context) => {
  await context.out('localhost\n');
  return 0;
};

const free: WorldApplet = async (context) => {
  const { totalKb, availableKb } = context.host.world.memory();
  const row = (name: string, cells: number[]) =>
    `${name.padEnd(8)}${cells.map((cell) => String(cell * 1024).padStart(16)).join('')}\n`;
  await context.out(`\t\t${['total', 'used', 'free'].map((title) => title.padStart(16)).join('')}\n`);
  await context.out(row('Mem:', [totalKb, totalKb - availableKb, availableKb]));
  return 0;
};

const ok: WorldApplet = async () => 0;
const no: WorldApplet = async () => 1;

export const system: Record<string, WorldApplet> = {
  date,
  false: no,
  free,
  hostname,
  id,
  nproc,
  true: ok,
  uname,
  uptime,
  whoami,
};
