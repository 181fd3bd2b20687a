import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The one folder mft keeps its own data in: `MFT_HOME`, else `$XDG_DATA_HOME/mft`, else `~/.local/share/mft`.
 * Below it: `models/`, `runs/`, `phones/`, `mft.sqlite`.
 */
export function dataHome(env: NodeJS.ProcessEnv = process.env): string {
  if (env.MFT_HOME) return env.MFT_HOME;
  if (env.XDG_DATA_HOME) return join(env.XDG_DATA_HOME, 'mft');
  return join(homedir(), '.local', 'share', 'mft');
}
