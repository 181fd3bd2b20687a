import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { MftError, messageOf } from '../base/errors.ts';
import { serveControl } from './control.ts';
import { configFile, type DaemonMessage, writeState } from './fleet.ts';
import { startPhone } from './start.ts';
import { abis, makes, type Phone, type PhoneOptions } from './types.ts';

/** The process of a launched phone: `node daemon.js FOLDER`. Ends on SIGTERM, with everything that the phone started. */

const configSchema = z.object({
  make: z.enum(makes as [PhoneOptions['make'] & string]).optional(),
  profile: z.string().optional(),
  abi: z.enum(abis as [PhoneOptions['abi'] & string]).optional(),
  name: z.string(),
  cpu: z.string().optional(),
  home: z.string(),
  port: z.number().optional(),
  timeScale: z.number().positive().optional(),
  battery: z.number().optional(),
  charging: z.boolean().optional(),
});

async function main(folder: string): Promise<void> {
  const held = configSchema.parse(JSON.parse(readFileSync(configFile(folder), 'utf8')));
  const options: PhoneOptions = Object.fromEntries(
    Object.entries(held).filter(([, value]) => value !== undefined),
  );
  const phone = await startPhone(options);
  try {
    await run(phone, folder);
  } catch (error) {
    await phone.stop();
    throw error;
  }
}

async function run(phone: Phone, folder: string): Promise<void> {
  const control = await serveControl(folder, phone);
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    log('stopping');
    void phone
      .stop()
      .catch((error: unknown) => log(messageOf(error)))
      .finally(() => {
        control.close();
        process.exit(0);
      });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', () => undefined);
  const { name, make, profile, abi, port, serial, root } = phone;
  const record = {
    name,
    make,
    profile,
    abi,
    pid: process.pid,
    port,
    serial,
    root,
    startedAt: new Date().toISOString(),
  };
  writeState(folder, record);
  log(`${make} ${profile} ${abi} at ${serial}`);
  tell({ ready: record });
}

function log(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
}

function tell(message: DaemonMessage): void {
  process.send?.(message, undefined, undefined, () => process.disconnect?.());
}

process.on('disconnect', () => undefined);
process.on('uncaughtException', (error) => log(`uncaught: ${error.stack ?? error.message}`));
process.on('unhandledRejection', (error) => log(`unhandled: ${messageOf(error)}`));
const folder = process.argv[2];
if (folder === undefined) process.exit(2);
main(folder).catch((error: unknown) => {
  log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const code = error instanceof MftError ? error.code : 'phone.start-failed';
  const suggestions = error instanceof MftError ? error.suggestions : [];
  process.exitCode = 1;
  process.send?.(
    { failed: { message: messageOf(error), code, suggestions } } satisfies DaemonMessage,
    undefined,
    undefined,
    () => process.exit(1),
  );
});
