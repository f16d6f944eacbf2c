// Block Kit as Slack draws it. A click on an element goes to Act with the element and the block it stands in.
import {html, Act, Icon, useContext, useState, useEffect, useRef, Avatar, Names} from './ui.js';
import {Text, Markdown, Mention, Link, dateText, emojiOf, Mrkdwn} from './mrkdwn.js';

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
    case 'emoji': return emojiOf(element.name);
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

function Cell({cell}) {
  if (!cell) return null;
  if (cell.type === 'rich_text') return html`<${Rich} element=${cell} />`;
  return String(cell.text ?? cell.value ?? '');
}

function Table({block}) {
  const [head, ...rows] = block.rows ?? [];
  const settings = block.column_settings ?? [];
  const look = (column) => ({
    textAlign: settings[column]?.align ?? 'left', whiteSpace: settings[column]?.is_wrapped ? 'normal' : 'nowrap',
  });
  return html`<div class="table-box"><table class="table">
    <thead><tr>${(head ?? []).map((cell, i) => html`<th scope="col" style=${look(i)}><${Cell}
      cell=${cell} /></th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => html`<td style=${look(i)}><${Cell}
      cell=${cell} /></td>`)}</tr>`)}</tbody>
  </table></div>`;
}

export function Button({element, block}) {
  const act = useContext(Act);
  const [busy, setBusy] = useState(false);
  const alive = useRef(true);
  useEffect(() => () => { alive.current = false; }, []);
  const press = async () => {
    if (element.confirm && !(await act.confirm(element.confirm))) return;
    if (element.url) window.open(element.url, '_blank', 'noopener');
    setBusy(true);
    await act.click(element, block);
    if (alive.current) setBusy(false);
  };
  return html`<button type="button" class=${`button ${element.style ?? ''} ${busy ? 'busy' : ''}`} disabled=${busy}
    onClick=${press}
    data-testid=${`button-${element.action_id}`} aria-label=${element.accessibility_label}><${Text}
      of=${element.text} /></button>`;
}

function Select({element, block}) {
  const act = useContext(Act);
  const options = element.options ?? (element.option_groups ?? []).flatMap((group) => group.options);
  const pick = async (event) => {
    const {value} = event.target;
    if (!element.confirm || (await act.confirm(element.confirm))) await act.click(element, block, value);
  };
  return html`<span class="select"><select aria-label=${element.placeholder?.text ?? 'Choose'}
    data-testid=${`select-${element.action_id}`} onChange=${pick}>
    <option value="" disabled selected=${!element.initial_option}>
      ${element.placeholder?.text ?? 'Choose an option'}</option>
    ${options.map((option) => html`<option value=${option.value}
      selected=${option.value === element.initial_option?.value}>${option.text.text}</option>`)}
  </select><${Icon} name="chevron" size=${14} /></span>`;
}

function Overflow({element, block}) {
  const act = useContext(Act);
  const [open, setOpen] = useState(false);
  const pick = async (value) => {
    setOpen(false);
    if (!element.confirm || (await act.confirm(element.confirm))) await act.click(element, block, value);
  };
  return html`<span class="overflow"><button type="button" class="button square" aria-label="More" aria-expanded=${open}
    data-testid=${`overflow-${element.action_id}`} onClick=${() => setOpen(!open)}><${Icon} name="dots" /></button>
    ${open && html`<span class="menu" role="menu">${(element.options ?? []).map((option) => html`<button type="button"
      role="menuitem"
      onClick=${() => pick(option.value)}><${Text} of=${option.text} /></button>`)}</span>`}</span>`;
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
    case 'static_select': return html`<${Select} element=${element} block=${block} />`;
    case 'overflow': return html`<${Overflow} element=${element} block=${block} />`;
    case 'image': return html`<${Picture} element=${element} />`;
    case 'mrkdwn': case 'plain_text': return html`<span><${Text} of=${element} /></span>`;
    default: return html`<span class="unknown">${element.type}</span>`;
  }
}

// Chart draws the bar, line and area charts of a data_visualization block as bars over a zero baseline, a pie as shares.
function Chart({block}) {
  const chart = block.chart ?? {};
  const series = chart.series ?? [{name: '', data: chart.segments ?? []}];
  const points = series.flatMap((line) => line.data ?? []);
  const top = Math.max(1, ...points.map((point) => Number(point.value)));
  return html`<figure class="chart"><figcaption>${block.title}</figcaption><div class="bars">
    ${(series[0]?.data ?? []).map((point, i) => html`<div class="bar-group"><div class="bar-stack">
      ${series.map((line, s) => html`<div class=${`bar bar-${s % 6}`}
      title=${`${line.name} ${point.label}: ${line.data[i]?.value}`}
        style=${{height: `${(100 * Number(line.data[i]?.value ?? 0)) / top}%`}}></div>`)}</div>
      <span>${point.label}</span></div>`)}</div></figure>`;
}

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
    case 'table': return html`<div class="block"><${Table} block=${block} /></div>`;
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
