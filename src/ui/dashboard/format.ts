import { formatBytes, formatDuration } from '../../base/units.ts';
import type { RunView } from '../../session/view.ts';

/** Rows of facts under the curves; a part that is unknown is left out, a row without parts too. */
export function factRows(view: RunView): { title: string; parts: string[] }[] {
  const rows = [
    { title: 'speed', parts: speedParts(view) },
    { title: 'memory', parts: memoryParts(view) },
    { title: 'phone', parts: phoneParts(view) },
  ];
  return rows.filter((row) => row.parts.length > 0);
}

function speedParts(view: RunView): string[] {
  return [
    ...(view.tokensPerSecond === undefined ? [] : [`${rate(view.tokensPerSecond)} tokens/s`]),
    ...(view.learningRate === undefined ? [] : [`learning rate ${view.learningRate.toExponential(2)}`]),
    ...(view.gradNorm === undefined ? [] : [`gradient norm ${view.gradNorm.toFixed(3)}`]),
    ...(view.tokensSeen === 0 ? [] : [`${view.tokensSeen.toLocaleString('en')} tokens seen`]),
  ];
}

function memoryParts(view: RunView): string[] {
  const { memAvailableBytes: free, memTotalBytes: all } = view.reading;
  return [
    ...(view.rssBytes ? [`${formatBytes(view.rssBytes)} now`] : []),
    ...(view.peakRssBytes ? [`${formatBytes(view.peakRssBytes)} peak`] : []),
    ...(free ? [`${formatBytes(free)} free on the phone${all ? ` of ${formatBytes(all)}` : ''}`] : []),
  ];
}

function phoneParts(view: RunView): string[] {
  const { batteryPercent, batteryStatus, batteryTemperatureC, skinTemperatureC, cpuTemperatureC } =
    view.reading;
  const degrees = (name: string, value: number | null | undefined) =>
    value === null || value === undefined ? [] : [`${name} ${value.toFixed(1)} °C`];
  const battery =
    batteryPercent === null || batteryPercent === undefined ? 'unknown' : `${Math.round(batteryPercent)} %`;
  return [
    ...(batteryPercent === undefined && !batteryStatus
      ? []
      : [`battery ${battery}${batteryStatus ? `, ${batteryStatus.toLowerCase()}` : ''}`]),
    ...degrees('battery', batteryTemperatureC),
    ...degrees('skin', skinTemperatureC),
    ...degrees('cpu', cpuTemperatureC),
  ];
}

const rate = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);

/** What goes on right of the progress bar: steps, share, time left; or what the phone or the cable is busy with. */
export function progressText(view: RunView): { share: number; text: string } {
  if (view.transfer && view.transfer.total > 0) {
    const { phase, done, total, rate: speed, unit } = view.transfer;
    const amount =
      unit === 'bytes' ? `${formatBytes(done)} of ${formatBytes(total)}` : `${done} of ${total} ${unit}`;
    const pace = speed > 0 && unit === 'bytes' ? `, ${formatBytes(speed)}/s` : '';
    return { share: done / total, text: `${phase}: ${amount}${pace}` };
  }
  if (view.progress && view.progress.total > 0) {
    const { phase, done, total, unit } = view.progress;
    return {
      share: done / total,
      text: `${phase}: ${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${unit}`,
    };
  }
  if (view.total === 0) return { share: 0, text: view.phase };
  const share = view.step / view.total;
  const left =
    view.phase === 'running' && view.etaMs !== undefined ? `, ${formatDuration(view.etaMs)} left` : '';
  return { share, text: `step ${view.step} of ${view.total}, ${Math.floor(share * 100)} %${left}` };
}

/** Wall-clock time of day of the host, hh:mm:ss. */
export function timeOfDay(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}
