import { stringify } from 'yaml';
import type { ResolvedConfig } from './schema.ts';

export { flagLayer, type Layer, setLayer, yamlLayer, yamlTextLayer } from './layers.ts';
export { configKeys, resolveConfig } from './resolve.ts';
export type { PartialConfig, ResolvedConfig } from './schema.ts';

/** The configuration as YAML that resolves to itself. */
export function printConfig(config: ResolvedConfig): string {
  return stringify(config);
}
