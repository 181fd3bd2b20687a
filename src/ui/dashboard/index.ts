import { render } from 'ink';
import { createElement } from 'react';
import type { RunView } from '../../session/view.ts';
import { Dashboard, type DashboardAction } from './dashboard.tsx';

export type { DashboardAction } from './dashboard.tsx';

export interface DashboardHandle {
  update(view: RunView): void;
  /** Shows that a key's wish is on its way; undefined when the phone has answered. */
  setPending(action: DashboardAction | undefined): void;
  /** Leaves the last picture on the screen and gives the terminal back. */
  close(): Promise<void>;
}

export interface DashboardOptions {
  view: RunView;
  device: string;
  onAction: (action: DashboardAction) => void;
  stdout?: NodeJS.WriteStream;
  stdin?: NodeJS.ReadStream;
}

// Pictures a second: enough to look alive, far below what a terminal over ssh can take.
const FRAMES_PER_SECOND = 8;

/** Draws the run until closed. Events may come at any rate: only the newest view is drawn. */
export function startDashboard(options: DashboardOptions): DashboardHandle {
  const { device, onAction } = options;
  let { view } = options;
  let pending: DashboardAction | undefined;
  let timer: NodeJS.Timeout | undefined;
  const element = () => createElement(Dashboard, { view, device, onAction, pending });
  const instance = render(element(), {
    exitOnCtrlC: false,
    ...(options.stdout ? { stdout: options.stdout } : {}),
    ...(options.stdin ? { stdin: options.stdin } : {}),
  });
  const draw = () => {
    timer = undefined;
    instance.rerender(element());
  };
  const soon = () => {
    timer ??= setTimeout(draw, 1000 / FRAMES_PER_SECOND);
  };
  return {
    update(next) {
      view = next;
      soon();
    },
    setPending(action) {
      pending = action;
      soon();
    },
    async close() {
      clearTimeout(timer);
      draw();
      instance.unmount();
      await instance.waitUntilExit();
    },
  };
}
