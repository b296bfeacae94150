/** As much of newman as the tests use; it brings no types. */
declare module 'newman' {
  export interface Execution {
    readonly item: { readonly name: string };
    readonly request: { readonly method: string };
    readonly response?: { readonly code: number };
  }

  export interface Summary {
    readonly run: {
      readonly stats: { readonly requests: { readonly total: number } };
      readonly executions: readonly Execution[];
      readonly failures: readonly { readonly error: Error; readonly source?: { readonly name: string } }[];
    };
  }

  const newman: {
    run(
      options: {
        readonly collection: unknown;
        readonly envVar?: readonly { readonly key: string; readonly value: string }[];
        readonly reporters?: readonly string[];
        readonly timeoutRequest?: number;
      },
      done: (error: Error | null, summary: Summary) => void,
    ): unknown;
  };
  export default newman;
}
