import { Flags } from '@oclif/core';
import { abis, connectAdb, launchPhone, makes, profileNames, stopPhone } from '../../phone/index.ts';
import { BaseCommand } from '../base.ts';
import { localAdbPort } from '../shared/adb-port.ts';

export default class PhoneStart extends BaseCommand {
  static override summary = 'Start a virtual phone.';
  static override description =
    'A phone without a phone: an adbd, a shell, files, a battery and heat, on 127.0.0.1. It runs the real runtime. It keeps running ' +
    'until mft phone stop. Its adbd asks for no authentication; nobody but this machine can reach it.';
  static override examples = [
    '<%= config.bin %> phone start',
    '<%= config.bin %> phone start --profile galaxy-a52 --name shelf-1 --battery 30 --unplugged',
    '<%= config.bin %> phone start --make real --abi arm64-v8a --cpu cortex-a53',
  ];
  static override flags = {
    make: Flags.option({ options: makes, default: 'emulated' })({
      summary: "emulated: mft's own adbd. real: Android's adbd in namespaces (needs root and Debian's apt).",
    }),
    profile: Flags.string({
      options: profileNames(),
      default: 'pixel-8',
      summary: 'Which model of phone it is.',
    }),
    abi: Flags.option({ options: abis })({
      summary: "Its instruction set; another than this machine's runs through qemu.",
    }),
    cpu: Flags.string({
      helpValue: 'MODEL',
      summary: 'The processor qemu plays: cortex-a53, cortex-a76, max, ...',
    }),
    name: Flags.string({ summary: 'Its name; default: a fresh one.' }),
    port: Flags.integer({ summary: 'Its TCP port; default: a free one.' }),
    battery: Flags.integer({
      min: 0,
      max: 100,
      default: 80,
      helpValue: 'PERCENT',
      summary: 'Charge at the start.',
    }),
    unplugged: Flags.boolean({ summary: 'Start without a charger.' }),
    'time-scale': Flags.string({
      default: '1',
      summary: 'Seconds of battery and heat that pass in a second.',
    }),
    connect: Flags.boolean({ allowNo: true, default: true, summary: 'Connect the adb server to it.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(PhoneStart);
    const timeScale = Number(flags['time-scale']);
    if (!(timeScale > 0)) this.error('--time-scale must be a number greater than 0.');
    const record = await launchPhone({
      make: flags.make,
      profile: flags.profile,
      battery: flags.battery,
      charging: !flags.unplugged,
      timeScale,
      ...(flags.abi === undefined ? {} : { abi: flags.abi }),
      ...(flags.cpu === undefined ? {} : { cpu: flags.cpu }),
      ...(flags.name === undefined ? {} : { name: flags.name }),
      ...(flags.port === undefined ? {} : { port: flags.port }),
    });
    const server = flags.connect ? localAdbPort(flags['adb-server']) : undefined;
    if (server !== undefined) {
      try {
        await connectAdb(record.serial, server);
      } catch (error) {
        await stopPhone(record.name);
        throw error;
      }
    }
    this.log(`${record.serial}  ${record.name}  ${record.profile}  ${record.abi}  ${record.make}`);
    if (server === undefined) this.log(`Connect it yourself: adb connect ${record.serial}`);
    this.log(`mft train --device ${record.serial} ...   Stop it with: mft phone stop ${record.name}`);
    return { phone: record, connected: server !== undefined };
  }
}
