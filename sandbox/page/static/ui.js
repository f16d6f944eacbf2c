// What every part of the page draws with: html templates, hooks, avatars, icons and the names of people and channels.
import {h, createContext} from 'preact';
import htm from 'htm';

export {render} from 'preact';
export {useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext} from 'preact/hooks';

export const html = htm.bind(h);

// Names holds {person, group, channel, open}: lookups by id, and open(channel, ts) for links to a message.
export const Names = createContext(null);
// Act holds what a person can do to a message: click, thread, dismiss, toast.
export const Act = createContext(null);

export const colours = [
  '#2563eb', '#c2410c', '#0d9488', '#9333ea', '#be123c', '#4d7c0f', '#0369a1', '#a16207', '#7c3aed', '#b45309',
];

function colourOf(key) {
  let sum = 7;
  for (const letter of key) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  return colours[sum % colours.length];
}

function initials(name) {
  const words = name.split(/\s+/).filter((word) => /^\p{L}/u.test(word));
  return ((words[0]?.[0] ?? '?') + (words.length > 1 ? words.at(-1)[0] : '')).toUpperCase();
}

export function Avatar({person, size = 36}) {
  const box = {width: `${size}px`, height: `${size}px`};
  if (person.bot) return html`<img class="avatar" style=${box} src="/static/icon.svg" alt="" />`;
  const look = {...box, background: person.colour ?? colourOf(person.id), fontSize: `${Math.round(size * 0.4)}px`};
  return html`<span class=${`avatar ${person.deleted ? 'gone' : ''}`} style=${look} aria-hidden="true">
    ${initials(person.name)}</span>`;
}

const shapes = {
  hash: 'M9 3 7 21M17 3l-2 18M4 8.5h17M3 15.5h17',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  send: 'M3 4l18 8-18 8 3-8zM6 12h8',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6 6 18',
  reply: 'M4 5h16v11H10l-4 4v-4H4z',
  chevron: 'M7 10l5 5 5-5',
  left: 'M14 7l-5 5 5 5',
  right: 'M10 7l5 5-5 5',
  info: 'M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 11v6M12 7.5v.2',
  home: 'M4 11l8-7 8 7v9h-5v-6H9v6H4z',
  skull: 'M12 3a8 8 0 0 1 8 8c0 3-1.500 4.500-3 5.500V20H7v-3.500C5.500 15.500 4 14 4 11a8 8 0 0 1 8-8zM9 11v1M15 11v1M10.500 20v-2M13.500 20v-2',
  eye: 'M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6z',
  download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  sheet: 'M4 4h16v16H4zM4 9.5h16M4 14.7h16M10 4v16',
  sample: 'M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6',
  search: 'M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.5 21 21',
  check: 'M5 12.5l5 5 9-10',
  slash: 'M15 4 9 20',
  bolt: 'M13 3 5 14h6l-1 7 8-11h-6z',
  dots: 'M5 12h.01M12 12h.01M19 12h.01',
  panel: 'M4 5h16v14H4zM14 5v14',
  warn: 'M12 4 2.5 20h19zM12 10v5M12 17.5v.5',
};

export function Icon({name, size = 16, label}) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" fill="none" stroke="currentColor"
    stroke-width="2"
    stroke-linecap="round" stroke-linejoin="round" role=${label ? 'img' : undefined} aria-label=${label}
    aria-hidden=${label ? undefined : 'true'}>${label && html`<title>${label}</title>`}<path d=${shapes[name]} /></svg>`;
}

export function timeOf(ts) {
  return new Date(Number(ts.split('.')[0]) * 1000);
}

export function clock(date) {
  return date.toLocaleTimeString('en-GB', {hour: '2-digit', minute: '2-digit'});
}

export function dayName(date) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86400e3);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days === -1) return 'Tomorrow';
  return date.toLocaleDateString('en-GB', {weekday: 'long', day: 'numeric', month: 'long'});
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${(count / 1000).toFixed(count < 1e4 ? 1 : 0)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
