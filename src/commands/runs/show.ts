import { parse } from 'yaml';
import { printable } from '../../base/printable.ts';
import { formatBytes, formatDuration, isoTime } from '../../base/units.ts';
import { mft } from '../../protocol/index.ts';
import { isFollowed, type RunRecord, RunStore } from '../../runs/index.ts';
import {
  describeSpec,
  initialView,
  leftState,
  previewFacts,
  type RunView,
  reduce,
  signalOf,
} from '../../session/index.ts';
import { brailleChart } from '../../ui/chart.ts';
import { BaseCommand } from '../base.ts';
import { runArg } from '../shared/flags.ts';

export default class RunsShow extends BaseCommand {
  static override summary = 'Show what is recorded of a run.';
  static override description =
    'Configuration, phone, outcome, curves, warnings and artifacts. With --json the whole loss curve.';
  static override examples = [
    '<%= config.bin %> runs show gpt2-20261122-1a2b',
    '<%= config.bin %> runs show gpt2 --json',
  ];
  static override args = { run: runArg };

  async run(): Promise<unknown> {
    const { args } = await this.parse(RunsShow);
    using store = RunStore.open();
    const run = store.find(args.run);
    let view = initialView(run.id, run.state);
    for (const { event } of store.events(run.id)) view = reduce(view, { type: 'event', event });
    for (const event of store.hostEvents(run.id)) view = reduce(view, signalOf(event));
    const shown = describe(store, run, view);
    if (!this.jsonEnabled()) for (const line of lines(shown, run, view)) this.log(printable(line));
    return shown;
  }
}

function describe(store: RunStore, run: RunRecord, view: RunView) {
  const { finished, failed, started } = view;
  return {
    run: run.id,
    state: isFollowed(store.folder(run.id)) ? run.state : leftState(run.state),
    task: run.task,
    model: run.model,
    method: run.method,
    data: run.data,
    device: { name: run.deviceName, serial: run.serial, server: run.server, abi: run.abi, ...factsOf(run) },
    versions: { mft: run.mftVersion, runtime: run.runtimeVersion ?? null },
    created: new Date(run.createdMs).toISOString(),
    config: run.config === '' ? null : parse(run.config),
    plan: describeSpec(run.spec) ?? null,
    attempts: view.attempt,
    step: view.step,
    total_steps: view.total,
    parameters: started?.parameters ?? null,
    trainable_parameters: started?.trainableParameters ?? null,
    tokens_seen: view.tokensSeen,
    tokens_per_second: view.tokensPerSecond ?? null,
    peak_rss_bytes: view.peakRssBytes ?? null,
    active_ms: finished?.activeMs ?? null,
    failure: failed
      ? { code: failed.code, message: failed.message }
      : run.failure
        ? { code: run.failure, message: run.reason ?? '' }
        : null,
    curve: store.curve(run.id),
    validation: view.validations,
    best: view.best ? { step: view.best.step, loss: view.best.loss, perplexity: view.best.perplexity } : null,
    early: finished?.early ?? false,
    result_step: finished?.resultManifestSha256?.length ? (finished.resultStep ?? null) : null,
    samples: view.samples,
    warnings: view.warnings.map(({ timeMs, text }) => ({ time: isoTime(timeMs), text })),
    host_events: store.hostEvents(run.id).map(({ timeMs, kind, code, message }) => ({
      time: new Date(timeMs).toISOString(),
      kind,
      code,
      message,
    })),
    events: store.eventCounts(run.id),
    artifacts: store.artifacts(run.id),
    collected: run.collected,
  };
}

function factsOf(run: RunRecord) {
  if (!run.facts) return {};
  const { isa, kernel, usableCpus, pageSize, cpuFeatures, reading } = mft.v1.DeviceFacts.decode(run.facts);
  return {
    isa,
    kernel,
    usable_cpus: usableCpus,
    page_size: pageSize,
    cpu_features: cpuFeatures,
    memory_bytes: reading?.memTotalBytes ?? null,
  };
}

function lines(shown: ReturnType<typeof describe>, run: RunRecord, view: RunView): string[] {
  const out = [`${run.id}  ${shown.state}${run.reason && shown.failure ? `: ${run.reason}` : ''}`];
  const fact = (name: string, value: string) => out.push(`  ${name.padEnd(12)} ${value}`);
  fact(
    'task',
    [run.task, run.method, `of ${run.model}`, run.data && `on ${run.data}`].filter(Boolean).join(' '),
  );
  fact('phone', `${run.deviceName} (${run.serial} at ${run.server}, ${run.abi})`);
  fact('versions', `mft ${run.mftVersion}, runtime ${run.runtimeVersion ?? 'unknown'}`);
  fact('created', shown.created);
  if (view.total > 0)
    fact(
      'steps',
      `${view.step} of ${view.total}${shown.early ? ' (ended early)' : ''}, ${view.attempt} attempt${view.attempt > 1 ? 's' : ''}`,
    );
  if (shown.plan) for (const [name, value] of previewFacts(shown.plan)) fact(name, value);
  else if (view.started)
    fact('parameters', `${view.started.trainableParameters} trained of ${view.started.parameters}`);
  if (view.tokensPerSecond !== undefined) fact('speed', `${Math.round(view.tokensPerSecond)} tokens/s`);
  if (view.peakRssBytes) fact('peak memory', formatBytes(view.peakRssBytes));
  if (shown.active_ms) fact('active', formatDuration(shown.active_ms));
  if (shown.failure) fact('failure', `${shown.failure.code}: ${shown.failure.message}`);
  const first = shown.curve[0];
  const last = shown.curve.at(-1);
  if (first && last) {
    fact('loss', `${first.loss.toFixed(4)} -> ${last.loss.toFixed(4)}`);
    const points = view.losses.map(({ step, loss }) => ({ x: step, y: loss }));
    for (const { label, dots } of brailleChart(points, { width: 60, height: 8 }))
      out.push(`  ${label} ${dots}`);
  }
  const newest = view.validations.at(-1);
  if (newest) {
    const best = view.best ? `, best ${view.best.loss.toFixed(4)} after step ${view.best.step}` : '';
    fact('validation', `${newest.loss.toFixed(4)} (perplexity ${newest.perplexity.toFixed(2)})${best}`);
  }
  if (shown.result_step !== null) fact('result', `of step ${shown.result_step}`);
  for (const sample of view.samples)
    out.push(`  sample after step ${sample.step}:`, indent(sample.prompt + sample.text));
  for (const warning of view.warnings) out.push(`  warning: ${warning.text}`);
  for (const artifact of shown.artifacts)
    out.push(`  ${artifact.kind.padEnd(7)} ${artifact.path} (${formatBytes(artifact.bytes)})`);
  if (run.config !== '') out.push('  configuration:', indent(run.config.trimEnd()));
  return out;
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}
