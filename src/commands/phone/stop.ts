import { Args, Flags } from '@oclif/core';
import { disconnectAdb, findPhone, listPhones, stopPhone } from '../../phone/index.ts';
import { BaseCommand } from '../base.ts';
import { localAdbPort } from '../shared/adb-port.ts';

export default class PhoneStop extends BaseCommand {
  static override summary = 'Stop a virtual phone.';
  static override description =
    'Everything it started ends with it. Its files are deleted unless --keep is given.';
  static override examples = ['<%= config.bin %> phone stop', '<%= config.bin %> phone stop shelf-1 --keep'];
  static override args = {
    name: Args.string({ description: 'its name or serial number; may be left out when there is one' }),
  };
  static override flags = {
    all: Flags.boolean({ summary: 'Stop every virtual phone.' }),
    keep: Flags.boolean({ summary: 'Keep its files; a start under the same name goes on with them.' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(PhoneStop);
    const phones = flags.all ? listPhones() : [findPhone(args.name)];
    const server = localAdbPort(flags['adb-server']);
    for (const phone of phones) {
      if (server !== undefined) await disconnectAdb(phone.serial, server);
      await stopPhone(phone.name, { keep: flags.keep });
      this.log(`Stopped ${phone.name}.`);
    }
    return { stopped: phones.map((phone) => phone.name) };
  }
}
