import { type AdbDevice, AdbServer } from '../../src/adb/index.ts';
import { type Make, makes, type Phone, type PhoneOptions, startPhone } from '../../src/phone/index.ts';
import { startAdbServer, type TestAdbServer } from './adb-server.ts';

/** A virtual phone, connected to an adb server of its own. */
export interface Rig {
  readonly adb: TestAdbServer;
  readonly server: AdbServer;
  readonly phone: Phone;
  readonly device: AdbDevice;
  stop(): Promise<void>;
}

/** `MFT_TEST_PHONE_MAKE=real` runs the same tests on AOSP's own adbd (root and Debian needed). */
export function testMake(): Make {
  return makes.find((make) => make === process.env.MFT_TEST_PHONE_MAKE) ?? 'emulated';
}

export async function startRig(options: PhoneOptions = {}): Promise<Rig> {
  const adb = await startAdbServer();
  const stops = [adb.stop];
  const stop = async () => {
    for (const end of stops.reverse()) await end();
  };
  try {
    const phone = await startPhone({ make: testMake(), ...options });
    stops.push(() => phone.stop());
    await phone.connect(adb.port);
    const server = await AdbServer.connect({ port: adb.port, env: adb.env });
    return { adb, server, phone, device: server.device(phone.serial), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
