import { createServer, type Socket } from 'node:net';

/** Answers one service; the socket is the script's from then on. */
export type Script = (service: string, socket: Socket) => void;

/** OKAY, then perhaps a value with its four hex digits of length. */
export function okay(socket: Socket, value?: string): void {
  socket.write('OKAY');
  if (value !== undefined) socket.write(value.length.toString(16).padStart(4, '0') + value);
}

export function fail(socket: Socket, message: string): void {
  socket.end(`FAIL${message.length.toString(16).padStart(4, '0')}${message}`);
}

/**
 * A peer that speaks an adb server's wire protocol by a script: for framing errors, old servers and states that no real
 * server can be brought into. What adb really does is tested with the real one.
 */
export async function fakeAdbServer(script: Script): Promise<{ port: number; stop: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    let pending = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 4) {
        const length = Number.parseInt(pending.subarray(0, 4).toString(), 16);
        if (Number.isNaN(length) || pending.length < 4 + length) return;
        const service = pending.subarray(4, 4 + length).toString();
        pending = pending.subarray(4 + length);
        script(service, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: address.port, stop };
}

/** A server that knows what it must, with one usable phone; `script` may answer first and then returns true. */
export function usableServer(script: (service: string, socket: Socket) => boolean): Script {
  return (service, socket) => {
    if (script(service, socket)) return;
    if (service === 'host:version') okay(socket, '0029');
    else if (service === 'host:host-features') okay(socket, 'shell_v2,stat_v2');
    else if (service === 'host:devices-l') okay(socket, 'PHONE1                 device transport_id:1\n');
    else if (service === 'host-serial:PHONE1:features') okay(socket, 'shell_v2,stat_v2');
    else if (service === 'host:transport:PHONE1') okay(socket);
    else fail(socket, `unknown service ${service}`);
  };
}
