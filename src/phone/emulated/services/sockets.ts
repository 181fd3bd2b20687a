import { connect, type Socket } from 'node:net';
import { type AdbStream, StreamClosed } from '../wire/stream.ts';

/**
 * Connects to what a forward names: `localabstract:NAME` (in the phone's own part of the host's abstract namespace) or `tcp:PORT` (of
 * the host's loopback: an emulated phone has no network of its own). Undefined if nobody listens.
 */
export function connectTarget(target: string, socketPrefix: string): Promise<Socket | undefined> {
  const [, kind, name = ''] = /^(localabstract|tcp):([\s\S]+)$/.exec(target) ?? [];
  const port = kind === 'tcp' && /^[0-9]{1,5}$/.test(name) ? Number(name) : 0;
  // sun_path holds 108 bytes, the first of them NUL.
  if (kind === undefined || (kind === 'tcp' && (port < 1 || port > 65535))) return Promise.resolve(undefined);
  if (kind === 'localabstract' && Buffer.byteLength(socketPrefix + name) > 107)
    return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const options = { allowHalfOpen: true };
    const socket =
      kind === 'tcp'
        ? connect({ host: '127.0.0.1', port, ...options })
        : connect({ path: `\0${socketPrefix}${name}`, ...options });
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

/** Carries bytes both ways until one side closes; then, as adbd does, the other is closed once everything has been delivered. */
export async function join(stream: AdbStream, socket: Socket): Promise<void> {
  socket.on('error', () => socket.destroy());
  const inwards = (async () => {
    for (let data = await stream.read(); data !== null; data = await stream.read()) {
      if (socket.destroyed) break;
      if (!socket.write(data)) {
        await new Promise<void>((resolve) => {
          const go = () => {
            socket.off('drain', go);
            socket.off('close', go);
            resolve();
          };
          socket.on('drain', go);
          socket.on('close', go);
        });
      }
    }
    socket.end();
    // The peer has closed the whole stream: nobody reads what the program may still have to say.
    if (stream.signal.aborted) socket.destroySoon();
  })();
  try {
    for await (const data of socket) await stream.write(data);
  } catch (error) {
    if (!(error instanceof StreamClosed) && !socket.destroyed) socket.destroy();
  } finally {
    stream.end();
  }
  await inwards;
}
