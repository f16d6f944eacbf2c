// Block Kit as Slack draws it. A click on an element goes to Act with the element and the block it stands in.
import {html, Act, Icon, useContext, useState, useEffect, useRef, Avatar, Names} from './ui.js';
import {Text, Markdown, Mention, Link, dateText, Mrkdwn, placeOf} from './mrkdwn.js';
import {marked, markOf} from './marks.js';
import {Menu} from './menu.js';
import {Field, initial} from './fields.js';
import {Table, DataTable} from './table.js';
import {Chart} from './chart.js';

function styled(element, body) {
  const style = element.style ?? {};
  let out = body;
  if (style.code) out = html`<code>${out}</code>`;
  if (style.bold) out = html`<b>${out}</b>`;
  if (style.italic) out = html`<i>${out}</i>`;
  if (style.strike) out = html`<s>${out}</s>`;
  if (style.underline) out = html`<u>${out}</u>`;
  return out;
}

function RichInline({element}) {
  switch (element.type) {
    case 'text': return styled(element, element.text.split('\n').map((line, i) => html`${i > 0 && html`<br />`}${line}`));
    case 'link': return styled(element, html`<${Link} url=${element.url}>${element.text ?? element.url}<//>`);
    case 'user': return html`<${Mention} kind="person" id=${element.user_id} />`;
    case 'channel': return html`<${Mention} kind="channel" id=${element.channel_id} />`;
    case 'usergroup': return html`<${Mention} kind="group" id=${element.usergroup_id} />`;
    case 'broadcast': return html`<${Mention} kind="all" id=${element.range} />`;
    case 'emoji': return markOf(element.name);
    case 'date': return html`<time title=${element.fallback}>${dateText(element.timestamp, element.format)}</time>`;
    default: return null;
  }
}

const richLine = (elements) => (elements ?? []).map((element) => html`<${RichInline} element=${element} />`);

function Rich({element}) {
  switch (element.type) {
    case 'rich_text': return (element.elements ?? []).map((part) => html`<${Rich} element=${part} />`);
    case 'rich_text_section': return html`<div class="rich">${richLine(element.elements)}</div>`;
    case 'rich_text_preformatted': return html`<pre>${richLine(element.elements)}</pre>`;
    case 'rich_text_quote': return html`<blockquote>${richLine(element.elements)}</blockquote>`;
    case 'rich_text_list': {
      const items = (element.elements ?? []).map((item) => html`<li>${richLine(item.elements)}</li>`);
      const indent = {marginLeft: `${(element.indent ?? 0) * 24}px`};
      return element.style === 'ordered' ? html`<ol style=${indent} start=${(element.offset ?? 0) + 1}>${items}</ol>`
        : html`<ul style=${indent}>${items}</ul>`;
    }
    default: return null;
  }
}

function Cell({cell, block}) {
  if (!cell) return null;
  if (cell.type === 'rich_text') return html`<${Rich} element=${cell} />`;
  if (cell.type === 'action_cell') return html`<${Button} element=${cell.element} block=${block} />`;
  return marked(String(cell.text ?? cell.value ?? ''));
}

export function Button({element, block}) {
  const act = useContext(Act), names = useContext(Names);
  const [busy, setBusy] = useState(false);
  const alive = useRef(true);
  useEffect(() => () => { alive.current = false; }, []);
  const press = async () => {
    if (element.confirm && !(await act.confirm(element.confirm))) return;
    const place = element.url && placeOf(element.url);
    if (place) names.open(place.channel, place.thread);
    else if (element.url) window.open(element.url, '_blank', 'noopener');
    setBusy(true);
    await act.click(element, block, element.value);
    if (alive.current) setBusy(false);
  };
  return html`<button type="button" class=${`button ${element.style ?? ''} ${busy ? 'busy' : ''}`} disabled=${busy}
    onClick=${press}
    data-testid=${`button-${element.action_id}`} aria-label=${element.accessibility_label}><${Text}
      of=${element.text} /></button>`;
}

