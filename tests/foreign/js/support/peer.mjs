// A plain WebSocket client over npm's `ws` that keeps its messages in their order.
import WebSocket from 'ws';
import { within } from './mock.mjs';

export class Peer {
  #waiting = [];
  #seen = [];

  constructor(url, options) {
    this.socket = new WebSocket(url, options);
    this.socket.on('message', (data) => this.#arrive(data.toString()));
    this.refused = new Promise((resolve) => {
      this.socket.on('unexpected-response', (request, response) => {
        resolve(response.statusCode);
        request.destroy();
      });
    });
    this.socket.on('error', () => {}); // an ended request is one; tests look at `refused` and `closed`
    this.opened = new Promise((resolve) => this.socket.on('open', resolve));
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  static async open(url, options) {
    const peer = new Peer(url, options);
    await within('open', peer.opened);
    return peer;
  }

  #arrive(text) {
    const message = JSON.parse(text);
    const waiting = this.#waiting.shift();
    if (waiting) waiting(message);
    else this.#seen.push(message);
  }

  send(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The next message. */
  next() {
    if (this.#seen.length > 0) return Promise.resolve(this.#seen.shift());
    return within('the next message', new Promise((resolve) => this.#waiting.push(resolve)));
  }

  /** The messages up to the first that fits. */
  async upTo(fits) {
    const messages = [];
    do messages.push(await this.next());
    while (!fits(messages.at(-1)));
    return messages;
  }

  /** The first message that fits; those before it are dropped. */
  async until(fits) {
    return (await this.upTo(fits)).at(-1);
  }

  /** Whether nothing comes for a while. */
  async silent(ms = 150) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return this.#seen.length === 0;
  }

  async end() {
    this.socket.close();
    return within('the close', this.closed);
  }
}
