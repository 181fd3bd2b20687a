import { Args, Flags } from '@oclif/core';
import { type FaultOptions, faultKinds, faultPhone } from '../../phone/index.ts';
import { BaseCommand } from '../base.ts';

export default class PhoneFault extends BaseCommand {
  static override summary = 'Make something go wrong with a virtual phone.';
  static override description = [
    'disconnect     the connection drops; what adb started without setsid dies',
    'stall          no byte moves, connections stay open',
    'refuse         new connections are refused',
    'slow           at most --rate bytes a second',
    'adbd-restart   everything adb ever started dies, setsid or not',
    'reboot         the same, with a new boot id',
    'disk-full      at most --bytes more can be written',
    'unplug, plug   the charger',
    'battery        sets the charge to --percent',
    'heat           sets the temperatures to --celsius',
    'clear          ends stall, refuse, slow and disk-full',
  ].join('\n');
  static override examples = [
    '<%= config.bin %> phone fault disconnect',
    '<%= config.bin %> phone fault stall --phone shelf-1 --seconds 10',
    '<%= config.bin %> phone fault battery --percent 12',
  ];
  static override args = {
    kind: Args.string({ required: true, options: [...faultKinds], description: 'what goes wrong' }),
  };
  static override flags = {
    phone: Flags.string({
      char: 'p',
      summary: 'Its name or serial number; may be left out when there is one.',
    }),
    seconds: Flags.integer({ min: 0, summary: 'For how long; default: until clear.' }),
    rate: Flags.integer({ min: 1, helpValue: 'BYTES', summary: 'For slow: bytes a second.' }),
    bytes: Flags.integer({ min: 0, summary: 'For disk-full: what can still be written.' }),
    percent: Flags.integer({ min: 0, max: 100, summary: 'For battery.' }),
    celsius: Flags.integer({ min: -40, max: 150, summary: 'For heat.' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(PhoneFault);
    const kind = faultKinds.find((known) => known === args.kind);
    if (kind === undefined) this.error(`No fault is called ${args.kind}.`);
    const { seconds, rate: bytesPerSecond, bytes, percent, celsius } = flags;
    const given = Object.entries({ seconds, bytesPerSecond, bytes, percent, celsius });
    const options: FaultOptions = Object.fromEntries(given.filter(([, value]) => value !== undefined));
    const phone = await faultPhone(flags.phone, kind, options);
    this.log(`${phone.name}: ${kind}`);
    return { phone: phone.name, kind, options };
  }
}