// Live is a field outside of a form: the app hears of each change at once.
function Live({element, block}) {
  const act = useContext(Act);
  const [own, setOwn] = useState(() => initial(element));
  const set = async (value) => {
    if (element.confirm && !(await act.confirm(element.confirm))) return;
    (act.set ?? ((_, __, given) => setOwn(given)))(element, block, value);
    await act.click(element, block, value);
  };
  const value = act.value ? act.value(element, block) : own;
  return html`<${Field} element=${element} id=${`${act.id ?? ''}-${block.block_id}-${element.action_id}`} value=${value} set=${set}
    label=${element.placeholder?.text ?? 'Choose'} suggest=${act.suggest} upload=${act.upload} />`;
}

function Overflow({element, block}) {
  const act = useContext(Act);
  const pick = async (value) => {
    if (!element.confirm || (await act.confirm(element.confirm))) await act.click(element, block, value);
  };
  return html`<${Menu} label="More" testid=${`overflow-${element.action_id}`} look="button square"
    entries=${(element.options ?? []).map((option) => ({label: html`<${Text} of=${option.text} />`, onPick: () => pick(option.value)}))}>
    <${Icon} name="dots" /><//>`;
}

function Picture({element, large}) {
  // Pictures of other hosts are held back by the page's policy; the words stand in for them.
  const [failed, setFailed] = useState(false);
  const source = element.image_url ?? element.slack_file?.url ?? '';
  if (failed || !source) return html`<span class="no-picture">${element.alt_text}</span>`;
  return html`<img class=${large ? 'picture' : 'thumb'} src=${source} alt=${element.alt_text}
    onError=${() => setFailed(true)} />`;
}

function Element({element, block}) {
  switch (element.type) {
    case 'button': return html`<${Button} element=${element} block=${block} />`;
    case 'overflow': return html`<${Overflow} element=${element} block=${block} />`;
    case 'image': return html`<${Picture} element=${element} />`;
    case 'mrkdwn': case 'plain_text': return html`<span><${Text} of=${element} /></span>`;
    default: return html`<${Live} element=${element} block=${block} />`;
  }
}

// Input is a field of a form under its label; what is wrong with it stands below.
function Input({block}) {
  const act = useContext(Act);
  const {element} = block;
  const id = `${act.id ?? ''}-${block.block_id}`;
  const tell = async (value) => act.click(element, block, value);
  const set = (value) => {
    act.set?.(element, block, value);
    if (block.dispatch_action && !/_text_input$|^number_input$/.test(element.type)) tell(value);
  };
  const value = act.value?.(element, block) ?? '';
  const error = act.errors?.[block.block_id];
  return html`<div class=${`input ${error ? 'wrong' : ''}`} data-testid=${`field-${block.block_id}`}><label for=${id}><${Text}
    of=${block.label} />
    ${block.optional && html`<small> (optional)</small>`}</label>
    <${Field} element=${element} id=${id} value=${value} set=${set} enter=${block.dispatch_action && (() => tell(value))}
      suggest=${act.suggest} upload=${act.upload} />
    ${error && html`<div class="input-error" role="alert"><${Icon} name="warn" size=${14} /> ${error}</div>`}
    ${block.hint && html`<small class="hint"><${Text} of=${block.hint} /></small>`}</div>`;
}

function Container({block}) {
  const title = html`<span class="container-title">${block.icon && html`<${Picture} element=${block.icon} />`}
    <b>${block.rich_text_title ? html`<${Rich} element=${block.rich_text_title} />` : html`<${Text} of=${block.title} />`}</b>
    ${block.subtitle && html`<small><${Text} of=${block.subtitle} /></small>`}</span>`;
  const look = `block container ${block.width ?? 'standard'} ${block.has_header_divider ? 'divided' : ''}`;
  if (!block.is_collapsible) {
    return html`<section class=${look}><header>${title}</header><${Blocks} blocks=${block.child_blocks} /></section>`;
  }
  return html`<details class=${look} open=${!block.default_collapsed}><summary>${title}<${Icon} name="chevron"
    size=${14} /></summary><${Blocks} blocks=${block.child_blocks} /></details>`;
}

