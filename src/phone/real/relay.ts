import { closeSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

/**
 * The way into a phone's network, a process of its own there: `node relay.js FOLDER PORT` listens on the Unix socket `adbd` in the
 * folder and leads each connection to 127.0.0.1:PORT. A socket with a path is found through the file system, whatever the network.
 */

const [, , folder, port] = process.argv;
if (folder === undefined || port === undefined) process.exit(2);

function join(one: Socket, other: Socket): void {
  one.pipe(other).pipe(one);
  for (const [socket, peer] of [
    [one, other],
    [other, one],
  ] as const) {
    socket.on('error', () => socket.destroy());
    socket.on('close', () => peer.destroySoon());
  }
}

const server = createServer({ allowHalfOpen: true }, (outside) => {
  const inside = connect({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true, noDelay: true });
  join(outside, inside);
});
// Through a descriptor a path is always short: a socket's may have 107 bytes.
const directory = openSync(folder, 'r');
rmSync(`${folder}/adbd`, { force: true });
server.listen(`/proc/self/fd/${directory}/adbd`, () => {
  closeSync(directory);
  process.stdout.write('ready\n');
});
