import { Box, Text, useInput, useWindowSize } from 'ink';
import type { ReactNode } from 'react';
import { printableLine } from '../../base/printable.ts';
import type { Phase, RecentLine, RunView } from '../../session/view.ts';
import { brailleChart, type Point, progressBar } from '../chart.ts';
import { factRows, progressText, timeOfDay } from './format.ts';

/** What a key asks for. `interrupt` is ^C, which raw mode turns from a signal into a key. */
export type DashboardAction =
  | 'pause'
  | 'resume'
  | 'checkpoint'
  | 'evaluate'
  | 'stop'
  | 'detach'
  | 'interrupt';

export interface DashboardProps {
  view: RunView;
  /** Who trains: the phone, for people. */
  device: string;
  onAction: (action: DashboardAction) => void;
  /** A key asked for it and the phone has not answered yet. */
  pending?: DashboardAction | undefined;
}

const PHASE_COLOR: Record<Phase, string> = {
  waiting: 'gray',
  preparing: 'cyan',
  running: 'green',
  paused: 'yellow',
  stopping: 'yellow',
  finished: 'green',
  stopped: 'yellow',
  failed: 'red',
};

const LEVEL_COLOR: Record<RecentLine['level'], string> = {
  info: 'gray',
  good: 'green',
  warning: 'yellow',
  error: 'red',
};

/** The live picture of one run: progress, curves, memory, battery, the last events, keys. */
export function Dashboard({ view, device, onAction, pending }: DashboardProps) {
  const { columns } = useWindowSize();
  const width = Math.max(40, Math.min(columns, 120));
  useKeys(view, onAction);
  const { share, text } = progressText(view);
  const sideBySide = width >= 90 && view.validations.length > 0;
  const chartWidth = (sideBySide ? Math.floor(width / 2) : width) - 12;
  return (
    <Box flexDirection="column" width={width}>
      <Box justifyContent="space-between">
        <Text>
          <Text bold>{view.run}</Text> on {device}
        </Text>
        <Text>
          <Text color={PHASE_COLOR[view.phase]}>{view.phase}</Text>
          {view.link === 'attached' ? '' : ` (${view.link})`}
        </Text>
      </Box>
      <Text wrap="truncate">
        <Text color="green">{progressBar(share, Math.max(10, Math.floor(width / 3)))}</Text>{' '}
        {printableLine(text)}
      </Text>
      <Box flexDirection={sideBySide ? 'row' : 'column'} marginTop={1}>
        <Curve title={lossTitle(view)} points={view.losses.map(point)} width={chartWidth} height={6} />
        {view.validations.length > 0 && (
          <Curve
            title={validationTitle(view)}
            points={view.validations.map(point)}
            width={chartWidth}
            height={sideBySide ? 6 : 4}
          />
        )}
      </Box>
      <Box flexDirection="column" marginTop={1}>
        {factRows(view).map((row) => (
          <Text key={row.title} wrap="truncate">
            <Text color="gray">{row.title.padEnd(7)}</Text>
            {printableLine(row.parts.join(' · '))}
          </Text>
        ))}
      </Box>
      <Box flexDirection="column" marginTop={1}>
        {lastLines(view).map((line) => (
          <Text key={`${line.timeMs} ${line.text}`} wrap="truncate" color={LEVEL_COLOR[line.level]}>
            {timeOfDay(line.timeMs)} {printableLine(line.text)}
          </Text>
        ))}
      </Box>
      <Keys view={view} pending={pending} />
    </Box>
  );
}

const point = ({ step, loss }: { step: number; loss: number }): Point => ({ x: step, y: loss });

function lossTitle(view: RunView): string {
  return `loss${view.loss === undefined ? '' : ` ${view.loss.toFixed(4)}`}`;
}

function validationTitle(view: RunView): string {
  const last = view.validations.at(-1);
  if (!last) return 'validation loss';
  const best = view.best && view.best.step !== last.step ? `, best ${view.best.loss.toFixed(4)}` : '';
  return `validation loss ${last.loss.toFixed(4)}, perplexity ${last.perplexity.toFixed(2)}${best}`;
}

function Curve(props: { title: string; points: Point[]; width: number; height: number }): ReactNode {
  const { title, points, width, height } = props;
  const rows = brailleChart(points, { width: Math.max(10, width), height, formatY: (y) => y.toPrecision(4) });
  return (
    <Box flexDirection="column" marginRight={2}>
      <Text>{title}</Text>
      {rows.map((row, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place
        <Text key={i} wrap="truncate">
          <Text color="gray">{row.label} </Text>
          <Text color="cyan">{row.dots}</Text>
        </Text>
      ))}
    </Box>
  );
}

/** The last six lines, equal neighbours once. */
function lastLines(view: RunView): RecentLine[] {
  const lines = view.recent.filter(
    (line, i, all) => line.text !== all[i - 1]?.text || line.timeMs !== all[i - 1]?.timeMs,
  );
  return lines.slice(-6);
}

function Keys({ view, pending }: { view: RunView; pending: DashboardAction | undefined }): ReactNode {
  const pause = view.phase === 'paused' ? 'p resume' : 'p pause';
  return (
    <Box marginTop={1} justifyContent="space-between">
      <Text color="gray">{`${pause} · c checkpoint · e evaluate · s stop · d detach`}</Text>
      <Text color="yellow">{pending === undefined ? '' : `${pending} asked…`}</Text>
    </Box>
  );
}

function useKeys(view: RunView, onAction: (action: DashboardAction) => void): void {
  useInput((input, key) => {
    if (key.ctrl && input === 'c') onAction('interrupt');
    else if (input === 'p') onAction(view.phase === 'paused' ? 'resume' : 'pause');
    else if (input === 'c') onAction('checkpoint');
    else if (input === 'e') onAction('evaluate');
    else if (input === 's') onAction('stop');
    else if (input === 'd' || input === 'q') onAction('detach');
  });
}
