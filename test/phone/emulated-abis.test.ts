import { describe, expect, test } from 'vitest';
import { mft } from '../../src/protocol/index.ts';
import { Bench, buildProbe, hostAbi, otherAbi, runtimeOf } from './bench.ts';

describe('emulated phone of another ABI', () => {
  test('programs run through qemu, as the processor that was asked for', async () => {
    const bench = await Bench.start({ abi: otherAbi, cpu: otherAbi === 'arm64-v8a' ? 'cortex-a53' : 'max' });
    try {
      expect((await bench.shell('getprop ro.product.cpu.abi')).out).toBe(`${otherAbi}\n`);
      await bench.adb('push', await buildProbe(otherAbi, bench.folder), '/data/local/tmp/probe');
      expect(await bench.shell('/data/local/tmp/probe streams')).toMatchObject({
        code: 5,
        out: 'out 0\nout 1\nout 2\n',
      });
      expect((await bench.shell('cd /data/local/tmp; ./probe args x')).out).toBe('[./probe]\n[args]\n[x]\n');
      expect((await bench.shell('/data/local/tmp/probe file /proc/meminfo')).out).toMatch(
        /^MemTotal: +7721636 kB$/m,
      );
      expect((await bench.shell('/data/local/tmp/probe abort')).code).toBe(134);
      const { out } = await bench.shell(
        'setsid /data/local/tmp/probe hold 60 </dev/null >/dev/null 2>&1 & echo $!',
      );
      expect((await bench.shell('pidof probe')).out).toBe(out);
      const runtime = runtimeOf(otherAbi);
      if (runtime !== undefined) {
        await bench.adb('push', runtime, '/data/local/tmp/mft-runtime');
        const facts = mft.v1.DeviceFacts.decodeDelimited(
          await bench.execOut('/data/local/tmp/mft-runtime facts'),
        );
        expect(facts.abi).toBe(otherAbi);
        expect(Number(facts.reading?.memTotalBytes)).toBe(7_721_636 * 1024);
      }
      await bench.adb('push', await buildProbe(hostAbi, bench.folder), '/data/local/tmp/foreign');
      const foreign = await bench.shell('/data/local/tmp/foreign exit 0');
      expect(foreign.code).toBe(126);
      expect(foreign.err).toContain('not executable: 64-bit ELF file');
    } finally {
      await bench.stop();
    }
  });
});
