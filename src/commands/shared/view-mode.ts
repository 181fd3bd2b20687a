import type { ControlAction } from '../../session/index.ts';
import { initialView, reduce } from '../../session/index.ts';
import { jsonRenderer } from '../../ui/json.ts';
import { plainRenderer } from '../../ui/plain.ts';
import type { RunControls, RunRenderer } from '../../ui/renderer.ts';

/** How a run is shown: the dashboard on a terminal, plain lines elsewhere, JSON lines on request, or not at all. */
export type ViewMode = 'dashboard' | 'plain' | 'json' | 'silent';

export function viewMode(flags: { json: boolean; plain?: boolean | undefined }): ViewMode {
  if (flags.json) return 'json';
  const terminal = process.stdout.isTTY && process.stdin.isTTY && process.env.TERM !== 'dumb';
  return terminal && !flags.plain ? 'dashboard' : 'plain';
}

interface Controls extends RunControls {
  /** ^C, where the terminal gives it as a key. */
  interrupt(): void;
}

export async function chooseRenderer(
  mode: ViewMode,
  id: string,
  device: string,
  controls: Controls,
): Promise<RunRenderer> {
  const write = (line: string) => void process.stdout.write(line);
  if (mode === 'json') return jsonRenderer(id, write);
  if (mode === 'plain') return plainRenderer(id, write);
  if (mode === 'silent') return { onSignal: () => {}, close: async () => {} };
  return dashboardRenderer(id, device, controls);
}

async function dashboardRenderer(id: string, device: string, controls: Controls): Promise<RunRenderer> {
  // Loaded where there is a terminal for it: ink and react are most of a command's start.
  const { startDashboard } = await import('../../ui/dashboard/index.ts');
  let view = initialView(id);
  const dashboard = startDashboard({
    view,
    device,
    onAction: (action) => {
      if (action === 'detach') controls.detach();
      else if (action === 'interrupt') controls.interrupt();
      else void ask(action);
    },
  });
  const ask = async (action: ControlAction) => {
    dashboard.setPending(action);
    await controls.steer(action).catch(() => {}); // the run ended first; its end is shown
    dashboard.setPending(undefined);
  };
  return {
    onSignal(signal) {
      view = reduce(view, signal);
      dashboard.update(view);
    },
    close: () => dashboard.close(),
  };
}
