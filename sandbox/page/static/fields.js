// Fields: what somebody types, chooses, picks or searches for, in forms and in messages. A field tells its value in words: the
// value of an option, several with commas between, ids of files, seconds for a moment.
import {html, Names, Icon, useContext, useEffect, useRef, useState} from './ui.js';
import {Text} from './mrkdwn.js';
import {plainMarks} from './marks.js';
import {step} from './menu.js';

const listed = (element) => element.options ?? (element.option_groups ?? []).flatMap((group) => group.options);

// initial is what a field begins with.
export function initial(element) {
  const many = element.initial_options ?? element.initial_users ?? element.initial_channels ?? element.initial_conversations;
  if (many) return many.map((each) => each.value ?? each).join(',');
  const one = element.initial_value ?? element.initial_option?.value ?? element.initial_user ?? element.initial_date
    ?? element.initial_time ?? element.initial_channel ?? element.initial_conversation ?? element.initial_date_time;
  return one === undefined ? '' : String(one);
}

const words = (value) => (value ? value.split(',') : []);

function Options({element, common, value, set}) {
  const option = (each) => html`<option value=${each.value} selected=${each.value === value}>
    ${plainMarks(each.text.text)}</option>`;
  return html`<span class="select"><select ...${common} aria-label=${common['aria-label'] ?? element.placeholder?.text}
    onChange=${(event) => set(event.target.value)}>
    <option value="" disabled selected=${!value}>${element.placeholder?.text ?? 'Choose an option'}</option>
    ${element.option_groups ? element.option_groups.map((group) => html`<optgroup label=${group.label.text}>
      ${group.options.map(option)}</optgroup>`) : (element.options ?? []).map(option)}
    </select><${Icon} name="chevron" size=${14} /></span>`;
}

function Choices({element, common, value, set, several}) {
  const chosen = words(value);
  const flip = (one, on) => set(several ? chosen.filter((each) => each !== one).concat(on ? one : []).join(',') : one);
  return html`<div role=${several ? 'group' : 'radiogroup'} data-testid=${common['data-testid']}>
    ${listed(element).map((option) => html`<label class="choice"><input type=${several ? 'checkbox' : 'radio'} name=${common.id}
      value=${option.value} checked=${chosen.includes(option.value)}
      onChange=${(event) => flip(option.value, event.target.checked)} /><span><${Text} of=${option.text} />
      ${option.description && html`<small><${Text} of=${option.description} /></small>`}</span></label>`)}</div>`;
}

