import { type Abi, startPhone } from '../../src/phone/index.ts';

/** A process with a phone of the real make: `hold-phone.ts ABI FOLDER`. Stops it on SIGTERM. */
const [, , abi, home] = process.argv;
const phone = await startPhone({ make: 'real', abi: abi as Abi, ...(home === undefined ? {} : { home }) });
process.on('SIGTERM', () => void phone.stop().then(() => process.exit(0)));
process.stdout.write(`started ${phone.serial}\n`);
