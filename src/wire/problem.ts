import { z } from 'zod';

/** RFC 9457 problem details, with the earlier server's number in `error`. */
export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    error: z.int(),
    code: z.string(),
    requestId: z.string(),
    data: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Problem' });
