// Messages, threads' reply bars and file cards.
import {
  html, Names, Act, Avatar, Icon, useContext, useEffect, useLayoutEffect, useRef, useState,
  timeOf, clock, dayName, bytes, plural,
} from './ui.js';
import {Mrkdwn} from './mrkdwn.js';
import {markOf} from './marks.js';
import {Menu} from './menu.js';
import {Blocks, Attachments, Person} from './blocks.js';
import {fileText} from './api.js';
import {parseCSV} from './csv.js';

const previewRows = 5, fullRows = 500, previewBytes = 2e6;

function Sheet({rows}) {
  const [head, ...body] = rows;
  return html`<div class="sheet"><table><thead><tr><th></th>${head.map((cell) => html`<th scope="col">
    ${cell}</th>`)}</tr></thead>
    <tbody>${body.map((row, i) => html`<tr><td class="line">${i + 2}</td>${head.map((_, c) => html`<td
      title=${row[c] ?? ''}>${row[c] ?? ''}</td>`)}</tr>`)}</tbody></table></div>`;
}

function FileCard({file}) {
  const [text, setText] = useState(null);
  const [full, setFull] = useState(false);
  const table = /\.(csv|tsv)$/i.test(file.name) && file.size <= previewBytes;
  useEffect(() => {
    let alive = true;
    if (table) fileText(file.url).then((read) => alive && setText(read), () => {});
    return () => { alive = false; };
  }, [file.url, table]);
  const parsed = text === null ? null : parseCSV(text, (full ? fullRows : previewRows) + 1);
  const rows = parsed ? Math.max(0, parsed.total - 1) : 0;
  return html`<div class="file" data-testid=${`file-${file.name}`}>
    <div class="file-head"><span class=${`file-icon ${table ? 'csv' : ''}`}><${Icon} name=${table ? 'sheet' : 'sample'}
      size=${20} /></span>
      <span class="file-name"><b>${file.title || file.name}</b><small>
        ${table ? 'CSV' : 'File'} · ${bytes(file.size)}${parsed ? ` · ${plural(rows, 'row')}` : ''}</small></span>
      <a class="icon-button" href=${file.url} download=${file.name} aria-label=${`Download ${file.name}`}><${Icon}
        name="download" /></a></div>
    ${parsed && parsed.rows.length > 0 && html`<${Sheet} rows=${parsed.rows} />`}
    ${parsed && rows > previewRows && html`<button type="button" class="file-more" onClick=${() => setFull(!full)}>
      ${full ? 'Show less' : `Show ${rows > fullRows ? `the first ${fullRows}` : `all ${rows}`} rows`}</button>`}</div>`;
}

function ReplyBar({message, onOpen}) {
  if (!message.reply_count) return null;
  const last = message.latest_reply && timeOf(message.latest_reply);
  return html`<button type="button" class="reply-bar" data-testid="thread-open" onClick=${onOpen}>
    ${(message.repliers ?? []).slice(0, 4).map((id) => html`<${Person} id=${id} size=${22} />`)}
    <b>${plural(message.reply_count, 'reply', 'replies')}</b>
    ${last && html`<span class="last">Last reply ${dayName(last).toLowerCase()} at ${clock(last)}</span>`}
    <span class="view">View thread</span></button>`;
}

