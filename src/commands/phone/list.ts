import { listPhones } from '../../phone/index.ts';
import { table } from '../../ui/table.ts';
import { BaseCommand } from '../base.ts';

export default class PhoneList extends BaseCommand {
  static override summary = 'List the virtual phones.';
  static override examples = ['<%= config.bin %> phone list', '<%= config.bin %> phone list --json'];

  async run(): Promise<unknown> {
    await this.parse(PhoneList);
    const phones = listPhones();
    if (phones.length === 0) this.log('No virtual phone is running. Start one: mft phone start');
    else {
      const rows = phones.map((phone) => [
        phone.serial,
        phone.name,
        phone.alive ? 'running' : 'dead',
        phone.make,
        phone.profile,
        phone.abi,
        phone.root,
      ]);
      for (const line of table(['SERIAL', 'NAME', 'STATE', 'MAKE', 'PROFILE', 'ABI', 'FILES'], rows))
        this.log(line);
    }
    return { phones };
  }
}
