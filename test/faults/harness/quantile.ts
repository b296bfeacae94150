/** Of values in any order: the one that this part of them does not exceed; 0 where there are none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0;
}

/** So few are told one by one. */
const FEW = 12;

/** Milliseconds as a figure. */
export function spreadOf(values: readonly number[]): string {
  if (values.length <= FEW) return `${values.map((it) => Math.round(it)).join(', ') || 'none'} ms`;
  const at = (part: number): number => Math.round(quantile(values, part));
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}, max ${at(1)} ms (${values.length})`;
}
