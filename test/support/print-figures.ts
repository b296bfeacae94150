/** What a test measured, for whoever reads its output: one line, past jest's own framing. */
export function printFigures(title: string, figures: readonly string[]): void {
  process.stdout.write(`${title}: ${figures.join('; ')}\n`);
}