function Files({element, common, value, set, upload}) {
  const [files, setFiles] = useState([]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const picker = useRef(null);
  const shown = files.filter((file) => words(value).includes(file.id));
  const most = element.max_files ?? 10;
  const take = async (picked) => {
    setBusy(true);
    setProblem('');
    try {
      const kinds = element.filetypes ?? [];
      const wrong = picked.find((file) => kinds.length > 0 && !kinds.some((kind) => file.name.toLowerCase().endsWith(`.${kind}`)));
      if (wrong) throw new Error(`${wrong.name} is not of a kind that goes here: ${kinds.join(', ')}`);
      const sent = [];
      for (const file of picked) sent.push({id: (await upload(file)).id, name: file.name});
      const all = [...shown, ...sent].slice(-most);
      setFiles(all);
      set(all.map((file) => file.id).join(','));
    } catch (error) { setProblem(error.message); }
    setBusy(false);
  };
  const pick = (event) => { const picked = [...event.target.files]; event.target.value = ''; take(picked); };
  const drop = (event) => { event.preventDefault(); event.stopPropagation(); take([...event.dataTransfer.files]); };
  return html`<div class="file-field" onDrop=${drop} onDragOver=${(event) => event.preventDefault()}>
    ${shown.map((file) => html`<span class="chip" data-testid="form-file"><span class="file-icon csv"><${Icon} name="sheet"
      size=${16} /></span><b>${file.name}</b><button type="button" class="icon-button" aria-label=${`Remove ${file.name}`}
      onClick=${() => set(shown.filter((each) => each !== file).map((each) => each.id).join(','))}><${Icon} name="close"
      size=${12} /></button></span>`)}
    <button type="button" class="button" disabled=${busy} onClick=${() => picker.current.click()}>
      ${busy ? 'Uploading…' : shown.length > 0 && most === 1 ? 'Replace' : 'Upload a file'}</button>
    <input ...${common} ref=${picker} type="file" class="unseen" tabindex="-1" multiple=${most > 1}
      accept=${(element.filetypes ?? []).map((kind) => `.${kind}`).join(',')} onChange=${pick} />
    ${problem && html`<div class="input-error" role="alert">${problem}</div>`}</div>`;
}

const searchPause = 180; // ms after the last letter

// Search is an external select: what is typed goes to the app, and what it finds is offered below.
function Search({element, common, value, set, suggest}) {
  const [query, setQuery] = useState('');
  const [found, setFound] = useState(null); // null: not asked
  const [chosen, setChosen] = useState(element.initial_option ? {...element.initial_option, text: element.initial_option.text.text}
    : null);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const asked = useRef(0), timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const least = element.min_query_length ?? 3;
  const type = (typed) => {
    setQuery(typed);
    setOpen(true);
    clearTimeout(timer.current);
    const turn = ++asked.current;
    if (typed.trim().length < least) { setFound(null); return; }
    timer.current = setTimeout(async () => {
      const options = await suggest(element, typed.trim());
      if (turn !== asked.current) return; // something else was typed meanwhile
      setFound(options);
      setAt(0);
    }, searchPause);
  };
  const pick = (option) => { setChosen(option); setQuery(''); setFound(null); setOpen(false); set(option.value); };
  const key = (event) => {
    if (!open || !found?.length) return;
    const next = step(event.key, at, found.length);
    if (next !== undefined) { event.preventDefault(); setAt(next); }
    if (event.key === 'Enter') { event.preventDefault(); pick(found[at]); }
    if (event.key === 'Escape') { event.preventDefault(); event.stopPropagation(); setOpen(false); }
  };
  const listId = `${common.id}-list`;
  if (chosen && value === chosen.value) {
    return html`<div class="chosen"><span><b>${chosen.text}</b>${chosen.description && html`<small>${chosen.description.text
      ?? chosen.description}</small>`}</span><button type="button" class="icon-button" aria-label="Choose another"
      data-testid=${`clear-${element.action_id}`} onClick=${() => { setChosen(null); set(''); }}><${Icon} name="close"
      size=${14} /></button></div>`;
  }
  return html`<div class="combobox"><label class="search-box"><${Icon} name="search" size=${14} /><input ...${common}
    type="text" role="combobox"
    autocomplete="off" aria-expanded=${open && Boolean(found)} aria-controls=${listId} aria-autocomplete="list"
    aria-activedescendant=${open && found?.length ? `${listId}-${at}` : undefined} value=${query}
    placeholder=${element.placeholder?.text ?? 'Type to search'} onInput=${(event) => type(event.target.value)} onKeyDown=${key}
    onFocus=${() => setOpen(true)} onBlur=${() => setOpen(false)} /></label>
    ${open && query.trim().length >= least && html`<div class="options" role="listbox" id=${listId} data-testid="options">
      ${found === null && html`<div class="none">Searching…</div>`}
      ${found?.length === 0 && html`<div class="none">No result</div>`}
      ${(found ?? []).map((option, i) => html`<div role="option" id=${`${listId}-${i}`} aria-selected=${i === at}
        class=${i === at ? 'on' : ''} data-testid="option" onMouseDown=${(event) => { event.preventDefault(); pick(option); }}
        onMouseEnter=${() => setAt(i)}><b>${plainMarks(option.text)}</b>
        ${option.description && html`<small>${option.description}</small>`}</div>`)}</div>`}</div>`;
}

const toLocal = (seconds) => {
  if (!seconds) return '';
  const at = new Date(Number(seconds) * 1000);
  return new Date(at - at.getTimezoneOffset() * 60e3).toISOString().slice(0, 16);
};
const toSeconds = (local) => (local ? String(Math.round(new Date(local).getTime() / 1000)) : '');

function People({common, value, set}) {
  const names = useContext(Names);
  return html`<span class="select"><select ...${common} onChange=${(event) => set(event.target.value)}>
    <option value="" disabled selected=${!value}>Choose a person</option>
    ${names.people.filter((person) => !person.bot).map((person) => html`<option value=${person.id}
      selected=${person.id === value}>${person.name}</option>`)}</select><${Icon} name="chevron" size=${14} /></span>`;
}

// Field draws one element that holds a value. suggest and upload are what its form can do.
export function Field({element, value, set, enter, id, label, suggest, upload}) {
  const common = {id, 'data-testid': `input-${element.action_id}`, 'aria-label': label, autofocus: element.focus_on_load};
  const given = {element, common, value, set};
  switch (element.type) {
    case 'static_select': return html`<${Options} ...${given} />`;
    case 'users_select': return html`<${People} ...${given} />`;
    case 'radio_buttons': return html`<${Choices} ...${given} />`;
    case 'checkboxes': case 'multi_static_select': return html`<${Choices} ...${given} several=${true} />`;
    case 'external_select': return html`<${Search} ...${given} suggest=${suggest} />`;
    case 'file_input': return html`<${Files} ...${given} upload=${upload} />`;
    case 'datepicker': case 'timepicker':
      return html`<input ...${common} class="when" type=${element.type === 'datepicker' ? 'date' : 'time'} value=${value}
        onChange=${(event) => set(event.target.value)} />`;
    case 'datetimepicker':
      return html`<input ...${common} class="when" type="datetime-local" value=${toLocal(value)}
        onChange=${(event) => set(toSeconds(event.target.value))} />`;
    case 'plain_text_input': case 'email_text_input': case 'url_text_input': case 'number_input': {
      const typed = {
        ...common, value: value ?? '', placeholder: element.placeholder?.text ?? '', maxlength: element.max_length ?? 3000,
        onInput: (event) => set(event.target.value),
      };
      return element.multiline ? html`<textarea ...${typed} rows="4"></textarea>` : html`<input ...${typed} type="text"
        inputmode=${element.type === 'number_input' ? 'decimal' : undefined}
        onKeyDown=${(event) => { if (enter && event.key === 'Enter') { event.preventDefault(); enter(); } }} />`;
    }
    default: return html`<span class="unknown">${element.type}</span>`;
  }
}
