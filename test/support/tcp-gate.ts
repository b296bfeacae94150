import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpGate {
  readonly port: number;
  /** Connections so far. */
  readonly accepted: number;
  /** Holds back what either side says; the connections stay. */
  stall(): void;
  goOn(): void;
  /** Ends the connections there are; new ones are let through. */
  cut(): void;
  close(): Promise<void>;
}

/** Stands between a client and a server on 127.0.0.1. */
export async function openTcpGate(targetPort: number): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  let stalled = false;
  let accepted = 0;
  const relay = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (chunk) => void to.write(chunk));
    from.on('error', () => {}); // `close` follows
    from.on('close', () => {
      sockets.delete(from);
      to.destroySoon();
    });
    if (stalled) from.pause();
  };
  const server = createServer((client) => {
    accepted += 1;
    const target = connect(targetPort, '127.0.0.1');
    relay(client, target);
    relay(target, client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    get accepted() {
      return accepted;
    },
    stall: () => {
      stalled = true;
      for (const socket of sockets) socket.pause();
    },
    goOn: () => {
      stalled = false;
      for (const socket of sockets) socket.resume();
    },
    cut,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}
