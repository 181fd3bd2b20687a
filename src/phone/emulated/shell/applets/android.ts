import type { WorldApplet } from '../context.ts';
import { UsageError } from './support.ts';

const getprop: WorldApplet = async (context) => {
  const properties = context.host.world.properties();
  const [name, fallback = ''] = context.args;
  if (name !== undefined) await context.out(`${properties.get(name) ?? fallback}\n`);
  else {
    const lines = [...properties]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `[${key}]: [${value}]\n`);
    await context.out(lines.join(''));
  }
  return 0;
};

/** uid 2000 may set debug.*, log.*, persist.log.tag.* and shell.*; the rest fails as SELinux makes it fail. */
const setprop: WorldApplet = async (context) => {
  const [name, value] = context.args;
  if (name === undefined || value === undefined) throw new UsageError('Needs 2 arguments');
  if (!/^(debug|log|shell|persist\.log\.tag)\./.test(name)) {
    await context.streams.stderr.write(
      Buffer.from(`Failed to set property '${name}' to '${value}'.\nSee dmesg for error reason.\n`),
    );
    return 1;
  }
  context.host.world.setProperty(name, value);
  return 0;
};

const dumpsys: WorldApplet = async (context) => {
  const [service, ...args] = context.args.filter((argument, index) => !(index === 0 && argument === '-t'));
  if (service === '-l' || service === undefined) {
    await context.out(
      `Currently running services:\n${context.host.world
        .services()
        .map((name) => `  ${name}\n`)
        .join('')}`,
    );
    return 0;
  }
  const answer = context.host.world.dumpsys(service, args);
  if (answer === undefined) {
    await context.streams.stderr.write(Buffer.from(`Can't find service: ${service}\n`));
    return 0;
  }
  await context.out(answer);
  return 0;
};

const namespaces = new Set(['system', 'secure', 'global']);

const settings: WorldApplet = async (context) => {
  const args = [...context.args];
  if (args[0] === '--user') args.splice(0, 2);
  const [action = '', namespace = '', name = '', value = ''] = args;
  if (!namespaces.has(namespace)) throw new UsageError('invalid namespace; use system, secure or global');
  const { settings: store } = context.host.world;
  switch (action) {
    case 'get':
      await context.out(`${store.get(namespace, name) ?? 'null'}\n`);
      return 0;
    case 'put':
      store.put(namespace, name, value);
      return 0;
    case 'delete':
      await context.out(`Deleted ${store.delete(namespace, name) ? 1 : 0} rows\n`);
      return 0;
    case 'list':
      await context.out(
        store
          .list(namespace)
          .map(([key, held]) => `${key}=${held}\n`)
          .join(''),
      );
      return 0;
    default:
      throw new UsageError(`unknown command '${action}'`);
  }
};

/** `svc power stayon true|false|usb|ac|wireless|dock` is a setting; the rest is accepted and has no effect. */
const svc: WorldApplet = async (context) => {
  const [service, action, value = 'true'] = context.args;
  if (service === 'power' && action === 'stayon') {
    const masks: Record<string, string> = {
      true: '7',
      false: '0',
      usb: '2',
      ac: '1',
      wireless: '4',
      dock: '8',
    };
    context.host.world.settings.put('global', 'stay_on_while_plugged_in', masks[value] ?? '7');
  }
  return 0;
};

const pm: WorldApplet = async (context) => {
  const [action, what] = context.args;
  if (action === 'list' && what === 'features') {
    for (const feature of [
      'android.hardware.ram.normal',
      'android.hardware.touchscreen',
      'android.hardware.wifi',
    ]) {
      await context.out(`feature:${feature}\n`);
    }
    return 0;
  }
  if (action === 'list' && what === 'packages')
    await context.out('package:android\npackage:com.android.shell\n');
  else if (action === 'path' && what === 'android')
    await context.out('package:/system/framework/framework-res.apk\n');
  else return 1;
  return 0;
};

const wm: WorldApplet = async (context) => {
  if (context.args[0] === 'size') await context.out('Physical size: 1080x2400\n');
  else if (context.args[0] === 'density') await context.out('Physical density: 420\n');
  else return 1;
  return 0;
};

const nothing: WorldApplet = async () => 0;

/** `cmd SERVICE ...`: the services whose command is a program of its own. */
const cmd: WorldApplet = async (context) => {
  const [service, ...rest] = context.args;
  const programs: Record<string, string> = {
    settings: 'settings',
    package: 'pm',
    activity: 'am',
    window: 'wm',
  };
  const program = programs[service ?? ''];
  if (program !== undefined) return await context.run([program, ...rest]);
  await context.streams.stderr.write(Buffer.from(`cmd: Can't find service: ${service ?? ''}\n`));
  return 20;
};

export const android: Record<string, WorldApplet> = {
  am: nothing,
  cmd,
  dumpsys,
  getprop,
  input: nothing,
  log: nothing,
  logcat: nothing,
  pm,
  setprop,
  settings,
  svc,
  wm,
};
