/** One clock for all processes of a machine, which nobody sets: the load's own process and the test compare times by it. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
