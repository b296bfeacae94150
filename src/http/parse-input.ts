import type { z } from 'zod';
import { inputError } from '../chat/input-error.ts';

/** @throws invalid_fields with the paths of what is wrong; `whole` names the input where the fault has no path. */
export function parseInput<S extends z.ZodType>(schema: S, value: unknown, whole: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw inputError(parsed.error.issues, whole);
}
