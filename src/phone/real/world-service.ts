import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { android } from '../emulated/shell/applets/android.ts';
import { system } from '../emulated/shell/applets/system.ts';
import type { WorldApplet } from '../emulated/shell/context.ts';
import type { World } from '../world/world.ts';

/**
 * Answers the commands that are about the phone's world (`getprop`, `dumpsys`, `settings`, ...): the same code as in the emulated
 * make. The commands in the phone are scripts that ask here (worldScript), over a Unix socket that is mounted into the phone.
 */

const MAX_REQUEST = 64 * 1024;
const commands = new Map<string, WorldApplet>(Object.entries({ ...system, ...android }));

export async function serveWorld(folder: string, shortFolder: string, world: World): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    void answer(socket, world);
  });
  rmSync(join(folder, 'world'), { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(join(shortFolder, 'world'), resolve);
  });
  // Connecting takes the right to write. The folder above it is closed to everybody else on the host.
  chmodSync(join(folder, 'world'), 0o666);
  return server;
}

async function answer(socket: Socket, world: World): Promise<void> {
  try {
    const argv = await request(socket);
    const output: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
    const code = await execute(argv, world, output);
    const stream = output.stderr.length > 0 ? 'stderr' : 'stdout';
    socket.end(Buffer.concat([Buffer.from(`${code} ${stream}\n`), ...output[stream]]));
  } catch {
    socket.destroy();
  }
}

async function execute(
  argv: string[],
  world: World,
  output: Record<'stdout' | 'stderr', Buffer[]>,
): Promise<number> {
  const [name = '', ...args] = argv;
  const command = commands.get(name);
  const complain = (text: string) => void output.stderr.push(Buffer.from(`${name}: ${text}\n`));
  if (command === undefined) {
    complain('inaccessible or not found');
    return 127;
  }
  try {
    return await command({
      host: { world },
      args,
      streams: { stderr: { write: async (data) => void output.stderr.push(data) } },
      run: async (next) => await execute(next, world, output),
      out: async (text) => void output.stdout.push(Buffer.from(text)),
    });
  } catch (error) {
    complain(messageOf(error));
    return 1;
  }
}

/** COUNT NUL, then as many strings, each with its NUL. */
async function request(socket: Socket): Promise<string[]> {
  let data = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    data = Buffer.concat([data, chunk]);
    const parts = data.toString().split('\0');
    const count = Number(parts[0]);
    if (data.length > MAX_REQUEST || (parts.length > 1 && !(Number.isInteger(count) && count > 0))) break;
    if (parts.length > count + 1) return parts.slice(1, count + 1);
  }
  throw new Error('no request');
}