const shares = {narrow: 1, standard: 2, wide: 3};

function Layout({block}) {
  return html`<div class=${`block layout ${block.grid_lines ?? 'none'}`} role="group" aria-label=${block.label}>
    ${block.is_label_visible && html`<b>${block.label}</b>`}
    ${block.rows.map((row) => html`<div class="layout-row">${row.items.map((item) => html`<div
      class=${`layout-item ${item.horizontal_alignment ?? ''}`} style=${{flexGrow: shares[item.width ?? 'standard']}}><${Blocks}
      blocks=${[item.block]} /></div>`)}</div>`)}</div>`;
}

const levels = {default: 'info', info: 'info', warning: 'warn', error: 'warn', success: 'check'};

function Block({block}) {
  switch (block.type) {
    case 'header': return html`<div class="block header" role="heading" aria-level="3"><${Text} of=${block.text} /></div>`;
    case 'divider': return html`<hr class="block" />`;
    case 'section': return html`<div class="block section"><div class="section-body">
      ${block.text && html`<div class="section-text"><${Text} of=${block.text} /></div>`}
      ${block.fields && html`<div class="fields">${block.fields.map((field) => html`<div class="field"><${Text}
        of=${field} /></div>`)}</div>`}</div>
      ${block.accessory && html`<div class="accessory"><${Element} element=${block.accessory}
        block=${block} /></div>`}</div>`;
    case 'context': return html`<div class="block context">${block.elements.map((element) => html`<${Element}
      element=${element} block=${block} />`)}</div>`;
    case 'actions': return html`<div class="block actions">${block.elements.map((element) => html`<${Element}
      element=${element} block=${block} />`)}</div>`;
    case 'image': return html`<figure class="block">${block.title && html`<figcaption><${Text}
      of=${block.title} /></figcaption>`}
      <${Picture} element=${block} large=${true} /></figure>`;
    case 'rich_text': return html`<div class="block"><${Rich} element=${block} /></div>`;
    case 'markdown': return html`<div class="block markdown"><${Markdown} text=${block.text} /></div>`;
    case 'input': return html`<${Input} block=${block} />`;
    case 'table': return html`<div class="block"><${Table} block=${block} Cell=${Cell} /></div>`;
    case 'data_table': return html`<div class="block"><${DataTable} block=${block} Cell=${Cell} /></div>`;
    case 'container': return html`<${Container} block=${block} />`;
    case 'layout': return html`<${Layout} block=${block} />`;
    case 'alert': return html`<div class=${`block alert ${block.level ?? 'default'}`} role="note"><${Icon}
      name=${levels[block.level ?? 'default']} size=${16} /><span><${Text} of=${block.text} /></span></div>`;
    case 'data_visualization': return html`<div class="block"><${Chart} block=${block} /></div>`;
    default: return html`<div class="block unknown">This block cannot be shown here: ${block.type}</div>`;
  }
}

export function Blocks({blocks}) {
  return html`<div class="blocks">${blocks.map((block, i) => html`<${Block} key=${block.block_id ?? i}
    block=${block} />`)}</div>`;
}

// Attachments are the older form of the same; tables and coloured bars still come in them.
export function Attachments({attachments}) {
  return attachments.map((attachment) => html`<div class="attachment" style=${{borderColor: colour(attachment.color)}}>
    ${attachment.pretext && html`<${Mrkdwn} text=${attachment.pretext} />`}
    ${attachment.title && html`<b>${attachment.title}</b>`}
    ${attachment.blocks ? html`<${Blocks} blocks=${attachment.blocks} />` : attachment.text && html`<div><${Mrkdwn}
      text=${attachment.text} /></div>`}</div>`);
}

function colour(given) {
  const named = {good: '#2eb67d', warning: '#ecb22e', danger: '#e01e5a'};
  return named[given] ?? (/^#?[0-9a-f]{6}$/i.test(given ?? '') ? `#${given.replace('#', '')}` : '#dddddd');
}

export function Person({id, size}) {
  const names = useContext(Names);
  return html`<${Avatar} person=${names.person(id)} size=${size} />`;
}
