// Slack's text forms as elements: mrkdwn with its <…> tokens, plain text with emoji, and Markdown. Text never becomes HTML.
import {html, Names, useContext, clock, dayName} from './ui.js';
import {marked} from './marks.js';

const unescape = (text) => text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');

const dateWords = {
  date_num: (at) => at.toLocaleDateString('sv-SE'),
  date: (at) => at.toLocaleDateString('en-GB', {day: 'numeric', month: 'long', year: 'numeric'}),
  date_short: (at) => at.toLocaleDateString('en-GB', {day: 'numeric', month: 'short', year: 'numeric'}),
  date_long: (at) => at.toLocaleDateString('en-GB', {weekday: 'long', day: 'numeric', month: 'long', year: 'numeric'}),
  time: clock,
  time_secs: (at) => at.toLocaleTimeString('en-GB'),
  ago: (at) => {
    const minutes = Math.round((at - Date.now()) / 60e3);
    const words = new Intl.RelativeTimeFormat('en', {numeric: 'auto'});
    if (Math.abs(minutes) < 60) return words.format(minutes, 'minute');
    if (Math.abs(minutes) < 1440) return words.format(Math.round(minutes / 60), 'hour');
    return words.format(Math.round(minutes / 1440), 'day');
  },
};

export function dateText(seconds, format) {
  const at = new Date(Number(seconds) * 1000);
  return format.replace(/\{(\w+?)(_pretty)?\}/g, (all, word, pretty) => {
    if (!dateWords[word]) return all;
    const near = Math.abs(at - Date.now()) < 3 * 86400e3 ? dayName(at) : '';
    return pretty && /^(Today|Yesterday|Tomorrow)$/.test(near) ? near.toLowerCase() : dateWords[word](at);
  });
}

export function Mention({kind, id}) {
  const names = useContext(Names);
  if (kind === 'person') {
    const person = names.person(id);
    return html`<span class=${`mention ${id === names.me ? 'me' : ''}`}
      title=${person.email || person.name}>@${person.name}</span>`;
  }
  if (kind === 'channel') {
    return html`<a class="mention" href="#"
      onClick=${(event) => { event.preventDefault(); names.open(id); }}>#${names.channel(id)}</a>`;
  }
  return html`<span class="mention">@${kind === 'group' ? names.group(id) : id}</span>`;
}

// placeOf is where a link to a message of this workspace leads: its channel, and the thread that it is or stands in.
export function placeOf(url) {
  const own = /\/archives\/([A-Z0-9]+)\/p(\d+)(\d{6})(?:\?.*thread_ts=([\d.]+))?/.exec(url);
  return own && {channel: own[1], thread: own[4] ?? `${own[2]}.${own[3]}`};
}

export function Link({url, children}) {
  const names = useContext(Names);
  const place = placeOf(url);
  if (place) {
    const go = (event) => { event.preventDefault(); names.open(place.channel, place.thread); };
    return html`<a href="#" onClick=${go}>${children}</a>`;
  }
  if (!/^(https?:|mailto:)/.test(url)) return html`<span>${children}</span>`;
  return html`<a href=${url} target="_blank" rel="noopener noreferrer">${children}</a>`;
}

function token(body) {
  const [target, label] = body.split(/\|(.*)/s);
  if (target.startsWith('@')) return html`<${Mention} kind="person" id=${target.slice(1)} />`;
  if (target.startsWith('#')) return html`<${Mention} kind="channel" id=${target.slice(1)} />`;
  if (target.startsWith('!subteam^')) return html`<${Mention} kind="group" id=${target.slice(9)} />`;
  if (target.startsWith('!date^')) {
    const [, seconds, format, link] = target.split('^');
    const words = html`<time title=${unescape(label ?? '')}>${dateText(seconds, unescape(format))}</time>`;
    return link ? html`<${Link} url=${unescape(link)}>${words}<//>` : words;
  }
  if (target.startsWith('!')) return html`<${Mention} kind="all" id=${target.slice(1)} />`;
  return html`<${Link} url=${unescape(target)}>${label ? marked(unescape(label)) : unescape(target.replace(/^mailto:/, ''))}<//>`;
}

// Code, a token, bold, italic, struck: a mark counts only at the edge of a word, as in Slack.
const marks = new RegExp([
  '`([^`\\n]+)`', '<([^<>\\n]+)>',
  ...['*', '_', '~'].map((m) => `(?<![\\w${m}])[${m}](?![\\s${m}])([^${m}\\n]*[^${m}\\s])[${m}](?![\\w${m}])`),
].join('|'), 'g');

function inline(text) {
  const out = [];
  let last = 0;
  for (const found of text.matchAll(marks)) {
    out.push(marked(unescape(text.slice(last, found.index))));
    last = found.index + found[0].length;
    const [, code, link, bold, italic, struck] = found;
    if (code !== undefined) out.push(html`<code>${unescape(code)}</code>`);
    else if (link !== undefined) out.push(token(link));
    else if (bold !== undefined) out.push(html`<b>${inline(bold)}</b>`);
    else if (italic !== undefined) out.push(html`<i>${inline(italic)}</i>`);
    else out.push(html`<s>${inline(struck)}</s>`);
  }
  out.push(marked(unescape(text.slice(last))));
  return out;
}

