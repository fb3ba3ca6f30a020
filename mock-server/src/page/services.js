// Where the services are, how a connection is opened there, and what follows a topic then.
import { $, act, ask, copy, make } from './page-tools.js';

const button = (text, label, run) => make('button', { type: 'button', 'aria-label': label, click: () => act(run) }, text);

/** Asks for the services and lists them. */
export async function showServices() {
  const services = await ask('GET', 'services').catch(() => []);
  $('services').replaceChildren(...services.map(({ service, url, path, role, open, follow }) => {
    const token = async () => (await ask('POST', 'tokens', { sub: 'u1', role })).token;
    return make('li', {},
      make('details', {},
        make('summary', {}, make('b', {}, service)),
        make('p', { class: 'dim' }, path ? 'Open it by socket.io-client:' : 'Open it, for example by wscat:'), make('code', { class: 'line' }, open),
        make('p', { class: 'dim' }, 'Then follow a topic:'), make('code', { class: 'line' }, follow)),
      make('code', { class: 'cut', title: path ? `${url}, path ${path}` : url }, path ? `${url} ${path}` : url),
      make('div', { class: 'bar' }, make('span', { class: 'dim' }, 'Copy'),
        button(path ? 'io line' : 'URL', `Copy what opens ${service}`, () => copy(path ? open : url)),
        button('token', `Copy a new token for ${service}, of u1`, async () => {
          await copy(await token());
          return `A token of u1 for ${service} is copied; it lives an hour`;
        }),
        path || follow.startsWith('{') ? button('example', `Copy what follows a topic on ${service}`, () => copy(follow)) : ''));
  }));
}
