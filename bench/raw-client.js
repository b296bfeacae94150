import { WebSocket } from 'ws';

const NAMESPACE = '/v1/channel';
const MESSAGE = `42${NAMESPACE},["message",`;
const AUTHENTICATION = `42${NAMESPACE},["authentication",`;

/** A Socket.IO client that costs next to nothing: it counts the messages it gets and parses only where asked. */
export function connectRaw(url, token, { onMessage }) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
    perMessageDeflate: false,
  });
  const acks = new Map();
  let nextAck = 0;
  const client = {
    received: 0,
    /** The worker that holds the connection, once it has said so. */
    node: undefined,
    /** Resolves with the ack. */
    send: (body) =>
      new Promise((resolve) => {
        nextAck += 1;
        acks.set(nextAck, resolve);
        socket.send(`42${NAMESPACE},${nextAck}${JSON.stringify(['message', body])}`);
      }),
    close: () => socket.close(),
  };
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data) => {
      const text = data.toString('latin1', 0, 64);
      if (text.startsWith(MESSAGE)) {
        client.received += 1;
        onMessage?.(data);
      } else if (text === '2') socket.send('3');
      else if (text.startsWith('0')) socket.send(`40${NAMESPACE},${JSON.stringify({ token })}`);
      else if (text.startsWith(`40${NAMESPACE}`)) resolve(client);
      else if (text.startsWith(AUTHENTICATION))
        client.node = JSON.parse(data.toString().slice(AUTHENTICATION.length, -1)).node;
      else if (text.startsWith(`44${NAMESPACE}`)) reject(new Error(data.toString()));
      else if (text.startsWith(`43${NAMESPACE},`)) {
        const [, id, body] = /^43[^,]*,(\d+)(.*)$/s.exec(data.toString());
        acks.get(Number(id))?.(JSON.parse(body)[0]);
        acks.delete(Number(id));
      }
    });
  });
}