function lines(text) {
  const parts = text.split('\n');
  return parts.map((line, i) => html`${i > 0 && html`<br />`}${inline(line)}`);
}

export function Mrkdwn({text}) {
  const out = [];
  for (const [i, part] of text.split('```').entries()) {
    if (i % 2 === 1) {
      out.push(html`<pre>${unescape(part.replace(/^\n/, '').replace(/\n$/, ''))}</pre>`);
      continue;
    }
    let plain = [], quote = [];
    const flush = () => {
      if (plain.length && plain.join('').trim() !== '') out.push(html`<span class="lines">
        ${lines(plain.join('\n').replace(/^\n|\n$/g, ''))}</span>`);
      if (quote.length) out.push(html`<blockquote>${lines(quote.join('\n'))}</blockquote>`);
      plain = []; quote = [];
    };
    for (const line of part.split('\n')) {
      const cited = /^(?:&gt;|>) ?(.*)$/.exec(line);
      if (cited && plain.length) flush();
      if (!cited && quote.length) flush();
      (cited ? quote : plain).push(cited ? cited[1] : line);
    }
    flush();
  }
  return out;
}

// Text draws a Block Kit text object.
export function Text({of}) {
  if (!of) return null;
  if (of.type === 'mrkdwn') return html`<${Mrkdwn} text=${of.text} />`;
  return of.text.split('\n').map((line) => marked(line)).map((line, i) => html`${i > 0 && html`<br />`}${line}`);
}

const mdMarks = /`([^`]+)`|\*\*([^*]+)\*\*|(?<!\w)[*_]([^*_]+)[*_](?!\w)|~~([^~]+)~~|\[([^\]]+)\]\(([^)\s]+)\)/g;

function mdInline(text) {
  const out = [];
  let last = 0;
  for (const found of text.matchAll(mdMarks)) {
    out.push(marked(text.slice(last, found.index)));
    last = found.index + found[0].length;
    const [, code, bold, italic, struck, label, url] = found;
    if (code !== undefined) out.push(html`<code>${code}</code>`);
    else if (bold !== undefined) out.push(html`<b>${mdInline(bold)}</b>`);
    else if (italic !== undefined) out.push(html`<i>${mdInline(italic)}</i>`);
    else if (struck !== undefined) out.push(html`<s>${mdInline(struck)}</s>`);
    else out.push(html`<${Link} url=${url}>${label}<//>`);
  }
  out.push(marked(text.slice(last)));
  return out;
}

const mdCells = (line) => line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim());

// Markdown draws Slack's markdown block: headings, lists, quotes, tables, fences and paragraphs.
export function Markdown({text}) {
  const source = text.split('\n'), out = [];
  for (let i = 0; i < source.length; i++) {
    const line = source[i];
    const take = (test) => {
      const from = i;
      while (i + 1 < source.length && test.test(source[i + 1])) i++;
      return source.slice(from, i + 1);
    };
    const heading = /^(#{1,4})\s+(.*)$/.exec(line);
    if (line.startsWith('```')) {
      const code = [];
      for (i++; i < source.length && !source[i].startsWith('```'); i++) code.push(source[i]);
      out.push(html`<pre>${code.join('\n')}</pre>`);
    } else if (heading) out.push(html`<p class="md-heading">${mdInline(heading[2])}</p>`);
    else if (/^\s*([-*_])\1\1+\s*$/.test(line)) out.push(html`<hr />`);
    else if (/^\s*\|/.test(line)) {
      const [head, ...rows] = take(/^\s*\|/).filter((row) => !/^[\s|:-]+$/.test(row)).map(mdCells);
      out.push(html`<div class="table-box"><table class="table"><thead><tr>${head.map((cell) => html`<th>
        ${mdInline(cell)}</th>`)}</tr></thead>
        <tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>
          ${mdInline(cell)}</td>`)}</tr>`)}</tbody></table></div>`);
    } else if (/^\s*[-*]\s+/.test(line)) {
      out.push(html`<ul>${take(/^\s*[-*]\s+/).map((item) => html`<li>
        ${mdInline(item.replace(/^\s*[-*]\s+/, ''))}</li>`)}</ul>`);
    } else if (/^\s*\d+\.\s+/.test(line)) {
      out.push(html`<ol>${take(/^\s*\d+\.\s+/).map((item) => html`<li>
        ${mdInline(item.replace(/^\s*\d+\.\s+/, ''))}</li>`)}</ol>`);
    } else if (line.startsWith('>')) {
      out.push(html`<blockquote>${take(/^>/).map((cited) => html`<div>
        ${mdInline(cited.replace(/^>\s?/, ''))}</div>`)}</blockquote>`);
    } else if (line.trim() !== '') out.push(html`<p>${mdInline(line)}</p>`);
  }
  return out;
}
