import { closeSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import { type FaultKind, type FaultOptions, faultKinds, type Phone } from './types.ts';

/** How a phone's daemon is told of faults: one JSON line in, one JSON line out, over a Unix socket in its folder (mode 0700). */

const requestSchema = z.strictObject({
  kind: z.enum(faultKinds as [FaultKind, ...FaultKind[]]),
  options: z.strictObject({
    seconds: z.number().nonnegative().optional(),
    bytesPerSecond: z.number().positive().optional(),
    bytes: z.number().nonnegative().optional(),
    percent: z.number().min(0).max(100).optional(),
    celsius: z.number().min(-40).max(150).optional(),
  }),
});

const answerSchema = z.object({ error: z.object({ message: z.string(), code: z.string() }).optional() });

const MAX_LINE = 64 * 1024;
const ANSWER_TIMEOUT_MS = 60_000;
const SOCKET_NAME = 'control';

/** A socket's path may have 107 bytes; through the folder's descriptor it is always short. */
function throughDescriptor(folder: string): { path: string; close(): void } {
  const fd = openSync(folder, 'r');
  return { path: `/proc/self/fd/${fd}/${SOCKET_NAME}`, close: () => closeSync(fd) };
}

export async function serveControl(folder: string, phone: Phone): Promise<Server> {
  rmSync(join(folder, SOCKET_NAME), { force: true });
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    void answer(socket, phone).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
  });
  const place = throughDescriptor(folder);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(place.path, resolve);
  });
  server.once('close', place.close);
  return server;
}

async function answer(socket: Socket, phone: Phone): Promise<z.infer<typeof answerSchema>> {
  try {
    const { kind, options } = requestSchema.parse(JSON.parse(await lineFrom(socket)));
    await phone.fault(kind, withoutUndefined(options));
    return {};
  } catch (error) {
    return {
      error: {
        message: messageOf(error),
        code: error instanceof MftError ? error.code : 'phone.bad-request',
      },
    };
  }
}

function withoutUndefined(options: z.infer<typeof requestSchema>['options']): FaultOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

async function lineFrom(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    const end = text.indexOf('\n');
    if (end >= 0) return text.slice(0, end);
    if (text.length > MAX_LINE) break;
  }
  throw new Error('no request');
}

export async function askControl(
  folder: string,
  request: { kind: FaultKind; options: FaultOptions },
): Promise<void> {
  const place = throughDescriptor(folder);
  const socket = connect(place.path);
  try {
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error('the phone does not answer')));
    socket.write(`${JSON.stringify(request)}\n`);
    const { error } = answerSchema.parse(JSON.parse(await lineFrom(socket)));
    if (error !== undefined) throw new MftError(error.message, { code: error.code, exit: ExitCode.usage });
  } finally {
    socket.destroy();
    place.close();
  }
}