export function Message({message, compact, inThread}) {
  const names = useContext(Names), act = useContext(Act);
  const author = names.person(message.user);
  const at = timeOf(message.ts);
  const shown = useRef(message.edited_ts);
  const [fresh, setFresh] = useState(false);
  useEffect(() => {
    if (shown.current === message.edited_ts) return undefined;
    shown.current = message.edited_ts;
    setFresh(true);
    const done = setTimeout(() => setFresh(false), 1200);
    return () => clearTimeout(done);
  }, [message.edited_ts]);
  const blocks = message.blocks?.length > 0;
  const edited = message.edited && html`<span class="edited"
    title=${message.edited_ts ? `edited ${clock(timeOf(message.edited_ts))}` : ''}>(edited)</span>`;
  const scope = {
    id: message.ts, confirm: act.confirm, click: (element, block, value) => act.click(message, element, block, value),
  };
  const looks = ['message', compact && 'compact', message.ephemeral && 'ephemeral', fresh && 'fresh'];
  const look = looks.filter(Boolean).join(' ');
  return html`<article class=${look} data-testid="message" data-ts=${message.ts}
    aria-label=${`${author.name}, ${clock(at)}`}>
    ${message.ephemeral && html`<div class="only-you"><${Icon} name="eye" size=${13} /> Only visible to you</div>`}
    <div class="gutter">${compact ? html`<time>${clock(at)}</time>` : html`<${Avatar} person=${author} />`}</div>
    <div class="content">
      ${!compact && html`<div class="byline"><b class="author">${author.name}</b>${author.bot && html`<span
        class="app-badge">App</span>`}
        <time dateTime=${at.toISOString()} title=${at.toLocaleString('en-GB')}>${clock(at)}</time>
          ${blocks && edited}</div>`}
      <${Act.Provider} value=${scope}>
      ${!blocks && message.text && html`<div class="text"><${Mrkdwn} text=${message.text} />${edited}</div>`}
      ${blocks && html`<${Blocks} blocks=${message.blocks} />`}
      ${message.attachments?.length > 0 && html`<${Attachments} attachments=${message.attachments} />`}
      <//>
      ${blocks && compact && edited}
      ${(message.files ?? []).map((file) => html`<${FileCard} key=${file.id} file=${file} />`)}
      ${message.reactions?.length > 0 && html`<div class="reactions">${message.reactions.map((reaction) => html`<span
        title=${`${reaction.users.map((id) => names.person(id).name).join(', ')} with :${reaction.name}:`}>
        ${markOf(reaction.name)} ${reaction.users.length}</span>`)}</div>`}
      ${!inThread && html`<${ReplyBar} message=${message} onOpen=${() => act.thread(message.ts)} />`}
      ${message.ephemeral && html`<button type="button" class="dismiss"
        onClick=${() => act.dismiss(message)}>Dismiss message</button>`}
    </div>
    ${!message.ephemeral && html`<div class="hover-tools">${!inThread && html`<button type="button" class="icon-button"
      aria-label="Reply in thread" title="Reply in thread"
      data-testid="thread-start" onClick=${() => act.thread(message.ts)}><${Icon} name="reply" /></button>`}
      ${act.shortcuts.length > 0 && html`<${Menu} label="More actions" testid="message-more" look="icon-button"
        entries=${act.shortcuts.map((each) => ({
          label: each.name, note: each.description, testid: `shortcut-${each.callback_id}`,
          icon: html`<img src="/static/icon.svg" alt="" width="20" height="20" />`,
          onPick: () => act.shortcut(each, message),
        }))}><${Icon} name="dots" /><//>`}</div>`}
  </article>`;
}

const groupGap = 300; // seconds within which one person's messages stand under one name

export function MessageList({messages, inThread, label}) {
  const box = useRef(null), atEnd = useRef(true);
  const last = messages.at(-1)?.ts;
  const first = messages[0]?.ts;
  const stick = () => { if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight; };
  const keepsEnd = useRef(0); // while the page itself scrolls, "scrolled" is nobody's wish
  useLayoutEffect(() => { atEnd.current = true; stick(); }, [first, inThread]);
  useLayoutEffect(stick, [last]);
  useEffect(() => {
    // Previews and edits change heights after drawing: whoever reads at the end stays there.
    const watch = new ResizeObserver(stick);
    for (const child of box.current.children) watch.observe(child);
    return () => watch.disconnect();
  });
  const scrolled = () => {
    const b = box.current;
    const end = b.scrollHeight - b.scrollTop - b.clientHeight < 40;
    // A list that grew above the fold looks scrolled, too: only going up is a person's wish to leave the end.
    if (end || b.scrollTop < keepsEnd.current) atEnd.current = end;
    keepsEnd.current = b.scrollTop;
  };
  const out = [];
  let before = null;
  for (const [i, message] of messages.entries()) {
    const day = dayName(timeOf(message.ts));
    const newDay = !inThread && (!before || dayName(timeOf(before.ts)) !== day);
    if (newDay) out.push(html`<div class="day" key=${`day-${day}`}><span>${day}</span></div>`);
    if (inThread && i === 1) out.push(html`<div class="replies" key="replies"><span>
      ${plural(messages.length - 1, 'reply', 'replies')}</span></div>`);
    const soon = before && before.user === message.user && Number(message.ts) - Number(before.ts) < groupGap;
    const compact = soon && !newDay && !(inThread && i === 1)
      && !message.ephemeral && !before.ephemeral && !(before.reply_count > 0 && !inThread);
    out.push(html`<${Message} key=${`${message.ts}${message.ephemeral ? 'e' : ''}`} message=${message} compact=${compact}
      inThread=${inThread} />`);
    before = message;
  }
  return html`<div class="messages" ref=${box} onScroll=${scrolled} role="log" aria-label=${label} tabindex="0"><div
    class="messages-inner">${out}</div></div>`;
}
